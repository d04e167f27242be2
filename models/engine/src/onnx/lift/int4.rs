//! 4-bit layers, as ONNX Runtime has them: `MatMulNBits` with constant weights in blocks of a multiple of 32 inputs.

use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use trimtab_kernels::blocks::{BLOCK, BlockLinear, BlockWeights};

use super::{Change, OnnxFile, constant, constants, corrupt, integer};
use crate::ModelError;
use crate::layer::{Layer, Packed};

/// Inputs of a node.
const WEIGHTS: usize = 1;
const SCALES: usize = 2;
const ZEROS: usize = 3;
const ORDER: usize = 4;
const BIAS: usize = 5;

/// The layers.
pub(super) fn find(file: &OnnxFile) -> Result<Vec<Change>, ModelError> {
    let constants = constants(file);
    let mut changes = Vec::new();
    for (node, layer) in file.graph().node.iter().enumerate().filter(|(_, node)| node.op_type == "MatMulNBits") {
        let input = |input: usize| layer.input.get(input).filter(|name| !name.is_empty());
        let constant = |at: usize| input(at).map(|name| constants.get(name).copied());
        let (Some(Some(weights)), Some(Some(scales)), None) = (constant(WEIGHTS), constant(SCALES), input(ORDER))
        else {
            continue;
        };
        let optional = [ZEROS, BIAS].map(constant);
        if optional.contains(&Some(None)) {
            continue;
        }
        let [zeros, bias] = optional.map(Option::flatten);
        if let Some(packed) = packed(file, layer, weights, scales, zeros, bias)? {
            changes.push(Change { node, layer: Layer::Linear(Packed::Int4(packed)), reads: 0 });
        }
    }
    Ok(changes)
}

/// Packs weights; `None` where they are of a form that the engine has to see to.
fn packed(
    file: &OnnxFile,
    node: &NodeProto,
    weights: usize,
    scales: usize,
    zeros: Option<usize>,
    bias: Option<usize>,
) -> Result<Option<BlockLinear>, ModelError> {
    let all = &file.graph().initializer;
    let size = |name: &str| integer(node, name).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let (inputs, outputs, block) = (size("K"), size("N"), size("block_size"));
    let of_type = |at: usize, kind: DataType| all[at].data_type == kind as i32;
    let known = size("bits") == 4
        && of_type(weights, DataType::Uint8)
        && of_type(scales, DataType::Float)
        && zeros.is_none_or(|zeros| of_type(zeros, DataType::Uint8));
    // Larger blocks are several of 32 with the same scale, if they are whole ones.
    if !known || block == 0 || !block.is_multiple_of(BLOCK) || (block > BLOCK && !inputs.is_multiple_of(block)) {
        return Ok(None);
    }
    let bytes = |at: usize| -> Result<Vec<u8>, ModelError> {
        let bytes = constant::bytes(&file.path, &file.folder, &all[at])?;
        Ok(bytes.map_or_else(|| all[at].int32_data.iter().map(|x| *x as u8).collect(), |bytes| bytes.into_owned()))
    };
    let parts = block / BLOCK;
    let blocks = inputs.div_ceil(block);
    let scales: Vec<f32> =
        file.floats(&all[scales])?.into_iter().flat_map(|scale| std::iter::repeat_n(scale, parts)).collect();
    let zeros = match zeros {
        Some(zeros) => Some(spread(&bytes(zeros)?, outputs, blocks, parts)),
        None => None,
    };
    let values = bytes(weights)?;
    let form = BlockWeights { inputs, outputs, values: &values, scales: &scales, zeros: zeros.as_deref() };
    let fault = |error| corrupt(&file.path, &format!("weight {} of node {}: {error}", all[weights].name, node.name));
    let layer = BlockLinear::new(&form).map_err(fault)?;
    let layer = match bias {
        Some(bias) => layer.with_bias(&file.floats(&all[bias])?).map_err(fault)?,
        None => layer,
    };
    Ok(Some(layer))
}

/// Zero points of blocks, two in a byte, as those of the parts of each block.
fn spread(zeros: &[u8], outputs: usize, blocks: usize, parts: usize) -> Vec<u8> {
    let (row, wide) = (blocks.div_ceil(2), (blocks * parts).div_ceil(2));
    let mut all = vec![0; outputs * wide];
    for (from, to) in zeros.chunks_exact(row.max(1)).zip(all.chunks_exact_mut(wide.max(1))) {
        for part in 0..blocks * parts {
            let block = part / parts;
            to[part / 2] |= (from[block / 2] >> (4 * (block % 2)) & 15) << (4 * (part % 2));
        }
    }
    all
}
