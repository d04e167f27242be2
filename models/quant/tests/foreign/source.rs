//! Files to quantise, and what came of them.

use std::path::{Path, PathBuf};

use prost::Message;
use tempfile::TempDir;
use trimtab_quant::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use trimtab_quant::{Attr, DType, Graph, QuantiseError, QuantiseOptions, Quantiser, Width};

/// A folder with a model in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn with(bytes: &[u8]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path("model.onnx"), bytes).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn open(&self, options: QuantiseOptions) -> Result<Quantiser, QuantiseError> {
        Quantiser::open(&self.path("model.onnx"), &self.path("scratch"), &options)
    }

    /// The model with every layer as narrow as `width` and it allow.
    pub(crate) fn quantised(&self, options: QuantiseOptions, width: Width) -> ModelProto {
        let quantiser = self.open(options).unwrap();
        let widths: Vec<Width> = quantiser.layers().map(|layer| layer.narrowest.min(width)).collect();
        quantiser.write(&widths, &self.path("out.onnx"), u64::MAX).unwrap();
        read(&self.path("out.onnx"))
    }
}

pub(crate) const PLAIN: QuantiseOptions = QuantiseOptions { fold: false, int4: false };
pub(crate) const FOLD: QuantiseOptions = QuantiseOptions { fold: true, int4: false };
pub(crate) const FOUR: QuantiseOptions = QuantiseOptions { fold: false, int4: true };

pub(crate) fn read(path: &Path) -> ModelProto {
    ModelProto::decode(std::fs::read(path).unwrap().as_slice()).unwrap()
}

pub(crate) fn constant<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
    graph.initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name)).unwrap_or_else(|| panic!("no {name}"))
}

pub(crate) fn floats(tensor: &TensorProto) -> Vec<f32> {
    tensor.raw_data.as_ref().unwrap().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

pub(crate) fn node<'a>(graph: &'a GraphProto, operator: &str) -> &'a NodeProto {
    let mut found = graph.node.iter().filter(|node| node.op_type.as_deref() == Some(operator));
    let node = found.next().unwrap_or_else(|| panic!("no {operator}"));
    assert!(found.next().is_none(), "several {operator}");
    node
}

/// Reproducible numbers in -1..1, a few of them large.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let draw = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        if state >> 33 & 63 == 0 { 8.0 * unit } else { unit }
    };
    (0..count).map(draw).collect()
}

pub(crate) const WIDTH: usize = 64;
pub(crate) const MADE: usize = 32;

/// One linear layer: `x·w + b`.
pub(crate) fn linear() -> Graph {
    let mut g = Graph::new("linear");
    g.input("x", DType::F32, &["N".into(), WIDTH.into()]);
    let w = g.initializer_f32("w", &numbers(WIDTH * MADE, 1), &[WIDTH, MADE]);
    let b = g.initializer_f32("b", &numbers(MADE, 2), &[MADE]);
    let product = g.op("MatMul", &["x", &w], &[]);
    g.node("Add", &[&product, &b], &["y"], &[]).output("y", DType::F32, &["N".into(), MADE.into()]);
    g
}

/// A small language model's ends: rows looked up by number, and scored against all rows by the weight `head`.
pub(crate) fn tied(twice: bool) -> Graph {
    let mut g = Graph::new("tied");
    let table = numbers(WIDTH * 40, 3);
    g.input("ids", DType::I64, &["N".into()]);
    let rows = g.initializer_f32("rows", &table, &[40, WIDTH]);
    let x = g.op("Gather", &[&rows, "ids"], &[("axis", Attr::Int(0))]);
    let head = if twice {
        let turned: Vec<f32> = (0..table.len()).map(|at| table[at % 40 * WIDTH + at / 40]).collect();
        g.initializer_f32("head", &turned, &[WIDTH, 40])
    } else {
        g.op("Transpose", &[&rows], &[("perm", Attr::Ints(vec![1, 0]))])
    };
    g.node("MatMul", &[&x, &head], &["logits"], &[]).output("logits", DType::F32, &["N".into(), 40.into()]);
    g
}
