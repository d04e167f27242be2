//! Writes a changed file, weight by weight: no more than one piece of one is in memory at a time.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use super::model::{FILE_BYTES_MAX, GRAPH, INITIALISER, INPUT, IR_VERSION, Model, NODE, OPSET, OUTPUT, VALUE_INFO};
use super::wire::{delimited_length, put_head, put_varint};
use crate::QuantiseError;

/// Weights in the other file begin at multiples of this, so that they can be mapped.
const ALIGNMENT: u64 = 4096;
/// Smaller constants stay in the model's own file, where shapes are read from them.
const EXTERNAL_BYTES_MIN: u64 = 4096;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the ONNX file.
    pub bytes: u64,
    /// The file of its weights, where they are in one of their own, and its bytes.
    pub external: Option<(PathBuf, u64)>,
}

/// Where a constant goes.
enum Home {
    Here,
    There { offset: u64, length: u64 },
}

/// Writes `out`. Where constants have more bytes than `external_from` in all, they go to `<out>_data`.
pub(crate) fn write(model: &Model, out: &Path, external_from: u64) -> Result<Written, QuantiseError> {
    let total: u64 = model.initialisers.iter().filter_map(super::Tensor::bytes).sum();
    let mut end = 0_u64;
    let homes: Vec<Home> = model
        .initialisers
        .iter()
        .map(|tensor| match tensor.bytes() {
            Some(length) if total > external_from && length >= EXTERNAL_BYTES_MIN => {
                let offset = end.next_multiple_of(ALIGNMENT);
                end = offset + length;
                Home::There { offset, length }
            }
            _ => Home::Here,
        })
        .collect();
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push("_data");
    let location = name.to_string_lossy().into_owned();
    let data = out.with_file_name(name);
    let bytes = write_graph(model, out, &homes, &location)?;
    if end == 0 {
        return Ok(Written { bytes, external: None });
    }
    let failed = |source| QuantiseError::io(&data, "written", source);
    let mut file = BufWriter::new(File::create(&data).map_err(failed)?);
    for (tensor, home) in model.initialisers.iter().zip(&homes) {
        if let Home::There { offset, .. } = home {
            file.seek(SeekFrom::Start(*offset)).map_err(failed)?;
            tensor.pieces(&mut |piece| file.write_all(piece).map_err(failed))?;
        }
    }
    file.flush().map_err(failed)?;
    Ok(Written { bytes, external: Some((data, end)) })
}

fn write_graph(model: &Model, out: &Path, homes: &[Home], location: &str) -> Result<u64, QuantiseError> {
    // All of the graph but constants, and what stands for those that are elsewhere.
    let mut small = Vec::new();
    for node in &model.nodes {
        put(NODE, &node.encode(), &mut small);
    }
    let edges = model.edges();
    for (number, infos) in [(INPUT, &model.inputs), (OUTPUT, &model.outputs), (VALUE_INFO, &model.infos)] {
        for info in infos {
            // What nothing makes any more has no type either.
            if number != VALUE_INFO || edges.taken(info.view.name.as_deref().unwrap_or_default()) {
                put(number, &info.raw, &mut small);
            }
        }
    }
    small.extend_from_slice(&model.graph_rest);
    let mut length = 0;
    for (tensor, home) in model.initialisers.iter().zip(homes) {
        match home {
            Home::Here => length += delimited_length(INITIALISER, tensor.encoded_length()),
            Home::There { offset, length } => {
                put(INITIALISER, &tensor.encode_external(location, *offset, *length), &mut small);
            }
        }
    }
    length += small.len() as u64;
    let mut head = Vec::new();
    put_varint(IR_VERSION << 3, &mut head);
    put_varint(model.ir_version, &mut head);
    head.extend_from_slice(&model.rest);
    for opset in &model.opsets {
        put(OPSET, &opset.encode_to_vec(), &mut head);
    }
    put_head(GRAPH, length, &mut head);
    let bytes = head.len() as u64 + length;
    if bytes > FILE_BYTES_MAX {
        return Err(QuantiseError::TooLarge { path: out.into(), bytes });
    }
    let failed = |source| QuantiseError::io(out, "written", source);
    let mut file = BufWriter::new(File::create(out).map_err(failed)?);
    file.write_all(&head).and_then(|()| file.write_all(&small)).map_err(failed)?;
    for (tensor, home) in model.initialisers.iter().zip(homes) {
        if let Home::Here = home {
            let mut head = Vec::new();
            put_head(INITIALISER, tensor.encoded_length(), &mut head);
            file.write_all(&head).map_err(failed)?;
            tensor.encode(out, &mut file)?;
        }
    }
    file.flush().map_err(failed)?;
    Ok(bytes)
}

fn put(number: u64, message: &[u8], out: &mut Vec<u8>) {
    put_head(number, message.len() as u64, out);
    out.extend_from_slice(message);
}
