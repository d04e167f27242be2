//! One ONNX file: opened and checked before the engine sees it, so that what is wrong with it is said in terms of the file, and
//! turned into a plan.
//!
//! Layers whose weights are int8 with a scale for each output are lifted out of the file first and packed one by one ([`lift`]), so
//! that neither the file nor their weights as floats are ever in memory as a whole.

mod constant;
mod lift;
mod part;
mod plan;
mod skim;

pub(crate) use plan::{Layers, Length};

use std::collections::HashSet;
use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};

use tract_onnx::pb;
use tract_onnx::pb::type_proto::Value;
use tract_onnx::prelude::Framework;

use crate::ModelError;
use crate::folder::ONNX_BYTES_MAX;

/// A decoded and checked ONNX file.
pub(crate) struct OnnxFile {
    path: PathBuf,
    /// Its folder, where constants in other files are looked for.
    folder: PathBuf,
    proto: pb::ModelProto,
}

impl OnnxFile {
    /// Opens and checks a file. Its large constants are not read, only looked for.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Read { path: path.into(), source };
        let real = path.canonicalize().map_err(failed)?;
        let (Some(folder), Some(name)) = (real.parent(), real.file_name().and_then(|name| name.to_str())) else {
            return Err(ModelError::config(path, "name", "it is not UTF-8; rename the file"));
        };
        let file = File::open(&real).map_err(failed)?;
        let have = file.metadata().map_err(failed)?.len();
        if have > ONNX_BYTES_MAX {
            return Err(ModelError::TooLarge { path: path.into(), have, limit: ONNX_BYTES_MAX });
        }
        let messages = skim::skim(file, name).map_err(|problem| corrupt(path, &problem))?;
        Self::check(path, folder, &messages)
    }

    /// Decodes and checks `bytes`, which hold all constants; `path` is named in errors.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::check(path, path.parent().unwrap_or(Path::new("")), bytes)
    }

    fn check(path: &Path, folder: &Path, mut bytes: &[u8]) -> Result<Self, ModelError> {
        let proto = tract_onnx::onnx().proto_model_for_read(&mut bytes).map_err(|e| corrupt(path, e.root_cause()))?;
        let graph = proto.graph.as_ref().ok_or_else(|| corrupt(path, &"it holds no graph"))?;
        check_operators(path, graph)?;
        let mut made: HashSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
        for weight in &graph.initializer {
            constant::check(path, folder, weight)?;
            made.insert(&weight.name);
        }
        made.extend(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)));
        if let Some(output) = graph.output.iter().find(|o| !made.contains(o.name.as_str())) {
            return Err(corrupt(path, &format!("nothing makes the output {}", output.name)));
        }
        if graph.output.is_empty() {
            return Err(corrupt(path, &"it has no output"));
        }
        Ok(Self { path: path.into(), folder: folder.into(), proto })
    }

    /// The value of a metadata key.
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        self.proto.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str()))
    }

    /// Declared shape of an input or output, `None` for lengths that the caller chooses.
    /// Fails when there is no such tensor, or it has no shape.
    pub(crate) fn shape(&self, name: &str) -> Result<Vec<Option<usize>>, ModelError> {
        let graph = self.graph();
        let info = graph.input.iter().chain(&graph.output).find(|info| info.name == name);
        let kind = info.and_then(|info| info.r#type.as_ref()).and_then(|t| t.value.as_ref());
        let Some(Value::TensorType(tensor)) = kind else {
            return Err(ModelError::config(
                &self.path,
                name,
                "the graph has no such input or output; export it with the documented names",
            ));
        };
        let dims = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
        Ok(dims
            .iter()
            .map(|dim| match dim.value {
                Some(pb::tensor_shape_proto::dimension::Value::DimValue(length)) => usize::try_from(length).ok(),
                _ => None,
            })
            .collect())
    }

    /// The values of a float constant of `rows` rows and any number of columns, row by row.
    pub(crate) fn constant(&self, name: &str, rows: usize) -> Result<Vec<f32>, ModelError> {
        let constant = self.graph().initializer.iter().find(|weight| weight.name == name);
        let Some(constant) = constant else {
            return Err(ModelError::config(
                &self.path,
                name,
                "the file holds no such constant; export it with the documented names",
            ));
        };
        let is_float = constant.data_type == pb::tensor_proto::DataType::Float as i32;
        let columns = constant.dims.get(1).copied().unwrap_or(0);
        if !is_float || constant.dims.len() != 2 || constant.dims[0] != rows as i64 || columns < 1 {
            return Err(ModelError::Shape {
                path: self.path.clone(),
                tensor: name.into(),
                expected: format!("[{rows}, any] f32"),
                found: format!("{:?}", constant.dims),
            });
        }
        self.floats(constant)
    }

    /// Whether the graph has an input or output of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.inputs().any(|input| input == name) || self.graph().output.iter().any(|output| output.name == name)
    }

    /// Names of what a run is fed.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.graph().input.iter().map(|input| input.name.as_str())
    }

    /// Checks a declared shape: where both name a length they must agree.
    pub(crate) fn expect_shape(&self, name: &str, expected: &[Option<usize>]) -> Result<(), ModelError> {
        let found = self.shape(name)?;
        let agrees = found.len() == expected.len()
            && found.iter().zip(expected).all(|(f, e)| f.is_none() || e.is_none() || f == e);
        if agrees {
            return Ok(());
        }
        Err(ModelError::Shape {
            path: self.path.clone(),
            tensor: name.into(),
            expected: show(expected),
            found: show(&found),
        })
    }

    /// The numbers of a float constant.
    fn floats(&self, constant: &pb::TensorProto) -> Result<Vec<f32>, ModelError> {
        Ok(match constant::bytes(&self.path, &self.folder, constant)? {
            Some(bytes) => constant::floats(&bytes).collect(),
            None => constant.float_data.clone(),
        })
    }

    fn graph(&self) -> &pb::GraphProto {
        // Presence was checked when the file was decoded.
        self.proto.graph.as_ref().expect("a checked file has a graph")
    }
}

/// An error that names the file and what could not be read.
fn corrupt(path: &Path, problem: &dyn Display) -> ModelError {
    ModelError::Corrupt { path: path.into(), problem: problem.to_string() }
}

fn show(shape: &[Option<usize>]) -> String {
    let dims: Vec<String> =
        shape.iter().map(|dim| dim.map_or_else(|| "any".into(), |length| length.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

fn check_operators(path: &Path, graph: &pb::GraphProto) -> Result<(), ModelError> {
    let known = tract_onnx::onnx().op_register.0;
    match graph.node.iter().find(|node| !known.contains_key(&node.op_type)) {
        Some(node) => {
            Err(ModelError::Operator { path: path.into(), node: node.name.clone(), operator: node.op_type.clone() })
        }
        None => Ok(()),
    }
}
