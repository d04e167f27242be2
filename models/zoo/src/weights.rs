//! Weights of a written graph, read back: the dear stand-in sees with the eye that the encoder has learnt.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use prost::Message;
use trimtab_quant::proto::{ModelProto, TensorProto};

/// The float constants of a graph by name.
pub struct Weights {
    tensors: HashMap<String, (Vec<f32>, Vec<usize>)>,
}

const F32: i32 = 1;

impl Weights {
    /// Reads a graph that [`trimtab_quant::Graph`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let graph = ModelProto::decode(bytes.as_slice())
            .with_context(|| format!("decoding {}", path.display()))?
            .graph
            .unwrap_or_default();
        let floats = graph.initializer.iter().filter(|tensor| tensor.data_type == Some(F32));
        let tensors = floats.filter_map(|t| Some((t.name.clone()?, (floats_of(t), shape(t))))).collect();
        Ok(Self { tensors })
    }

    /// Puts the kernels called `name.weight`, each flattened, into the columns of `layer`, and `name.bias` with them.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn put_kernels(&self, name: &str, layer: &mut Linear, device: &Device) -> Result<()> {
        let [from, to] = layer.weight.val().dims();
        let (values, shape) = self.get(&format!("{name}.weight"))?;
        if shape.first() != Some(&to) || values.len() != from * to {
            bail!("constant {name}.weight has shape {shape:?}, the network [{from}, {to}]: train the encoder again");
        }
        let kernels: Tensor<2> = Tensor::from_data(TensorData::new(values.clone(), [to, from]), device);
        layer.weight = Param::from_tensor(kernels.transpose());
        layer.bias.as_mut().map_or(Ok(()), |bias| self.put(&format!("{name}.bias"), bias, device))
    }

    fn get(&self, name: &str) -> Result<&(Vec<f32>, Vec<usize>)> {
        self.tensors
            .get(name)
            .with_context(|| format!("the graph has no float constant {name}: train the encoder first"))
    }

    /// Puts the constant called `name` in the place of `parameter`.
    ///
    /// # Errors
    /// When there is none, or its shape is another.
    pub fn put<const D: usize>(&self, name: &str, parameter: &mut Param<Tensor<D>>, device: &Device) -> Result<()> {
        let (values, shape) = self.get(name)?;
        let wanted = parameter.val().dims();
        if wanted[..] != shape[..] {
            bail!("constant {name} has shape {shape:?}, the network {wanted:?}: train the encoder again");
        }
        *parameter = Param::from_tensor(Tensor::from_data(TensorData::new(values.clone(), wanted), device));
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

fn floats_of(tensor: &TensorProto) -> Vec<f32> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
