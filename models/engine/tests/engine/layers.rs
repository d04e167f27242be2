//! Layers with int8 and 4-bit weights, in every form that files have them: as close to the same file in floats as their numbers allow.

use std::fs;
use std::path::Path;

use trimtab_engine::{Feed, ModelError, Runner, Values};
use trimtab_quant::{Attr, DType, Graph, Int8Weight, QuantiseOptions, Quantiser, Width};

use crate::tiny::Chance;

const WIDTH: usize = 64;
const HEADS: usize = 2;
const TOKENS: usize = 7;
const WORDS: usize = 80;

/// How a graph holds its weights.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Int8 with a scale for each output.
    Int8,
    /// The numbers that these stand for.
    Float,
}

/// A transformer's block over an embedding, with a head that shares the embedding's weights; and a layer of other exporters.
struct Writer {
    graph: Graph,
    form: Form,
    chance: Chance,
}

impl Writer {
    /// A weight `[first, second]`, with a scale for each index of `axis`.
    fn weight(&mut self, name: &str, shape: [usize; 2], axis: usize) -> String {
        let numbers = self.chance.numbers(shape[0] * shape[1], 0.2);
        let quantised = Int8Weight::quantise(name, &numbers, &shape, axis).unwrap();
        match self.form {
            Form::Int8 => self.graph.quantised(name, &quantised),
            Form::Float => self.graph.initializer_f32(name, &quantised.dequantise(), &shape),
        }
    }

    fn numbers(&mut self, name: &str, count: usize) -> String {
        let numbers = self.chance.numbers(count, 0.3);
        self.graph.initializer_f32(name, &numbers, &[count])
    }

    fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.graph.op(op, inputs, &[])
    }

    fn linear(&mut self, name: &str, x: &str, outputs: usize) -> String {
        let inputs = if name == "down" { 2 * WIDTH } else { WIDTH };
        let weight = self.weight(name, [inputs, outputs], 1);
        let bias = self.numbers(&format!("{name}.bias"), outputs);
        let product = self.op("MatMul", &[x, &weight]);
        self.op("Add", &[&bias, &product])
    }

    /// `[1, tokens, WIDTH]` as `[1, heads, tokens, WIDTH / heads]`, or its last two axes the other way round.
    fn heads(&mut self, x: &str, order: &[i64]) -> String {
        let shape = [0, 0, HEADS as i64, (WIDTH / HEADS) as i64];
        let shape = self.graph.initializer_i64(&format!("{x}.shape"), &shape, &[4]);
        let split = self.op("Reshape", &[x, &shape]);
        self.graph.op("Transpose", &[&split], &[("perm", order.into())])
    }

    fn file(form: Form) -> Vec<u8> {
        let mut w = Self { graph: Graph::new("block"), form, chance: Chance(3) };
        w.graph.input("ids", DType::I64, &[1.into(), "S".into()]);
        w.graph.input("mask", DType::F32, &[1.into(), 1.into(), "S".into(), "S".into()]);
        let table = w.weight("table", [WORDS, WIDTH], 0);
        let x = w.graph.op("Gather", &[&table, "ids"], &[("axis", Attr::Int(0))]);

        let [q, k, v] = ["q", "k", "v"].map(|name| w.linear(name, &x, WIDTH));
        let (q, k, v) = (w.heads(&q, &[0, 2, 1, 3]), w.heads(&k, &[0, 2, 3, 1]), w.heads(&v, &[0, 2, 1, 3]));
        let scores = w.op("MatMul", &[&q, &k]);
        let scale = w.graph.initializer_f32("scale", &[0.2], &[1]);
        let scaled = w.op("Mul", &[&scores, &scale]);
        let masked = w.op("Add", &[&scaled, "mask"]);
        let shares = w.graph.op("Softmax", &[&masked], &[("axis", Attr::Int(-1))]);
        let mixed = w.op("MatMul", &[&shares, &v]);
        let mixed = w.graph.op("Transpose", &[&mixed], &[("perm", [0_i64, 2, 1, 3].as_slice().into())]);
        let shape = w.graph.initializer_i64("merged", &[0, 0, WIDTH as i64], &[3]);
        let mixed = w.op("Reshape", &[&mixed, &shape]);
        let out = w.linear("out", &mixed, WIDTH);
        let x = w.op("Add", &[&x, &out]);

        let up = w.linear("up", &x, 2 * WIDTH);
        let factor = w.graph.initializer_f32("factor", &[1.702], &[1]);
        let steep = w.op("Mul", &[&up, &factor]);
        let gate = w.op("Sigmoid", &[&steep]);
        let up = w.op("Mul", &[&up, &gate]);
        let down = w.linear("down", &up, WIDTH);
        let x = w.op("Add", &[&down, &x]);

        let head = w.graph.op("Transpose", &[&table], &[("perm", [1_i64, 0].as_slice().into())]);
        w.graph.node("MatMul", &[&x, &head], &["logits"], &[]);

        let shape = w.graph.initializer_i64("rows", &[-1, WIDTH as i64], &[2]);
        let rows = w.op("Reshape", &[&x, &shape]);
        let weight = w.weight("gemm", [WIDTH, WIDTH], 0);
        let bias = w.numbers("gemm.bias", WIDTH);
        w.graph.node("Gemm", &[&rows, &weight, &bias], &["pooled"], &[("transB", Attr::Int(1))]);
        w.graph.output("logits", DType::F32, &[1.into(), "S".into(), WORDS.into()]);
        w.graph.output("pooled", DType::F32, &["S".into(), WIDTH.into()]);
        w.graph.to_bytes().unwrap()
    }
}

fn run(path: &Path) -> Vec<Vec<f32>> {
    let square = vec![Some(1), Some(1), None, None];
    let runner = Runner::load(path, &[("ids", vec![Some(1), None]), ("mask", square)]).unwrap();
    let mask = (0..TOKENS * TOKENS).map(|at| if at % TOKENS > at / TOKENS { f32::MIN } else { 0.0 }).collect();
    let ids = [3, 79, 0, -1, 12, 3, 40].to_vec();
    let feeds = [
        Feed { name: "ids".into(), shape: vec![1, TOKENS], values: Values::I64(ids) },
        Feed { name: "mask".into(), shape: vec![1, 1, TOKENS, TOKENS], values: Values::F32(mask) },
    ];
    runner.run(&feeds, &["logits", "pooled"]).unwrap().into_iter().map(|output| output.values).collect()
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
}

#[test]
fn int8_layers_give_what_their_floats_give() {
    let dir = tempfile::tempdir().unwrap();
    let [int8, float] = [("int8.onnx", Form::Int8), ("float.onnx", Form::Float)].map(|(name, form)| {
        let path = dir.path().join(name);
        fs::write(&path, Writer::file(form)).unwrap();
        run(&path)
    });
    for (int8, float) in int8.iter().zip(&float) {
        let cosine = cosine(int8, float);
        assert!(cosine > 0.9995, "{cosine}");
        // Activations were int8 too.
        assert_ne!(int8, float);
    }
}

#[test]
fn weights_beside_the_file_are_read_and_what_is_wrong_with_them_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("float.onnx");
    fs::write(&source, Writer::file(Form::Float)).unwrap();
    let quantiser =
        Quantiser::open(&source, &dir.path().join("scratch"), &QuantiseOptions { fold: false, int4: false }).unwrap();
    let widths = vec![Width::Int8; quantiser.layers().len()];
    let (inside, beside) = (dir.path().join("inside.onnx"), dir.path().join("beside.onnx"));
    quantiser.write(&widths, &inside, u64::MAX).unwrap();
    quantiser.write(&widths, &beside, 0).unwrap();
    let data = dir.path().join("beside.onnx_data");
    assert!(data.metadata().unwrap().len() > 4 * 64 * 64);
    assert_eq!(run(&inside), run(&beside));

    let whole = fs::read(&data).unwrap();
    let fault = || Runner::load(&beside, &[]).map(|_| ()).unwrap_err().to_string();
    fs::write(&data, &whole[..whole.len() / 2]).unwrap();
    assert!(fault().contains("beside.onnx_data, which has"), "{}", fault());
    fs::remove_file(&data).unwrap();
    assert!(fault().contains("beside.onnx_data") && fault().contains("fetch both together"), "{}", fault());
    let mut bytes = fs::read(&beside).unwrap();
    while let Some(at) = bytes.windows(16).position(|window| window == b"beside.onnx_data") {
        bytes[at..at + 16].copy_from_slice(b"../../etc/secret");
    }
    fs::write(&beside, bytes).unwrap();
    assert!(fault().contains("only files beside this one are read"), "{}", fault());
}

/// A `MatMulNBits` of the given block and its weights as floats.
fn four_bits(block: usize, zeros: bool) -> (Vec<u8>, Vec<u8>) {
    let (inputs, outputs) = (2 * block, 48);
    let mut chance = Chance(block as u64);
    let bytes = |chance: &mut Chance, count: usize| -> Vec<u8> {
        chance.numbers(count, 128.0).iter().map(|x| (x + 128.0) as u8).collect()
    };
    let values = bytes(&mut chance, outputs * inputs / 2);
    let scales: Vec<f32> = chance.numbers(outputs * 2, 0.05);
    let points = bytes(&mut chance, outputs);
    let weight = |output: usize, input: usize| {
        let nibble = values[(output * inputs + input) / 2] >> (4 * (input % 2)) & 15;
        let zero = if zeros { points[output] >> (4 * (input / block)) & 15 } else { 8 };
        (f32::from(nibble) - f32::from(zero)) * scales[output * 2 + input / block]
    };
    let graph = |four: bool| {
        let mut g = Graph::new("four");
        g.input("x", DType::F32, &["N".into(), inputs.into()]);
        let bias = g.initializer_f32("bias", &vec![0.5; outputs], &[outputs]);
        if four {
            let b = g.initializer_u8("B", &values, &[outputs, 2, block / 2]);
            let s = g.initializer_f32("scales", &scales, &[outputs * 2]);
            let z = if zeros { g.initializer_u8("zeros", &points, &[outputs]) } else { String::new() };
            let sizes = [("K", inputs), ("N", outputs), ("bits", 4), ("block_size", block)];
            let sizes = sizes.map(|(name, size)| (name, Attr::Int(size as i64)));
            g.node("MatMulNBits", &["x", &b, &s, &z, "", &bias], &["y"], &sizes);
        } else {
            let floats: Vec<f32> = (0..inputs * outputs).map(|at| weight(at % outputs, at / outputs)).collect();
            let w = g.initializer_f32("W", &floats, &[inputs, outputs]);
            let product = g.op("MatMul", &["x", &w], &[]);
            g.node("Add", &[&product, &bias], &["y"], &[]);
        }
        g.output("y", DType::F32, &["N".into(), outputs.into()]);
        g.to_bytes().unwrap()
    };
    (graph(true), graph(false))
}

#[test]
fn four_bit_layers_give_what_their_floats_give() {
    let dir = tempfile::tempdir().unwrap();
    for (block, zeros) in [(32, false), (32, true), (128, false), (128, true)] {
        let (four, float) = four_bits(block, zeros);
        let x = Chance(9).numbers(5 * 2 * block, 1.0);
        let [four, float] = [("four.onnx", four), ("float.onnx", float)].map(|(name, bytes)| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            let feed = Feed { name: "x".into(), shape: vec![5, 2 * block], values: Values::F32(x.clone()) };
            Runner::load(&path, &[]).unwrap().run(&[feed], &["y"]).unwrap().remove(0).values
        });
        let cosine = cosine(&four, &float);
        assert!(cosine > 0.9999, "block {block}, zeros {zeros}: {cosine}");
        assert_ne!(four, float);
    }
}

#[test]
fn rows_of_another_length_than_a_layer_reads_are_refused() {
    let mut g = Graph::new("g");
    g.input("x", DType::F32, &[1.into(), 63.into()]);
    let weight = g.int8_weight("w", &Chance(1).numbers(64 * 64, 1.0), &[64, 64], 1);
    g.node("MatMul", &["x", &weight], &["y"], &[]);
    g.output("y", DType::F32, &[1.into(), 64.into()]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("g.onnx");
    fs::write(&path, g.to_bytes().unwrap()).unwrap();
    let error = Runner::load(&path, &[]).map(|_| ()).unwrap_err();
    assert!(matches!(&error, ModelError::Plan { problem, .. } if problem.contains("y/MatMul")), "{error}");
}
