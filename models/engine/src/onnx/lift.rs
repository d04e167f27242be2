//! Lifts layers with int8 weights out of a file before it is parsed.
//!
//! What is looked for is standard ONNX: an int8 constant of two axes that a `DequantizeLinear` multiplies with a scale for each output, and
//! that only linear layers (`MatMul`, `Gemm`, also through a `Transpose`) or lookups (`Gather`) read. Each reader is replaced by a
//! node of its own kind, and constant and `DequantizeLinear` vanish. Anything else stays as it is, for the engine.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto};
use trimtab_kernels::{Linear, LinearError, Order, Weights};

use super::{OnnxFile, constant, corrupt};
use crate::ModelError;
use crate::layer::Layer;

/// Layers with fewer weights stay with the engine: there is little to gain on them.
const WEIGHTS_MIN: usize = 1 << 12;

/// The operator type of a node that stands for a layer; the engine has none of that name.
const OPERATOR: &str = "Int8Layer";

/// What was lifted: the layer of each node, by the node's name.
pub(super) type Lifted = HashMap<String, Layer>;

/// A reader of dequantised weights.
enum Reader {
    /// Multiplies rows with the weights; the node that reads the rows, and the bias.
    Linear { node: usize, bias: Option<usize> },
    /// Takes rows of the weights.
    Table { node: usize },
}

/// Lifts every layer that can be.
pub(super) fn lift(file: &mut OnnxFile) -> Result<Lifted, ModelError> {
    let index = Index::of(file);
    let mut lifted = Lifted::new();
    let mut gone = HashSet::new();
    let mut changed: Vec<(usize, NodeProto)> = Vec::new();
    for (at, node) in file.graph().node.iter().enumerate() {
        let Some(source) = index.source(file, node) else { continue };
        let Some((readers, between)) = index.readers(file, node, source.order) else { continue };
        let Some(layer) = packed(file, &source)? else { continue };
        for reader in readers {
            let (place, layer) = match reader {
                Reader::Linear { node, bias } => (node, Layer::Linear(biased(file, layer.clone(), bias)?)),
                Reader::Table { node } => (node, Layer::Table(layer.clone())),
            };
            let old = &file.graph().node[place];
            let reads = if matches!(layer, Layer::Table(_)) { 1 } else { 0 };
            let name = format!("{}#{place}", old.name);
            changed.push((place, stand_in(&name, &old.input[reads], &old.output)));
            lifted.insert(name, layer);
        }
        gone.insert(at);
        gone.extend(between);
    }
    let graph = file.proto.graph.as_mut().expect("a checked file has a graph");
    for (place, node) in changed {
        graph.node[place] = node;
    }
    let mut at = 0;
    graph.node.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    if !gone.is_empty() {
        let read: HashSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
        let kept: HashSet<&str> = graph.output.iter().map(|output| output.name.as_str()).chain(read).collect();
        graph.initializer.retain(|constant| kept.contains(constant.name.as_str()));
    }
    Ok(lifted)
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
        graph.node.iter().for_each(|node| read_inside(node, &mut outputs));
        Self {
            constants: graph.initializer.iter().enumerate().map(|(at, constant)| (constant.name.clone(), at)).collect(),
            readers,
            outputs,
        }
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

/// A node in place of a layer.
fn stand_in(name: &str, input: &str, output: &[String]) -> NodeProto {
    NodeProto {
        name: name.into(),
        op_type: OPERATOR.into(),
        input: vec![input.into()],
        output: output.to_vec(),
        ..NodeProto::default()
    }
}

/// Adds what graphs inside of a node read.
fn read_inside(node: &NodeProto, names: &mut HashSet<String>) {
    for graph in node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)) {
        for inner in &graph.node {
            names.extend(inner.input.iter().cloned());
            read_inside(inner, names);
        }
    }
}

fn swaps(transpose: &NodeProto) -> bool {
    attribute(transpose, "perm").is_none_or(|perm| perm.ints == [1, 0])
}

fn integer(node: &NodeProto, name: &str) -> Option<i64> {
    attribute(node, name).map(|attribute| attribute.i)
}

/// One where there is none, as in `Gemm`.
fn float(node: &NodeProto, name: &str) -> f32 {
    attribute(node, name).map_or(1.0, |attribute| attribute.f)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
