//! Weights of a written graph, read back so that training can go on from what is shipped.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use prost::Message;
use trimtab_quant::proto::{ModelProto, TensorProto};

/// The constants of a graph by name, int8 weights dequantised.
pub struct Weights {
    tensors: HashMap<String, (Vec<f32>, Vec<usize>)>,
}

const F32: i32 = 1;
const I8: i32 = 3;

impl Weights {
    /// Reads a graph that [`trimtab_quant::Graph`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read or an int8 weight has no scales that fit.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let graph = ModelProto::decode(bytes.as_slice())
            .with_context(|| format!("decoding {}", path.display()))?
            .graph
            .unwrap_or_default();
        let constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().filter_map(|t| Some((t.name.as_deref()?, t))).collect();
        let mut tensors = HashMap::new();
        for (&name, tensor) in &constants {
            if tensor.data_type == Some(F32) {
                tensors.insert(name.to_owned(), (floats(tensor), shape(tensor)));
            }
        }
        for node in graph.node.iter().filter(|n| n.op_type.as_deref() == Some("DequantizeLinear")) {
            let (Some(values), Some(scales), Some(output)) =
                (node.input.first(), node.input.get(1), node.output.first())
            else {
                continue;
            };
            let (Some(values), Some(scales)) = (constants.get(values.as_str()), constants.get(scales.as_str())) else {
                bail!("{}: {output} is made from what is no constant", path.display());
            };
            let axis = node.attribute.iter().find(|a| a.name.as_deref() == Some("axis")).and_then(|a| a.i).unwrap_or(0)
                as usize;
            let (dims, scales) = (shape(values), floats(scales));
            if values.data_type != Some(I8) || axis >= dims.len() || dims[axis] != scales.len() {
                bail!("{}: {output} is no int8 weight with one scale per channel", path.display());
            }
            let inner: usize = dims[axis + 1..].iter().product();
            let raw = values.raw_data.as_deref().unwrap_or_default();
            let weight =
                raw.iter().enumerate().map(|(i, &b)| f32::from(b as i8) * scales[(i / inner) % scales.len()]).collect();
            tensors.insert(output.clone(), (weight, dims));
        }
        Ok(Self { tensors })
    }

    /// Puts the constant called `name` in the place of `parameter`.
    ///
    /// # Errors
    /// When there is none, or its shape is another.
    pub fn put<const D: usize>(&self, name: &str, parameter: &mut Param<Tensor<D>>, device: &Device) -> Result<()> {
        let (values, shape) = self.tensors.get(name).with_context(|| format!("the graph has no constant {name}"))?;
        let wanted = parameter.val().dims();
        if wanted[..] != shape[..] {
            bail!("constant {name} has shape {shape:?}, the network {wanted:?}: train from the start");
        }
        *parameter = Param::from_tensor(Tensor::from_data(TensorData::new(values.clone(), wanted), device));
        Ok(())
    }

    /// Puts the first rows of the table called `name` in the place of `parameter`: a shorter context needs no more.
    ///
    /// # Errors
    /// When there is none, its rows have another width, or there are too few.
    pub fn put_first_rows(&self, name: &str, parameter: &mut Param<Tensor<2>>, device: &Device) -> Result<()> {
        let (values, shape) = self.tensors.get(name).with_context(|| format!("the graph has no constant {name}"))?;
        let [rows, width] = parameter.val().dims();
        if shape.len() != 2 || shape[1] != width || shape[0] < rows {
            bail!("table {name} has shape {shape:?}, the network [{rows}, {width}]: train from the start");
        }
        let first = values[..rows * width].to_vec();
        *parameter = Param::from_tensor(Tensor::from_data(TensorData::new(first, [rows, width]), device));
        Ok(())
    }

    /// Puts `name.weight` and, where the layer has one, `name.bias` into `layer`.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_linear(&self, name: &str, layer: &mut Linear, device: &Device) -> Result<()> {
        self.put(&format!("{name}.weight"), &mut layer.weight, device)?;
        layer.bias.as_mut().map_or(Ok(()), |bias| self.put(&format!("{name}.bias"), bias, device))
    }
}

fn shape(tensor: &TensorProto) -> Vec<usize> {
    tensor.dims.iter().map(|&n| n as usize).collect()
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
