//! The building blocks of the shipped models: each trains in burn and writes itself as ONNX nodes right beside.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use trimtab_quant::Graph;

use crate::bpe::PAD;

/// The numbers of a tensor, row-major.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

pub(crate) fn parameter<const D: usize>(parameter: &Param<Tensor<D>>) -> (Vec<f32>, [usize; D]) {
    let tensor = parameter.val();
    let shape = tensor.dims();
    (numbers(tensor), shape)
}

/// Writes `x · W + b`.
pub(crate) fn write_linear(g: &mut Graph, name: &str, layer: &Linear, x: &str) -> String {
    let (weight, shape) = parameter(&layer.weight);
    let w = g.int8_weight(&format!("{name}.weight"), &weight, &shape, 1);
    let product = g.op("MatMul", &[x, &w], &[]);
    match &layer.bias {
        None => product,
        Some(bias) => {
            let (bias, shape) = parameter(bias);
            let b = g.initializer_f32(&format!("{name}.bias"), &bias, &shape);
            g.op("Add", &[&product, &b], &[])
        }
    }
}

/// Writes a division of the last axis by its Euclidean length.
pub(crate) fn write_unit(g: &mut Graph, x: &str, output: &str) {
    let square = g.op("Mul", &[x, x], &[]);
    let axis = g.initializer_i64(&format!("{output}.axis"), &[-1], &[1]);
    let sum = g.op("ReduceSum", &[&square, &axis], &[("keepdims", 1.into())]);
    let least = g.initializer_f32(&format!("{output}.least"), &[1e-12], &[]);
    let sum = g.op("Add", &[&sum, &least], &[]);
    let length = g.op("Sqrt", &[&sum], &[]);
    g.node("Div", &[x, &length], &[output], &[]);
}

/// Divides the last axis by its Euclidean length.
pub(crate) fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = (x.clone().square().sum_dim(1) + 1e-12).sqrt();
    x / length
}

/// How the weights of a graph are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// As they are shipped.
    Int8,
    /// As they were trained, to compare with.
    Float,
}

impl Precision {
    /// An empty graph that keeps its weights so.
    pub(crate) fn graph(self, name: &str) -> Graph {
        match self {
            Self::Int8 => Graph::new(name),
            Self::Float => Graph::in_float(name),
        }
    }
}

/// Text to one vector: embeddings with positions, two convolutions of width 3 over the tokens, mean and maximum over
/// the text, one linear layer.
#[derive(Module, Debug)]
pub struct TextTower {
    tokens: Embedding,
    positions: Param<Tensor<2>>,
    first: Conv1d,
    second: Conv1d,
    out: Linear,
}

/// Width of a token's embedding in a [`TextTower`].
const TOKEN_WIDTH: usize = 64;

impl TextTower {
    /// With random weights; reads at most `context` tokens, convolves to `inner` channels and gives `width` numbers.
    #[must_use]
    pub fn new(vocabulary: usize, context: usize, inner: usize, width: usize, device: &Device) -> Self {
        let small = Initializer::Normal { mean: 0.0, std: 0.1 };
        let convolution =
            |input| Conv1dConfig::new(input, inner, 3).with_padding(PaddingConfig1d::Explicit(1, 1)).init(device);
        Self {
            tokens: EmbeddingConfig::new(vocabulary, TOKEN_WIDTH)
                .with_initializer(Initializer::Normal { mean: 0.0, std: 0.5 })
                .init(device),
            positions: small.init([context, TOKEN_WIDTH], device),
            first: convolution(TOKEN_WIDTH),
            second: convolution(inner),
            out: LinearConfig::new(2 * inner, width).init(device),
        }
    }

    /// `[b, t]` token numbers, shorter texts filled with [`PAD`], to `[b, width]`.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [b, t] = ids.dims();
        let mask = ids.clone().not_equal_elem(PAD as i32).float();
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        let mask = mask.reshape([b, 1, t]);
        let [_, width] = self.positions.dims();
        let positions = self.positions.val().slice([0..t, 0..width]).unsqueeze::<3>();
        let x = (self.tokens.forward(ids) + positions).swap_dims(1, 2) * mask.clone();
        let x = relu(self.first.forward(x)) * mask.clone();
        let x = relu(self.second.forward(x)) * mask;
        // The rectifier leaves nothing below zero, so masked positions never win the maximum.
        let [_, inner, _] = x.dims();
        let mean = x.clone().sum_dim(2).reshape([b, inner]) / count;
        let peak = x.max_dim(2).reshape([b, inner]);
        self.out.forward(Tensor::cat(vec![mean, peak], 1))
    }

    /// Writes the tower for texts without padding; `ids` is `[b, t]`.
    pub(crate) fn write(&self, g: &mut Graph, ids: &str) -> String {
        let (table, shape) = parameter(&self.tokens.weight);
        let table = g.int8_weight("text.tokens", &table, &shape, 0);
        let (positions, shape) = parameter(&self.positions);
        let positions = g.int8_weight("text.positions", &positions, &shape, 0);
        let zero = g.initializer_i64("text.zero", &[0], &[1]);
        let one = g.initializer_i64("text.one", &[1], &[1]);
        let axis = g.initializer_i64("text.axis", &[0], &[1]);
        let two = g.initializer_i64("text.two", &[2], &[1]);
        let size = g.op("Shape", &[ids], &[]);
        let length = g.op("Slice", &[&size, &one, &two, &axis], &[]);
        let positions = g.op("Slice", &[&positions, &zero, &length, &axis], &[]);
        let x = g.op("Gather", &[&table, ids], &[("axis", 0.into())]);
        let x = g.op("Add", &[&x, &positions], &[]);
        let mut x = g.op("Transpose", &[&x], &[("perm", [0, 2, 1][..].into())]);
        for (name, layer) in [("first", &self.first), ("second", &self.second)] {
            let (weight, shape) = parameter(&layer.weight);
            let w = g.int8_weight(&format!("text.{name}.weight"), &weight, &shape, 0);
            let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; shape[0]], |b| parameter(b).0);
            let b = g.initializer_f32(&format!("text.{name}.bias"), &bias, &[shape[0]]);
            let y = g.op("Conv", &[&x, &w, &b], &[("kernel_shape", [3][..].into()), ("pads", [1, 1][..].into())]);
            x = g.op("Relu", &[&y], &[]);
        }
        let pooled = |g: &mut Graph, op: &str| g.op(op, &[&x], &[("axes", [2][..].into()), ("keepdims", 0.into())]);
        let mean = pooled(g, "ReduceMean");
        let peak = pooled(g, "ReduceMax");
        let both = g.op("Concat", &[&mean, &peak], &[("axis", 1.into())]);
        write_linear(g, "text.out", &self.out, &both)
    }
}
