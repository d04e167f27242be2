//! One ONNX file as a plan that can be run: checked before the engine sees it, so that what is wrong with a file is
//! said in terms of the file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::prelude::{
    Datum, DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, TValue, TVec, Tensor,
    TypedRunnableModel, tvec,
};
use tract_onnx::tract_hir::infer::Factoid;

use crate::ModelError;

/// Largest number of elements of one weight; a damaged header must not make the engine allocate without bound.
const WEIGHT_ELEMENTS_MAX: u64 = 1 << 30;

/// A decoded and checked ONNX file.
pub(crate) struct OnnxFile {
    path: PathBuf,
    proto: pb::ModelProto,
}

/// A plan; shared by every caller, runs keep no state in it.
#[derive(Clone)]
pub(crate) struct Network {
    path: PathBuf,
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    loaded_bytes: u64,
}

impl OnnxFile {
    /// Decodes and checks `bytes`; `path` is named in errors.
    pub(crate) fn decode(path: &Path, mut bytes: &[u8]) -> Result<Self, ModelError> {
        let proto = tract_onnx::onnx().proto_model_for_read(&mut bytes).map_err(|e| corrupt(path, e.root_cause()))?;
        let graph = proto.graph.as_ref().ok_or_else(|| corrupt(path, &"it holds no graph"))?;
        check_operators(path, graph)?;
        let mut made: HashSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
        for weight in &graph.initializer {
            check_weight(path, weight)?;
            made.insert(&weight.name);
        }
        made.extend(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)));
        if let Some(output) = graph.output.iter().find(|o| !made.contains(o.name.as_str())) {
            return Err(corrupt(path, &format!("nothing makes the output {}", output.name)));
        }
        if graph.output.is_empty() {
            return Err(corrupt(path, &"it has no output"));
        }
        Ok(Self { path: path.into(), proto })
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
        let Some(pb::type_proto::Value::TensorType(tensor)) = kind else {
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
        if constant.raw_data.is_empty() {
            return Ok(constant.float_data.clone());
        }
        Ok(constant.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// Whether the graph has an input or output of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let graph = self.graph();
        graph.input.iter().chain(&graph.output).any(|info| info.name == name)
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

    /// Plans the graph. `pins` fixes the shapes of inputs that are the same at every run, which makes runs faster.
    pub(crate) fn plan(self, pins: &[(&str, &[usize])]) -> Result<Network, ModelError> {
        let path = self.path.clone();
        let failed = |error: tract_onnx::prelude::TractError| ModelError::Plan {
            path: path.clone(),
            problem: format!("{error:#}"),
        };
        let loaded_bytes = self.graph().initializer.iter().map(loaded_bytes).sum();
        let outputs = self.graph().output.iter().map(|o| o.name.clone()).collect();
        let parsed = tract_onnx::onnx().parse(&self.proto, None).map_err(failed)?;
        if let Some(name) = parsed.unresolved_inputs.first() {
            return Err(corrupt(&self.path, &format!("a node reads {name}, which nothing makes")));
        }
        drop(self.proto);
        let mut model = parsed.model;
        let inputs: Vec<String> = model.inputs.iter().map(|outlet| model.nodes[outlet.node].name.clone()).collect();
        for (name, shape) in pins {
            if let Some(index) = inputs.iter().position(|input| input == name) {
                let kind = model
                    .input_fact(index)
                    .ok()
                    .and_then(|fact| fact.datum_type.concretize())
                    .unwrap_or(DatumType::F32);
                model.set_input_fact(index, InferenceFact::dt_shape(kind, *shape)).map_err(failed)?;
            }
        }
        let plan = model.into_optimized().and_then(|model| model.into_runnable()).map_err(failed)?;
        Ok(Network { path: self.path, plan, inputs, outputs, loaded_bytes })
    }

    fn graph(&self) -> &pb::GraphProto {
        // Presence was checked when the file was decoded.
        self.proto.graph.as_ref().expect("a checked file has a graph")
    }
}

impl Network {
    /// Index of an output by name.
    pub(crate) fn output(&self, name: &str) -> Result<usize, ModelError> {
        self.outputs.iter().position(|output| output == name).ok_or_else(|| {
            ModelError::config(&self.path, name, "the graph has no such output; export it with the documented names")
        })
    }

    /// Bytes of the weights once loaded: estimated as all of them expanded to the type they are computed in.
    pub(crate) fn loaded_bytes(&self) -> u64 {
        self.loaded_bytes
    }

    /// The file, for errors.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the plan once on tensors given by input name; inputs the graph does not have are left out.
    pub(crate) fn run(&self, feeds: Vec<(&str, TValue)>) -> Result<TVec<TValue>, ModelError> {
        let mut feeds: Vec<Option<(&str, TValue)>> = feeds.into_iter().map(Some).collect();
        let mut ordered = tvec![];
        for name in &self.inputs {
            let slot = feeds.iter_mut().find(|feed| feed.as_ref().is_some_and(|(n, _)| n == name));
            let Some((_, value)) = slot.and_then(Option::take) else {
                return Err(
                    self.failed(&format!("the graph asks for an input {name}, which this kind of model does not have"))
                );
            };
            ordered.push(value);
        }
        self.plan.run(ordered).map_err(|error| self.failed(&format!("{error:#}")))
    }

    /// A float output as a slice, checked to be finite and of the length expected.
    pub(crate) fn floats<'a>(&self, value: &'a TValue, expected: usize) -> Result<&'a [f32], ModelError> {
        let values = value
            .try_as_plain_ram()
            .and_then(|plain| plain.as_slice::<f32>())
            .map_err(|e| self.failed(&format!("{e:#}")))?;
        if values.len() != expected {
            return Err(ModelError::Shape {
                path: self.path.clone(),
                tensor: "output".into(),
                expected: format!("[{expected}]"),
                found: format!("{:?}", value.shape()),
            });
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(self.failed(&"the output is not finite"));
        }
        Ok(values)
    }

    /// A tensor to feed.
    pub(crate) fn tensor<T: Datum + Copy>(&self, shape: &[usize], values: &[T]) -> Result<TValue, ModelError> {
        Tensor::from_shape(shape, values).map(Into::into).map_err(|error| self.failed(&format!("{error:#}")))
    }

    fn failed(&self, problem: &dyn std::fmt::Display) -> ModelError {
        ModelError::Run { path: self.path.clone(), problem: problem.to_string() }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("path", &self.path)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

fn corrupt(path: &Path, problem: &dyn std::fmt::Display) -> ModelError {
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

fn check_weight(path: &Path, weight: &pb::TensorProto) -> Result<(), ModelError> {
    if !weight.external_data.is_empty() {
        return Err(ModelError::config(
            path,
            &weight.name,
            "its values are in another file; save the model as one file",
        ));
    }
    let elements = weight.dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?));
    let Some(elements) = elements.filter(|&n| n <= WEIGHT_ELEMENTS_MAX) else {
        return Err(corrupt(path, &format!("weight {} declares the shape {:?}", weight.name, weight.dims)));
    };
    if !weight.raw_data.is_empty()
        && element_bytes(weight.data_type).is_some_and(|size| elements * size != weight.raw_data.len() as u64)
    {
        return Err(corrupt(
            path,
            &format!("weight {} has {} bytes for the shape {:?}", weight.name, weight.raw_data.len(), weight.dims),
        ));
    }
    let is_float = weight.data_type == pb::tensor_proto::DataType::Float as i32;
    let mut raw = weight.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if weight.float_data.iter().any(|v| v.is_nan()) || (is_float && raw.any(f32::is_nan)) {
        return Err(ModelError::NotFinite { path: path.into(), tensor: weight.name.clone() });
    }
    Ok(())
}

fn element_bytes(data_type: i32) -> Option<u64> {
    use pb::tensor_proto::DataType;
    match DataType::try_from(data_type).ok()? {
        DataType::Bool | DataType::Uint8 | DataType::Int8 => Some(1),
        DataType::Float16 | DataType::Bfloat16 | DataType::Uint16 | DataType::Int16 => Some(2),
        DataType::Float | DataType::Uint32 | DataType::Int32 => Some(4),
        DataType::Double | DataType::Uint64 | DataType::Int64 => Some(8),
        _ => None,
    }
}

/// Narrow weights are expanded to 32 bits when a plan is made.
fn loaded_bytes(weight: &pb::TensorProto) -> u64 {
    let elements: u64 = weight.dims.iter().map(|&dim| u64::try_from(dim).unwrap_or(0)).product();
    elements * element_bytes(weight.data_type).unwrap_or(4).max(4)
}
