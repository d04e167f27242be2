//! The tiny causal language model: it confirms commands, repeats messages, and says honestly what it cannot see.
//!
//! Attention has a learnt bias for every head and distance (after Raffel et al. 2020, T5) in place of position
//! embeddings. Three heads of the first layer begin as "the token before", "the one before that" and the next: copying, which
//! is most of what the model does, then only has to find where the same few tokens stood before.

pub(crate) mod lessons;
mod wordless;

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use trimtab_quant::{DType, Dim, Graph, GraphError};

use crate::corpus::vocabulary;
use crate::fit::{Budget, Rates, Run, batches, fit, training_device};
use crate::layers::{Precision, parameter, write_linear};
use lessons::{Batch, pool};

/// Layers.
pub const LAYERS: usize = 4;
/// Heads of each layer.
pub const HEADS: usize = 4;
/// Numbers of a head.
pub const HEAD_WIDTH: usize = 32;
/// Numbers of a token between layers.
pub const WIDTH: usize = HEADS * HEAD_WIDTH;
/// Most tokens of prompt and reply together.
pub const CONTEXT: usize = 224;
/// How a prompt is put to the model.
pub const TEMPLATE: &str = "<|user|>{prompt}<|reply|>";
const INNER: usize = 2 * WIDTH;
/// Distances from here on share one bias.
const DISTANCES: usize = 96;
/// What a head that looks back by a fixed distance begins with: nearly all of its attention is there.
const LOOK_BACK: f32 = 6.0;
const EPSILON: f64 = 1e-5;
const RATES: Rates = Rates { learning: 2.5e-3, decay: 0.02 };
const FORBIDDEN: f32 = -1e9;

#[derive(Module, Debug)]
struct Norm {
    gain: Param<Tensor<1>>,
}

impl Norm {
    fn new(device: &Device) -> Self {
        Self { gain: Initializer::Ones.init([WIDTH], device) }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let size = (x.clone().square().mean_dim(2) + EPSILON).sqrt();
        x / size * self.gain.val().unsqueeze::<3>()
    }

    fn write(&self, g: &mut Graph, name: &str, x: &str) -> String {
        let (gain, shape) = parameter(&self.gain);
        let gain = g.initializer_f32(name, &gain, &shape);
        let square = g.op("Mul", &[x, x], &[]);
        let mean = g.op("ReduceMean", &[&square], &[("axes", [-1][..].into()), ("keepdims", 1.into())]);
        let mean = g.op("Add", &[&mean, "epsilon"], &[]);
        let size = g.op("Sqrt", &[&mean], &[]);
        let x = g.op("Div", &[x, &size], &[]);
        g.op("Mul", &[&x, &gain], &[])
    }
}

/// The biases that a layer begins with: in the first, all heads but one look back by one, two and three tokens.
fn distance_bias(layer: usize) -> Vec<f32> {
    let mut bias = vec![0.0; HEADS * DISTANCES];
    if layer == 0 {
        for head in 0..HEADS - 1 {
            bias[head * DISTANCES + head + 1] = LOOK_BACK;
        }
    }
    bias
}

#[derive(Module, Debug)]
struct Block {
    before_attention: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    /// `[HEADS, DISTANCES]`
    distance_bias: Param<Tensor<2>>,
    before_inner: Norm,
    widen: Linear,
    narrow: Linear,
}

impl Block {
    fn new(layer: usize, device: &Device) -> Self {
        let linear = |from, to| {
            LinearConfig::new(from, to)
                .with_bias(false)
                .with_initializer(Initializer::Normal { mean: 0.0, std: 0.06 })
                .init(device)
        };
        let into_stream = |from| {
            let std = 0.06 / (2.0 * LAYERS as f64).sqrt();
            LinearConfig::new(from, WIDTH)
                .with_bias(false)
                .with_initializer(Initializer::Normal { mean: 0.0, std })
                .init(device)
        };
        Self {
            before_attention: Norm::new(device),
            query: linear(WIDTH, WIDTH),
            key: linear(WIDTH, WIDTH),
            value: linear(WIDTH, WIDTH),
            out: into_stream(WIDTH),
            distance_bias: Param::from_data(TensorData::new(distance_bias(layer), [HEADS, DISTANCES]), device),
            before_inner: Norm::new(device),
            widen: linear(WIDTH, INNER),
            narrow: into_stream(INNER),
        }
    }

    /// `distances` is `[t · t]`, `future` `[1, 1, t, t]`.
    fn forward(&self, x: Tensor<3>, distances: &Tensor<1, Int>, future: &Tensor<4, Bool>) -> Tensor<3> {
        let [b, t, _] = x.dims();
        let normed = self.before_attention.forward(x.clone());
        let heads = |y: Tensor<3>| y.reshape([b, t, HEADS, HEAD_WIDTH]).swap_dims(1, 2);
        let q = heads(self.query.forward(normed.clone()));
        let k = heads(self.key.forward(normed.clone()));
        let v = heads(self.value.forward(normed));
        let bias = self.distance_bias.val().select(1, distances.clone()).reshape([1, HEADS, t, t]);
        let scores = q.matmul(k.swap_dims(2, 3)) * (1.0 / (HEAD_WIDTH as f64).sqrt()) + bias;
        let scores = scores.mask_fill(future.clone().expand([b, HEADS, t, t]), FORBIDDEN);
        let mixed = softmax(scores, 3).matmul(v).swap_dims(1, 2).reshape([b, t, WIDTH]);
        let x = x + self.out.forward(mixed);
        let inner = relu(self.widen.forward(self.before_inner.forward(x.clone())));
        x + self.narrow.forward(inner)
    }

    fn write(&self, g: &mut Graph, layer: usize, x: &str) -> String {
        let name = |part: &str| format!("layer.{layer}.{part}");
        let normed = self.before_attention.write(g, &name("before_attention"), x);
        let heads = |g: &mut Graph, part: &str, weights: &Linear| {
            let y = write_linear(g, &name(part), weights, &normed);
            let y = g.op("Reshape", &[&y, "heads_shape"], &[]);
            g.op("Transpose", &[&y], &[("perm", [0, 2, 1, 3][..].into())])
        };
        let q = heads(g, "query", &self.query);
        let k = heads(g, "key", &self.key);
        let v = heads(g, "value", &self.value);
        let (past_k, past_v) = (format!("past_key_values.{layer}.key"), format!("past_key_values.{layer}.value"));
        let (present_k, present_v) = (format!("present.{layer}.key"), format!("present.{layer}.value"));
        g.node("Concat", &[&past_k, &k], &[&present_k], &[("axis", 2.into())]);
        g.node("Concat", &[&past_v, &v], &[&present_v], &[("axis", 2.into())]);
        let k = g.op("Transpose", &[&present_k], &[("perm", [0, 1, 3, 2][..].into())]);
        let scores = g.op("MatMul", &[&q, &k], &[]);
        let scores = g.op("Mul", &[&scores, "head_scale"], &[]);
        let (bias, shape) = parameter(&self.distance_bias);
        let table = g.initializer_f32(&name("distance_bias"), &bias, &shape);
        let bias = g.op("Gather", &[&table, "distances"], &[("axis", 1.into())]);
        let scores = g.op("Add", &[&scores, &bias], &[]);
        let scores = g.op("Add", &[&scores, "future"], &[]);
        let shares = g.op("Softmax", &[&scores], &[("axis", 3.into())]);
        let mixed = g.op("MatMul", &[&shares, &present_v], &[]);
        let mixed = g.op("Transpose", &[&mixed], &[("perm", [0, 2, 1, 3][..].into())]);
        let mixed = g.op("Reshape", &[&mixed, "stream_shape"], &[]);
        let out = write_linear(g, &name("out"), &self.out, &mixed);
        let x = g.op("Add", &[x, &out], &[]);
        let normed = self.before_inner.write(g, &name("before_inner"), &x);
        let inner = write_linear(g, &name("widen"), &self.widen, &normed);
        let inner = g.op("Relu", &[&inner], &[]);
        let inner = write_linear(g, &name("narrow"), &self.narrow, &inner);
        g.op("Add", &[&x, &inner], &[])
    }
}

/// The language model; one table embeds tokens and scores the next one.
#[derive(Module, Debug)]
pub struct Lm {
    tokens: Embedding,
    blocks: Vec<Block>,
    last: Norm,
}

impl Lm {
    /// With random weights.
    #[must_use]
    pub fn new(device: &Device) -> Self {
        let small = Initializer::Normal { mean: 0.0, std: 0.06 };
        Self {
            tokens: EmbeddingConfig::new(vocabulary().len(), WIDTH).with_initializer(small).init(device),
            blocks: (0..LAYERS).map(|layer| Block::new(layer, device)).collect(),
            last: Norm::new(device),
        }
    }

    fn stream(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, t] = ids.dims();
        let device = ids.device();
        let distances: Vec<i32> =
            (0..t * t).map(|at| (at / t).saturating_sub(at % t).min(DISTANCES - 1) as i32).collect();
        let distances = Tensor::from_data(TensorData::new(distances, [t * t]), &device);
        let future: Vec<bool> = (0..t * t).map(|at| at % t > at / t).collect();
        let future = Tensor::from_data(TensorData::new(future, [1, 1, t, t]), &device);
        let x = self.tokens.forward(ids);
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, &distances, &future));
        self.last.forward(x)
    }

    /// Logits after every position: `[b, t]` to `[b, t, vocabulary]`.
    #[must_use]
    pub fn logits(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.stream(ids).matmul(self.tokens.weight.val().transpose().unsqueeze::<3>())
    }

    /// Mean surprise over the tokens of the replies.
    fn loss(&self, batch: Batch, device: &Device) -> Tensor<1> {
        let x = self.stream(Tensor::from_data(TensorData::new(batch.ids, [batch.rows, batch.length]), device));
        let count = batch.positions.len();
        let positions: Tensor<1, Int> = Tensor::from_data(TensorData::new(batch.positions, [count]), device);
        let next: Tensor<2, Int> = Tensor::from_data(TensorData::new(batch.next, [count, 1]), device);
        let x = x.reshape([batch.rows * batch.length, WIDTH]).select(0, positions);
        let logits = x.matmul(self.tokens.weight.val().transpose());
        -log_softmax(logits, 1).gather(1, next).mean()
    }

    /// Writes the graph with a growing key–value cache; positions and mask follow from the lengths of its inputs.
    ///
    /// # Errors
    /// A weight that is not finite.
    pub fn write(&self, weights: Precision) -> Result<Vec<u8>, GraphError> {
        let mut graph = weights.graph("lm");
        let g = &mut graph;
        g.input("input_ids", DType::I64, &[1.into(), "S".into()]);
        let cache = |length: &str| -> [Dim; 4] { [1.into(), HEADS.into(), length.into(), HEAD_WIDTH.into()] };
        for layer in 0..LAYERS {
            for part in ["key", "value"] {
                g.input(&format!("past_key_values.{layer}.{part}"), DType::F32, &cache("P"));
            }
        }
        g.initializer_f32("epsilon", &[EPSILON as f32], &[]);
        g.initializer_f32("head_scale", &[1.0 / (HEAD_WIDTH as f32).sqrt()], &[]);
        g.initializer_i64("heads_shape", &[1, -1, HEADS as i64, HEAD_WIDTH as i64], &[4]);
        g.initializer_i64("stream_shape", &[1, -1, WIDTH as i64], &[3]);
        write_distances(g);
        let (table, shape) = parameter(&self.tokens.weight);
        let table = g.int8_weight("tokens", &table, &shape, 0);
        let mut x = g.op("Gather", &[&table, "input_ids"], &[("axis", 0.into())]);
        for (layer, block) in self.blocks.iter().enumerate() {
            x = block.write(g, layer, &x);
        }
        g.initializer_i64("from_last", &[-1], &[1]);
        g.initializer_i64("to_end", &[i64::MAX], &[1]);
        g.initializer_i64("axis_one", &[1], &[1]);
        let x = g.op("Slice", &[&x, "from_last", "to_end", "axis_one"], &[]);
        let x = self.last.write(g, "last", &x);
        let scores = g.op("Transpose", &[&table], &[("perm", [1, 0][..].into())]);
        g.node("MatMul", &[&x, &scores], &["logits"], &[]);
        g.output("logits", DType::F32, &[1.into(), 1.into(), vocabulary().len().into()]);
        for layer in 0..LAYERS {
            for part in ["key", "value"] {
                g.output(&format!("present.{layer}.{part}"), DType::F32, &cache("P+S"));
            }
        }
        graph.to_bytes()
    }
}

/// `distances [S, P+S]`: how far back each position is, at most `DISTANCES − 1`; `future [S, P+S]`: what to add to the
/// scores of positions that are not yet.
fn write_distances(g: &mut Graph) {
    for (name, value) in [("zero", 0), ("one", 1), ("two", 2)] {
        g.initializer_i64(name, &[value], &[]);
    }
    g.initializer_f32("allowed", &[0.0], &[]);
    g.initializer_f32("forbidden", &[FORBIDDEN], &[]);
    g.initializer_f32("here", &[0.0], &[]);
    g.initializer_f32("farthest", &[DISTANCES as f32 - 1.0], &[]);
    g.initializer_i64("axis_zero", &[0], &[1]);
    g.initializer_i64("axis_one_of_two", &[1], &[1]);
    let size = g.op("Shape", &["input_ids"], &[]);
    let new = g.op("Gather", &[&size, "one"], &[("axis", 0.into())]);
    let size = g.op("Shape", &["past_key_values.0.key"], &[]);
    let past = g.op("Gather", &[&size, "two"], &[("axis", 0.into())]);
    let all = g.op("Add", &[&past, &new], &[]);
    let queries = g.op("Range", &["zero", &new, "one"], &[]);
    let queries = g.op("Add", &[&queries, &past], &[]);
    let keys = g.op("Range", &["zero", &all, "one"], &[]);
    // The arithmetic is in f32, exact at these sizes: the engine computes on lengths it does not know while planning with
    // symbolic numbers, at a hundred times the cost.
    let [queries, keys] = [queries, keys].map(|places| g.op("Cast", &[&places], &[("to", 1.into())]));
    let queries = g.op("Unsqueeze", &[&queries, "axis_one_of_two"], &[]);
    let keys = g.op("Unsqueeze", &[&keys, "axis_zero"], &[]);
    let back = g.op("Sub", &[&queries, &keys], &[]);
    let near = g.op("Min", &[&back, "farthest"], &[]);
    let near = g.op("Max", &[&near, "here"], &[]);
    g.node("Cast", &[&near], &["distances"], &[("to", 7.into())]);
    let future = g.op("Less", &[&back, "here"], &[]);
    g.node("Where", &[&future, "forbidden", "allowed"], &["future"], &[]);
}

/// Trains the language model.
#[must_use]
pub fn train(seed: u64, budget: Budget) -> (Lm, Run) {
    let device = training_device(seed);
    let waiting = std::sync::Mutex::new((Vec::new(), 0));
    let source = batches(move |_| {
        let mut held = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (batches, pools) = &mut *held;
        loop {
            if let Some(batch) = batches.pop() {
                return batch;
            }
            *batches = pool(seed, *pools);
            *pools += 1;
        }
    });
    let (model, run) = fit("lm", Lm::new(&device), budget, RATES, &source, |model, batch| model.loss(batch, &device));
    (model.valid(), run)
}
