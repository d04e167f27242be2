//! A really different encoder, made from the shipped one: every int8 weight is moved by noise, embeddings are turned into a
//! space of another dimension, each tower with its own errors, and share a direction there, as those of large encoders do.

use std::fs;
use std::path::Path;

use prost::Message;
use trimtab_quant::DType;
use trimtab_quant::proto::{DimensionValue, ModelProto, NodeProto, TensorProto};
use trimtab_scenes::Rng;

/// Numbers of an embedding of the shipped encoder, and of this one.
const WIDTHS: [usize; 2] = [256, 320];
/// An int8 weight moves by up to this many steps.
const STEPS: usize = 2;
/// Errors of a tower's turn, against entries of one over the root of the width.
const ERROR: f32 = 0.0055;
/// Length of what all embeddings share.
const SHARED: f32 = 1.2;

/// Writes the folder; it has neither calibration nor task head.
pub(crate) fn write(shipped: &Path, folder: &Path) {
    fs::create_dir_all(folder.join("onnx")).unwrap();
    for file in ["preprocessor_config.json", "tokenizer.json", "card.json"] {
        fs::copy(shipped.join(file), folder.join(file)).unwrap();
    }
    let config = serde_json::json!({"model_type": "clip", "projection_dim": WIDTHS[1], "context": 40});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    for (seed, file, output) in
        [(1, "onnx/vision_model.onnx", "image_embeds"), (2, "onnx/text_model.onnx", "text_embeds")]
    {
        let tower = turned(&fs::read(shipped.join(file)).unwrap(), output, seed);
        fs::write(folder.join(file), tower).unwrap();
    }
}

fn turned(bytes: &[u8], output: &str, seed: u64) -> Vec<u8> {
    let mut model = ModelProto::decode(bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let mut noise = Rng::for_purpose(seed, "noise");
    for weight in graph.initializer.iter_mut().filter(|weight| weight.data_type == Some(DType::I8.code())) {
        for byte in weight.raw_data.as_mut().unwrap() {
            let moved = i16::from(byte.cast_signed()) + noise.below(2 * STEPS + 1) as i16 - STEPS as i16;
            *byte = (moved.clamp(-127, 127) as i8).cast_unsigned();
        }
    }
    // The turn and the shared direction are those of both towers: directions at right angles to each other.
    let mut both = Rng::for_purpose(0, "turn");
    let [from, to] = WIDTHS;
    let mut directions = directions(from + 1, to, &mut both);
    let shared: Vec<f32> = directions.pop().unwrap().into_iter().map(|x| SHARED * x).collect();
    let turn: Vec<f32> = directions.concat().into_iter().map(|x| x + ERROR * gauss(&mut noise)).collect();

    let before = format!("{output}.before");
    let last = graph.node.iter_mut().find(|node| node.output[0] == output).unwrap();
    last.output[0].clone_from(&before);
    graph.initializer.push(constant("turn", &turn, &[from, to]));
    graph.initializer.push(constant("shared", &shared, &[1, to]));
    let node = |op: &str, inputs: [&str; 2], output: &str| NodeProto {
        input: inputs.map(String::from).to_vec(),
        output: vec![output.into()],
        name: Some(format!("{output}/{op}")),
        op_type: Some(op.into()),
        ..NodeProto::default()
    };
    graph.node.push(node("MatMul", [&before, "turn"], "turned"));
    graph.node.push(node("Add", ["turned", "shared"], output));
    let shape = graph.output[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim[1].value = Some(DimensionValue::DimValue(to as i64));
    model.encode_to_vec()
}

fn constant(name: &str, values: &[f32], shape: &[usize]) -> TensorProto {
    TensorProto {
        dims: shape.iter().map(|length| *length as i64).collect(),
        data_type: Some(DType::F32.code()),
        name: Some(name.into()),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..TensorProto::default()
    }
}

/// Unit vectors at right angles to each other, each drawn and freed of what it shares with those before it.
fn directions(count: usize, width: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
    let mut found: Vec<Vec<f32>> = Vec::new();
    for _ in 0..count {
        let mut drawn: Vec<f32> = (0..width).map(|_| gauss(rng)).collect();
        for other in &found {
            let shared: f32 = drawn.iter().zip(other).map(|(a, b)| a * b).sum();
            drawn.iter_mut().zip(other).for_each(|(a, b)| *a -= shared * b);
        }
        let length = drawn.iter().map(|x| x * x).sum::<f32>().sqrt();
        found.push(drawn.into_iter().map(|x| x / length).collect());
    }
    found
}

/// About a standard normal number.
fn gauss(rng: &mut Rng) -> f32 {
    (0..12).map(|_| rng.unit()).sum::<f32>() - 6.0
}
