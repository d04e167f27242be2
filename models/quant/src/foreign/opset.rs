//! From older operator sets to the first that has `DequantizeLinear` with an axis, where that changes nothing.

use super::model::Model;
use super::node::Node;
use super::tensor::{Data, Tensor};
use crate::{DType, QuantiseError};

/// The first set with per-channel `DequantizeLinear`.
pub(crate) const OPSET_MIN: i64 = 13;
/// The oldest from which the way up is known.
const RAISED_FROM: i64 = 11;
/// Version of the file format that belongs to it.
const IR_VERSION: u64 = 7;
/// The oldest version of the file format in which a constant need not be an input.
const IR_VERSION_MIN: u64 = 4;

impl Model {
    /// Brings the file to [`OPSET_MIN`] at least, or says why that cannot be.
    pub(crate) fn raise(&mut self) -> Result<(), QuantiseError> {
        let path = self.path.clone();
        let refuse = |have: i64, node: &str, problem: &str| {
            Err(QuantiseError::Opset { path: path.to_path_buf(), have, node: node.into(), problem: problem.into() })
        };
        let Some(have) = self.opset() else {
            return refuse(0, "", "it declares no standard operators");
        };
        if self.ir_version < IR_VERSION_MIN {
            return refuse(have, "", &format!("version {} of the file format is too old", self.ir_version));
        }
        if have >= OPSET_MIN {
            return Ok(());
        }
        if have < RAISED_FROM {
            return refuse(have, "", "it is older than what can be raised");
        }
        if self.functions {
            return refuse(have, "", "it defines operators of its own");
        }
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            let name = node.name().to_owned();
            if node.holds_graphs() {
                return refuse(have, &name, "it holds a graph of its own");
            }
            match node.standard() {
                "Squeeze" | "Unsqueeze" | "ReduceSum" => self.attribute_to_input(at, "axes", have)?,
                "Split" => self.attribute_to_input(at, "split", have)?,
                // Until then all axes from this one on were one: the same where it is the last.
                "Softmax" | "LogSoftmax" | "Hardmax" => {
                    let axis = node.int("axis", 1);
                    let rank = node.inputs.first().and_then(|input| self.rank(input));
                    if axis != -1 && rank.is_none_or(|rank| axis != rank as i64 - 1) {
                        return refuse(have, &name, "it need not be over the last axis");
                    }
                    if node.attribute("axis").is_none() {
                        return refuse(have, &name, "it leaves its axis open");
                    }
                }
                "Dropout" if node.attribute("ratio").is_some() => {
                    return refuse(have, &name, "it is of training; export for inference");
                }
                _ => {}
            }
        }
        self.set_opset("", OPSET_MIN);
        for opset in &mut self.opsets {
            if opset.domain.as_deref() == Some("ai.onnx") {
                opset.version = Some(OPSET_MIN);
            }
        }
        self.ir_version = self.ir_version.max(IR_VERSION);
        Ok(())
    }

    fn attribute_to_input(&mut self, at: usize, name: &str, have: i64) -> Result<(), QuantiseError> {
        let node = &self.nodes[at];
        let Some(ints) = node.attribute(name).map(|attribute| attribute.ints.clone()) else { return Ok(()) };
        let Some(mut changed) = node.without(name) else {
            return Err(QuantiseError::Opset {
                path: self.path.to_path_buf(),
                have,
                node: node.name().into(),
                problem: "it has fields that are not understood".into(),
            });
        };
        let constant = format!("{}.{name}", node.outputs.first().map_or("", String::as_str));
        let constant = self.edges().fresh(constant);
        let values: Vec<u8> = ints.iter().flat_map(|value| value.to_le_bytes()).collect();
        changed.inputs.truncate(1);
        changed.inputs.push(constant.clone());
        self.nodes[at] = changed;
        self.initialisers.push(Tensor::new(&constant, DType::I64, &[ints.len()], Data::Here(values.into())));
        Ok(())
    }
}

/// Operators that say that a file is quantised already.
pub(crate) fn is_quantised(node: &Node) -> bool {
    const OPERATORS: [&str; 11] = [
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "MatMulInteger",
        "ConvInteger",
        "QLinearMatMul",
        "QLinearConv",
        "QGemm",
        "MatMulNBits",
        "MatMulBnb4",
        "GatherBlockQuantized",
    ];
    OPERATORS.contains(&node.operator())
}
