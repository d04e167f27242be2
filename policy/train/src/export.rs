//! The policy file: one ONNX graph with int8 weights that turns rows into an estimate of quality and a score.
//!
//! ```text
//! candidates [N, 63] ─┬─ (x - mean) · scale ─ clip ─ linear ─ relu ─ linear ─ relu ─ linear ─ sigmoid ─┬─► quality [N]
//!                     ├─ preference columns ───────────────────────────────────────────┐               │
//!                     └─ association, latency, cost, energy columns ─ concat ◄─────────┼───────────────┘
//!                                                              weighted sum ◄──────────┘ ─► score [N]
//! ```

use std::path::Path;

use serde_json::json;
use trimtab_core::TaskKind;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::{Layout, TRIMTAB1_WIDTH};
use trimtab_engine::{LAYOUT_VERSION, PROJECTION};
use trimtab_quant::{Attr, DType, Graph, GraphError};

use crate::features::{CLIP, column};
use crate::network::Dense;
use crate::policy::Policy;

/// Why a policy file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// How the weights of the linear layers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weights {
    /// One byte each, one scale for each output.
    Int8,
    /// Four bytes each: for comparison.
    Float,
}

impl Weights {
    /// Adds a layer's weights to a graph; returns their name.
    pub(crate) fn add(self, g: &mut Graph, name: &str, layer: &Dense) -> String {
        let shape = [layer.inputs, layer.outputs];
        match self {
            Self::Int8 => g.int8_weight(name, &layer.weight, &shape, 1),
            Self::Float => g.initializer_f32(name, &layer.weight, &shape),
        }
    }
}

/// Writes the policy to a file, whole or not at all.
pub fn write(policy: &Policy, weights: Weights, path: &Path) -> Result<(), ExportError> {
    let bytes = graph(policy, weights).to_bytes()?;
    crate::whole::write(path, &bytes).map_err(|source| ExportError::Io { path: path.into(), source })
}

/// The graph with its metadata.
#[must_use]
pub fn graph(policy: &Policy, weights: Weights) -> Graph {
    let mut g = Graph::new("trimtab-policy");
    g.input("candidates", DType::F32, &["N".into(), TRIMTAB1_WIDTH.into()]);
    let quality = estimate(&mut g, policy, weights);
    let score = value(&mut g, &quality);
    let flat = g.initializer_i64("flat", &[-1], &[1]);
    g.node("Reshape", &[&quality, &flat], &["quality"], &[]);
    g.node("Reshape", &[&score, &flat], &["score"], &[]);
    g.output("score", DType::F32, &["N".into()]);
    g.output("quality", DType::F32, &["N".into()]);
    let shape = [PROMPT_FEATURES, policy.projection.dimension()];
    g.initializer_f32(PROJECTION, policy.projection.matrix(), &shape);
    describe(&mut g, policy);
    g
}

/// Probability of a right answer, `[N, 1]`.
fn estimate(g: &mut Graph, policy: &Policy, weights: Weights) -> String {
    let mean = g.initializer_f32("normaliser.mean", &policy.normaliser.mean, &[1, TRIMTAB1_WIDTH]);
    let scale = g.initializer_f32("normaliser.scale", &policy.normaliser.scale, &[1, TRIMTAB1_WIDTH]);
    let (low, high) = (g.initializer_f32("clip.low", &[-CLIP], &[]), g.initializer_f32("clip.high", &[CLIP], &[]));
    let x = g.op("Sub", &["candidates", &mean], &[]);
    let x = g.op("Mul", &[&x, &scale], &[]);
    let mut x = g.op("Clip", &[&x, &low, &high], &[]);
    for (index, layer) in policy.network.layers.iter().enumerate() {
        if index > 0 {
            x = g.op("Relu", &[&x], &[]);
        }
        let weight = weights.add(g, &format!("layer{index}.weight"), layer);
        let bias = g.initializer_f32(&format!("layer{index}.bias"), &layer.bias, &[1, layer.outputs]);
        let y = g.op("MatMul", &[&x, &weight], &[]);
        x = g.op("Add", &[&y, &bias], &[]);
    }
    g.op("Sigmoid", &[&x], &[])
}

/// The utility, `[N, 1]`: the sum that `trimtab_core::observation::utility` computes, from the same columns.
fn value(g: &mut Graph, quality: &str) -> String {
    let (preference, views, quote) = (column("preference"), column("views"), column("quote"));
    let weights = slice(g, "preference", preference, preference + 5);
    let any = slice(g, "association", views + 4, views + 5);
    let latency = slice(g, "latency", quote, quote + 1);
    let energy = slice(g, "energy", quote + 1, quote + 2);
    let money = slice(g, "money", quote + 2, quote + 3);
    let terms = g.op("Concat", &[quality, &any, &latency, &money, &energy], &[("axis", Attr::Int(1))]);
    let terms = g.op("Mul", &[&terms, &weights], &[]);
    // Gains count for, costs against.
    let signs = g.initializer_f32("signs", &[1.0, 1.0, -1.0, -1.0, -1.0], &[5, 1]);
    g.op("MatMul", &[&terms, &signs], &[])
}

fn slice(g: &mut Graph, name: &str, from: usize, to: usize) -> String {
    let starts = g.initializer_i64(&format!("{name}.from"), &[from as i64], &[1]);
    let ends = g.initializer_i64(&format!("{name}.to"), &[to as i64], &[1]);
    let axes = g.initializer_i64(&format!("{name}.axis"), &[1], &[1]);
    g.op("Slice", &["candidates", &starts, &ends, &axes], &[])
}

fn describe(g: &mut Graph, policy: &Policy) {
    let origin = &policy.origin;
    let tasks = TaskKind::KNOWN.map(TaskKind::name);
    let budgets = "none: the estimate does not read what is left, the shield enforces it";
    for (key, value) in [
        ("layout", Layout::Trimtab1.name().to_owned()),
        ("layout_version", LAYOUT_VERSION.to_string()),
        ("encoder_sha256", origin.encoder_sha256.clone()),
        ("views", json!(origin.views).to_string()),
        ("tasks", json!(tasks).to_string()),
        ("algorithm", origin.algorithm.clone()),
        ("seed", origin.seed.to_string()),
        ("dataset_sha256", origin.dataset_sha256.clone()),
        ("dataset_turns", origin.turns.to_string()),
        ("view_threshold", policy.view_threshold.to_string()),
        ("scores", origin.scores.to_string()),
        ("budgets_seen", budgets.to_owned()),
        ("prompt_range", json!(origin.prompt_range).to_string()),
        ("normaliser", "in the graph".to_owned()),
    ] {
        g.metadata(key, &value);
    }
    for (key, value) in &origin.further {
        g.metadata(key, value);
    }
}
