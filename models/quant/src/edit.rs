//! Changes a file that this writer wrote: its constants, its metadata, and what one of its nodes reads. Everything else stays
//! as it was. A file that holds more than the writer writes is refused, because what is not understood would be lost.

use std::collections::HashSet;

use prost::Message;

use crate::graph::{DType, Dim, Graph, GraphError};
use crate::proto::{GraphProto, ModelProto, StringStringEntryProto, TensorProto};
use crate::quantise::elements;

/// Why a file cannot be changed.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum EditError {
    /// Cut off or damaged.
    #[error("not a whole ONNX file ({0}); fetch or export it again")]
    Corrupt(String),
    /// Written by something else.
    #[error(
        "holds what this writer does not write, which a change would lose; take the file as trimtab-lab exported it"
    )]
    Foreign,
    /// A constant that is not there, or is not of floats.
    #[error("holds no float constant {name}; take the file as trimtab-lab exported it")]
    Constant {
        /// Its name.
        name: String,
    },
    /// No node of that kind reads the tensor, or several do.
    #[error("{count} {operator} nodes read {tensor}, not one; take the file as trimtab-lab exported it")]
    Reader {
        /// Operator type of the node.
        operator: String,
        /// The tensor.
        tensor: String,
        /// How many there are.
        count: usize,
    },
    /// What was to be added is no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// A file that is being changed.
#[derive(Clone, Debug)]
pub struct Edit {
    model: ModelProto,
}

impl Edit {
    /// Decodes a file that [`Graph::to_bytes`] made.
    pub fn of(bytes: &[u8]) -> Result<Self, EditError> {
        let model = ModelProto::decode(bytes).map_err(|error| EditError::Corrupt(error.to_string()))?;
        if model.graph.is_none() {
            return Err(EditError::Corrupt("it holds no graph".into()));
        }
        if model.encode_to_vec() != bytes {
            return Err(EditError::Foreign);
        }
        Ok(Self { model })
    }

    /// Values and shape of a float constant, row-major.
    pub fn constant(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>), EditError> {
        let missing = || EditError::Constant { name: name.into() };
        let tensor = self.graph().initializer.iter().find(|tensor| tensor.name.as_deref() == Some(name));
        let tensor = tensor.filter(|tensor| tensor.data_type == Some(DType::F32.code())).ok_or_else(missing)?;
        let raw = tensor.raw_data.as_deref().unwrap_or_default();
        let values: Vec<f32> = raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let shape: Option<Vec<usize>> = tensor.dims.iter().map(|length| usize::try_from(*length).ok()).collect();
        let shape = shape.filter(|shape| elements(shape) == Some(values.len())).ok_or_else(missing)?;
        Ok((values, shape))
    }

    /// Gives a float constant other values and another shape.
    pub fn set_constant(&mut self, name: &str, values: &[f32], shape: &[usize]) -> Result<(), EditError> {
        self.constant(name)?;
        let mut graph = Graph::new(name);
        graph.initializer_f32(name, values, shape);
        let (_, mut made) = graph.into_parts()?;
        for tensor in &mut self.graph_mut().initializer {
            if tensor.name.as_deref() == Some(name)
                && let Some(made) = made.pop()
            {
                *tensor = made;
            }
        }
        Ok(())
    }

    /// Has the one `operator` node that reads the float tensor `from` read instead what `build` makes of it and names.
    pub fn divert(
        &mut self,
        operator: &str,
        from: &str,
        shape: &[Dim],
        build: impl FnOnce(&mut Graph) -> String,
    ) -> Result<(), EditError> {
        let mut graph = Graph::new(from);
        graph.input(from, DType::F32, shape);
        let made = build(&mut graph);
        let (nodes, constants) = graph.into_parts()?;
        let taken: HashSet<&str> = names(self.graph()).collect();
        let new = nodes.iter().flat_map(|node| &node.output).chain(constants.iter().filter_map(name));
        if let Some(twice) = new.into_iter().find(|name| taken.contains(name.as_str())) {
            return Err(GraphError::Twice { name: twice.clone() }.into());
        }
        let own = self.graph_mut();
        let reads = |node: &&mut crate::proto::NodeProto| {
            node.op_type.as_deref() == Some(operator) && node.input.iter().any(|input| input == from)
        };
        let mut readers: Vec<_> = own.node.iter_mut().filter(reads).collect();
        let [reader] = readers.as_mut_slice() else {
            return Err(EditError::Reader { operator: operator.into(), tensor: from.into(), count: readers.len() });
        };
        reader.input.iter_mut().filter(|input| *input == from).for_each(|input| input.clone_from(&made));
        // In front of everything: what is new reads nothing but an input.
        own.node.splice(0..0, nodes);
        own.initializer.extend(constants);
        Ok(())
    }

    /// Sets a metadata pair; a key that is there takes the new value.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        let value = Some(value.to_owned());
        match self.model.metadata_props.iter_mut().find(|pair| pair.key.as_deref() == Some(key)) {
            Some(pair) => pair.value = value,
            None => self.model.metadata_props.push(StringStringEntryProto { key: Some(key.into()), value }),
        }
    }

    /// The changed file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    fn graph(&self) -> &GraphProto {
        self.model.graph.as_ref().expect("checked when it was decoded")
    }

    fn graph_mut(&mut self) -> &mut GraphProto {
        self.model.graph.as_mut().expect("checked when it was decoded")
    }
}

fn name(tensor: &TensorProto) -> Option<&String> {
    tensor.name.as_ref()
}

/// Every name that inputs, constants and nodes make.
fn names(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let inputs = graph.input.iter().filter_map(|input| input.name.as_deref());
    let constants = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref());
    inputs.chain(constants).chain(graph.node.iter().flat_map(|node| node.output.iter().map(String::as_str)))
}
