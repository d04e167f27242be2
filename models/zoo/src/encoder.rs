//! The dual encoder: views and texts in one space, trained on which view shows what a text asks for.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_sigmoid, log_softmax, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_engine::Calibration;
use trimtab_quant::{DType, Graph, GraphError};
use trimtab_scenes::{
    CAMERAS, Conversation, Prompt, Rng, Scene, Sighting, Split, TaskKind, Topic, captions, swapped_caption,
    unknown_prompts,
};

use crate::cells::{self, CellHead};
use crate::corpus::{TEXT_CONTEXT, push_view, texts_tensor, views_tensor, vocabulary};
use crate::fit::{Budget, Rates, Run, batches, fit, training_device};
use crate::layers::{TextTower, Trunk, TrunkShape, numbers, unit, write_linear, write_unit};

/// Side of the pictures that the encoder sees.
pub const IMAGE_SIDE: usize = 64;
/// Numbers in an embedding.
pub const WIDTH: usize = 64;
const TRUNK: TrunkShape = TrunkShape { channels: &[24, 48, 96, 128], strides: &[2, 2, 2, 1] };
const HIDDEN: usize = 192;
const TEXT_INNER: usize = 96;
const SCENES: usize = 24;
/// Queries about each scene: they ask for most kinds of things, so most is learnt from them.
const QUERIES: usize = 4;
/// The four task kinds and, in training only, prompts like none of them.
const TASKS: usize = 5;
const UNKNOWN: i32 = 4;
/// A text's own three views weigh more than those of other scenes: choosing among them is what the device does.
const OWN_WEIGHT: f32 = 8.0;
const CELLS_WEIGHT: f32 = 0.5;
const TASK_WEIGHT: f32 = 0.2;
const TASK_SHARPNESS: f32 = 10.0;
const RATES: Rates = Rates { learning: 2e-3, decay: 0.02 };

/// The two towers; `scale`, `bias`, `cells` and `tasks` serve training only.
#[derive(Module, Debug)]
pub struct DualEncoder {
    trunk: Trunk,
    hidden: Linear,
    out: Linear,
    text: TextTower,
    scale: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    cells: CellHead,
    tasks: Linear,
}

impl DualEncoder {
    /// With random weights.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let channels = TRUNK.channels[TRUNK.channels.len() - 1];
        let constant = |value: f64| Initializer::Constant { value }.init([1], device);
        Self {
            trunk: Trunk::new(TRUNK, device),
            hidden: LinearConfig::new(2 * channels, HIDDEN).init(device),
            out: LinearConfig::new(HIDDEN, WIDTH).init(device),
            text: TextTower::new(vocabulary().len(), TEXT_CONTEXT, TEXT_INNER, WIDTH, device),
            scale: constant(10.0),
            bias: constant(-5.0),
            cells: CellHead::new(channels, device),
            tasks: LinearConfig::new(WIDTH, TASKS).init(device),
        }
    }

    fn pool(&self, features: Tensor<4>) -> Tensor<2> {
        let [b, c, h, w] = features.dims();
        let flat = features.reshape([b, c, h * w]);
        let both = Tensor::cat(vec![flat.clone().mean_dim(2), flat.max_dim(2)], 1).reshape([b, 2 * c]);
        unit(self.out.forward(relu(self.hidden.forward(both))))
    }

    /// `[b, 3, 64, 64]` to unit embeddings `[b, WIDTH]`.
    #[must_use]
    pub fn embed_views(&self, views: Tensor<4>) -> Tensor<2> {
        self.pool(self.trunk.forward(views))
    }

    /// `[b, t]` to unit embeddings `[b, WIDTH]`.
    #[must_use]
    pub fn embed_texts(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        unit(self.text.forward(ids))
    }

    fn loss(&self, batch: Batch, device: &Device) -> Tensor<1> {
        let views = batch.cells.len() / (cells::SIDE * cells::SIDE);
        let texts = batch.texts.len();
        let features = self.trunk.forward(views_tensor(batch.pixels, IMAGE_SIDE, device));
        let dense = self.cells.loss(features.clone(), &batch.cells);
        let seen = self.pool(features);
        let said = self.embed_texts(texts_tensor(batch.texts.iter().map(String::as_str), TEXT_CONTEXT, device));

        let logits = said.clone().matmul(seen.transpose()) * self.scale.val().unsqueeze::<2>()
            + self.bias.val().unsqueeze::<2>();
        let sign: Tensor<2> = Tensor::from_data(TensorData::new(batch.signs, [texts, views]), device);
        let weight: Tensor<2> = Tensor::from_data(TensorData::new(batch.weights, [texts, views]), device);
        let total = weight.clone().sum();
        let association = -(log_sigmoid(logits * sign) * weight).sum() / total;

        let rows: Vec<i32> = (0..texts as i32).filter(|&i| batch.tasks[i as usize] >= 0).collect();
        let labels: Vec<i32> = batch.tasks.iter().copied().filter(|&t| t >= 0).collect();
        let count = rows.len();
        let rows: Tensor<1, Int> = Tensor::from_data(TensorData::new(rows, [count]), device);
        let labels: Tensor<2, Int> = Tensor::from_data(TensorData::new(labels, [count, 1]), device);
        let tasks = log_softmax(self.tasks.forward(said.select(0, rows) * TASK_SHARPNESS), 1).gather(1, labels);
        association * 4.0 + dense * CELLS_WEIGHT - tasks.mean() * TASK_WEIGHT
    }

    /// Writes the image tower: `pixel_values [B, 3, 64, 64]` to `image_embeds [B, WIDTH]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write_vision(&self) -> Result<Vec<u8>, GraphError> {
        let mut g = Graph::new("vision");
        g.input("pixel_values", DType::F32, &["B".into(), 3.into(), IMAGE_SIDE.into(), IMAGE_SIDE.into()]);
        let x = self.trunk.write(&mut g, "pixel_values");
        let pooled = |g: &mut Graph, op: &str| g.op(op, &[&x], &[("axes", [2, 3][..].into()), ("keepdims", 0.into())]);
        let mean = pooled(&mut g, "ReduceMean");
        let peak = pooled(&mut g, "ReduceMax");
        let both = g.op("Concat", &[&mean, &peak], &[("axis", 1.into())]);
        let hidden = write_linear(&mut g, "hidden", &self.hidden, &both);
        let hidden = g.op("Relu", &[&hidden], &[]);
        let out = write_linear(&mut g, "out", &self.out, &hidden);
        write_unit(&mut g, &out, "image_embeds");
        g.output("image_embeds", DType::F32, &["B".into(), WIDTH.into()]);
        g.to_bytes()
    }

    /// Writes the text tower: `input_ids [B, T]` without padding to `text_embeds [B, WIDTH]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write_text(&self) -> Result<Vec<u8>, GraphError> {
        let mut g = Graph::new("text");
        g.input("input_ids", DType::I64, &["B".into(), "T".into()]);
        let out = self.text.write(&mut g, "input_ids");
        write_unit(&mut g, &out, "text_embeds");
        g.output("text_embeds", DType::F32, &["B".into(), WIDTH.into()]);
        g.to_bytes()
    }
}

struct Batch {
    pixels: Vec<f32>,
    cells: Vec<[i32; 2]>,
    texts: Vec<String>,
    /// +1 where the view shows what the text asks for, −1 elsewhere; `[texts, views]`.
    signs: Vec<f32>,
    weights: Vec<f32>,
    /// Task kind, [`UNKNOWN`], or −1 for captions, which are no prompts.
    tasks: Vec<i32>,
}

type Shown = Box<dyn Fn(&[Sighting]) -> bool>;

/// The texts of one scene: what each says, its task, and which views show it.
fn texts_of(scene: &Scene, rng: &mut Rng) -> Vec<(String, i32, Shown)> {
    let mut texts: Vec<(String, i32, Shown)> = Vec::new();
    let mut prompt = |kind: TaskKind, rng: &mut Rng| {
        let Prompt { text, topic, kind, .. } = Prompt::generate(kind, scene, Split::Train, rng);
        texts.push((text, kind.index() as i32, Box::new(move |s| topic.shown_in(s))));
    };
    for _ in 0..QUERIES {
        prompt(TaskKind::Query, rng);
    }
    prompt(TaskKind::Recommendation, rng);
    prompt(if rng.chance(0.5) { TaskKind::Assistive } else { TaskKind::Message }, rng);
    if rng.chance(0.5) {
        let text = scrambled((*rng.pick(unknown_prompts(Split::Train))).to_owned(), rng);
        texts.push((text, UNKNOWN, Box::new(|s| Topic::Nothing.shown_in(s))));
    }
    let seen: Vec<Sighting> = (0..CAMERAS).flat_map(|c| scene.visible(c)).collect();
    let all = captions(&seen, rng);
    if !all.is_empty() {
        let caption = rng.pick(&all).clone();
        if let Some(wrong) = swapped_caption(&caption, rng) {
            let text = wrong.text.clone();
            texts.push((text, -1, Box::new(move |s| wrong.shown_in(s))));
        }
        texts.push((caption.text.clone(), -1, Box::new(move |s| caption.shown_in(s))));
    }
    texts
}

/// Half the time the words in another order, some gone: what is unknown is wider than any list.
fn scrambled(text: String, rng: &mut Rng) -> String {
    if rng.chance(0.5) {
        return text;
    }
    let mut words: Vec<&str> = text.split(' ').collect();
    rng.shuffle(&mut words);
    words.truncate(2 + rng.below(words.len()));
    words.join(" ")
}

fn batch(seed: u64, number: u64) -> Batch {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "encoder batch");
    let scenes: Vec<Scene> = (0..SCENES).map(|_| Scene::generate(rng.bits(), Split::Train)).collect();
    let mut made = Batch {
        pixels: Vec::new(),
        cells: Vec::new(),
        texts: Vec::new(),
        signs: Vec::new(),
        weights: Vec::new(),
        tasks: Vec::new(),
    };
    let mut views = Vec::new();
    for scene in &scenes {
        for camera in 0..CAMERAS {
            push_view(scene, camera, IMAGE_SIDE, &mut made.pixels);
            let sightings = scene.visible(camera);
            made.cells.extend(cells::labels(scene.room(), &sightings));
            views.push(sightings);
        }
    }
    for (owner, scene) in scenes.iter().enumerate() {
        for (text, task, shown) in texts_of(scene, &mut rng) {
            for (view, sightings) in views.iter().enumerate() {
                made.signs.push(if shown(sightings) { 1.0 } else { -1.0 });
                made.weights.push(if view / CAMERAS == owner { OWN_WEIGHT } else { 1.0 });
            }
            made.texts.push(text);
            made.tasks.push(task);
        }
    }
    made
}

/// Trains the two towers.
#[must_use]
pub fn train(seed: u64, budget: Budget) -> (DualEncoder, Run) {
    let device = training_device(seed);
    let source = batches(move |number| batch(seed, number));
    let (model, run) =
        fit("encoder", DualEncoder::new(&device), budget, RATES, &source, |model, batch| model.loss(batch, &device));
    (model.valid(), run)
}

const CALIBRATION_TURNS: usize = 1200;

/// Scale and bias that turn a cosine into the probability that the view shows what the prompt asks: a logistic
/// regression on training scenes that the towers were not fitted to.
#[must_use]
pub fn calibrate(model: &DualEncoder, seed: u64) -> Calibration {
    let device = Device::flex();
    let turns = Conversation::generate(seed ^ 0xca11, Split::Train, CALIBRATION_TURNS).turns;
    let mut pairs: Vec<(f32, f32)> = Vec::new();
    for chunk in turns.chunks(SCENES) {
        let mut pixels = Vec::new();
        for turn in chunk {
            (0..CAMERAS).for_each(|camera| push_view(&turn.scene, camera, IMAGE_SIDE, &mut pixels));
        }
        let seen = numbers(model.embed_views(views_tensor(pixels, IMAGE_SIDE, &device)));
        let said = numbers(model.embed_texts(texts_tensor(
            chunk.iter().map(|t| t.prompt.text.as_str()),
            TEXT_CONTEXT,
            &device,
        )));
        for (i, turn) in chunk.iter().enumerate() {
            for camera in 0..CAMERAS {
                let view = &seen[(i * CAMERAS + camera) * WIDTH..][..WIDTH];
                let cosine: f32 = said[i * WIDTH..][..WIDTH].iter().zip(view).map(|(a, b)| a * b).sum();
                pairs.push((cosine, f32::from(u8::from(turn.prompt.relevant(&turn.scene, camera)))));
            }
        }
    }
    Calibration::fit(&pairs)
}
