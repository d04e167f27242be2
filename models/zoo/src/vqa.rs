//! The stand-ins for vision-language models in the cloud: a question and one to three views to a short answer.
//!
//! Every cell of every view is modulated by the question (after Perez et al. 2018, FiLM); heads that attend over all
//! cells read out what, gates that add up over all cells read out how many.

use anyhow::Result;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_quant::{DType, Graph, GraphError};
use trimtab_scenes::{CAMERAS, CANNOT_SEE, Prompt, Rng, Scene, Split, TaskKind, Topic, unknown_prompts, view_answers};

use crate::cells::{self, CellHead, SIDE};
use crate::corpus::{TEXT_CONTEXT, push_view, texts_tensor, views_tensor, vocabulary};
use crate::fit::{Budget, Rates, Run, batches, fit, training_device};
use crate::layers::{TextTower, Trunk, TrunkShape, parameter, write_linear};
use crate::weights::Weights;

/// The answer that stands for: no question about pictures, the language model replies.
pub const TEXT_ANSWER: &str = "<text>";
const HEADS: usize = 4;
const TEXT_INNER: usize = 128;
const GATES: usize = 8;
/// Scales summed gates to about one for each thing counted.
const GATE_SHARE: f64 = 0.1;
const QUESTIONS: usize = 5;
const SCENES: usize = 20;
const CELLS_WEIGHT: f32 = 0.5;
const RATES: Rates = Rates { learning: 2e-3, decay: 0.02 };
/// Weights that are already good are moved less.
const RATES_RESUMED: Rates = Rates { learning: 1e-3, decay: 0.01 };
/// Chance to draw again where the question is about the whole of a large thing: those are learnt first, and the
/// questions about single items are what is left.
const EASY_AGAIN: f32 = 0.6;

/// Which of the two stand-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// The dear one: 64×64 pictures.
    Good,
    /// The cheap one: 32×32 pictures and less than half of the widths, so small things escape it.
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
        match self {
            Self::Good => 64,
            Self::Cheap => 32,
        }
    }

    const fn trunk(self) -> TrunkShape {
        match self {
            Self::Good => TrunkShape { channels: &[24, 48, 96, 128], strides: &[2, 2, 2, 1] },
            Self::Cheap => TrunkShape { channels: &[16, 32, 48], strides: &[2, 2, 1] },
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

/// The network; `cells` serves training only.
#[derive(Module, Debug)]
pub struct Vqa {
    trunk: Trunk,
    text: TextTower,
    widen: Conv2d,
    /// `[width, 8, 8]`: where a cell is.
    places: Param<Tensor<3>>,
    gain: Linear,
    shift: Linear,
    mix: Linear,
    attention: Linear,
    gates: Linear,
    hidden: Linear,
    out: Linear,
    cells: CellHead,
    image_side: usize,
}

impl Vqa {
    /// With random weights.
    #[must_use]
    pub fn new(grade: Grade, device: &Device) -> Self {
        let (shape, width) = (grade.trunk(), grade.width());
        let channels = shape.channels[shape.channels.len() - 1];
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            trunk: Trunk::new(shape, device),
            text: TextTower::new(vocabulary().len(), TEXT_CONTEXT, TEXT_INNER, width, device),
            widen: Conv2dConfig::new([channels, width], [1, 1]).init(device),
            places: Initializer::Normal { mean: 0.0, std: 0.1 }.init([width, SIDE, SIDE], device),
            gain: linear(width, width),
            shift: linear(width, width),
            mix: linear(width, width),
            attention: linear(width, HEADS),
            gates: linear(width, GATES),
            hidden: linear(HEADS * width + GATES + width, 2 * width),
            out: linear(2 * width, answers().len()),
            cells: CellHead::new(channels, device),
            image_side: grade.image_side(),
        }
    }

    /// Goes on from a written graph of the same shape.
    ///
    /// # Errors
    /// When the graph has another shape.
    pub fn resume(&mut self, weights: &Weights, device: &Device) -> Result<()> {
        self.trunk.resume(weights, device)?;
        self.text.resume(weights, device)?;
        weights.put("widen.weight", &mut self.widen.weight, device)?;
        if let Some(bias) = &mut self.widen.bias {
            weights.put("widen.bias", bias, device)?;
        }
        weights.put("places", &mut self.places, device)?;
        let layers = [
            ("gain", &mut self.gain),
            ("shift", &mut self.shift),
            ("mix", &mut self.mix),
            ("attention", &mut self.attention),
            ("gates", &mut self.gates),
            ("hidden", &mut self.hidden),
            ("answers", &mut self.out),
        ];
        layers.into_iter().try_for_each(|(name, layer)| weights.put_linear(name, layer, device))
    }

    /// `features [s · n, c, 8, 8]` of `n` views of each of `s` scenes, `ids [s · q, t]` of `q` questions about each, to
    /// logits `[s · q, answers]`.
    fn answer(&self, features: Tensor<4>, scenes: usize, ids: Tensor<2, Int>) -> Tensor<2> {
        let [all, ..] = features.dims();
        let [questions, _] = ids.dims();
        let (n, q) = (all / scenes, questions / scenes);
        let asked = self.text.forward(ids);
        let [_, width] = asked.dims();
        let cells = self.widen.forward(features) + self.places.val().unsqueeze::<4>();
        let m = n * SIDE * SIDE;
        let cells = cells.permute([0, 2, 3, 1]).reshape([scenes, 1, m, width]);
        let spread = |x: Tensor<2>| x.reshape([scenes, q, 1, width]);
        let cells =
            relu(cells * (spread(self.gain.forward(asked.clone())) + 1.0) + spread(self.shift.forward(asked.clone())));
        let cells = relu(self.mix.forward(cells.reshape([questions, m, width])));
        let shares = softmax(self.attention.forward(cells.clone()), 1).swap_dims(1, 2);
        let read = shares.matmul(cells.clone()).reshape([questions, HEADS * width]);
        let counts = sigmoid(self.gates.forward(cells)).sum_dim(1).reshape([questions, GATES]) * GATE_SHARE;
        let hidden = relu(self.hidden.forward(Tensor::cat(vec![read, counts, asked], 1)));
        self.out.forward(hidden)
    }

    /// Logits of one question about the views of one scene.
    #[must_use]
    pub fn forward(&self, views: Tensor<4>, ids: Tensor<2, Int>) -> Tensor<2> {
        self.answer(self.trunk.forward(views), 1, ids)
    }

    fn loss(&self, batch: Batch, device: &Device) -> Tensor<1> {
        let features = self.trunk.forward(views_tensor(batch.pixels, self.image_side, device));
        let dense = self.cells.loss(features.clone(), &batch.cells);
        let logits =
            self.answer(features, SCENES, texts_tensor(batch.texts.iter().map(String::as_str), TEXT_CONTEXT, device));
        let count = batch.answers.len();
        let right: Tensor<2, Int> = Tensor::from_data(TensorData::new(batch.answers, [count, 1]), device);
        dense * CELLS_WEIGHT - log_softmax(logits, 1).gather(1, right).mean()
    }

    /// Writes the graph: `pixel_values [N, 3, n, n]` and `input_ids [1, T]` to `logits [1, answers]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write(&self) -> Result<Vec<u8>, GraphError> {
        let mut graph = Graph::new("vqa");
        let g = &mut graph;
        let side = self.image_side;
        g.input("pixel_values", DType::F32, &["N".into(), 3.into(), side.into(), side.into()]);
        g.input("input_ids", DType::I64, &[1.into(), "T".into()]);
        let asked = self.text.write(g, "input_ids");
        let features = self.trunk.write(g, "pixel_values");
        let (weight, shape) = parameter(&self.widen.weight);
        let width = shape[0] as i64;
        let w = g.int8_weight("widen.weight", &weight, &shape, 0);
        let bias = self.widen.bias.as_ref().map_or_else(|| vec![0.0; shape[0]], |b| parameter(b).0);
        let b = g.initializer_f32("widen.bias", &bias, &[shape[0]]);
        let cells = g.op("Conv", &[&features, &w, &b], &[("kernel_shape", [1, 1][..].into())]);
        let (places, shape) = parameter(&self.places);
        let places = g.initializer_f32("places", &places, &shape);
        let cells = g.op("Add", &[&cells, &places], &[]);
        let cells = g.op("Transpose", &[&cells], &[("perm", [0, 2, 3, 1][..].into())]);
        let flat = g.initializer_i64("cells_shape", &[1, -1, width], &[3]);
        let cells = g.op("Reshape", &[&cells, &flat], &[]);
        let one = g.initializer_f32("one", &[1.0], &[]);
        let gain = write_linear(g, "gain", &self.gain, &asked);
        let gain = g.op("Add", &[&gain, &one], &[]);
        let shift = write_linear(g, "shift", &self.shift, &asked);
        // [1, width] stretches over [1, cells, width].
        let cells = g.op("Mul", &[&cells, &gain], &[]);
        let cells = g.op("Add", &[&cells, &shift], &[]);
        let cells = g.op("Relu", &[&cells], &[]);
        let cells = write_linear(g, "mix", &self.mix, &cells);
        let cells = g.op("Relu", &[&cells], &[]);
        let scores = write_linear(g, "attention", &self.attention, &cells);
        let scores = g.op("Transpose", &[&scores], &[("perm", [0, 2, 1][..].into())]);
        let shares = g.op("Softmax", &[&scores], &[("axis", 2.into())]);
        let read = g.op("MatMul", &[&shares, &cells], &[]);
        let flat = g.initializer_i64("read_shape", &[1, HEADS as i64 * width], &[2]);
        let read = g.op("Reshape", &[&read, &flat], &[]);
        let gates = write_linear(g, "gates", &self.gates, &cells);
        let gates = g.op("Sigmoid", &[&gates], &[]);
        let axis = g.initializer_i64("cells_axis", &[1], &[1]);
        let counts = g.op("ReduceSum", &[&gates, &axis], &[("keepdims", 0.into())]);
        let share = g.initializer_f32("gate_share", &[GATE_SHARE as f32], &[]);
        let counts = g.op("Mul", &[&counts, &share], &[]);
        let all = g.op("Concat", &[&read, &counts, &asked], &[("axis", 1.into())]);
        let hidden = write_linear(g, "hidden", &self.hidden, &all);
        let hidden = g.op("Relu", &[&hidden], &[]);
        let logits = write_linear(g, "answers", &self.out, &hidden);
        g.node("Identity", &[&logits], &["logits"], &[]);
        g.output("logits", DType::F32, &[1.into(), answers().len().into()]);
        graph.to_bytes()
    }
}

struct Batch {
    pixels: Vec<f32>,
    cells: Vec<[i32; 2]>,
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

fn batch(grade: Grade, seed: u64, number: u64) -> Batch {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "vqa batch");
    let known = answers();
    let index = |answer: &str| known.iter().position(|a| a == answer).unwrap_or(known.len() - 1) as i32;
    let mut made = Batch { pixels: Vec::new(), cells: Vec::new(), texts: Vec::new(), answers: Vec::new() };
    let n = view_count(&mut rng);
    for _ in 0..SCENES {
        let scene = Scene::generate(rng.bits(), Split::Train);
        let mut cameras = [0, 1, 2];
        rng.shuffle(&mut cameras);
        for &camera in &cameras[..n] {
            push_view(&scene, camera, grade.image_side(), &mut made.pixels);
            made.cells.extend(cells::labels(scene.room(), &scene.visible(camera)));
        }
        for _ in 0..QUESTIONS {
            let draw = rng.unit();
            if draw < 0.02 {
                made.texts.push((*rng.pick(unknown_prompts(Split::Train))).to_owned());
                made.answers.push(index(TEXT_ANSWER));
                continue;
            }
            let kind = match draw {
                d if d < 0.06 => TaskKind::Assistive,
                d if d < 0.1 => TaskKind::Message,
                d if d < 0.75 => TaskKind::Query,
                _ => TaskKind::Recommendation,
            };
            let mut prompt = Prompt::generate(kind, &scene, Split::Train, &mut rng);
            if is_easy(prompt.topic) && rng.chance(EASY_AGAIN) {
                prompt = Prompt::generate(kind, &scene, Split::Train, &mut rng);
            }
            let answer = if prompt.needs_views {
                prompt.topic.answer(&scene, &cameras[..n]).unwrap_or_else(|| CANNOT_SEE.to_owned())
            } else {
                TEXT_ANSWER.to_owned()
            };
            made.answers.push(index(&answer));
            made.texts.push(prompt.text);
        }
    }
    made
}

/// Trains one of the stand-ins, from random weights or on from a written graph.
///
/// # Errors
/// When the graph has another shape than the stand-in.
pub fn train(grade: Grade, seed: u64, budget: Budget, from: Option<&Weights>) -> Result<(Vqa, Run)> {
    let device = training_device(seed);
    let source = batches(move |number| batch(grade, seed, number));
    let mut model = Vqa::new(grade, &device);
    let rates = if from.is_some() { RATES_RESUMED } else { RATES };
    if let Some(weights) = from {
        model.resume(weights, &device)?;
    }
    let (model, mut run) = fit(grade.name(), model, budget, rates, &source, |model, batch| model.loss(batch, &device));
    run.resumed = from.is_some();
    Ok((model.valid(), run))
}
