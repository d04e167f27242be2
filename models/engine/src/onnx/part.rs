//! A part of a graph: what some of its outputs need, and what its weights amount to.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb;

use super::OnnxFile;

/// Most levels of graphs inside of nodes that are looked into.
const DEPTH_MAX: usize = 8;

impl OnnxFile {
    /// Leaves out everything that does not lead to one of these outputs: other outputs, and nodes, constants and inputs
    /// that only they need. What is named but not there is not missed here.
    pub(crate) fn keep(&mut self, outputs: &[&str]) {
        let Some(graph) = self.proto.graph.as_mut() else { return };
        graph.output.retain(|output| outputs.contains(&output.name.as_str()));
        let makers: HashMap<&str, usize> = graph
            .node
            .iter()
            .enumerate()
            .flat_map(|(index, node)| node.output.iter().map(move |name| (name.as_str(), index)))
            .collect();
        let mut needed: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
        let mut kept = vec![false; graph.node.len()];
        let mut open: Vec<String> = needed.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let Some(&maker) = makers.get(name.as_str()) else { continue };
            if std::mem::replace(&mut kept[maker], true) {
                continue;
            }
            let mut reads = Vec::new();
            names_read(&graph.node[maker], DEPTH_MAX, &mut reads);
            open.extend(reads.into_iter().filter(|name| needed.insert(name.clone())));
        }
        let mut kept = kept.iter();
        graph.node.retain(|_| kept.next().copied().unwrap_or(true));
        graph.initializer.retain(|constant| needed.contains(&constant.name));
        graph.input.retain(|input| needed.contains(&input.name));
    }

    /// For each constant, how many numbers it has and of which type, by its number in the format.
    pub(crate) fn constants(&self) -> impl Iterator<Item = (u64, i32)> {
        self.graph().initializer.iter().map(|constant| {
            let numbers = constant.dims.iter().map(|&length| u64::try_from(length).unwrap_or(0)).product();
            (numbers, constant.data_type)
        })
    }
}

/// What a node reads, graphs inside of it included.
fn names_read(node: &pb::NodeProto, depth: usize, names: &mut Vec<String>) {
    names.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
    if depth == 0 {
        return;
    }
    let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
    for node in inner.flat_map(|graph| &graph.node) {
        names_read(node, depth - 1, names);
    }
}
