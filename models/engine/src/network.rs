//! A plan that can be run: fed by name, with results that are checked.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tract_onnx::prelude::{Datum, TValue, TVec, Tensor, TypedRunnableModel, tvec};

use crate::ModelError;

/// A plan; shared by every caller, runs keep no state in it.
#[derive(Clone)]
pub(crate) struct Network {
    path: PathBuf,
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    loaded_bytes: u64,
}

impl Network {
    /// Of the file at `path`, with the names of what it is fed and of what it gives.
    pub(crate) fn new(
        path: PathBuf,
        plan: Arc<TypedRunnableModel>,
        inputs: Vec<String>,
        outputs: Vec<String>,
        loaded_bytes: u64,
    ) -> Self {
        Self { path, plan, inputs, outputs, loaded_bytes }
    }

    /// Index of an output by name.
    pub(crate) fn output(&self, name: &str) -> Result<usize, ModelError> {
        self.outputs.iter().position(|output| output == name).ok_or_else(|| {
            ModelError::config(&self.path, name, "the graph has no such output; export it with the documented names")
        })
    }

    /// Bytes of the weights once loaded: those of int8 layers as they are packed, others as if expanded to 32 bits.
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

    fn failed(&self, problem: &dyn Display) -> ModelError {
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
