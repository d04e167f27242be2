//! The dual encoder: views and texts in one space, trained on which view shows what a text asks for.

use anyhow::Result;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_sigmoid, log_softmax, relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_engine::Calibration;
use trimtab_quant::{DType, Graph, GraphError};
use trimtab_scenes::{
    CAMERAS, Caption, Colour, Conversation, Kind, Place, Prompt, Rng, Scene, Sighting, Split, TaskKind, Thing, Topic,
    captions, swapped_caption,
};

use crate::cells::{self, COLOURS, GROUPS, Named, PLACES, THINGS};
use crate::corpus::{TEXT_CONTEXT, texts_tensor, vocabulary};
use crate::eye::{Channels, Eye, SHARED as EYE, push_patches};
use crate::fit::{Budget, Rates, Run, batches, fit_watched, training_device};
use crate::layers::{Precision, TextTower, numbers, parameter, unit, write_linear, write_unit};
use crate::scenery::{Scenery, Shot};
use crate::strange;
use crate::weights::Weights;

/// Side of the pictures that the encoder sees.
pub const IMAGE_SIDE: usize = EYE.image_side;
/// Numbers in an embedding.
pub const WIDTH: usize = 256;
const HIDDEN: usize = 192;
const TEXT_INNER: usize = 96;
const SCENES: usize = 24;
/// Queries about each scene: they ask for most kinds of things, so most is learnt from them.
const QUERIES: usize = 4;
/// Captions of each scene that are shown beside a wrong one.
const CAPTIONS: usize = 3;
/// The four task kinds and, in training only, prompts like none of them.
const TASKS: usize = 5;
const UNKNOWN: i32 = 4;
/// What a thing is bound with: itself alone, a colour, a place.
const BONDS: usize = 1 + Colour::ALL.len() + Place::ALL.len();
const ALONE: usize = 0;
/// Of a text's summary beside what it binds.
const SUMMARY_SHARE: f64 = 0.3;
/// A text's own three views weigh more than those of other scenes: choosing among them is what the device does.
const OWN_WEIGHT: f32 = 8.0;
const CELLS_WEIGHT: f32 = 0.5;
const SUBJECTS_WEIGHT: f32 = 0.1;
const TASK_WEIGHT: f32 = 0.4;
const TASK_SHARPNESS: f32 = 10.0;
const RATES: Rates = Rates { learning: 2e-3, decay: 0.02 };
/// Logits are `exp(LOUDNESS · scale) · cosine + bias`.
const LOUDNESS: f64 = 4.0;

/// The two towers; `scale`, `bias` and `tasks` serve training only.
///
/// A view is the sum over what it shows of thing times bond, number by number (binding by product, after Gayler 1998),
/// beside a summary of its cells; a text is made from the same two tables. So a colour is bound to the thing that has it,
/// and a pair never seen in training still has a direction of its own.
#[derive(Module, Debug)]
pub struct DualEncoder {
    eye: Eye,
    /// `[THINGS, WIDTH]`
    things: Param<Tensor<2>>,
    /// `[BONDS, WIDTH]`
    bonds: Param<Tensor<2>>,
    hidden: Linear,
    out: Linear,
    text: TextTower,
    scale: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    tasks: Linear,
}

impl DualEncoder {
    /// With random weights.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let constant = |value: f64| Initializer::Constant { value }.init([1], device);
        let summary = 2 * EYE.channels() + THINGS + COLOURS + PLACES;
        let code = Initializer::Normal { mean: 0.0, std: 0.5 };
        Self {
            eye: Eye::new(EYE, device),
            things: code.init([THINGS, WIDTH], device),
            bonds: code.init([BONDS, WIDTH], device),
            hidden: LinearConfig::new(summary, HIDDEN).init(device),
            out: LinearConfig::new(HIDDEN, WIDTH).init(device),
            text: TextTower::new(vocabulary().len(), TEXT_CONTEXT, TEXT_INNER, THINGS + BONDS + WIDTH, device),
            scale: constant(16.0_f64.ln() / LOUDNESS),
            bias: constant(-5.0),
            tasks: LinearConfig::new(WIDTH, TASKS).init(device),
        }
    }

    fn pool(&self, features: &Tensor<3>, named: Named) -> Tensor<2> {
        let [b, m, c] = features.dims();
        let Named { things, colours, places } = named;
        let seen = |x: &Tensor<3>| {
            let [b, _, n] = x.dims();
            x.clone().max_dim(1).reshape([b, n])
        };
        let summary = Tensor::cat(
            vec![
                features.clone().mean_dim(1).reshape([b, c]),
                features.clone().max_dim(1).reshape([b, c]),
                seen(&things),
                seen(&colours),
                seen(&places),
            ],
            1,
        );
        let summary = self.out.forward(relu(self.hidden.forward(summary)));
        let alone: Tensor<3> = Tensor::ones([b, m, 1], &features.device());
        let some = |x: Tensor<3>, classes: usize| x.slice([0..b, 0..m, 1..classes]);
        let bonds = Tensor::cat(vec![alone, some(colours, COLOURS), some(places, PLACES)], 2);
        // How surely a thing with a bond is somewhere, its cells taken as independent witnesses.
        let present = (-bonds.swap_dims(1, 2).matmul(things)).exp().neg() + 1.0;
        let codes = present.reshape([b * BONDS, THINGS]).matmul(self.things.val()).reshape([b, BONDS, WIDTH]);
        let bound = (codes * self.bonds.val().unsqueeze::<3>()).sum_dim(1).reshape([b, WIDTH]);
        unit(summary + bound)
    }

    fn see(&self, patches: Vec<f32>, device: &Device) -> (Tensor<2>, Tensor<3>) {
        let features = self.eye.features(patches, device);
        let logits = self.eye.name(features.clone());
        (self.pool(&features, cells::named(&logits)), logits)
    }

    /// Views as their patches to unit embeddings `[b, WIDTH]`.
    #[must_use]
    pub fn embed_views(&self, patches: Vec<f32>, device: &Device) -> Tensor<2> {
        self.see(patches, device).0
    }

    /// `[b, t]` to unit embeddings `[b, WIDTH]`.
    #[must_use]
    pub fn embed_texts(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        self.say(&self.text.forward(ids))
    }

    fn say(&self, said: &Tensor<2>) -> Tensor<2> {
        let [b, _] = said.dims();
        let part = |from: usize, width: usize| said.clone().slice([0..b, from..from + width]);
        let thing = softmax(part(0, THINGS), 1).matmul(self.things.val());
        let bond = softmax(part(THINGS, BONDS), 1).matmul(self.bonds.val());
        unit(thing * bond + part(THINGS + BONDS, WIDTH) * SUMMARY_SHARE)
    }

    fn loss(&self, batch: Batch, device: &Device) -> Tensor<1> {
        let texts = batch.texts.len();
        let (seen, logits) = self.see(batch.patches, device);
        let [views, _] = seen.dims();
        let dense = (!self.eye.is_fixed()).then(|| cells::loss(&logits, &batch.cells) * CELLS_WEIGHT);
        let said = self.text.forward(texts_tensor(batch.texts.iter().map(String::as_str), TEXT_CONTEXT, device));
        let about = said.clone().slice([0..texts, 0..THINGS + BONDS]);
        let meant: Tensor<2> = Tensor::from_data(TensorData::new(batch.subjects, [texts, THINGS + BONDS]), device);
        let surprise = |range: core::ops::Range<usize>| {
            let chosen = log_softmax(about.clone().slice([0..texts, range.clone()]), 1);
            -(chosen * meant.clone().slice([0..texts, range])).sum() / texts as f64
        };
        let subjects = surprise(0..THINGS) + surprise(THINGS..THINGS + BONDS);
        let said = self.say(&said);

        let scale = (self.scale.val() * LOUDNESS).exp();
        let logits = said.clone().matmul(seen.transpose()) * scale.unsqueeze::<2>() + self.bias.val().unsqueeze::<2>();
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
        let said = association * 4.0 + subjects * SUBJECTS_WEIGHT - tasks.mean() * TASK_WEIGHT;
        dense.map_or(said.clone(), |dense| said + dense)
    }

    /// Writes the image tower: `pixel_values [B, 3, n, n]` to `image_embeds [B, WIDTH]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write_vision(&self, weights: Precision) -> Result<Vec<u8>, GraphError> {
        let mut graph = weights.graph("vision");
        let g = &mut graph;
        g.input("pixel_values", DType::F32, &["B".into(), 3.into(), IMAGE_SIDE.into(), IMAGE_SIDE.into()]);
        let (features, [things, colours, places]) = self.eye.write(g, "pixel_values");
        let pooled =
            |g: &mut Graph, op: &str, x: &str| g.op(op, &[x], &[("axes", [1][..].into()), ("keepdims", 0.into())]);
        let mean = pooled(g, "ReduceMean", &features);
        let [peak, any_thing, any_colour, any_place] =
            [&features, &things, &colours, &places].map(|x| pooled(g, "ReduceMax", x));
        let summary = g.op("Concat", &[&mean, &peak, &any_thing, &any_colour, &any_place], &[("axis", 1.into())]);
        let hidden = write_linear(g, "hidden", &self.hidden, &summary);
        let hidden = g.op("Relu", &[&hidden], &[]);
        let summary = write_linear(g, "out", &self.out, &hidden);

        // The sum over cells of a thing alone needs no column of ones.
        let axis = g.initializer_i64("cells_axis", &[1], &[1]);
        let any = g.op("ReduceSum", &[&things, &axis], &[("keepdims", 1.into())]);
        let first = g.initializer_i64("first", &[1], &[1]);
        let last = g.initializer_i64("last", &[i64::MAX], &[1]);
        let classes = g.initializer_i64("classes_axis", &[2], &[1]);
        let [colours, places] = [&colours, &places].map(|x| g.op("Slice", &[x, &first, &last, &classes], &[]));
        let bonds = g.op("Concat", &[&colours, &places], &[("axis", 2.into())]);
        let bonds = g.op("Transpose", &[&bonds], &[("perm", [0, 2, 1][..].into())]);
        let bonds = g.op("MatMul", &[&bonds, &things], &[]);
        let bonds = g.op("Concat", &[&any, &bonds], &[("axis", 1.into())]);
        let absent = g.op("Neg", &[&bonds], &[]);
        let absent = g.op("Exp", &[&absent], &[]);
        let one = g.initializer_f32("one", &[1.0], &[]);
        let present = g.op("Sub", &[&one, &absent], &[]);
        let (codes, shape) = parameter(&self.things);
        let codes = g.int8_weight("things", &codes, &shape, 1);
        let codes = g.op("MatMul", &[&present, &codes], &[]);
        let (table, shape) = parameter(&self.bonds);
        let table = g.initializer_f32("bonds", &table, &shape);
        let bound = g.op("Mul", &[&codes, &table], &[]);
        let bound = g.op("ReduceSum", &[&bound, &axis], &[("keepdims", 0.into())]);
        let sum = g.op("Add", &[&summary, &bound], &[]);
        write_unit(g, &sum, "image_embeds");
        g.output("image_embeds", DType::F32, &["B".into(), WIDTH.into()]);
        g.to_bytes()
    }

    /// Writes the text tower: `input_ids [B, T]` without padding to `text_embeds [B, WIDTH]`.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write_text(&self, weights: Precision) -> Result<Vec<u8>, GraphError> {
        let mut graph = weights.graph("text");
        let g = &mut graph;
        g.input("input_ids", DType::I64, &["B".into(), "T".into()]);
        let said = self.text.write(g, "input_ids");
        let axis = g.initializer_i64("parts_axis", &[1], &[1]);
        let ends = [0, THINGS, THINGS + BONDS, THINGS + BONDS + WIDTH];
        let ends = ends.map(|end| g.initializer_i64(&format!("end.{end}"), &[end as i64], &[1]));
        let [thing, bond, rest] = [0, 1, 2].map(|i| g.op("Slice", &[&said, &ends[i], &ends[i + 1], &axis], &[]));
        let [thing, bond] = [("things", thing, &self.things), ("bonds", bond, &self.bonds)].map(|(name, x, table)| {
            let (table, shape) = parameter(table);
            let table = g.int8_weight(name, &table, &shape, 1);
            let x = g.op("Softmax", &[&x], &[("axis", 1.into())]);
            g.op("MatMul", &[&x, &table], &[])
        });
        let bound = g.op("Mul", &[&thing, &bond], &[]);
        let share = g.initializer_f32("summary_share", &[SUMMARY_SHARE as f32], &[]);
        let rest = g.op("Mul", &[&rest, &share], &[]);
        let sum = g.op("Add", &[&bound, &rest], &[]);
        write_unit(g, &sum, "text_embeds");
        g.output("text_embeds", DType::F32, &["B".into(), WIDTH.into()]);
        g.to_bytes()
    }
}

#[derive(Default)]
struct Batch {
    patches: Vec<f32>,
    cells: Vec<[i32; GROUPS]>,
    texts: Vec<String>,
    /// +1 where the view shows what the text asks for, −1 elsewhere; `[texts, views]`.
    signs: Vec<f32>,
    weights: Vec<f32>,
    /// Shares of things and bonds that each text is about.
    subjects: Vec<f32>,
    tasks: Vec<i32>,
}

/// Whether a view shows what a text is about.
type Shown = Box<dyn Fn(&[Sighting]) -> bool>;

/// Something that is said about a scene.
struct Text {
    text: String,
    /// Task kind, [`UNKNOWN`], or −1 for captions, which are no prompts.
    task: i32,
    /// Classes of the things it is about, and its bonds; empty where that is nothing a cell shows.
    subject: (Vec<usize>, Vec<usize>),
    /// Whether a view shows it.
    shown: Shown,
}

const fn bond_of_colour(colour: Colour) -> usize {
    1 + colour.index()
}

const fn bond_of_place(place: Place) -> usize {
    1 + Colour::ALL.len() + place.index()
}

/// What a prompt is about, as the classes of cells and bonds have it.
fn subject_of(topic: Topic) -> (Vec<usize>, Vec<usize>) {
    let kinds = |wanted: &dyn Fn(Kind) -> bool| -> Vec<usize> {
        Kind::ALL.iter().copied().filter(|&k| wanted(k)).flat_map(cells::kind_classes).collect()
    };
    match topic {
        Topic::ColourOf(kind) | Topic::PlaceOf(kind) | Topic::StateOf(kind) => (cells::kind_classes(kind), vec![ALONE]),
        Topic::KindOfColour(colour) => (kinds(&|_| true), vec![bond_of_colour(colour)]),
        Topic::KindOn(place) => (kinds(&|_| true), vec![bond_of_place(place)]),
        Topic::TidyFloor => (kinds(&|_| true), vec![bond_of_place(Place::Floor)]),
        Topic::Recommend(category) => (kinds(&|k| k.category() == category), vec![ALONE]),
        Topic::LampState | Topic::AdviseLamp => (cells::LAMP.into(), vec![ALONE]),
        Topic::StoveState | Topic::AdviseStove => (cells::STOVE.into(), vec![ALONE]),
        Topic::DoorState | Topic::AdviseDoor => (cells::DOOR.into(), vec![ALONE]),
        Topic::People => (vec![cells::PERSON], vec![ALONE]),
        Topic::CatAnywhere => (vec![cells::CAT], vec![ALONE]),
        Topic::WhichRoom | Topic::Nothing => (Vec::new(), Vec::new()),
    }
}

fn caption_text(caption: Caption) -> Text {
    let colour = match caption.thing {
        Thing::Item { colour, .. } => Some(bond_of_colour(colour)),
        _ => None,
    };
    let mut bonds: Vec<usize> = colour.into_iter().chain(caption.place.map(bond_of_place)).collect();
    if bonds.is_empty() {
        bonds.push(ALONE);
    }
    let things = match caption.thing {
        Thing::Item { kind, .. } if !caption.says_state => cells::kind_classes(kind),
        thing => vec![cells::thing_class(thing)],
    };
    let subject = (things, bonds);
    Text { text: caption.text.clone(), task: -1, subject, shown: Box::new(move |s| caption.shown_in(s)) }
}

/// What is said about one scene.
fn texts_of(shot: &Shot, rng: &mut Rng) -> Vec<Text> {
    let scene = &shot.scene;
    let mut texts: Vec<Text> = Vec::new();
    let mut prompt = |kind: TaskKind, rng: &mut Rng| {
        let Prompt { text, topic, kind, .. } = Prompt::generate(kind, scene, Split::Train, rng);
        let shown = Box::new(move |s: &[Sighting]| topic.shown_in(s));
        texts.push(Text { text, task: kind.index() as i32, subject: subject_of(topic), shown });
    };
    for _ in 0..QUERIES {
        prompt(TaskKind::Query, rng);
    }
    prompt(TaskKind::Recommendation, rng);
    prompt(if rng.chance(0.5) { TaskKind::Assistive } else { TaskKind::Message }, rng);
    let text = strange::prompt(rng);
    texts.push(Text { text, task: UNKNOWN, subject: subject_of(Topic::Nothing), shown: Box::new(|_| false) });
    let seen: Vec<Sighting> = shot.visible.concat();
    let mut all = captions(&seen, rng);
    rng.shuffle(&mut all);
    for caption in all.into_iter().take(CAPTIONS) {
        let other = match rng.below(6) {
            0..3 => recoloured(&caption, &seen, rng),
            3 => caption.with_place(*rng.pick(Place::ALL), rng).filter(|other| other.place != caption.place),
            _ => None,
        };
        texts.extend(other.or_else(|| swapped_caption(&caption, rng)).map(caption_text));
        texts.push(caption_text(caption));
    }
    texts
}

/// The caption of an item with a colour that another item in sight has: the hardest wrong one. `None` when there is no
/// such colour.
#[must_use]
pub fn recoloured(caption: &Caption, seen: &[Sighting], rng: &mut Rng) -> Option<Caption> {
    let colour_of = |thing: Thing| match thing {
        Thing::Item { colour, .. } => Some(colour),
        _ => None,
    };
    let own = colour_of(caption.thing)?;
    let others: Vec<Colour> = seen.iter().filter_map(|s| colour_of(s.thing)).filter(|&c| c != own).collect();
    if others.is_empty() {
        return None;
    }
    caption.with_colour(*rng.pick(&others), rng)
}

fn batch(scenery: &Scenery, seed: u64, number: u64) -> Batch {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "encoder batch");
    let mut made = Batch::default();
    scenery.visit(SCENES, &mut rng, |shots, rng| {
        for shot in shots {
            for (camera, sightings) in shot.visible.iter().enumerate() {
                shot.push_patches(camera, Channels::PLAIN, &mut made.patches);
                made.cells.extend(cells::labels(shot.scene.room(), sightings, EYE.cells()));
            }
        }
        for (owner, shot) in shots.iter().enumerate() {
            for said in texts_of(shot, rng) {
                for (other, shot) in shots.iter().enumerate() {
                    for sightings in &shot.visible {
                        made.signs.push(if (said.shown)(sightings) { 1.0 } else { -1.0 });
                        made.weights.push(if other == owner { OWN_WEIGHT } else { 1.0 });
                    }
                }
                let mut subject = vec![0.0; THINGS + BONDS];
                let (things, bonds) = &said.subject;
                things.iter().for_each(|&class| subject[class] = 1.0 / things.len() as f32);
                bonds.iter().for_each(|&bond| subject[THINGS + bond] = 1.0 / bonds.len() as f32);
                made.subjects.extend(subject);
                made.texts.push(said.text);
                made.tasks.push(said.task);
            }
        }
    });
    made
}

/// Trains the two towers, from an eye that has learnt to name things when `eye` is given.
///
/// # Errors
/// When `eye` holds no eye of this shape.
pub fn train(seed: u64, budget: Budget, eye: Option<&Weights>) -> Result<(DualEncoder, Run)> {
    let device = training_device(seed);
    let mut model = DualEncoder::new(&device);
    if let Some(weights) = eye {
        model.eye.take(weights, &device)?;
    }
    let scenery = Scenery::new(IMAGE_SIDE);
    let source = batches(move |number| batch(&scenery, seed, number));
    let loss = |model: &DualEncoder, batch| model.loss(batch, &device);
    let (model, run) = fit_watched("encoder", model, budget, RATES, &source, loss, watch);
    Ok((model.valid(), run))
}

/// Scenes that a network in training is tried on now and then.
const WATCHED_SCENES: usize = 120;
const WATCHED_SEED: u64 = 0x0bad_5eed;

/// How often the true caption of an item in a held-out scene wins over one with another colour: shown while the network
/// trains, so that a run that goes wrong is seen early.
fn watch(model: &DualEncoder) -> String {
    let mut rng = Rng::for_purpose(WATCHED_SEED, "watch encoder");
    let device = Device::flex();
    let (mut right, mut of) = ([0; 2], [0; 2]);
    for _ in 0..WATCHED_SCENES {
        let scene = Scene::generate(rng.bits(), Split::HeldOut);
        let mut patches = Vec::new();
        (0..CAMERAS).for_each(|camera| push_patches(&scene, camera, IMAGE_SIDE, &mut patches));
        let views = numbers(model.embed_views(patches, &device));
        let seen: Vec<Sighting> = (0..CAMERAS).flat_map(|c| scene.visible(c)).collect();
        let best = |text: &str| {
            let said = numbers(model.embed_texts(texts_tensor([text].into_iter(), TEXT_CONTEXT, &device)));
            let cosine = |view: &[f32]| said.iter().zip(view).map(|(a, b)| a * b).sum::<f32>();
            views.chunks(WIDTH).map(cosine).fold(f32::MIN, f32::max)
        };
        for caption in captions(&seen, &mut rng) {
            if !matches!(caption.thing, Thing::Item { .. }) {
                continue;
            }
            let wrong = [swapped_caption(&caption, &mut rng), recoloured(&caption, &seen, &mut rng)];
            for (which, wrong) in wrong.iter().enumerate() {
                if let Some(wrong) = wrong {
                    right[which] += usize::from(best(&caption.text) > best(&wrong.text));
                    of[which] += 1;
                }
            }
        }
    }
    let eye = model.eye.watch();
    format!("held-out swap to any colour {}/{}, to one in sight {}/{}; {eye}", right[0], of[0], right[1], of[1])
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
        let mut patches = Vec::new();
        for turn in chunk {
            (0..CAMERAS).for_each(|camera| push_patches(&turn.scene, camera, IMAGE_SIDE, &mut patches));
        }
        let seen = numbers(model.embed_views(patches, &device));
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
