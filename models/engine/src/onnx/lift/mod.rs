//! Lifts layers with int8 or 4-bit weights out of a file before it is parsed: each becomes a node of its own kind, its weights are
//! packed, and what only its weights needed vanishes. Anything else stays as it is, for the engine.

mod int4;
mod int8;

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::{OnnxFile, constant, corrupt};
use crate::ModelError;
use crate::layer::Layer;

/// The operator type of a node that stands for a layer; the engine has none of that name.
const OPERATOR: &str = "Lifted";

/// What was lifted: the layer of each node, by the node's name.
pub(super) type Lifted = HashMap<String, Layer>;

/// A layer in place of a node.
struct Change {
    node: usize,
    layer: Layer,
    /// Which of the node's inputs the layer reads.
    reads: usize,
}

/// Lifts every layer that can be.
pub(super) fn lift(file: &mut OnnxFile) -> Result<Lifted, ModelError> {
    let (mut changes, gone) = int8::find(file)?;
    changes.extend(int4::find(file)?);
    let mut lifted = Lifted::new();
    if changes.is_empty() {
        return Ok(lifted);
    }
    let graph = file.proto.graph.as_mut().expect("a checked file has a graph");
    for Change { node, layer, reads } in changes {
        let old = &graph.node[node];
        let name = format!("{}#{node}", old.name);
        graph.node[node] = NodeProto {
            name: name.clone(),
            op_type: OPERATOR.into(),
            input: vec![old.input[reads].clone()],
            output: old.output.clone(),
            ..NodeProto::default()
        };
        lifted.insert(name, layer);
    }
    let mut at = 0;
    graph.node.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    let mut kept: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    read(graph, &mut kept);
    graph.initializer.retain(|constant| kept.contains(&constant.name));
    Ok(lifted)
}

/// Adds what the nodes of a graph read, and those of graphs inside of them.
fn read(graph: &GraphProto, names: &mut HashSet<String>) {
    for node in &graph.node {
        names.extend(node.input.iter().cloned());
        inner(node).for_each(|graph| read(graph, names));
    }
}

/// The graphs inside of a node.
fn inner(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name).map(|attribute| attribute.i)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// Names of a graph's constants, and where they are.
fn constants(file: &OnnxFile) -> HashMap<String, usize> {
    file.graph().initializer.iter().enumerate().map(|(at, constant)| (constant.name.clone(), at)).collect()
}
