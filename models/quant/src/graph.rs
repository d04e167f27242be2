//! Builds one ONNX graph, node by node, and writes it as a file. Names are the edges: a node reads the names that
//! inputs, initialisers and earlier nodes have made. The first mistake is kept and returned by [`Graph::to_bytes`],
//! so that a model can be written down as one chain of calls.

use std::collections::HashSet;

use prost::Message;

use crate::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::quantise::{Int8Weight, elements};

/// Version of the standard operator set that the writer declares.
pub const OPSET: i64 = 17;
/// Version of the file format that the writer declares.
pub const IR_VERSION: i64 = 8;

/// What makes a graph unwritable. Each names the tensor or node concerned.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum GraphError {
    /// Values and shape disagree.
    #[error("tensor {name}: {have} values do not fill the shape {shape:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its declared shape.
        shape: Vec<usize>,
        /// Number of values given.
        have: usize,
    },
    /// A channel axis outside the shape.
    #[error("weight {name}: channel axis {axis} of a tensor of rank {rank}")]
    Axis {
        /// The weight.
        name: String,
        /// The axis asked for.
        axis: usize,
        /// The rank of the weight.
        rank: usize,
    },
    /// A NaN or infinite weight.
    #[error("weight {name}: value {value} at index {index}; train again or clip before export")]
    NotFinite {
        /// The weight.
        name: String,
        /// Flat index of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A name made twice.
    #[error("tensor {name} is made twice; rename one")]
    Twice {
        /// The name.
        name: String,
    },
    /// A node or an output reads a name that nothing before it makes.
    #[error("{reader} reads {name}, which nothing before it makes")]
    Dangling {
        /// The node or output.
        reader: String,
        /// The name read.
        name: String,
    },
    /// A graph without outputs.
    #[error("graph {name} has no output")]
    NoOutput {
        /// The graph.
        name: String,
    },
}

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// Unsigned byte.
    U8,
    /// Signed byte.
    I8,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Truth value.
    Bool,
}

impl DType {
    /// The number that the file format gives this type.
    pub const fn code(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::U8 => 2,
            Self::I8 => 3,
            Self::I32 => 6,
            Self::I64 => 7,
            Self::Bool => 9,
        }
    }
}

/// Length of one axis of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed length.
    Fixed(usize),
    /// A length that the caller chooses, by name; the same name is the same length.
    Symbol(String),
}

impl From<usize> for Dim {
    fn from(length: usize) -> Self {
        Self::Fixed(length)
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Self::Symbol(name.into())
    }
}

/// Value of a node's attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// One integer.
    Int(i64),
    /// Integers, such as `perm` or `pads`.
    Ints(Vec<i64>),
    /// One float.
    Float(f32),
    /// Floats.
    Floats(Vec<f32>),
    /// A text, such as `mode`.
    Text(String),
}

impl From<i64> for Attr {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&[i64]> for Attr {
    fn from(values: &[i64]) -> Self {
        Self::Ints(values.to_vec())
    }
}

impl From<f32> for Attr {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Attr {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

/// One graph being built. See the [crate example](crate).
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    nodes: Vec<NodeProto>,
    initialisers: Vec<TensorProto>,
    metadata: Vec<(String, String)>,
    made: HashSet<String>,
    anonymous: usize,
    first_error: Option<GraphError>,
    in_float: bool,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            nodes: Vec::new(),
            initialisers: Vec::new(),
            metadata: Vec::new(),
            made: HashSet::new(),
            anonymous: 0,
            first_error: None,
            in_float: false,
        }
    }

    /// An empty graph whose [`Self::int8_weight`]s stay as they come, to compare with the one that rounds them.
    pub fn in_float(name: &str) -> Self {
        Self { in_float: true, ..Self::new(name) }
    }

    /// Declares an input of the given element type and shape.
    pub fn input(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> &mut Self {
        self.make(name);
        self.inputs.push(value_info(name, dtype, shape));
        self
    }

    /// Declares an output; the name must be made by a node, an input or an initialiser.
    pub fn output(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> &mut Self {
        self.outputs.push(value_info(name, dtype, shape));
        self
    }

    /// Adds a node with named outputs. An empty input name leaves an optional input out.
    pub fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attrs: &[(&str, Attr)]) -> &mut Self {
        let name = format!("{}/{op}", outputs.first().copied().unwrap_or_default());
        for input in inputs {
            if !input.is_empty() && !self.made.contains(*input) {
                self.fail(GraphError::Dangling { reader: name.clone(), name: (*input).into() });
            }
        }
        for output in outputs {
            self.make(output);
        }
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&s| s.into()).collect(),
            output: outputs.iter().map(|&s| s.into()).collect(),
            name: Some(name),
            op_type: Some(op.into()),
            attribute: attrs.iter().map(|(name, value)| attribute(name, value)).collect(),
            domain: None,
        });
        self
    }

    /// Adds a node with one output, whose name is made up and returned.
    pub fn op(&mut self, op: &str, inputs: &[&str], attrs: &[(&str, Attr)]) -> String {
        self.anonymous += 1;
        let output = format!("{}_{}", op.to_ascii_lowercase(), self.anonymous);
        self.node(op, inputs, &[&output], attrs);
        output
    }

    /// Adds a float constant, row-major; returns its name.
    pub fn initializer_f32(&mut self, name: &str, values: &[f32], shape: &[usize]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, DType::F32, values.len(), raw, shape)
    }

    /// Adds a 64-bit integer constant; returns its name.
    pub fn initializer_i64(&mut self, name: &str, values: &[i64], shape: &[usize]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, DType::I64, values.len(), raw, shape)
    }

    /// Adds a 32-bit integer constant; returns its name.
    pub fn initializer_i32(&mut self, name: &str, values: &[i32], shape: &[usize]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, DType::I32, values.len(), raw, shape)
    }

    /// Adds a signed byte constant; returns its name.
    pub fn initializer_i8(&mut self, name: &str, values: &[i8], shape: &[usize]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, DType::I8, values.len(), raw, shape)
    }

    /// Adds an unsigned byte constant; returns its name.
    pub fn initializer_u8(&mut self, name: &str, values: &[u8], shape: &[usize]) -> String {
        self.initializer(name, DType::U8, values.len(), values.to_vec(), shape)
    }

    /// Adds a constant of truth values; returns its name.
    pub fn initializer_bool(&mut self, name: &str, values: &[bool], shape: &[usize]) -> String {
        let raw = values.iter().map(|&v| u8::from(v)).collect();
        self.initializer(name, DType::Bool, values.len(), raw, shape)
    }

    /// Quantises a weight to int8 with one scale per index of `channel_axis` and adds it with the node that
    /// dequantises it. Returns the name of the dequantised tensor, `name` itself, to be read by the layer.
    pub fn int8_weight(&mut self, name: &str, weight: &[f32], shape: &[usize], channel_axis: usize) -> String {
        if self.in_float {
            return self.initializer_f32(name, weight, shape);
        }
        match Int8Weight::quantise(name, weight, shape, channel_axis) {
            Ok(quantised) => self.quantised(name, &quantised),
            Err(error) => {
                self.fail(error);
                self.made.insert(name.into());
                name.into()
            }
        }
    }

    /// Adds an already quantised weight as [`Graph::int8_weight`] does.
    pub fn quantised(&mut self, name: &str, weight: &Int8Weight) -> String {
        let values = self.initializer_i8(&format!("{name}.int8"), weight.values(), weight.shape());
        let scales = self.initializer_f32(&format!("{name}.scale"), weight.scales(), &[weight.scales().len()]);
        let axis = Attr::Int(weight.channel_axis() as i64);
        self.node("DequantizeLinear", &[&values, &scales], &[name], &[("axis", axis)]);
        name.into()
    }

    /// Sets a metadata pair; a key set again takes the new value.
    pub fn metadata(&mut self, key: &str, value: &str) -> &mut Self {
        match self.metadata.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.into(),
            None => self.metadata.push((key.into(), value.into())),
        }
        self
    }

    /// The file. Fails with the first mistake made while building.
    pub fn to_bytes(&self) -> Result<Vec<u8>, GraphError> {
        if let Some(error) = &self.first_error {
            return Err(error.clone());
        }
        if self.outputs.is_empty() {
            return Err(GraphError::NoOutput { name: self.name.clone() });
        }
        for output in self.outputs.iter().filter_map(|o| o.name.as_ref()) {
            if !self.made.contains(output) {
                return Err(GraphError::Dangling { reader: format!("output of {}", self.name), name: output.clone() });
            }
        }
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("trimtab-quant".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: Some(GraphProto {
                node: self.nodes.clone(),
                name: Some(self.name.clone()),
                initializer: self.initialisers.clone(),
                input: self.inputs.clone(),
                output: self.outputs.clone(),
            }),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: self
                .metadata
                .iter()
                .map(|(key, value)| StringStringEntryProto { key: Some(key.clone()), value: Some(value.clone()) })
                .collect(),
        };
        Ok(model.encode_to_vec())
    }

    /// The nodes and constants alone. Fails with the first mistake made while building.
    pub(crate) fn into_parts(self) -> Result<(Vec<NodeProto>, Vec<TensorProto>), GraphError> {
        match self.first_error {
            Some(error) => Err(error),
            None => Ok((self.nodes, self.initialisers)),
        }
    }

    fn initializer(&mut self, name: &str, dtype: DType, count: usize, raw: Vec<u8>, shape: &[usize]) -> String {
        if elements(shape) != Some(count) {
            self.fail(GraphError::Shape { name: name.into(), shape: shape.to_vec(), have: count });
        }
        self.make(name);
        self.initialisers.push(TensorProto {
            dims: shape.iter().map(|&n| n as i64).collect(),
            data_type: Some(dtype.code()),
            name: Some(name.into()),
            raw_data: Some(raw),
            ..TensorProto::default()
        });
        name.into()
    }

    fn make(&mut self, name: &str) {
        if !self.made.insert(name.into()) {
            self.fail(GraphError::Twice { name: name.into() });
        }
    }

    fn fail(&mut self, error: GraphError) {
        self.first_error.get_or_insert(error);
    }
}

fn value_info(name: &str, dtype: DType, shape: &[Dim]) -> ValueInfoProto {
    let dim = shape
        .iter()
        .map(|dim| match dim {
            Dim::Fixed(length) => DimensionValue::DimValue(*length as i64),
            Dim::Symbol(symbol) => DimensionValue::DimParam(symbol.clone()),
        })
        .map(|value| DimensionProto { value: Some(value) })
        .collect();
    let tensor = TensorTypeProto { elem_type: Some(dtype.code()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}

fn attribute(name: &str, value: &Attr) -> AttributeProto {
    let named = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
    match value {
        Attr::Float(f) => AttributeProto { f: Some(*f), kind: Some(1), ..named },
        Attr::Int(i) => AttributeProto { i: Some(*i), kind: Some(2), ..named },
        Attr::Text(s) => AttributeProto { s: Some(s.clone().into_bytes()), kind: Some(3), ..named },
        Attr::Floats(floats) => AttributeProto { floats: floats.clone(), kind: Some(6), ..named },
        Attr::Ints(ints) => AttributeProto { ints: ints.clone(), kind: Some(7), ..named },
    }
}
