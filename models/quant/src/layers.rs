//! Which constants of a graph are weights of layers that can be quantised.

use crate::foreign::{Edges, Model, Node};

/// Smaller weights stay as they are: a scale for each channel and a node would take what is saved.
const ELEMENTS_MIN: usize = 1024;

/// What reads a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerKind {
    /// Linear layers.
    Linear,
    /// Rows are looked up.
    Embedding,
    /// Rows are looked up, and the same weight is that of a linear layer.
    Tied,
}

/// A weight of two axes.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    /// Its place among the constants.
    pub(crate) constant: usize,
    pub(crate) shape: [usize; 2],
    /// The axis with a scale for each index: of what a linear layer makes, or of the rows.
    pub(crate) axis: usize,
    pub(crate) kind: LayerKind,
    /// The node that says where it is.
    pub(crate) node: String,
    /// What the channels that it sums over are multiplied with first: the scale of a norm that was folded in.
    pub(crate) gamma: Option<Vec<f32>>,
    /// Whether all that read it could be linear layers of four bits.
    pub(crate) narrow: bool,
}

impl Layer {
    /// Lengths of what it sums over and of what it makes.
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.shape[1 - self.axis], self.shape[self.axis])
    }
}

/// What one reader of a weight makes of it.
struct Reading {
    axis: usize,
    looks_up: bool,
    narrow: bool,
}

/// Finds the layers, in the order of the graph; and for each other large float constant, why it is none.
pub(crate) fn find(model: &Model) -> (Vec<Layer>, Vec<(String, String)>) {
    let edges = model.edges();
    let mut layers = Vec::new();
    let mut others = Vec::new();
    for (constant, tensor) in model.initialisers.iter().enumerate() {
        let axes = tensor.shape.iter().filter(|length| **length > 1).count();
        if !tensor.is_f32() || axes < 2 || tensor.shape.iter().product::<usize>() < ELEMENTS_MIN {
            continue;
        }
        match read(model, &edges, &tensor.name) {
            Ok((first, readings)) => {
                let looked_up = readings.iter().filter(|reading| reading.looks_up).count();
                let kind = match looked_up {
                    0 => LayerKind::Linear,
                    all if all == readings.len() => LayerKind::Embedding,
                    _ => LayerKind::Tied,
                };
                let [rows, columns] = *tensor.shape.as_slice() else {
                    others.push((tensor.name.clone(), format!("has {} axes, not two", tensor.shape.len())));
                    continue;
                };
                let layer = Layer {
                    name: tensor.name.clone(),
                    constant,
                    shape: [rows, columns],
                    axis: readings[0].axis,
                    kind,
                    node: model.nodes[first].name().into(),
                    gamma: None,
                    narrow: readings.iter().all(|reading| reading.narrow),
                };
                layers.push((first, layer));
            }
            Err(why) => others.push((tensor.name.clone(), why)),
        }
    }
    layers.sort_by_key(|(first, _)| *first);
    (layers.into_iter().map(|(_, layer)| layer).collect(), others)
}

/// How a constant is read, and by which node first; or why it is no weight.
fn read(model: &Model, edges: &Edges, name: &str) -> Result<(usize, Vec<Reading>), String> {
    let Some(readers) = edges.readers(name) else {
        return Err("is read by a graph within a node, or is an output".into());
    };
    let mut readings = Vec::new();
    for &(at, slot) in readers {
        let node = &model.nodes[at];
        readings.push(
            reading(model, edges, node, slot)
                .ok_or_else(|| format!("is read by {}, a {}", node.name(), node.operator()))?,
        );
    }
    let Some((&(first, _), reading)) = readers.first().zip(readings.first()) else {
        return Err("is read by nothing".into());
    };
    if readings.iter().any(|other| other.axis != reading.axis) {
        return Err("is read along both axes".into());
    }
    Ok((first, readings))
}

fn reading(model: &Model, edges: &Edges, node: &Node, slot: usize) -> Option<Reading> {
    let linear = |axis: usize, narrow: bool| Reading { axis, looks_up: false, narrow };
    match (node.standard(), slot) {
        ("MatMul", 1) => Some(linear(1, true)),
        ("Gemm", 1) => Some(linear(if node.int("transB", 0) == 0 { 1 } else { 0 }, is_plain(node))),
        ("Gather", 0) if node.int("axis", 0) == 0 => Some(Reading { axis: 0, looks_up: true, narrow: false }),
        ("Transpose", 0) if swaps(node) => {
            let readers = edges.readers(&node.outputs[0])?;
            let narrow = readers.iter().map(|&(at, slot)| {
                let node = &model.nodes[at];
                match (node.standard(), slot) {
                    ("MatMul", 1) => Some(true),
                    ("Gemm", 1) if node.int("transB", 0) == 0 => Some(is_plain(node)),
                    _ => None,
                }
            });
            let narrow: Option<Vec<bool>> = narrow.collect();
            narrow.filter(|narrow| !narrow.is_empty()).map(|narrow| linear(0, narrow.into_iter().all(|narrow| narrow)))
        }
        _ => None,
    }
}

/// Whether a `Gemm` is a product and a sum, and nothing more.
pub(crate) fn is_plain(node: &Node) -> bool {
    node.int("transA", 0) == 0 && node.float("alpha", 1.0) == 1.0 && node.float("beta", 1.0) == 1.0
}

/// Whether a `Transpose` swaps two axes.
fn swaps(node: &Node) -> bool {
    node.attribute("perm").is_none_or(|perm| perm.ints == [1, 0])
}
