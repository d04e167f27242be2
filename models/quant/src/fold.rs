//! Scale and offset of a norm, folded into the linear layers that follow.
//!
//! A norm ends in `x·γ + β`. Where nothing but linear layers read that, `(x·γ + β)·W + b = x·(diag(γ)·W) + (β·W + b)`: the same
//! function, with two passes over the activations fewer.

use std::collections::{HashMap, HashSet};

use crate::QuantiseError;
use crate::foreign::{Edges, Model, Node, Tensor};
use crate::layers::{Layer, is_plain};

/// The last steps of a norm.
struct Affine {
    /// The normalised activations.
    from: From,
    /// What linear layers read.
    to: String,
    gamma: Vec<f32>,
    beta: Option<Vec<f32>>,
}

/// Where the normalised activations come from.
enum From {
    /// A tensor; the nodes that scale and shift it go.
    Tensor(String, Vec<usize>),
    /// A node that normalises, scales and shifts at once: it is given a scale of ones.
    Node(usize),
}

/// A norm's factors, the inputs of the nodes that ask for its shape alone, and the layers that take it in.
type Fold = (Affine, Vec<(usize, usize)>, Vec<usize>);

/// Folds what can be folded; says how many norms.
pub(crate) fn fold(model: &mut Model, layers: &mut [Layer]) -> Result<usize, QuantiseError> {
    let edges = model.edges();
    let by_name: HashMap<&str, usize> =
        layers.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect();
    let mut folds: Vec<Fold> = Vec::new();
    for at in 0..model.nodes.len() {
        let Some(affine) = affine(model, &edges, at)? else { continue };
        let Some(readers) = edges.readers(&affine.to) else { continue };
        // Who asks for the shape alone is told the same by what comes before.
        let (shapes, readers): (Vec<_>, Vec<_>) =
            readers.iter().copied().partition(|(reader, _)| model.nodes[*reader].standard() == "Shape");
        let targets: Option<Vec<(usize, usize)>> = readers
            .iter()
            .map(|&(reader, slot)| {
                let node = &model.nodes[reader];
                let layer = *by_name.get(node.inputs.get(1)?.as_str())?;
                let alone = edges.readers(&layers[layer].name).is_some_and(|readers| readers.len() == 1);
                let fits = layers[layer].lengths().0 == affine.gamma.len();
                let takes = match node.standard() {
                    "MatMul" => true,
                    "Gemm" => is_plain(node) && offset(model, &edges, node, layers[layer].lengths().1),
                    _ => false,
                };
                (slot == 0 && alone && fits && takes).then_some((reader, layer))
            })
            .collect();
        if let Some(targets) = targets.filter(|targets| !targets.is_empty()) {
            let rewired =
                shapes.iter().map(|(reader, _)| *reader).chain(targets.iter().map(|(reader, _)| *reader)).collect();
            folds.push((affine, targets, rewired));
        }
    }
    let count = folds.len();
    let mut changes = Changes::default();
    for (affine, targets, rewired) in folds {
        for &(reader, layer) in &targets {
            if let Some(beta) = affine.beta.as_ref().filter(|beta| beta.iter().any(|value| *value != 0.0)) {
                let shift = shift(beta, &model.initialisers[layers[layer].constant].values()?, &layers[layer]);
                changes.bias(model, &edges, reader, &layers[layer].name, &shift)?;
            }
            layers[layer].gamma = Some(affine.gamma.clone());
        }
        match affine.from {
            From::Tensor(from, gone) => {
                rewired.into_iter().for_each(|reader| model.nodes[reader].inputs[0].clone_from(&from));
                changes.gone.extend(gone);
            }
            From::Node(node) => {
                let ones = edges.fresh(format!("folded.ones.{}", affine.gamma.len()));
                if !model.initialisers.iter().any(|tensor| tensor.name == ones) {
                    let values = vec![1.0; affine.gamma.len()];
                    model.initialisers.push(Tensor::floats(&ones, &[values.len()], &values));
                }
                let inputs = &mut model.nodes[node].inputs;
                inputs.truncate(2);
                inputs[1] = ones;
            }
        }
    }
    changes.apply(model);
    Ok(count)
}

/// Reads the last steps of a norm that end in this node.
fn affine(model: &Model, edges: &Edges, at: usize) -> Result<Option<Affine>, QuantiseError> {
    let node = &model.nodes[at];
    let [to, ..] = node.outputs.as_slice() else { return Ok(None) };
    let constant = |slot: usize| match node.inputs.get(slot) {
        Some(name) => vector(model, edges, name),
        None => Ok(None),
    };
    match node.operator() {
        "LayerNormalization" | "SimplifiedLayerNormalization" | "RMSNormalization" if node.int("axis", -1) == -1 => {
            let Some(gamma) = constant(1)? else { return Ok(None) };
            let beta = constant(2)?;
            if beta.is_none() && node.inputs.get(2).is_some_and(|name| !name.is_empty()) {
                return Ok(None);
            }
            Ok(Some(Affine { from: From::Node(at), to: to.clone(), gamma, beta }))
        }
        "Add" => {
            let Some((inner, beta)) = sides(model, edges, node)? else { return Ok(None) };
            let Some(scale) = edges.maker(&inner).filter(|&maker| model.nodes[maker].standard() == "Mul") else {
                return Ok(None);
            };
            if edges.readers(&inner).is_none_or(|readers| readers.len() != 1) {
                return Ok(None);
            }
            let Some((from, gamma)) = scaled(model, edges, scale)? else { return Ok(None) };
            if beta.len() != gamma.len() {
                return Ok(None);
            }
            Ok(Some(Affine { from: From::Tensor(from, vec![scale, at]), to: to.clone(), gamma, beta: Some(beta) }))
        }
        "Mul" => Ok(scaled(model, edges, at)?.map(|(from, gamma)| Affine {
            from: From::Tensor(from, vec![at]),
            to: to.clone(),
            gamma,
            beta: None,
        })),
        _ => Ok(None),
    }
}

/// What a `Mul` by a constant scales, where that was just divided by its size, and the constant.
fn scaled(model: &Model, edges: &Edges, at: usize) -> Result<Option<(String, Vec<f32>)>, QuantiseError> {
    let Some((from, gamma)) = sides(model, edges, &model.nodes[at])? else { return Ok(None) };
    let maker = edges.maker(&from).map(|maker| model.nodes[maker].standard());
    Ok(matches!(maker, Some("Div" | "Mul" | "Cast")).then_some((from, gamma)))
}

/// The two inputs of a node, one of them a constant vector.
fn sides(model: &Model, edges: &Edges, node: &Node) -> Result<Option<(String, Vec<f32>)>, QuantiseError> {
    let [left, right] = node.inputs.as_slice() else { return Ok(None) };
    for (other, name) in [(left, right), (right, left)] {
        if let Some(values) = vector(model, edges, name)? {
            return Ok(Some((other.clone(), values)));
        }
    }
    Ok(None)
}

/// The values of a float constant along its last axis, where it has no other of more than one.
fn vector(model: &Model, edges: &Edges, name: &str) -> Result<Option<Vec<f32>>, QuantiseError> {
    let Some(tensor) = edges.constant(name).map(|constant| &model.initialisers[constant]) else { return Ok(None) };
    let flat = tensor.shape.last().is_some_and(|&last| last > 1 && tensor.shape.iter().product::<usize>() == last);
    if !flat || !tensor.is_f32() { Ok(None) } else { tensor.values().map(Some) }
}

/// Whether an offset can be given to a `Gemm`.
fn offset(model: &Model, edges: &Edges, node: &Node, length: usize) -> bool {
    match node.inputs.get(2).filter(|name| !name.is_empty()) {
        None => true,
        Some(name) => edges.constant(name).is_some_and(|constant| is_row(&model.initialisers[constant], length)),
    }
}

fn is_row(tensor: &Tensor, length: usize) -> bool {
    tensor.is_f32() && tensor.shape.last() == Some(&length) && tensor.shape.iter().product::<usize>() == length
}

/// β·W, of a weight as it stands in the file.
fn shift(beta: &[f32], weight: &[f32], layer: &Layer) -> Vec<f32> {
    let columns = layer.shape[1];
    let mut sums = vec![0.0_f64; layer.lengths().1];
    for (row, values) in weight.chunks_exact(columns).enumerate() {
        for (column, value) in values.iter().enumerate() {
            let (input, output) = if layer.axis == 1 { (row, column) } else { (column, row) };
            sums[output] += f64::from(beta[input]) * f64::from(*value);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// Nodes to take out and to put in, once all is known.
#[derive(Default)]
struct Changes {
    gone: HashSet<usize>,
    /// Nodes that follow one.
    after: HashMap<usize, Node>,
}

impl Changes {
    /// Adds a vector to what a linear layer makes.
    fn bias(
        &mut self,
        model: &mut Model,
        edges: &Edges,
        at: usize,
        weight: &str,
        shift: &[f32],
    ) -> Result<(), QuantiseError> {
        let made = edges.fresh(format!("{weight}.shift"));
        let sum = |model: &mut Model, old: Option<usize>| -> Result<(), QuantiseError> {
            let mut values = shift.to_vec();
            let mut shape = vec![shift.len()];
            if let Some(old) = old {
                shape.clone_from(&model.initialisers[old].shape);
                for (value, old) in values.iter_mut().zip(model.initialisers[old].values()?) {
                    *value += old;
                }
            }
            model.initialisers.push(Tensor::floats(&made, &shape, &values));
            Ok(())
        };
        if model.nodes[at].standard() == "Gemm" {
            let old = model.nodes[at].inputs.get(2).and_then(|name| edges.constant(name));
            sum(model, old)?;
            let inputs = &mut model.nodes[at].inputs;
            inputs.truncate(2);
            inputs.push(made);
            return Ok(());
        }
        let product = model.nodes[at].outputs[0].clone();
        // The layer has an offset already, if nothing but a sum with a constant reads it.
        if let Some(&[(adder, slot)]) = edges.readers(&product)
            && model.nodes[adder].standard() == "Add"
            && let Some(old) = model.nodes[adder].inputs.get(1 - slot.min(1)).and_then(|name| edges.constant(name))
            && is_row(&model.initialisers[old], shift.len())
        {
            sum(model, Some(old))?;
            model.nodes[adder].inputs[1 - slot] = made;
            return Ok(());
        }
        sum(model, None)?;
        let inner = edges.fresh(format!("{product}.product"));
        model.nodes[at].outputs[0].clone_from(&inner);
        self.after.insert(at, Node::new("Add", "", &[&inner, &made], &[&product], Vec::new()));
        Ok(())
    }

    fn apply(mut self, model: &mut Model) {
        let nodes = std::mem::take(&mut model.nodes);
        for (at, node) in nodes.into_iter().enumerate() {
            if !self.gone.contains(&at) {
                model.nodes.push(node);
                model.nodes.extend(self.after.remove(&at));
            }
        }
    }
}
