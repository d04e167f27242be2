//! Tiny random models in the documented folder layouts, written with the project's own ONNX writer. They know
//! nothing, but they are whole: every operator, name and shape of the contract is there.

#![allow(dead_code, reason = "included by several test binaries, each of which uses some of it")]

use std::fs;
use std::path::Path;

use trimtab_quant::{Attr, DType, Dim, Graph};

/// Length of an embedding of the tiny encoder.
pub(crate) const DIMENSION: usize = 8;
/// Side of the pictures that the tiny encoder looks at, in pixels.
pub(crate) const SIDE: usize = 16;
/// Tokens of the tiny tokenizer: 256 bytes, four merged pieces, two special tokens.
pub(crate) const VOCABULARY: usize = 262;
/// Number of the special token that begins a text.
pub(crate) const BOS: u32 = 260;
/// Number of the special token that ends a text.
pub(crate) const EOS: u32 = 261;
/// Context of the tiny language model.
pub(crate) const CONTEXT: usize = 48;

/// Reproducible numbers in -scale..scale.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// `count` of them.
    pub(crate) fn numbers(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0) * scale
            })
            .collect()
    }
}

fn write(dir: &Path, file: &str, contents: impl AsRef<[u8]>) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

/// The character that stands for a byte in byte-level vocabularies.
pub(crate) fn symbol(byte: u8) -> char {
    let printable = |b: &u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(&byte) {
        return char::from(byte);
    }
    let earlier = (0..byte).filter(|b| !printable(b)).count();
    char::from_u32(0x100 + earlier as u32).unwrap()
}

/// A `tokenizer.json` with the merges `t h → th`, `th e → the`, `Ġ the → Ġthe`, `o n → on`.
pub(crate) fn tokenizer_json() -> String {
    let mut vocab = serde_json::Map::new();
    for byte in 0..=255_u8 {
        vocab.insert(symbol(byte).to_string(), byte.into());
    }
    for (index, piece) in ["th", "the", "Ġthe", "on"].iter().enumerate() {
        vocab.insert((*piece).into(), (256 + index).into());
    }
    let special = |id: u32, content: &str| serde_json::json!({"id": id, "content": content, "special": true});
    serde_json::json!({
        "version": "1.0",
        "added_tokens": [special(BOS, "<bos>"), special(EOS, "<eos>")],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["t h", ["th", "e"], "Ġ the", "o n"]},
    })
    .to_string()
}

/// What CLIP's files say of words.
const CLIP_WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// A `tokenizer.json` in CLIP's scheme, with the one merge `o n</w> → on</w>`.
pub(crate) fn clip_tokenizer_json() -> String {
    let mut file: serde_json::Value = serde_json::from_str(&tokenizer_json()).unwrap();
    for byte in 0..=255_u8 {
        let name = format!("{}</w>", symbol(byte));
        file["model"]["vocab"][name] = (300 + u32::from(byte)).into();
    }
    file["model"]["vocab"]["on</w>"] = 600.into();
    file["model"]["merges"] = serde_json::json!(["o n</w>"]);
    file["model"]["end_of_word_suffix"] = "</w>".into();
    file["normalizer"] =
        serde_json::json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]});
    file["pre_tokenizer"] = serde_json::json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": CLIP_WORDS}, "behavior": "Removed", "invert": true},
        {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    ]});
    file["post_processor"] =
        serde_json::json!({"type": "RobertaProcessing", "cls": ["<bos>", BOS], "sep": ["<eos>", EOS]});
    file.to_string()
}

/// Writes an encoder folder as the usual exporters of CLIP do: no context, calibration or task head of ours, a text
/// tower that asks for an attention mask, and pictures cut out of the middle.
pub(crate) fn clip(dir: &Path) {
    let mut chance = Chance(4);
    let config = serde_json::json!({
        "model_type": "clip", "projection_dim": DIMENSION, "logit_scale_init_value": 2.6592,
        "text_config": {"max_position_embeddings": 12}, "vision_config": {"image_size": SIDE, "patch_size": 4},
    });
    let preprocessor = serde_json::json!({
        "do_resize": true, "size": {"shortest_edge": SIDE}, "resample": 3,
        "do_center_crop": true, "crop_size": {"height": SIDE, "width": SIDE}, "do_convert_rgb": true,
        "do_rescale": true, "rescale_factor": 1.0 / 255.0, "do_normalize": true,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    });
    let mut g = Graph::new("text");
    clip_text(&mut g, &mut chance, &"sequence_length".into());
    write(dir, "config.json", config.to_string());
    write(dir, "preprocessor_config.json", preprocessor.to_string());
    write(dir, "tokenizer.json", clip_tokenizer_json());
    write(dir, "onnx/vision_model.onnx", vision_graph(&mut chance).to_bytes().unwrap());
    write(dir, "onnx/text_model.onnx", g.to_bytes().unwrap());
}

/// The same models as [`clip`] writes, in one file with both towers, whose texts have one length.
pub(crate) fn clip_in_one_file(dir: &Path, length: usize) {
    clip(dir);
    let mut chance = Chance(4);
    let mut g = Graph::new("both");
    clip_text(&mut g, &mut chance, &length.into());
    vision_part(&mut g, &mut chance);
    g.node("Sub", &["text_embeds", "image_embeds"], &["apart"], &[]);
    g.output("apart", DType::F32, &["batch_size".into(), DIMENSION.into()]);
    write(dir, "onnx/model.onnx", g.to_bytes().unwrap());
    for tower in ["onnx/vision_model.onnx", "onnx/text_model.onnx"] {
        fs::remove_file(dir.join(tower)).unwrap();
    }
}

fn clip_text(g: &mut Graph, chance: &mut Chance, length: &Dim) {
    g.input("input_ids", DType::I64, &["batch_size".into(), length.clone()]);
    g.input("attention_mask", DType::I64, &["batch_size".into(), length.clone()]);
    let table = g.int8_weight("tokens", &chance.numbers(601 * DIMENSION, 1.0), &[601, DIMENSION], 0);
    let x = g.op("Gather", &[&table, "input_ids"], &[("axis", Attr::Int(0))]);
    let mask = g.op("Cast", &["attention_mask"], &[("to", Attr::Int(1))]);
    let last = g.initializer_i64("last", &[-1], &[1]);
    let mask = g.op("Unsqueeze", &[&mask, &last], &[]);
    let x = g.op("Mul", &[&x, &mask], &[]);
    g.node("ReduceMean", &[&x], &["text_embeds"], &[("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))]);
    g.output("text_embeds", DType::F32, &["batch_size".into(), DIMENSION.into()]);
}

/// A `preprocessor_config.json` for square pictures.
pub(crate) fn preprocessor_json(side: usize) -> String {
    serde_json::json!({
        "do_resize": true, "size": {"height": side, "width": side}, "resample": 2,
        "do_rescale": true, "rescale_factor": 1.0 / 255.0,
        "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    })
    .to_string()
}

/// A picture tower: one strided convolution, mean over the grid, projection.
pub(crate) fn vision_graph(chance: &mut Chance) -> Graph {
    let mut g = Graph::new("vision");
    vision_part(&mut g, chance);
    g
}

fn vision_part(g: &mut Graph, chance: &mut Chance) {
    g.input("pixel_values", DType::F32, &["B".into(), 3.into(), SIDE.into(), SIDE.into()]);
    let kernel = g.int8_weight("conv.weight", &chance.numbers(8 * 3 * 4 * 4, 0.5), &[8, 3, 4, 4], 0);
    let bias = g.initializer_f32("conv.bias", &chance.numbers(8, 0.5), &[8]);
    let strides = Attr::Ints(vec![4, 4]);
    let grid = g.op(
        "Conv",
        &["pixel_values", &kernel, &bias],
        &[("strides", strides), ("kernel_shape", Attr::Ints(vec![4, 4]))],
    );
    let grid = g.op("Relu", &[&grid], &[]);
    let pooled = g.op("ReduceMean", &[&grid], &[("axes", Attr::Ints(vec![2, 3])), ("keepdims", Attr::Int(0))]);
    let weight = g.int8_weight("projection", &chance.numbers(8 * DIMENSION, 1.0), &[8, DIMENSION], 1);
    g.node("MatMul", &[&pooled, &weight], &["image_embeds"], &[]);
    g.output("image_embeds", DType::F32, &["B".into(), DIMENSION.into()]);
}

/// A text tower: embedding plus position, mean over the tokens, projection.
pub(crate) fn text_graph(chance: &mut Chance) -> Graph {
    let mut g = Graph::new("text");
    g.input("input_ids", DType::I64, &["B".into(), "T".into()]);
    let x = embed(&mut g, chance, "input_ids", None);
    let x = g.op("Tanh", &[&x], &[]);
    let pooled = g.op("ReduceMean", &[&x], &[("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))]);
    let weight = g.int8_weight("projection", &chance.numbers(WIDTH * DIMENSION, 1.0), &[WIDTH, DIMENSION], 1);
    g.node("MatMul", &[&pooled, &weight], &["text_embeds"], &[]);
    g.output("text_embeds", DType::F32, &["B".into(), DIMENSION.into()]);
    g
}

const WIDTH: usize = 16;
const HEADS: usize = 2;
const HEAD_WIDTH: usize = WIDTH / HEADS;

/// Token embedding plus position embedding; positions start after those of the cache named, if any.
fn embed(g: &mut Graph, chance: &mut Chance, ids: &str, past: Option<&str>) -> String {
    let table = g.int8_weight("tokens", &chance.numbers(VOCABULARY * WIDTH, 1.0), &[VOCABULARY, WIDTH], 0);
    let places = g.int8_weight("places", &chance.numbers(CONTEXT * WIDTH, 0.5), &[CONTEXT, WIDTH], 0);
    let x = g.op("Gather", &[&table, ids], &[("axis", Attr::Int(0))]);
    let positions = range(g, ids, past);
    let places = g.op("Gather", &[&places, &positions], &[("axis", Attr::Int(0))]);
    g.op("Add", &[&x, &places], &[])
}

/// `P, P+1, … P+S-1`, where S is the length of `ids` and P that of the cache.
fn range(g: &mut Graph, ids: &str, past: Option<&str>) -> String {
    let tag = ids.len() + past.map_or(0, str::len);
    let zero = g.initializer_i64(&format!("zero{tag}"), &[0], &[]);
    let one = g.initializer_i64(&format!("one{tag}"), &[1], &[]);
    let two = g.initializer_i64(&format!("two{tag}"), &[2], &[]);
    let shape = g.op("Shape", &[ids], &[]);
    let length = g.op("Gather", &[&shape, &one], &[]);
    let start = match past {
        Some(past) => {
            let shape = g.op("Shape", &[past], &[]);
            g.op("Gather", &[&shape, &two], &[])
        }
        None => zero,
    };
    let end = g.op("Add", &[&start, &length], &[]);
    g.op("Range", &[&start, &end, &one], &[])
}

/// One attention layer with a growing cache.
pub(crate) fn language_graph(chance: &mut Chance) -> Graph {
    let mut g = Graph::new("language");
    g.input("input_ids", DType::I64, &[1.into(), "S".into()]);
    for past in ["past_key_values.0.key", "past_key_values.0.value"] {
        g.input(past, DType::F32, &[1.into(), HEADS.into(), "P".into(), HEAD_WIDTH.into()]);
    }
    let x = embed(&mut g, chance, "input_ids", Some("past_key_values.0.key"));
    let split = g.initializer_i64("split", &[1, -1, HEADS as i64, HEAD_WIDTH as i64], &[4]);
    let heads = |g: &mut Graph, chance: &mut Chance, name: &str| {
        let weight = g.int8_weight(name, &chance.numbers(WIDTH * WIDTH, 0.7), &[WIDTH, WIDTH], 1);
        let y = g.op("MatMul", &[&x, &weight], &[]);
        let y = g.op("Reshape", &[&y, &split], &[]);
        g.op("Transpose", &[&y], &[("perm", Attr::Ints(vec![0, 2, 1, 3]))])
    };
    let (q, k, v) = (heads(&mut g, chance, "q"), heads(&mut g, chance, "k"), heads(&mut g, chance, "v"));
    g.node("Concat", &["past_key_values.0.key", &k], &["present.0.key"], &[("axis", Attr::Int(2))]);
    g.node("Concat", &["past_key_values.0.value", &v], &["present.0.value"], &[("axis", Attr::Int(2))]);

    let turned = g.op("Transpose", &["present.0.key"], &[("perm", Attr::Ints(vec![0, 1, 3, 2]))]);
    let scores = g.op("MatMul", &[&q, &turned], &[]);
    let positions = range(&mut g, "input_ids", Some("past_key_values.0.value"));
    let rows_axis = g.initializer_i64("rows_axis", &[1], &[1]);
    let rows = g.op("Cast", &[&positions], &[("to", Attr::Int(1))]);
    let rows = g.op("Unsqueeze", &[&rows, &rows_axis], &[]);
    let columns = {
        let zero = g.initializer_i64("column_zero", &[0], &[]);
        let one = g.initializer_i64("column_one", &[1], &[]);
        let two = g.initializer_i64("column_two", &[2], &[]);
        let shape = g.op("Shape", &["present.0.key"], &[]);
        let total = g.op("Gather", &[&shape, &two], &[]);
        let places = g.op("Range", &[&zero, &total, &one], &[]);
        g.op("Cast", &[&places], &[("to", Attr::Int(1))])
    };
    let later = g.op("Greater", &[&columns, &rows], &[]);
    let later = g.op("Cast", &[&later], &[("to", Attr::Int(1))]);
    let minus = g.initializer_f32("minus", &[-1e9], &[]);
    let mask = g.op("Mul", &[&later, &minus], &[]);
    let scores = g.op("Add", &[&scores, &mask], &[]);
    let attention = g.op("Softmax", &[&scores], &[("axis", Attr::Int(-1))]);
    let y = g.op("MatMul", &[&attention, "present.0.value"], &[]);
    let y = g.op("Transpose", &[&y], &[("perm", Attr::Ints(vec![0, 2, 1, 3]))]);
    let join = g.initializer_i64("join", &[1, -1, WIDTH as i64], &[3]);
    let y = g.op("Reshape", &[&y, &join], &[]);
    let x = g.op("Add", &[&x, &y], &[]);

    let from = g.initializer_i64("from", &[-1], &[1]);
    let to = g.initializer_i64("to", &[i64::MAX], &[1]);
    let axis = g.initializer_i64("axis", &[1], &[1]);
    let last = g.op("Slice", &[&x, &from, &to, &axis], &[]);
    let head = g.int8_weight("head", &chance.numbers(WIDTH * VOCABULARY, 1.0), &[WIDTH, VOCABULARY], 1);
    g.node("MatMul", &[&last, &head], &["logits"], &[]);
    g.output("logits", DType::F32, &[1.into(), 1.into(), VOCABULARY.into()]);
    for present in ["present.0.key", "present.0.value"] {
        g.output(present, DType::F32, &[1.into(), HEADS.into(), "P+S".into(), HEAD_WIDTH.into()]);
    }
    g
}

/// A question model whose answer depends on the mean colour of the views and on the tokens of the question.
pub(crate) fn vqa_graph(chance: &mut Chance, answers: usize) -> Graph {
    let mut g = Graph::new("vqa");
    g.input("pixel_values", DType::F32, &["N".into(), 3.into(), SIDE.into(), SIDE.into()]);
    g.input("input_ids", DType::I64, &[1.into(), "T".into()]);
    let colour =
        g.op("ReduceMean", &["pixel_values"], &[("axes", Attr::Ints(vec![0, 2, 3])), ("keepdims", Attr::Int(0))]);
    let row = g.initializer_i64("row", &[1, 3], &[2]);
    let colour = g.op("Reshape", &[&colour, &row], &[]);
    let seen = g.int8_weight("seen", &chance.numbers(3 * answers, 2.0), &[3, answers], 1);
    let seen = g.op("MatMul", &[&colour, &seen], &[]);
    let x = embed(&mut g, chance, "input_ids", None);
    let pooled = g.op("ReduceMean", &[&x], &[("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))]);
    let asked = g.int8_weight("asked", &chance.numbers(WIDTH * answers, 1.0), &[WIDTH, answers], 1);
    let asked = g.op("MatMul", &[&pooled, &asked], &[]);
    g.node("Add", &[&seen, &asked], &["logits"], &[]);
    g.output("logits", DType::F32, &[1.into(), answers.into()]);
    g
}

/// A policy for `trimtab-1`: one linear score and a quality in 0..=1.
pub(crate) fn policy_graph(chance: &mut Chance, rows: usize, encoder: &str) -> Graph {
    let mut g = Graph::new("policy");
    g.input("candidates", DType::F32, &["N".into(), rows.into()]);
    let flat = g.initializer_i64("flat", &[-1], &[1]);
    for (output, activation) in [("score", "Identity"), ("quality", "Sigmoid")] {
        let weight = g.int8_weight(&format!("{output}.weight"), &chance.numbers(rows, 1.0), &[rows, 1], 1);
        let y = g.op("MatMul", &["candidates", &weight], &[]);
        let y = g.op(activation, &[&y], &[]);
        g.node("Reshape", &[&y, &flat], &[output], &[]);
        g.output(output, DType::F32, &["N".into()]);
    }
    g.initializer_f32("prompt_projection", &chance.numbers(24 * DIMENSION, 1.0), &[24, DIMENSION]);
    g.metadata("layout", "trimtab-1").metadata("layout_version", "1").metadata("encoder_sha256", encoder);
    g
}

/// Writes an encoder folder.
pub(crate) fn encoder(dir: &Path) {
    let mut chance = Chance(1);
    let config = serde_json::json!({
        "model_type": "trimtab-dual-encoder", "projection_dim": DIMENSION, "logit_scale": 10.0, "logit_bias": -2.0, "context": 32,
    });
    write(dir, "config.json", config.to_string());
    write(dir, "preprocessor_config.json", preprocessor_json(SIDE));
    write(dir, "tokenizer.json", tokenizer_json());
    write(dir, "onnx/vision_model.onnx", vision_graph(&mut chance).to_bytes().unwrap());
    write(dir, "onnx/text_model.onnx", text_graph(&mut chance).to_bytes().unwrap());
    let rows: Vec<Vec<f32>> = (0..4).map(|_| chance.numbers(DIMENSION, 1.0)).collect();
    let head = serde_json::json!({
        "labels": ["assistive", "query", "recommendation", "message"],
        "weight": rows, "bias": [0.0, 0.1, 0.2, 0.3], "temperature": 0.5, "centroids": rows, "min_cosine": -1.0,
    });
    write(dir, "task_head.json", head.to_string());
    write(dir, "card.json", r#"{"peak_memory_bytes": 4096}"#);
}

/// Writes a language model folder.
pub(crate) fn language(dir: &Path) {
    let config = serde_json::json!({
        "model_type": "trimtab-lm", "n_layer": 1, "n_head": HEADS, "head_dim": HEAD_WIDTH, "hidden": WIDTH, "vocab_size": VOCABULARY,
        "context": CONTEXT, "eos_token_id": EOS, "bos_token_id": BOS, "prompt_template": "<bos>{prompt}\n",
    });
    write(dir, "config.json", config.to_string());
    write(dir, "tokenizer.json", tokenizer_json());
    write(dir, "onnx/model.onnx", language_graph(&mut Chance(2)).to_bytes().unwrap());
}

/// Writes a question-answering folder with these answers.
pub(crate) fn vqa(dir: &Path, answers: &[&str]) {
    let config =
        serde_json::json!({"model_type": "trimtab-vqa", "answers": answers, "image_size": SIDE, "context": 32});
    write(dir, "config.json", config.to_string());
    write(dir, "preprocessor_config.json", preprocessor_json(SIDE));
    write(dir, "tokenizer.json", tokenizer_json());
    write(dir, "onnx/model.onnx", vqa_graph(&mut Chance(3), answers.len()).to_bytes().unwrap());
}
