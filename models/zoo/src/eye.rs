//! The eye that the image models share: overlapping patches, two convolutions, and a head that names every cell.

use anyhow::Result;
use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use trimtab_quant::{DType, Graph, GraphError};
use trimtab_scenes::{CAMERAS, Rng, Scene, Split};

use crate::cells::{self, CellHead, GROUPS, THINGS};
use crate::corpus::{CHANNEL_DEVIATION, CHANNEL_MEAN};
use crate::fit::{Budget, Rates, Run, batches, fit_watched, training_device};
use crate::layers::{Precision, numbers, parameter};
use crate::scenery::Scenery;
use crate::weights::Weights;

/// Pixels from one patch to the next.
const STRIDE: usize = 4;
/// Side of a patch: neighbours share half of it.
const PATCH: usize = 8;
const MARGIN: usize = (PATCH - STRIDE) / 2;
const PATCH_NUMBERS: usize = 3 * PATCH * PATCH;
/// Side of a cell in pixels.
const CELL: usize = 2 * STRIDE;

/// Shape of an [`Eye`].
#[derive(Clone, Copy, Debug)]
pub struct EyeShape {
    /// Side of the pictures; a multiple of 8.
    pub image_side: usize,
    /// Widths of the two layers over patches and of the two convolutions.
    pub widths: [usize; 4],
}

impl EyeShape {
    /// Cells along a side.
    #[must_use]
    pub const fn cells(self) -> usize {
        self.image_side / CELL
    }

    /// Numbers of a cell.
    #[must_use]
    pub const fn channels(self) -> usize {
        self.widths[3]
    }
}

/// The eye that the encoder and the dear stand-in start from.
pub const SHARED: EyeShape = EyeShape { image_side: 64, widths: [96, 64, 128, 160] };

/// The network from pixels to cells.
#[derive(Module, Debug)]
pub struct Eye {
    patches: Linear,
    points: Linear,
    convolutions: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    names: CellHead,
    side: usize,
    /// It came from elsewhere and is not trained any more.
    fixed: bool,
}

/// Scenes that an eye in training is tried on now and then.
const WATCHED_SCENES: usize = 60;
const WATCHED_SEED: u64 = 0x0bad_5eed;
const STRIDES: [usize; 2] = [2, 1];

impl Eye {
    /// With random weights.
    #[must_use]
    pub fn new(shape: EyeShape, device: &Device) -> Self {
        let [patch, point, first, second] = shape.widths;
        let he = || Initializer::KaimingNormal { gain: core::f64::consts::SQRT_2, fan_out_only: false };
        let linear = |from, to| LinearConfig::new(from, to).with_initializer(he()).init(device);
        let convolution = |(from, to): (usize, usize), stride: usize| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([stride, stride])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .with_initializer(he())
                .init(device)
        };
        let widths = [(point, first), (first, second)];
        Self {
            patches: linear(PATCH_NUMBERS, patch),
            points: linear(patch, point),
            convolutions: widths.into_iter().zip(STRIDES).map(|(w, s)| convolution(w, s)).collect(),
            norms: [first, second].into_iter().map(|w| BatchNormConfig::new(w).init(device)).collect(),
            names: CellHead::new(second, device),
            side: shape.image_side,
            fixed: false,
        }
    }

    /// Side of the pictures.
    #[must_use]
    pub const fn image_side(&self) -> usize {
        self.side
    }

    /// Takes the weights of a written eye and keeps them: from here on what is trained is what looks through it.
    ///
    /// # Errors
    /// When the graph holds no eye of this shape in float.
    pub fn take(&mut self, weights: &Weights, device: &Device) -> Result<()> {
        weights.put_kernels("eye.patches", &mut self.patches, device)?;
        weights.put_kernels("eye.points", &mut self.points, device)?;
        for (i, (convolution, norm)) in self.convolutions.iter_mut().zip(&mut self.norms).enumerate() {
            weights.put(&format!("eye.{i}.weight"), &mut convolution.weight, device)?;
            weights.put(&format!("eye.{i}.bias"), &mut norm.beta, device)?;
            let [width] = norm.beta.val().dims();
            norm.running_mean = RunningState::new(Tensor::zeros([width], device));
            norm.running_var = RunningState::new(Tensor::ones([width], device) - norm.epsilon);
            // Its normalisation was folded into the weights: what is left is the identity.
            norm.training = Param::from_bool(false);
        }
        self.names.take(weights, device)?;
        self.fixed = true;
        // Without gradients nothing is remembered for them: what is never asked for would pile up batch after batch.
        *self = self.clone().no_grad();
        Ok(())
    }

    /// Whether it keeps its weights.
    #[must_use]
    pub const fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Patches of `b` views, as [`push_patches`] appends them, to features `[b, cells², channels]`.
    #[must_use]
    pub fn features(&self, patches: Vec<f32>, device: &Device) -> Tensor<3> {
        let (fine, cells) = (self.side / STRIDE, self.side / CELL);
        let rows = patches.len() / PATCH_NUMBERS;
        let b = rows / (fine * fine);
        let x: Tensor<2> = Tensor::from_data(TensorData::new(patches, [rows, PATCH_NUMBERS]), device);
        let x = relu(self.points.forward(relu(self.patches.forward(x))));
        let [_, width] = x.dims();
        let mut x = x.reshape([b, fine * fine, width]).swap_dims(1, 2).reshape([b, width, fine, fine]);
        for (convolution, norm) in self.convolutions.iter().zip(&self.norms) {
            x = relu(norm.forward(convolution.forward(x)));
        }
        let [_, channels, ..] = x.dims();
        x.reshape([b, channels, cells * cells]).swap_dims(1, 2)
    }

    /// What stands in every cell: logits `[b, cells², CLASSES]`.
    #[must_use]
    pub fn name(&self, features: Tensor<3>) -> Tensor<3> {
        self.names.forward(features)
    }

    /// How many items it names right: thing, colour and place in held-out views, things in views like those of training.
    #[must_use]
    pub fn watch(&self) -> String {
        let [things, colours, places] = self.named_right(Split::HeldOut);
        let [known, ..] = self.named_right(Split::Train);
        format!("items named: thing {things} % (training pairs {known} %), colour {colours} %, place {places} %")
    }

    fn named_right(&self, split: Split) -> [usize; GROUPS] {
        let mut rng = Rng::for_purpose(WATCHED_SEED, "watch eye");
        let (mut right, mut of) = ([0; GROUPS], 0);
        for _ in 0..WATCHED_SCENES {
            let scene = Scene::generate(rng.bits(), split);
            for camera in 0..CAMERAS {
                let mut patches = Vec::new();
                push_patches(&scene, camera, self.side, &mut patches);
                let logits = numbers(self.name(self.features(patches, &Device::flex())));
                for named in cells::items_named(&logits, &scene.visible(camera), self.side / CELL) {
                    right.iter_mut().zip(named).for_each(|(count, hit)| *count += usize::from(hit));
                    of += 1;
                }
            }
        }
        right.map(|count| 100 * count / of.max(1))
    }

    /// Writes the eye alone, in float, for the models that start from it.
    ///
    /// # Errors
    /// A name that is given twice.
    pub fn write_alone(&self) -> Result<Vec<u8>, GraphError> {
        let mut graph = Precision::Float.graph("eye");
        let side = self.side;
        graph.input("pixel_values", DType::F32, &["B".into(), 3.into(), side.into(), side.into()]);
        let (_, [things, ..]) = self.write(&mut graph, "pixel_values");
        graph.node("Identity", &[&things], &["things"], &[]);
        let cells = self.side / CELL;
        graph.output("things", DType::F32, &["B".into(), (cells * cells).into(), THINGS.into()]);
        graph.to_bytes()
    }

    /// Writes the network for `pixels [b, 3, side, side]`: features `[b, cells², channels]` and the probabilities of each
    /// group of classes.
    pub(crate) fn write(&self, g: &mut Graph, pixels: &str) -> (String, [String; GROUPS]) {
        let mut x = pixels.to_owned();
        let layers =
            [("eye.patches", &self.patches, [3, PATCH], STRIDE, MARGIN), ("eye.points", &self.points, [0, 1], 1, 0)];
        for (name, layer, [channels, kernel], stride, margin) in layers {
            let (weight, [from, to]) = parameter(&layer.weight);
            let channels = if channels == 0 { from } else { channels };
            let across: Vec<f32> =
                (0..to).flat_map(|o| (0..from).map(move |i| i * to + o)).map(|at| weight[at]).collect();
            let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; to], |b| parameter(b).0);
            x = convolution(g, name, (&across, [to, channels, kernel, kernel]), &bias, stride, margin, &x);
        }
        for (i, (layer, norm)) in self.convolutions.iter().zip(&self.norms).enumerate() {
            let (mut weight, shape) = parameter(&layer.weight);
            let bias = folded(norm, &mut weight, shape[1] * shape[2] * shape[3]);
            x = convolution(g, &format!("eye.{i}"), (&weight, shape), &bias, STRIDES[i], 1, &x);
        }
        let cells = self.side / CELL;
        let channels = self.norms.last().map_or(0, |n| n.gamma.val().dims()[0]);
        let x = g.op("Transpose", &[&x], &[("perm", [0, 2, 3, 1][..].into())]);
        let shape = g.initializer_i64("eye.shape", &[-1, (cells * cells) as i64, channels as i64], &[3]);
        let features = g.op("Reshape", &[&x, &shape], &[]);
        let named = self.names.write(g, &features);
        (features, named)
    }
}

const SCENES: usize = 10;
const RATES: Rates = Rates { learning: 2e-3, decay: 0.02 };
/// Chance that the colours of a view are others than those of the room: what a thing is must not hang on a colour, for
/// one in five pairs of the two is never seen in training.
const RECOLOURED: f32 = 0.5;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
/// Chance that one of red, green and blue is turned to its negative in a view with other colours.
const NEGATIVE: f32 = 0.35;

/// Where red, green and blue of a picture go, and which of them become negatives.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    order: [usize; 3],
    negative: [bool; 3],
}

impl Channels {
    /// As they are.
    pub const PLAIN: Self = Self { order: [0, 1, 2], negative: [false; 3] };

    fn draw(rng: &mut Rng) -> Self {
        Self { order: *rng.pick(&ORDERS), negative: core::array::from_fn(|_| rng.chance(NEGATIVE)) }
    }
}

struct Batch {
    patches: Vec<f32>,
    cells: Vec<[i32; GROUPS]>,
}

fn batch(shape: EyeShape, scenery: &Scenery, seed: u64, number: u64) -> Batch {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "eye batch");
    let mut made = Batch { patches: Vec::new(), cells: Vec::new() };
    scenery.visit(SCENES, &mut rng, |shots, rng| {
        for shot in shots {
            for (camera, sightings) in shot.visible.iter().enumerate() {
                let mut labels = cells::labels(shot.scene.room(), sightings, shape.cells());
                let mut channels = Channels::PLAIN;
                if rng.chance(RECOLOURED) {
                    channels = Channels::draw(rng);
                    labels.iter_mut().for_each(cells::forget_colour);
                }
                shot.push_patches(camera, channels, &mut made.patches);
                made.cells.extend(labels);
            }
        }
    });
    made
}

/// Trains an eye to name what it sees.
#[must_use]
pub fn train(shape: EyeShape, seed: u64, budget: Budget) -> (Eye, Run) {
    let device = training_device(seed);
    let scenery = Scenery::new(shape.image_side);
    let source = batches(move |number| batch(shape, &scenery, seed, number));
    let loss = |eye: &Eye, batch: Batch| cells::loss(&eye.name(eye.features(batch.patches, &device)), &batch.cells);
    let (eye, run) = fit_watched("eye", Eye::new(shape, &device), budget, RATES, &source, loss, Eye::watch);
    (eye.valid(), run)
}

/// Folds the normalisation that follows a layer into its weights, `inner` for each channel, and gives the bias.
fn folded(norm: &BatchNorm, weight: &mut [f32], inner: usize) -> Vec<f32> {
    let state = |s: &RunningState<Tensor<1>>| numbers(s.value());
    let (mean, variance) = (state(&norm.running_mean), state(&norm.running_var));
    let ((gamma, _), (beta, _)) = (parameter(&norm.gamma), parameter(&norm.beta));
    let mut bias = Vec::with_capacity(mean.len());
    for (channel, weights) in weight.chunks_exact_mut(inner).enumerate() {
        let gain = gamma[channel] / (variance[channel] + norm.epsilon as f32).sqrt();
        weights.iter_mut().for_each(|w| *w *= gain);
        bias.push(beta[channel] - mean[channel] * gain);
    }
    bias
}

/// Writes a convolution and a rectifier.
fn convolution(
    g: &mut Graph,
    name: &str,
    (weight, shape): (&[f32], [usize; 4]),
    bias: &[f32],
    stride: usize,
    margin: usize,
    x: &str,
) -> String {
    let w = g.int8_weight(&format!("{name}.weight"), weight, &shape, 0);
    let b = g.initializer_f32(&format!("{name}.bias"), bias, &[shape[0]]);
    let [kernel, stride, margin] = [shape[2], stride, margin].map(|n| n as i64);
    let attributes = [
        ("kernel_shape", [kernel, kernel][..].into()),
        ("pads", [margin; 4][..].into()),
        ("strides", [stride, stride][..].into()),
    ];
    let y = g.op("Conv", &[x, &w, &b], &attributes);
    g.op("Relu", &[&y], &[])
}

/// Appends a view as its patches, row by row; outside of the picture everything is zero.
///
/// # Panics
/// When `camera` or `side` is out of range, which is a mistake of the caller.
pub fn push_patches(scene: &Scene, camera: usize, side: usize, out: &mut Vec<f32>) {
    let picture = scene.render(camera, side, side).expect("a camera of the scene and a side within bounds");
    push_patches_of(&picture.rgb, Channels::PLAIN, side, out);
}

/// As [`push_patches`], for a picture that is there; in the colours that `channels` makes of its own.
pub(crate) fn push_patches_of(rgb: &[u8], channels: Channels, side: usize, out: &mut Vec<f32>) {
    let level = |byte: u8| (f32::from(byte) / 255.0 - CHANNEL_MEAN) / CHANNEL_DEVIATION;
    let padded_side = side + 2 * MARGIN;
    let mut planes = vec![0.0; 3 * padded_side * padded_side];
    for (at, pixel) in rgb.chunks_exact(3).enumerate() {
        let (row, column) = (at / side + MARGIN, at % side + MARGIN);
        for (from, &byte) in pixel.iter().enumerate() {
            let byte = if channels.negative[from] { u8::MAX - byte } else { byte };
            planes[(channels.order[from] * padded_side + row) * padded_side + column] = level(byte);
        }
    }
    for row in (0..side).step_by(STRIDE) {
        for column in (0..side).step_by(STRIDE) {
            for channel in 0..3 {
                for line in row..row + PATCH {
                    let from = (channel * padded_side + line) * padded_side + column;
                    out.extend_from_slice(&planes[from..from + PATCH]);
                }
            }
        }
    }
}
