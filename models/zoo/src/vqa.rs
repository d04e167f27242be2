//! The stand-ins for vision-language models in the cloud: a question and one to three views to a short answer.
//!
//! The question becomes queries. Heads attend over all cells of all views and read what stands where they match, with the
//! strength of the best match; gates add up over all cells how many match.

use anyhow::Result;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_quant::{DType, Graph, GraphError};
use trimtab_scenes::{CAMERAS, CANNOT_SEE, Prompt, Rng, Scene, Split, TaskKind, Topic, unknown_prompts, view_answers};

use crate::cells::{self, CLASSES, GROUPS, Named};
use crate::corpus::{TEXT_CONTEXT, texts_tensor, vocabulary};
use crate::eye::{self, Channels, Eye, EyeShape, push_patches};
use crate::fit::{Budget, Rates, Run, batches, fit_watched, training_device};
use crate::layers::{Precision, TextTower, numbers, parameter, write_linear};
use crate::scenery::Scenery;
use crate::weights::Weights;

/// The answer that stands for: no question about pictures, the language model replies.
pub const TEXT_ANSWER: &str = "<text>";
const HEADS: usize = 4;
const GATES: usize = 4;
/// Numbers of a query, and of the key of a cell.
const KEY: usize = 64;
const KEY_SCALE: f64 = 0.125;
/// Numbers that a head reads from a cell beside its classes.
const VALUE: usize = 32;
const TEXT_INNER: usize = 128;
/// Scales summed gates to about one for each thing counted.
const GATE_SHARE: f64 = 0.1;
const QUESTIONS: usize = 10;
const SCENES: usize = 12;
const CELLS_WEIGHT: f32 = 0.5;
const RATES: Rates = Rates { learning: 2e-3, decay: 0.02 };
/// Chance to draw again where the question is about the whole of a large thing: those are learnt first, and the
/// questions about single items are what is left.
const EASY_AGAIN: f32 = 0.6;

/// Which of the two stand-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// The dear one.
    Good,
    /// The cheap one: smaller pictures and less than half of the widths, so small things escape it.
    Cheap,
}

impl Grade {
    /// The folder's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "vlm-good",
            Self::Cheap => "vlm-cheap",
        }
    }

    /// Side of the pictures it sees.
    #[must_use]
    pub const fn image_side(self) -> usize {
        self.eye().image_side
    }

    const fn eye(self) -> EyeShape {
        match self {
            Self::Good => eye::SHARED,
            Self::Cheap => EyeShape { image_side: 48, widths: [32, 24, 32, 48] },
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Good => 128,
            Self::Cheap => 48,
        }
    }
}

/// Every answer, in the order of the logits.
#[must_use]
pub fn answers() -> Vec<String> {
    view_answers().into_iter().chain([TEXT_ANSWER.to_owned()]).collect()
}

/// The network.
#[derive(Module, Debug)]
pub struct Vqa {
    eye: Eye,
    text: TextTower,
    ask: Linear,
    key_features: Linear,
    key_names: Linear,
    /// `[m, KEY]`: where a cell is.
    places: Param<Tensor<2>>,
    values: Linear,
    /// What is read times what was asked.
    read: Linear,
    choose: Linear,
    hidden: Linear,
    out: Linear,
}

/// What a question reads from the cells of its views.
struct Cells {
    /// `[scenes, m, KEY]`
    keys: Tensor<3>,
    /// `[scenes, m, CLASSES + VALUE]`
    values: Tensor<3>,
}

impl Vqa {
    /// With random weights.
    #[must_use]
    pub fn new(grade: Grade, device: &Device) -> Self {
        let (shape, width) = (grade.eye(), grade.width());
        let channels = shape.channels();
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        let read = HEADS * (CLASSES + VALUE);
        let seen = read + HEADS + GATES + CLASSES;
        Self {
            eye: Eye::new(shape, device),
            text: TextTower::new(vocabulary().len(), TEXT_CONTEXT, TEXT_INNER, width, device),
            ask: linear(width, (HEADS + GATES) * KEY),
            key_features: linear(channels, KEY),
            key_names: linear(CLASSES, KEY),
            places: Initializer::Normal { mean: 0.0, std: 0.1 }.init([shape.cells() * shape.cells(), KEY], device),
            values: linear(channels, VALUE),
            read: linear(read + CLASSES, 2 * width),
            choose: linear(width, 2 * width),
            hidden: linear(seen + width, 2 * width),
            out: linear(4 * width, answers().len()),
        }
    }

    fn cells(&self, features: Tensor<3>, logits: &Tensor<3>, scenes: usize) -> Cells {
        let [b, m, channels] = features.dims();
        let Named { things, colours, places } = cells::named(logits);
        let names = Tensor::cat(vec![things, colours, places], 2);
        let flat = features.reshape([b * m, channels]);
        let keys =
            self.key_features.forward(flat.clone()) + self.key_names.forward(names.clone().reshape([b * m, CLASSES]));
        let keys = keys.reshape([b, m, KEY]) + self.places.val().unsqueeze::<3>();
        let values = Tensor::cat(vec![names, self.values.forward(flat).reshape([b, m, VALUE])], 2);
        let all = b / scenes * m;
        Cells { keys: keys.reshape([scenes, all, KEY]), values: values.reshape([scenes, all, CLASSES + VALUE]) }
    }

    /// `ids [scenes · q, t]` of `q` questions about the cells of each scene, to logits `[scenes · q, answers]`.
    fn answer(&self, cells: Cells, ids: Tensor<2, Int>) -> Tensor<2> {
        let Cells { keys, values } = cells;
        let [scenes, m, _] = keys.dims();
        let [questions, _] = ids.dims();
        let q = questions / scenes;
        let asked = self.text.forward(ids);
        let queries = self.ask.forward(asked.clone()).reshape([scenes, q * (HEADS + GATES), KEY]);
        let scores = queries.matmul(keys.swap_dims(1, 2)) * KEY_SCALE;
        let scores = scores.reshape([questions, HEADS + GATES, m]);
        let attention = scores.clone().slice([0..questions, 0..HEADS, 0..m]);
        let peaks = attention.clone().max_dim(2).reshape([questions, HEADS]);
        let shares = softmax(attention, 2).reshape([scenes, q * HEADS, m]);
        let read = shares.matmul(values.clone()).reshape([questions, HEADS * (CLASSES + VALUE)]);
        let gates = sigmoid(scores.slice([0..questions, HEADS..HEADS + GATES, 0..m]));
        let counts = gates.sum_dim(2).reshape([questions, GATES]) * GATE_SHARE;
        let mean = values.slice([0..scenes, 0..m, 0..CLASSES]).mean_dim(1).expand([scenes, q, CLASSES]);
        let mean = mean.reshape([questions, CLASSES]);
        let read = Tensor::cat(vec![read, mean], 1);
        let chosen = self.read.forward(read.clone()) * self.choose.forward(asked.clone());
        let hidden = relu(self.hidden.forward(Tensor::cat(vec![read, peaks, counts, asked], 1)));
        self.out.forward(Tensor::cat(vec![chosen, hidden], 1))
    }

    /// Logits of one question about the views of one scene, given as their patches.
    #[must_use]
    pub fn forward(&self, patches: Vec<f32>, ids: Tensor<2, Int>) -> Tensor<2> {
        let features = self.eye.features(patches, &ids.device());
        let named = self.eye.name(features.clone());
        self.answer(self.cells(features, &named, 1), ids)
    }

    fn loss(&self, batch: Batch, device: &Device) -> Tensor<1> {
        let features = self.eye.features(batch.patches, device);
        let named = self.eye.name(features.clone());
        let dense = (!self.eye.is_fixed()).then(|| cells::loss(&named, &batch.cells) * CELLS_WEIGHT);
        let ids = texts_tensor(batch.texts.iter().map(String::as_str), TEXT_CONTEXT, device);
        let logits = self.answer(self.cells(features, &named, batch.scenes), ids);
        let count = batch.answers.len();
        let right: Tensor<2, Int> = Tensor::from_data(TensorData::new(batch.answers, [count, 1]), device);
        let surprise = -log_softmax(logits, 1).gather(1, right).mean();
        dense.map_or(surprise.clone(), |dense| surprise + dense)
    }

    /// Writes the graph: `pixel_values [N, 3, n, n]` and `input_ids [1, T]` to `logits [1, answers]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write(&self, weights: Precision) -> Result<Vec<u8>, GraphError> {
        let mut graph = weights.graph("vqa");
        let g = &mut graph;
        let side = self.eye.image_side();
        g.input("pixel_values", DType::F32, &["N".into(), 3.into(), side.into(), side.into()]);
        g.input("input_ids", DType::I64, &[1.into(), "T".into()]);
        let asked = self.text.write(g, "input_ids");
        let (features, named) = self.eye.write(g, "pixel_values");
        let names = g.op("Concat", &[&named[0], &named[1], &named[2]], &[("axis", 2.into())]);
        let by_features = write_linear(g, "key_features", &self.key_features, &features);
        let by_names = write_linear(g, "key_names", &self.key_names, &names);
        let keys = g.op("Add", &[&by_features, &by_names], &[]);
        let (places, shape) = parameter(&self.places);
        let places = g.initializer_f32("places", &places, &shape);
        let keys = g.op("Add", &[&keys, &places], &[]);
        let values = write_linear(g, "values", &self.values, &features);
        let values = g.op("Concat", &[&names, &values], &[("axis", 2.into())]);
        let flat = |g: &mut Graph, name: &str, x: &str, shape: [i64; 2]| {
            let shape = g.initializer_i64(name, &shape, &[2]);
            g.op("Reshape", &[x, &shape], &[])
        };
        let keys = flat(g, "keys_shape", &keys, [-1, KEY as i64]);
        let values = flat(g, "values_shape", &values, [-1, (CLASSES + VALUE) as i64]);
        let queries = write_linear(g, "ask", &self.ask, &asked);
        let queries = flat(g, "queries_shape", &queries, [(HEADS + GATES) as i64, KEY as i64]);
        let keys = g.op("Transpose", &[&keys], &[("perm", [1, 0][..].into())]);
        let scores = g.op("MatMul", &[&queries, &keys], &[]);
        let scale = g.initializer_f32("key_scale", &[KEY_SCALE as f32], &[]);
        let scores = g.op("Mul", &[&scores, &scale], &[]);
        let [zero, heads, all] = [("zero", 0), ("heads", HEADS), ("all", HEADS + GATES)]
            .map(|(name, at)| g.initializer_i64(name, &[at as i64], &[1]));
        let one = g.initializer_i64("one", &[1], &[1]);
        let attention = g.op("Slice", &[&scores, &zero, &heads, &zero], &[]);
        let gates = g.op("Slice", &[&scores, &heads, &all, &zero], &[]);
        let peaks = g.op("ReduceMax", &[&attention], &[("axes", [1][..].into()), ("keepdims", 0.into())]);
        let peaks = flat(g, "peaks_shape", &peaks, [1, HEADS as i64]);
        let shares = g.op("Softmax", &[&attention], &[("axis", 1.into())]);
        let read = g.op("MatMul", &[&shares, &values], &[]);
        let read = flat(g, "read_shape", &read, [1, (HEADS * (CLASSES + VALUE)) as i64]);
        let gates = g.op("Sigmoid", &[&gates], &[]);
        let counts = g.op("ReduceSum", &[&gates, &one], &[("keepdims", 0.into())]);
        let share = g.initializer_f32("gate_share", &[GATE_SHARE as f32], &[]);
        let counts = g.op("Mul", &[&counts, &share], &[]);
        let counts = flat(g, "counts_shape", &counts, [1, GATES as i64]);
        let classes = g.initializer_i64("classes", &[CLASSES as i64], &[1]);
        let mean = g.op("Slice", &[&values, &zero, &classes, &one], &[]);
        let mean = g.op("ReduceMean", &[&mean], &[("axes", [0][..].into()), ("keepdims", 1.into())]);
        let read = g.op("Concat", &[&read, &mean], &[("axis", 1.into())]);
        let left = write_linear(g, "read", &self.read, &read);
        let right = write_linear(g, "choose", &self.choose, &asked);
        let chosen = g.op("Mul", &[&left, &right], &[]);
        let all = g.op("Concat", &[&read, &peaks, &counts, &asked], &[("axis", 1.into())]);
        let hidden = write_linear(g, "hidden", &self.hidden, &all);
        let hidden = g.op("Relu", &[&hidden], &[]);
        let all = g.op("Concat", &[&chosen, &hidden], &[("axis", 1.into())]);
        let logits = write_linear(g, "answers", &self.out, &all);
        g.node("Identity", &[&logits], &["logits"], &[]);
        g.output("logits", DType::F32, &[1.into(), answers().len().into()]);
        graph.to_bytes()
    }
}

struct Batch {
    scenes: usize,
    patches: Vec<f32>,
    cells: Vec<[i32; GROUPS]>,
    texts: Vec<String>,
    answers: Vec<i32>,
}

/// Half of the batches show all views: that is where counting is learnt.
fn view_count(rng: &mut Rng) -> usize {
    match rng.below(4) {
        0 => 1,
        1 => 2,
        _ => CAMERAS,
    }
}

fn is_easy(topic: Topic) -> bool {
    use Topic::{AdviseDoor, AdviseLamp, AdviseStove, CatAnywhere, DoorState, LampState, StoveState};
    matches!(topic, LampState | StoveState | DoorState | AdviseLamp | AdviseStove | AdviseDoor | CatAnywhere)
}

/// What is asked about a scene and what is right to say when only some of its views are there.
fn question(scene: &Scene, split: Split, cameras: &[usize], rng: &mut Rng) -> (String, String) {
    let draw = rng.unit();
    if draw < 0.02 {
        return ((*rng.pick(unknown_prompts(split))).to_owned(), TEXT_ANSWER.to_owned());
    }
    let kind = match draw {
        d if d < 0.06 => TaskKind::Assistive,
        d if d < 0.1 => TaskKind::Message,
        d if d < 0.75 => TaskKind::Query,
        _ => TaskKind::Recommendation,
    };
    let mut prompt = Prompt::generate(kind, scene, split, rng);
    if is_easy(prompt.topic) && rng.chance(EASY_AGAIN) {
        prompt = Prompt::generate(kind, scene, split, rng);
    }
    let answer = if prompt.needs_views {
        prompt.topic.answer(scene, cameras).unwrap_or_else(|| CANNOT_SEE.to_owned())
    } else {
        TEXT_ANSWER.to_owned()
    };
    (prompt.text, answer)
}

fn batch(grade: Grade, scenery: &Scenery, seed: u64, number: u64) -> Batch {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "vqa batch");
    let known = answers();
    let index = |answer: &str| known.iter().position(|a| a == answer).unwrap_or(known.len() - 1) as i32;
    let mut made =
        Batch { scenes: SCENES, patches: Vec::new(), cells: Vec::new(), texts: Vec::new(), answers: Vec::new() };
    let n = view_count(&mut rng);
    scenery.visit(SCENES, &mut rng, |shots, rng| {
        for shot in shots {
            let mut cameras = [0, 1, 2];
            rng.shuffle(&mut cameras);
            for &camera in &cameras[..n] {
                shot.push_patches(camera, Channels::PLAIN, &mut made.patches);
                made.cells.extend(cells::labels(shot.scene.room(), &shot.visible[camera], grade.eye().cells()));
            }
            for _ in 0..QUESTIONS {
                let (text, answer) = question(&shot.scene, Split::Train, &cameras[..n], rng);
                made.answers.push(index(&answer));
                made.texts.push(text);
            }
        }
    });
    made
}

/// Scenes that a network in training is tried on now and then.
const WATCHED_SCENES: usize = 100;
const WATCHED_SEED: u64 = 0x0bad_5eed;

/// How many of the questions about held-out scenes the network gets right, with all views: shown while it trains, so that
/// a run that goes wrong is seen early.
fn watch(model: &Vqa, grade: Grade) -> String {
    let mut rng = Rng::for_purpose(WATCHED_SEED, "watch vqa");
    let known = answers();
    let (mut right, mut of) = ([0; 2], [0; 2]);
    for _ in 0..WATCHED_SCENES {
        let scene = Scene::generate(rng.bits(), Split::HeldOut);
        let mut patches = Vec::new();
        (0..CAMERAS).for_each(|camera| push_patches(&scene, camera, grade.image_side(), &mut patches));
        let cameras: Vec<usize> = (0..CAMERAS).collect();
        let prompts: Vec<Prompt> = [TaskKind::Query, TaskKind::Query, TaskKind::Query, TaskKind::Recommendation]
            .map(|kind| Prompt::generate(kind, &scene, Split::HeldOut, &mut rng))
            .into();
        let ids = texts_tensor(prompts.iter().map(|p| p.text.as_str()), TEXT_CONTEXT, &Device::flex());
        let logits = numbers(model.forward(patches, ids));
        for (prompt, logits) in prompts.iter().zip(logits.chunks(known.len())) {
            let best = (0..known.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
            let kind = usize::from(prompt.kind == TaskKind::Recommendation);
            right[kind] += usize::from(prompt.topic.answer(&scene, &cameras).as_ref() == Some(&known[best]));
            of[kind] += 1;
        }
    }
    let eye = model.eye.watch();
    format!("held-out queries {}/{}, recommendations {}/{}; {eye}", right[0], of[0], right[1], of[1])
}

/// Trains one of the stand-ins, with an eye that has learnt to see elsewhere when `eye` is given.
///
/// # Errors
/// When `eye` holds no eye of this shape.
pub fn train(grade: Grade, seed: u64, budget: Budget, eye: Option<&Weights>) -> Result<(Vqa, Run)> {
    let device = training_device(seed);
    let scenery = Scenery::new(grade.image_side());
    let source = batches(move |number| batch(grade, &scenery, seed, number));
    let mut model = Vqa::new(grade, &device);
    if let Some(weights) = eye {
        model.eye.take(weights, &device)?;
    }
    let look = |model: &Vqa| watch(model, grade);
    let (model, run) =
        fit_watched(grade.name(), model, budget, RATES, &source, |model, batch| model.loss(batch, &device), look);
    Ok((model.valid(), run))
}
