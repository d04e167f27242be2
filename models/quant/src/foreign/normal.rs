//! The same graph with weights where they are looked for: as constants of the graph, read by those who need them.

use std::collections::HashMap;

use super::model::Model;
use super::tensor::Tensor;
use crate::proto::AttributeProto;
use crate::{DType, QuantiseError};

impl Model {
    /// Makes constants of `Constant` nodes of floats, and has whoever reads a constant through an `Identity` read it itself.
    pub(crate) fn normalise(&mut self) -> Result<(), QuantiseError> {
        let path = self.path.clone();
        let edges = self.edges();
        let mut failed = None;
        let (nodes, initialisers) = (&mut self.nodes, &mut self.initialisers);
        nodes.retain(|node| {
            let value = node.attribute("value").and_then(|attribute: &AttributeProto| attribute.t.as_ref());
            let floats = value.filter(|tensor| tensor.data_type == Some(DType::F32.code()));
            let (Some(tensor), "Constant", [output]) = (floats, node.standard(), node.outputs.as_slice()) else {
                return true;
            };
            // An output of the graph stays a node's.
            if edges.readers(output).is_none() {
                return true;
            }
            let named = crate::proto::TensorProto { name: Some(output.clone()), ..tensor.clone() };
            match Tensor::of_view(&path, &named) {
                Ok(tensor) => initialisers.push(tensor),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
            false
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let edges = self.edges();
        let mut same: HashMap<String, String> = HashMap::new();
        self.nodes.retain(|node| {
            let ("Identity", [from], [to]) = (node.standard(), node.inputs.as_slice(), node.outputs.as_slice()) else {
                return true;
            };
            let origin = same.get(from).unwrap_or(from);
            if edges.constant(origin).is_none() || edges.readers(to).is_none() {
                return true;
            }
            let origin = origin.clone();
            same.insert(to.clone(), origin);
            false
        });
        for input in self.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
            if let Some(origin) = same.get(input) {
                input.clone_from(origin);
            }
        }
        Ok(())
    }
}
