//! A foreign file as a whole.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::node::Node;
use super::tensor::Tensor;
use super::wire::{Scanner, WireError};
use crate::QuantiseError;
use crate::proto::{DimensionValue, OperatorSetIdProto, ValueInfoProto};

/// Largest file: the limit of the protobuf format.
pub(crate) const FILE_BYTES_MAX: u64 = (2 << 30) - 1;

/// Field numbers of a model.
pub(crate) const IR_VERSION: u64 = 1;
pub(crate) const GRAPH: u64 = 7;
pub(crate) const OPSET: u64 = 8;
const TRAINING: u64 = 20;
const FUNCTION: u64 = 25;
/// Field numbers of a graph.
pub(crate) const NODE: u64 = 1;
pub(crate) const INITIALISER: u64 = 5;
pub(crate) const INPUT: u64 = 11;
pub(crate) const OUTPUT: u64 = 12;
pub(crate) const VALUE_INFO: u64 = 13;

/// Name and type of an input, an output or something between, with the bytes that it was.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub(crate) view: ValueInfoProto,
    pub(crate) raw: Vec<u8>,
}

/// A file: nodes and constants can be changed, everything else is kept as it was.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) path: Arc<Path>,
    pub(crate) ir_version: u64,
    pub(crate) opsets: Vec<OperatorSetIdProto>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initialisers: Vec<Tensor>,
    pub(crate) inputs: Vec<Info>,
    pub(crate) outputs: Vec<Info>,
    pub(crate) infos: Vec<Info>,
    /// All other fields of the model and of its graph.
    pub(crate) rest: Vec<u8>,
    pub(crate) graph_rest: Vec<u8>,
    /// Whether the file defines operators of its own.
    pub(crate) functions: bool,
}

impl Model {
    /// Reads a file, but for the values of its weights.
    pub(crate) fn open(path: &Path) -> Result<Self, QuantiseError> {
        let path: Arc<Path> = Arc::from(path);
        let failed = |source| QuantiseError::io(&path, "read", source);
        let file = File::open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length > FILE_BYTES_MAX {
            return Err(QuantiseError::corrupt(&path, &format!("{length} bytes, more than the format allows")));
        }
        let mut model = Self::empty(path);
        model.scan(&mut Scanner::new(BufReader::new(file)), length)?;
        model.check()?;
        Ok(model)
    }

    fn empty(path: Arc<Path>) -> Self {
        Self {
            path,
            ir_version: 0,
            opsets: Vec::new(),
            nodes: Vec::new(),
            initialisers: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            infos: Vec::new(),
            rest: Vec::new(),
            graph_rest: Vec::new(),
            functions: false,
        }
    }

    fn scan<R: Read + Seek>(&mut self, scanner: &mut Scanner<R>, length: u64) -> Result<(), QuantiseError> {
        let path = self.path.clone();
        let wire = |error: WireError| error.of(&path);
        let mut graphs = 0;
        while let Some(field) = scanner.next(length).map_err(wire)? {
            match field.number {
                IR_VERSION => self.ir_version = field.integer.unwrap_or(0),
                GRAPH if field.delimited => {
                    graphs += 1;
                    scanner.seek(field.body).map_err(wire)?;
                    self.scan_graph(scanner, field.end)?;
                }
                OPSET if field.delimited => {
                    let bytes = scanner.bytes(field.body, field.end).map_err(wire)?;
                    let opset = OperatorSetIdProto::decode(bytes.as_slice());
                    self.opsets.push(opset.map_err(|error| QuantiseError::corrupt(&path, &error))?);
                }
                TRAINING => {
                    return Err(QuantiseError::corrupt(&path, &"it holds a training graph; export for inference"));
                }
                number => {
                    self.functions |= number == FUNCTION;
                    scanner.append(field.start, field.end, &mut self.rest).map_err(wire)?;
                }
            }
        }
        if graphs != 1 {
            return Err(QuantiseError::corrupt(&path, &format!("it holds {graphs} graphs, not one")));
        }
        Ok(())
    }

    fn scan_graph<R: Read + Seek>(&mut self, scanner: &mut Scanner<R>, end: u64) -> Result<(), QuantiseError> {
        let path = self.path.clone();
        let wire = |error: WireError| error.of(&path);
        while let Some(field) = scanner.next(end).map_err(wire)? {
            match field.number {
                NODE if field.delimited => {
                    let bytes = scanner.bytes(field.body, field.end).map_err(wire)?;
                    self.nodes.push(Node::decode(&path, &bytes)?);
                }
                INITIALISER if field.delimited => {
                    self.initialisers.push(Tensor::scan(&path, scanner, field.body, field.end)?);
                }
                INPUT | OUTPUT | VALUE_INFO if field.delimited => {
                    let raw = scanner.bytes(field.body, field.end).map_err(wire)?;
                    let view = ValueInfoProto::decode(raw.as_slice());
                    let view = view.map_err(|error| QuantiseError::corrupt(&path, &error))?;
                    let list = match field.number {
                        INPUT => &mut self.inputs,
                        OUTPUT => &mut self.outputs,
                        _ => &mut self.infos,
                    };
                    list.push(Info { view, raw });
                }
                _ => scanner.append(field.start, field.end, &mut self.graph_rest).map_err(wire)?,
            }
        }
        Ok(())
    }

    /// What a whole graph must have: an output, and no name made twice or never.
    fn check(&self) -> Result<(), QuantiseError> {
        let corrupt = |problem: String| Err(QuantiseError::corrupt(&self.path, &problem));
        if self.outputs.is_empty() {
            return corrupt("it has no output".into());
        }
        let inputs = self.inputs.iter().filter_map(|input| input.view.name.as_deref());
        let constants: HashSet<&str> = self.initialisers.iter().map(|tensor| tensor.name.as_str()).collect();
        if constants.len() < self.initialisers.len() {
            return corrupt("two constants have the same name".into());
        }
        let mut made: HashSet<&str> = inputs.chain(constants).collect();
        // Sparse constants and what else makes names is not understood here; where there are some, a name may be theirs.
        let closed = self.graph_rest.is_empty() || !self.holds_sparse();
        for node in &self.nodes {
            let read = node.inputs.iter().find(|input| !input.is_empty() && !made.contains(input.as_str()));
            if let Some(input) = read.filter(|_| closed) {
                return corrupt(format!("node {} reads {input}, which nothing before it makes", node.name()));
            }
            for output in node.outputs.iter().filter(|output| !output.is_empty()) {
                if !made.insert(output) {
                    return corrupt(format!("{output} is made twice"));
                }
            }
        }
        let missing = self.outputs.iter().filter_map(|output| output.view.name.as_deref());
        match missing.filter(|_| closed).find(|name| !made.contains(name)) {
            Some(name) => corrupt(format!("nothing makes the output {name}")),
            None => Ok(()),
        }
    }

    fn holds_sparse(&self) -> bool {
        const SPARSE: u64 = 15;
        let mut scanner = Scanner::of(&self.graph_rest);
        while let Ok(Some(field)) = scanner.next(self.graph_rest.len() as u64) {
            if field.number == SPARSE || scanner.seek(field.end).is_err() {
                return true;
            }
        }
        false
    }

    /// Version of the standard operators.
    pub(crate) fn opset(&self) -> Option<i64> {
        let standard = |opset: &&OperatorSetIdProto| matches!(opset.domain.as_deref().unwrap_or(""), "" | "ai.onnx");
        self.opsets.iter().find(standard).and_then(|opset| opset.version)
    }

    /// Declares another set of operators, or a newer version of one.
    pub(crate) fn set_opset(&mut self, domain: &str, version: i64) {
        let same = |opset: &&mut OperatorSetIdProto| opset.domain.as_deref().unwrap_or("") == domain;
        match self.opsets.iter_mut().find(same) {
            Some(opset) => opset.version = opset.version.max(Some(version)),
            None => {
                self.opsets.push(OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) });
            }
        }
    }

    /// Number of axes of a tensor, where the file says it.
    pub(crate) fn rank(&self, name: &str) -> Option<usize> {
        let all = self.infos.iter().chain(&self.inputs).chain(&self.outputs);
        let info = all.into_iter().find(|info| info.view.name.as_deref() == Some(name))?;
        Some(info.view.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim.len())
    }

    /// Inputs that the caller feeds: name, type and lengths, `None` for those that the caller chooses.
    pub(crate) fn fed(&self) -> Vec<(String, i32, Vec<Option<usize>>)> {
        let constants: HashSet<&str> = self.initialisers.iter().map(|tensor| tensor.name.as_str()).collect();
        let fed =
            self.inputs.iter().filter(|input| !constants.contains(input.view.name.as_deref().unwrap_or_default()));
        fed.map(|input| {
            let tensor = input.view.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
            let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
            let dims = shape.map_or(&[][..], |shape| &shape.dim).iter().map(|dim| match dim.value {
                Some(DimensionValue::DimValue(length)) => usize::try_from(length).ok(),
                _ => None,
            });
            let name = input.view.name.clone().unwrap_or_default();
            (name, tensor.and_then(|tensor| tensor.elem_type).unwrap_or_default(), dims.collect())
        })
        .collect()
    }

    /// Who makes and reads what. Valid until nodes are changed.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::default();
        for (place, tensor) in self.initialisers.iter().enumerate() {
            edges.constants.insert(tensor.name.clone(), place);
        }
        for (at, node) in self.nodes.iter().enumerate() {
            for (slot, input) in node.inputs.iter().enumerate() {
                edges.readers.entry(input.clone()).or_default().push((at, slot));
            }
            for output in &node.outputs {
                edges.makers.insert(output.clone(), at);
            }
            edges.fixed.extend(node.captured().iter().cloned());
        }
        edges.fixed.extend(self.outputs.iter().filter_map(|output| output.view.name.clone()));
        edges
    }
}

/// Who makes and reads what.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Place of each constant.
    constants: HashMap<String, usize>,
    makers: HashMap<String, usize>,
    readers: HashMap<String, Vec<(usize, usize)>>,
    /// Names that more than plain nodes read: outputs of the graph, and what graphs within nodes read.
    fixed: HashSet<String>,
}

impl Edges {
    pub(crate) fn constant(&self, name: &str) -> Option<usize> {
        self.constants.get(name).copied()
    }

    /// The node that makes it.
    pub(crate) fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// The nodes that read it, and in which of their inputs; `None` where others do, too.
    pub(crate) fn readers(&self, name: &str) -> Option<&[(usize, usize)]> {
        if self.fixed.contains(name) { None } else { Some(self.readers.get(name).map_or(&[], Vec::as_slice)) }
    }

    /// This name, or one like it that is not in use.
    pub(crate) fn fresh(&self, mut name: String) -> String {
        while self.taken(&name) {
            name.push('_');
        }
        name
    }

    /// Whether a name is in use.
    pub(crate) fn taken(&self, name: &str) -> bool {
        self.constants.contains_key(name)
            || self.makers.contains_key(name)
            || self.readers.contains_key(name)
            || self.fixed.contains(name)
    }
}
