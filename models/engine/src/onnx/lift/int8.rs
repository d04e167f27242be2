//! Int8 layers, as standard ONNX has them: an int8 constant of two axes that a `DequantizeLinear` multiplies with a scale for each
//! output, and that only linear layers (`MatMul`, `Gemm`, also through a `Transpose`) or lookups (`Gather`) read.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use trimtab_kernels::{Linear, LinearError, Order, Weights};

use super::{Change, OnnxFile, attribute, constant, constants, corrupt, inner, integer, read};
use crate::ModelError;
use crate::layer::{Layer, Packed};

/// Layers with fewer weights stay with the engine: there is little to gain on them.
const WEIGHTS_MIN: usize = 1 << 12;

/// A reader of dequantised weights.
enum Reader {
    /// Multiplies rows with the weights; the node that reads the rows, and the bias.
    Linear { node: usize, bias: Option<usize> },
    /// Takes rows of the weights.
    Table { node: usize },
}

/// The layers, and the nodes that nothing needs without them.
pub(super) fn find(file: &OnnxFile) -> Result<(Vec<Change>, HashSet<usize>), ModelError> {
    let index = Index::of(file);
    let (mut changes, mut gone) = (Vec::new(), HashSet::new());
    for (at, node) in file.graph().node.iter().enumerate() {
        let Some(source) = index.source(file, node) else { continue };
        let Some((readers, between)) = index.readers(file, node, source.order) else { continue };
        let Some(layer) = packed(file, &source)? else { continue };
        for reader in readers {
            changes.push(match reader {
                Reader::Linear { node, bias } => {
                    let layer = Layer::Linear(Packed::Int8(biased(file, layer.clone(), bias)?));
                    Change { node, layer, reads: 0 }
                }
                Reader::Table { node } => Change { node, layer: Layer::Table(layer.clone()), reads: 1 },
            });
        }
        gone.insert(at);
        gone.extend(between);
    }
    Ok((changes, gone))
}

/// Int8 weights of two axes, and their scales.
struct Source {
    weights: usize,
    scales: usize,
    order: Order,
}

/// Who makes and who reads what.
struct Index {
    constants: HashMap<String, usize>,
    /// Nodes and the inputs at which they read.
    readers: HashMap<String, Vec<(usize, usize)>>,
    /// Results of the file, and what a graph inside a node may read: nothing of these can be lifted.
    outputs: HashSet<String>,
}

impl Index {
    fn of(file: &OnnxFile) -> Self {
        let graph = file.graph();
        let mut readers: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (node, reads) in graph.node.iter().enumerate() {
            for (input, name) in reads.input.iter().enumerate() {
                readers.entry(name.clone()).or_default().push((node, input));
            }
        }
        let mut outputs: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
        graph.node.iter().flat_map(inner).for_each(|graph| read(graph, &mut outputs));
        Self { constants: constants(file), readers, outputs }
    }

    /// The weights that a node dequantises, if they are of the kind that can be lifted.
    fn source(&self, file: &OnnxFile, node: &NodeProto) -> Option<Source> {
        if node.op_type != "DequantizeLinear" || node.output.len() != 1 {
            return None;
        }
        let constant = |input: usize| node.input.get(input).and_then(|name| self.constants.get(name)).copied();
        let (weights, scales) = (constant(0)?, constant(1)?);
        let all = &file.graph().initializer;
        let [first, second] = all[weights].dims[..] else { return None };
        let is_int8 = all[weights].data_type == DataType::Int8 as i32;
        if !is_int8 || all[scales].data_type != DataType::Float as i32 || first * second < WEIGHTS_MIN as i64 {
            return None;
        }
        if node.input.get(2).is_some_and(|name| !name.is_empty()) {
            let zero = &all[constant(2)?];
            let bytes = constant::bytes(&file.path, &file.folder, zero).ok()?;
            let is_zero = bytes.map_or(zero.int32_data.iter().all(|x| *x == 0), |bytes| bytes.iter().all(|x| *x == 0));
            if !is_zero {
                return None;
            }
        }
        let order = match integer(node, "axis").unwrap_or(1) {
            0 | -2 => Order::OutputsFirst,
            1 | -1 => Order::InputsFirst,
            _ => return None,
        };
        Some(Source { weights, scales, order })
    }

    /// All readers of what a node makes, and nodes between that do nothing else; `None` if there is one that is no layer.
    fn readers(&self, file: &OnnxFile, node: &NodeProto, order: Order) -> Option<(Vec<Reader>, Vec<usize>)> {
        let (mut found, mut between) = (Vec::new(), Vec::new());
        for &(at, input) in self.all(&node.output[0])? {
            let reader = &file.graph().node[at];
            match reader.op_type.as_str() {
                "Transpose" if order == Order::OutputsFirst && swaps(reader) => {
                    for &(at, input) in self.all(&reader.output[0])? {
                        let is_layer = file.graph().node[at].op_type == "MatMul" && input == 1;
                        found.push(is_layer.then_some(Reader::Linear { node: at, bias: None })?);
                    }
                    between.push(at);
                }
                "MatMul" if order == Order::InputsFirst && input == 1 => {
                    found.push(Reader::Linear { node: at, bias: None });
                }
                "Gemm" if input == 1 => found.push(self.gemm(file, at, order)?),
                "Gather" if order == Order::OutputsFirst && input == 0 && integer(reader, "axis").unwrap_or(0) == 0 => {
                    found.push(Reader::Table { node: at });
                }
                _ => return None,
            }
        }
        (!found.is_empty()).then_some((found, between))
    }

    fn gemm(&self, file: &OnnxFile, at: usize, order: Order) -> Option<Reader> {
        let node = &file.graph().node[at];
        let transposed = integer(node, "transB").unwrap_or(0) != 0;
        let is_plain =
            integer(node, "transA").unwrap_or(0) == 0 && [float(node, "alpha"), float(node, "beta")] == [1.0; 2];
        if !is_plain || transposed != (order == Order::OutputsFirst) {
            return None;
        }
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => Some(*self.constants.get(name)?),
            None => None,
        };
        Some(Reader::Linear { node: at, bias })
    }

    /// Who reads a tensor, unless the file gives it as a result.
    fn all(&self, name: &str) -> Option<&[(usize, usize)]> {
        if self.outputs.contains(name) { None } else { self.readers.get(name).map(Vec::as_slice) }
    }
}

/// Packs weights; `None` where they are not symmetric, which the engine has to see to.
fn packed(file: &OnnxFile, source: &Source) -> Result<Option<Linear>, ModelError> {
    let all = &file.graph().initializer;
    let (weights, scales) = (&all[source.weights], &all[source.scales]);
    let [first, second] = [0, 1].map(|axis| usize::try_from(weights.dims[axis]).unwrap_or(0));
    let (inputs, outputs) = if source.order == Order::InputsFirst { (first, second) } else { (second, first) };
    let mut scales = file.floats(scales)?;
    if scales.len() == 1 {
        scales = vec![scales[0]; outputs];
    }
    if scales.iter().any(|scale| !scale.is_finite()) {
        return Err(ModelError::NotFinite { path: file.path.clone(), tensor: all[source.scales].name.clone() });
    }
    let values: Vec<i8> = match constant::bytes(&file.path, &file.folder, weights)? {
        Some(bytes) => bytes.iter().map(|byte| *byte as i8).collect(),
        None => weights.int32_data.iter().map(|number| *number as i8).collect(),
    };
    let weights = Weights { inputs, outputs, order: source.order, values: &values, scales: &scales };
    match Linear::new(&weights) {
        Ok(layer) => Ok(Some(layer)),
        Err(LinearError::Weight { .. }) => Ok(None),
        Err(error) => Err(corrupt(&file.path, &format!("weight {}: {error}", all[source.weights].name))),
    }
}

fn biased(file: &OnnxFile, layer: Linear, bias: Option<usize>) -> Result<Linear, ModelError> {
    let Some(bias) = bias.map(|bias| &file.graph().initializer[bias]) else { return Ok(layer) };
    layer.with_bias(&file.floats(bias)?).map_err(|error| corrupt(&file.path, &format!("bias {}: {error}", bias.name)))
}

fn swaps(transpose: &NodeProto) -> bool {
    attribute(transpose, "perm").is_none_or(|perm| perm.ints == [1, 0])
}

/// One where there is none, as in `Gemm`.
fn float(node: &NodeProto, name: &str) -> f32 {
    attribute(node, name).map_or(1.0, |attribute| attribute.f)
}
