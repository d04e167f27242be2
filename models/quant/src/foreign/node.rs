//! One operator of a foreign file.

use std::path::Path;

use prost::Message;

use super::wire::{Scanner, WireError, put_head};
use crate::QuantiseError;
use crate::proto::{AttributeProto, GraphProto, NodeProto};

/// Deepest nesting of graphs within nodes.
const NESTING_MAX: usize = 16;

/// A node: what it reads and makes may be changed, everything else is kept as it was.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    /// What is understood of the rest.
    view: NodeProto,
    /// The rest itself.
    rest: Vec<u8>,
    /// Names that graphs within this node read.
    captured: Vec<String>,
}

impl Node {
    /// Decodes a node of this file.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, QuantiseError> {
        let mut names: [Vec<String>; 2] = [Vec::new(), Vec::new()];
        let mut rest = Vec::new();
        let mut scanner = Scanner::of(bytes);
        let mut fields = || -> Result<(), WireError> {
            while let Some(field) = scanner.next(bytes.len() as u64)? {
                if matches!(field.number, 1 | 2) && field.delimited {
                    let name = scanner.bytes(field.body, field.end)?;
                    let name = String::from_utf8(name)
                        .map_err(|_| WireError::Damaged { at: field.body, what: "a name that is no text" })?;
                    names[field.number as usize - 1].push(name);
                } else {
                    scanner.append(field.start, field.end, &mut rest)?;
                }
            }
            Ok(())
        };
        fields().map_err(|error| error.of(path))?;
        let [inputs, outputs] = names;
        let view = NodeProto::decode(rest.as_slice()).map_err(|error| QuantiseError::corrupt(path, &error))?;
        let mut captured = Vec::new();
        for attribute in &view.attribute {
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                if !capture(graph, &mut captured, NESTING_MAX) {
                    return Err(QuantiseError::corrupt(path, &format!("graphs nested deeper than {NESTING_MAX}")));
                }
            }
        }
        Ok(Self { inputs, outputs, view, rest, captured })
    }

    /// A new node.
    pub(crate) fn new(
        operator: &str,
        domain: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Self {
        let name = format!("{}/{operator}", outputs.first().copied().unwrap_or_default());
        let owned = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        let view = NodeProto {
            name: Some(name),
            op_type: Some(operator.into()),
            domain: Some(domain.to_owned()).filter(|domain| !domain.is_empty()),
            attribute: attributes,
            ..NodeProto::default()
        };
        let rest = view.encode_to_vec();
        Self { inputs: owned(inputs), outputs: owned(outputs), view, rest, captured: Vec::new() }
    }

    /// Its operator, of the standard set only: others have an empty one.
    pub(crate) fn standard(&self) -> &str {
        if matches!(self.domain(), "" | "ai.onnx") { self.operator() } else { "" }
    }

    pub(crate) fn operator(&self) -> &str {
        self.view.op_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn domain(&self) -> &str {
        self.view.domain.as_deref().unwrap_or_default()
    }

    /// What to call it: its name, or what it makes.
    pub(crate) fn name(&self) -> &str {
        let name = self.view.name.as_deref().filter(|name| !name.is_empty());
        name.or(self.outputs.first().map(String::as_str)).unwrap_or("without a name")
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.view.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }

    /// An integer attribute, or what the standard says where it is left out.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    /// A float attribute, likewise.
    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).and_then(|attribute| attribute.f).unwrap_or(default)
    }

    /// Names that graphs within this node read.
    pub(crate) fn captured(&self) -> &[String] {
        &self.captured
    }

    pub(crate) fn holds_graphs(&self) -> bool {
        self.view.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty())
    }

    /// Takes an attribute away; `None` where that would lose what is not understood.
    pub(crate) fn without(&self, name: &str) -> Option<Self> {
        if self.view.encoded_len() != self.rest.len() {
            return None;
        }
        let mut view = self.view.clone();
        view.attribute.retain(|attribute| attribute.name.as_deref() != Some(name));
        let rest = view.encode_to_vec();
        Some(Self { view, rest, ..self.clone() })
    }

    /// As it stands in a file, without key and length.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.rest.len() + 64);
        for (number, names) in [(1, &self.inputs), (2, &self.outputs)] {
            for name in names {
                put_head(number, name.len() as u64, &mut out);
                out.extend_from_slice(name.as_bytes());
            }
        }
        out.extend_from_slice(&self.rest);
        out
    }
}

/// Collects every name that a graph reads, its own included.
fn capture(graph: &GraphProto, names: &mut Vec<String>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    names.extend(graph.output.iter().filter_map(|output| output.name.clone()));
    graph.node.iter().all(|node| {
        names.extend(node.input.iter().cloned());
        let mut within = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        within.all(|graph| capture(graph, names, depth))
    })
}
