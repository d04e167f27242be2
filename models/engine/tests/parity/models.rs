//! Model folders with the structure of real ones, written with the project's own ONNX writer and the weights by formula.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab_quant::{Attr, DType, Dim, Graph};

use crate::pictures::Pictures;
use crate::seeded::tensor;
use crate::vectors;

/// Names of the batch's and the text's lengths, as exporters give them.
const BATCH: &str = "batch_size";
const LENGTH: &str = "sequence_length";
const PAST: &str = "past_sequence_length";
const TOTAL: &str = "past_sequence_length + sequence_length";
/// Where attention must not look: below every number that a score can be.
const NOWHERE: f32 = f32::MIN;
const NORM_EPSILON: f32 = 1e-5;

/// How the weights of linear layers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Weights {
    Float,
    Int8,
}

/// A graph that is being written, with what its layers have in common.
struct Writer {
    g: Graph,
    weights: Weights,
}

fn ints(values: &[i64]) -> Attr {
    Attr::Ints(values.to_vec())
}

fn number(config: &Value, key: &str) -> usize {
    config[key].as_u64().unwrap_or_else(|| panic!("no {key}")) as usize
}

impl Writer {
    fn new(name: &str, weights: Weights) -> Self {
        Self { g: Graph::new(name), weights }
    }

    fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.g.op(op, inputs, &[])
    }

    fn whole(&mut self, name: &str, values: &[i64]) -> String {
        self.g.initializer_i64(name, values, &[values.len()])
    }

    fn parameter(&mut self, name: &str, shape: &[usize]) -> String {
        self.g.initializer_f32(name, &tensor(name, shape), shape)
    }

    /// `x · Wᵀ`, and the bias if there is one. Weights lie as `MatMul` wants them.
    fn linear(&mut self, name: &str, x: &str, inputs: usize, outputs: usize, bias: bool) -> String {
        let given = tensor(&format!("{name}.weight"), &[outputs, inputs]);
        let turned: Vec<f32> =
            (0..inputs).flat_map(|i| (0..outputs).map(move |o| o * inputs + i)).map(|at| given[at]).collect();
        let (weight, shape) = (format!("{name}.weight"), [inputs, outputs]);
        let weight = match self.weights {
            Weights::Float => self.g.initializer_f32(&weight, &turned, &shape),
            Weights::Int8 => self.g.int8_weight(&weight, &turned, &shape, 1),
        };
        let product = self.op("MatMul", &[x, &weight]);
        if !bias {
            return product;
        }
        let bias = self.parameter(&format!("{name}.bias"), &[outputs]);
        self.op("Add", &[&product, &bias])
    }

    fn norm(&mut self, name: &str, x: &str, width: usize) -> String {
        let [weight, bias] = ["weight", "bias"].map(|part| self.parameter(&format!("{name}.{part}"), &[width]));
        let epsilon = Attr::Float(NORM_EPSILON);
        self.g.op("LayerNormalization", &[x, &weight, &bias], &[("axis", Attr::Int(-1)), ("epsilon", epsilon)])
    }

    /// `[batch, tokens, width]` as `[batch, heads, tokens, head]`.
    fn split(&mut self, name: &str, x: &str, heads: usize, head: usize) -> String {
        let shape = self.whole(&format!("{name}.heads"), &[0, -1, heads as i64, head as i64]);
        let split = self.op("Reshape", &[x, &shape]);
        self.g.op("Transpose", &[&split], &[("perm", ints(&[0, 2, 1, 3]))])
    }

    /// The values that queries find by keys, all heads side by side again.
    fn attend(&mut self, name: &str, q: &str, k: &str, v: &str, mask: Option<&str>, head: usize) -> String {
        let turned = self.g.op("Transpose", &[k], &[("perm", ints(&[0, 1, 3, 2]))]);
        let scores = self.op("MatMul", &[q, &turned]);
        let scale = self.g.initializer_f32(&format!("{name}.scale"), &[(head as f32).sqrt().recip()], &[]);
        let mut scores = self.op("Mul", &[&scores, &scale]);
        if let Some(mask) = mask {
            scores = self.op("Add", &[&scores, mask]);
        }
        let shares = self.g.op("Softmax", &[&scores], &[("axis", Attr::Int(-1))]);
        let found = self.op("MatMul", &[&shares, v]);
        let found = self.g.op("Transpose", &[&found], &[("perm", ints(&[0, 2, 1, 3]))]);
        let join = self.g.initializer_i64(&format!("{name}.join"), &[0, 0, -1], &[3]);
        self.op("Reshape", &[&found, &join])
    }

    /// Length of an input's axis, as one number.
    fn length(&mut self, of: &str, axis: i64) -> String {
        let shape = self.op("Shape", &[of]);
        let axis = self.g.initializer_i64(&format!("{of}.axis{axis}"), &[axis], &[]);
        self.op("Gather", &[&shape, &axis])
    }

    /// `start, start + 1, … end - 1`; without a start from zero.
    fn range(&mut self, name: &str, start: Option<&str>, end: &str) -> String {
        let one = self.g.initializer_i64(&format!("{name}.one"), &[1], &[]);
        let zero = self.g.initializer_i64(&format!("{name}.zero"), &[0], &[]);
        self.op("Range", &[start.unwrap_or(&zero), end, &one])
    }

    fn unsqueeze(&mut self, x: &str, axes: &[i64]) -> String {
        let axes = self.whole(&format!("{x}.axes"), axes);
        self.op("Unsqueeze", &[x, &axes])
    }

    /// `[…, rows, columns]`: nothing where a column is not later than its row, `NOWHERE` elsewhere and where `read` is false.
    fn mask(&mut self, rows: &str, columns: &str, read: &str) -> String {
        let rows = self.unsqueeze(rows, &[1]);
        let later = self.op("Greater", &[columns, &rows]);
        let one = self.g.initializer_i64("mask.one", &[1], &[]);
        let unread = self.op("Less", &[read, &one]);
        let unread = self.unsqueeze(&unread, &[1, 2]);
        let hidden = self.op("Or", &[&later, &unread]);
        let nowhere = self.g.initializer_f32("mask.nowhere", &[NOWHERE], &[]);
        let nothing = self.g.initializer_f32("mask.nothing", &[0.0], &[]);
        self.op("Where", &[&hidden, &nowhere, &nothing])
    }

    /// The layers of one of CLIP's towers.
    fn clip_layers(&mut self, tower: &str, config: &Value, mut x: String, mask: Option<&str>) -> String {
        let (width, inner) = (number(config, "hidden_size"), number(config, "intermediate_size"));
        let heads = number(config, "num_attention_heads");
        for layer in 0..number(config, "num_hidden_layers") {
            let name = format!("{tower}.encoder.layers.{layer}");
            let y = self.norm(&format!("{name}.layer_norm1"), &x, width);
            let [q, k, v] = ["q", "k", "v"].map(|part| {
                let part = format!("{name}.self_attn.{part}_proj");
                let y = self.linear(&part, &y, width, width, true);
                self.split(&part, &y, heads, width / heads)
            });
            let y = self.attend(&name, &q, &k, &v, mask, width / heads);
            let y = self.linear(&format!("{name}.self_attn.out_proj"), &y, width, width, true);
            x = self.op("Add", &[&x, &y]);
            let y = self.norm(&format!("{name}.layer_norm2"), &x, width);
            let y = self.linear(&format!("{name}.mlp.fc1"), &y, width, inner, true);
            let slope = self.g.initializer_f32(&format!("{name}.slope"), &[1.702], &[]);
            let gate = self.op("Mul", &[&y, &slope]);
            let gate = self.op("Sigmoid", &[&gate]);
            let y = self.op("Mul", &[&y, &gate]);
            let y = self.linear(&format!("{name}.mlp.fc2"), &y, inner, width, true);
            x = self.op("Add", &[&x, &y]);
        }
        x
    }

    fn vision(mut self, config: &Value, dimension: usize) -> Graph {
        let (width, side, patch) =
            (number(config, "hidden_size"), number(config, "image_size"), number(config, "patch_size"));
        self.g.input("pixel_values", DType::F32, &[BATCH.into(), 3.into(), side.into(), side.into()]);
        let kernel = self.parameter("vision_model.embeddings.patch_embedding.weight", &[width, 3, patch, patch]);
        let stride = [patch as i64, patch as i64];
        let patches = self.g.op(
            "Conv",
            &["pixel_values", &kernel],
            &[("kernel_shape", ints(&stride)), ("strides", ints(&stride))],
        );
        let flat = self.g.initializer_i64("flat", &[0, width as i64, -1], &[3]);
        let patches = self.op("Reshape", &[&patches, &flat]);
        let patches = self.g.op("Transpose", &[&patches], &[("perm", ints(&[0, 2, 1]))]);
        let class = self.parameter("vision_model.embeddings.class_embedding", &[width]);
        let batch = self.length("pixel_values", 0);
        let batch = self.unsqueeze(&batch, &[0]);
        let rest = self.whole("class.rest", &[1, width as i64]);
        let shape = self.g.op("Concat", &[&batch, &rest], &[("axis", Attr::Int(0))]);
        let class = self.op("Expand", &[&class, &shape]);
        let x = self.g.op("Concat", &[&class, &patches], &[("axis", Attr::Int(1))]);
        let places = (side / patch).pow(2) + 1;
        let places = self.parameter("vision_model.embeddings.position_embedding.weight", &[places, width]);
        let x = self.op("Add", &[&x, &places]);
        let x = self.norm("vision_model.pre_layrnorm", &x, width);
        let x = self.clip_layers("vision_model", config, x, None);
        let first = self.g.initializer_i64("first", &[0], &[]);
        let pooled = self.g.op("Gather", &[&x, &first], &[("axis", Attr::Int(1))]);
        let pooled = self.norm("vision_model.post_layernorm", &pooled, width);
        let made = self.linear("visual_projection", &pooled, width, dimension, false);
        self.g.node("Identity", &[&made], &["image_embeds"], &[]);
        self.g.output("image_embeds", DType::F32, &[BATCH.into(), dimension.into()]);
        self.g
    }

    fn text(mut self, config: &Value, dimension: usize) -> Graph {
        let width = number(config, "hidden_size");
        for input in ["input_ids", "attention_mask"] {
            self.g.input(input, DType::I64, &[BATCH.into(), LENGTH.into()]);
        }
        let table = "text_model.embeddings.token_embedding.weight";
        let table = self.parameter(table, &[number(config, "vocab_size"), width]);
        let places = "text_model.embeddings.position_embedding.weight";
        let places = self.parameter(places, &[number(config, "max_position_embeddings"), width]);
        let length = self.length("input_ids", 1);
        let positions = self.range("positions", None, &length);
        let x = self.op("Gather", &[&table, "input_ids"]);
        let places = self.op("Gather", &[&places, &positions]);
        let x = self.op("Add", &[&x, &places]);
        let mask = self.mask(&positions, &positions, "attention_mask");
        let x = self.clip_layers("text_model", config, x, Some(&mask));
        let x = self.norm("text_model.final_layer_norm", &x, width);
        // The end of a text has the highest number, and the first of several ends counts.
        let end = self.g.op("ArgMax", &["input_ids"], &[("axis", Attr::Int(1)), ("keepdims", Attr::Int(1))]);
        let pooled = self.g.op("GatherND", &[&x, &end], &[("batch_dims", Attr::Int(1))]);
        let made = self.linear("text_projection", &pooled, width, dimension, false);
        self.g.node("Identity", &[&made], &["text_embeds"], &[]);
        self.g.output("text_embeds", DType::F32, &[BATCH.into(), dimension.into()]);
        self.g
    }

    /// Scaled by the root of the mean square, as Llama has it.
    fn root_norm(&mut self, name: &str, x: &str, width: usize) -> String {
        let two = self.g.initializer_f32(&format!("{name}.two"), &[2.0], &[]);
        let epsilon = self.g.initializer_f32(&format!("{name}.epsilon"), &[NORM_EPSILON], &[]);
        let square = self.op("Pow", &[x, &two]);
        let mean = self.g.op("ReduceMean", &[&square], &[("axes", ints(&[-1])), ("keepdims", Attr::Int(1))]);
        let mean = self.op("Add", &[&mean, &epsilon]);
        let root = self.op("Sqrt", &[&mean]);
        let root = self.op("Reciprocal", &[&root]);
        let scaled = self.op("Mul", &[x, &root]);
        let weight = self.parameter(&format!("{name}.weight"), &[width]);
        self.op("Mul", &[&weight, &scaled])
    }

    /// Turned by its position: `x · cos + (second half negated, first half) · sin`.
    fn turn(&mut self, name: &str, x: &str, [cos, sin]: [&str; 2], head: usize) -> String {
        let half = self.g.initializer_i64(&format!("{name}.half"), &[head as i64 / 2, head as i64 / 2], &[2]);
        let [low, high] = ["low", "high"].map(|part| format!("{name}.{part}"));
        self.g.node("Split", &[x, &half], &[&low, &high], &[("axis", Attr::Int(-1))]);
        let minus = self.op("Neg", &[&high]);
        let crossed = self.g.op("Concat", &[&minus, &low], &[("axis", Attr::Int(-1))]);
        let straight = self.op("Mul", &[x, cos]);
        let crossed = self.op("Mul", &[&crossed, sin]);
        self.op("Add", &[&straight, &crossed])
    }

    /// Heads of keys or values, each as often as queries share it.
    fn repeat(&mut self, name: &str, x: &str, [heads, times, head]: [usize; 3]) -> String {
        let apart = self.unsqueeze(x, &[2]);
        let shape = self.whole(&format!("{name}.times"), &[1, 1, times as i64, 1, 1]);
        let many = self.op("Expand", &[&apart, &shape]);
        let shape = self.whole(&format!("{name}.all"), &[0, (heads * times) as i64, -1, head as i64]);
        self.op("Reshape", &[&many, &shape])
    }

    fn decoder(mut self, config: &Value) -> Graph {
        let [width, inner, vocabulary] =
            ["hidden_size", "intermediate_size", "vocab_size"].map(|key| number(config, key));
        let [heads, kept] = ["num_attention_heads", "num_key_value_heads"].map(|key| number(config, key));
        let head = width / heads;
        let layers = number(config, "num_hidden_layers");
        self.g.input("input_ids", DType::I64, &[BATCH.into(), LENGTH.into()]);
        self.g.input("attention_mask", DType::I64, &[BATCH.into(), TOTAL.into()]);
        self.g.input("position_ids", DType::I64, &[BATCH.into(), LENGTH.into()]);
        let cache: [Dim; 4] = [BATCH.into(), kept.into(), PAST.into(), head.into()];
        for layer in 0..layers {
            for part in ["key", "value"] {
                self.g.input(&format!("past_key_values.{layer}.{part}"), DType::F32, &cache);
            }
        }
        let table = self.parameter("model.embed_tokens.weight", &[vocabulary, width]);
        let mut x = self.op("Gather", &[&table, "input_ids"]);

        let past = self.length("past_key_values.0.key", 2);
        let total = self.length("attention_mask", 1);
        let rows = self.range("rows", Some(&past), &total);
        let columns = self.range("columns", None, &total);
        let mask = self.mask(&rows, &columns, "attention_mask");
        let theta = config["rope_theta"].as_f64().unwrap();
        let turns: Vec<f32> = (0..head / 2).map(|at| theta.powf(-((2 * at) as f64) / head as f64) as f32).collect();
        let turns = self.g.initializer_f32("turns", &turns, &[head / 2]);
        let positions = self.unsqueeze("position_ids", &[1, 3]);
        let positions = self.g.op("Cast", &[&positions], &[("to", Attr::Int(1))]);
        let angles = self.op("Mul", &[&positions, &turns]);
        let angles = self.g.op("Concat", &[&angles, &angles], &[("axis", Attr::Int(-1))]);
        let [cos, sin] = ["Cos", "Sin"].map(|op| self.op(op, &[&angles]));

        for layer in 0..layers {
            let name = format!("model.layers.{layer}");
            let y = self.root_norm(&format!("{name}.input_layernorm"), &x, width);
            let [q, k, v] = [("q", heads), ("k", kept), ("v", kept)].map(|(part, heads)| {
                let part = format!("{name}.self_attn.{part}_proj");
                let y = self.linear(&part, &y, width, heads * head, false);
                self.split(&part, &y, heads, head)
            });
            let q = self.turn(&format!("{name}.q"), &q, [&cos, &sin], head);
            let k = self.turn(&format!("{name}.k"), &k, [&cos, &sin], head);
            let [k, v] = [("key", k), ("value", v)].map(|(part, new)| {
                let [past, present] = ["past_key_values", "present"].map(|which| format!("{which}.{layer}.{part}"));
                self.g.node("Concat", &[&past, &new], &[&present], &[("axis", Attr::Int(2))]);
                self.repeat(&format!("{name}.{part}"), &present, [kept, heads / kept, head])
            });
            let y = self.attend(&name, &q, &k, &v, Some(&mask), head);
            let y = self.linear(&format!("{name}.self_attn.o_proj"), &y, heads * head, width, false);
            x = self.op("Add", &[&x, &y]);
            let y = self.root_norm(&format!("{name}.post_attention_layernorm"), &x, width);
            let [gate, up] =
                ["gate", "up"].map(|part| self.linear(&format!("{name}.mlp.{part}_proj"), &y, width, inner, false));
            let open = self.op("Sigmoid", &[&gate]);
            let gate = self.op("Mul", &[&gate, &open]);
            let y = self.op("Mul", &[&gate, &up]);
            let y = self.linear(&format!("{name}.mlp.down_proj"), &y, inner, width, false);
            x = self.op("Add", &[&x, &y]);
        }
        let x = self.root_norm("model.norm", &x, width);
        let turned = self.g.op("Transpose", &[&table], &[("perm", ints(&[1, 0]))]);
        self.g.node("MatMul", &[&x, &turned], &["logits"], &[]);
        self.g.output("logits", DType::F32, &[BATCH.into(), LENGTH.into(), vocabulary.into()]);
        let cache: [Dim; 4] = [BATCH.into(), kept.into(), TOTAL.into(), head.into()];
        for layer in 0..layers {
            for part in ["key", "value"] {
                self.g.output(&format!("present.{layer}.{part}"), DType::F32, &cache);
            }
        }
        self.g
    }
}

fn write(folder: &Path, file: &str, contents: impl AsRef<[u8]>) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

/// A dual encoder's folder.
pub(crate) fn encoder(weights: Weights) -> TempDir {
    let clip: Value = vectors::json("clip.json");
    let config = &clip["config"];
    let dimension = number(config, "projection_dim");
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write(dir, "config.json", config.to_string());
    let pictures: Pictures = vectors::json("pictures.json");
    write(dir, "preprocessor_config.json", pictures.preprocessor.to_string());
    write(dir, "tokenizer.json", vectors::bytes("clip-tokenizer.json"));
    let vision = Writer::new("vision", weights).vision(&config["vision_config"], dimension);
    write(dir, "onnx/vision_model.onnx", vision.to_bytes().unwrap());
    let text = Writer::new("text", weights).text(&config["text_config"], dimension);
    write(dir, "onnx/text_model.onnx", text.to_bytes().unwrap());
    folder
}

/// A decoder's folder. Its vocabulary is the beginning of the kept one.
pub(crate) fn decoder(weights: Weights) -> TempDir {
    let decoder: Value = vectors::json("decoder.json");
    let config = &decoder["config"];
    let size = number(config, "vocab_size");
    let mut tokenizer: Value = vectors::json("bpe-tokenizer.json");
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    vocabulary.retain(|_, id| id.as_u64().unwrap() < size as u64);
    let known: Vec<String> = vocabulary.keys().cloned().collect();
    let merges = tokenizer["model"]["merges"].as_array_mut().unwrap();
    merges.retain(|pair| {
        let joined = format!("{}{}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        known.contains(&joined)
    });
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write(dir, "config.json", config.to_string());
    write(dir, "generation_config.json", json!({"eos_token_id": config["eos_token_id"]}).to_string());
    write(dir, "tokenizer.json", tokenizer.to_string());
    let graph = Writer::new("decoder", weights).decoder(config);
    write(dir, "onnx/model.onnx", graph.to_bytes().unwrap());
    folder
}
