//! What is not a weight comes out as it went in.

use prost::Message;
use trimtab_quant::proto::{GraphProto, ModelProto, StringStringEntryProto};
use trimtab_quant::{Attr, Width};

use super::source::{FOLD, Folder, PLAIN, constant, floats, linear, read};

/// A field that nobody knows, of a number and a text.
fn unknown(text: &str) -> Vec<u8> {
    let mut field = vec![0xfa, 0x3e, text.len() as u8];
    field.extend_from_slice(text.as_bytes());
    field
}

/// The message of `part` with an unknown field at the end, as a field of this number.
fn field(number: u8, part: &impl Message, text: &str) -> Vec<u8> {
    let body = [part.encode_to_vec(), unknown(text)].concat();
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(body.len() as u64, &mut out);
    out.extend(body);
    out
}

#[test]
fn fields_that_nobody_knows_are_kept_at_every_level() {
    let model = ModelProto::decode(linear().to_bytes().unwrap().as_slice()).unwrap();
    let graph = model.graph.clone().unwrap();
    let mut body = GraphProto { name: graph.name.clone(), ..GraphProto::default() }.encode_to_vec();
    body.extend(unknown("in the graph"));
    body.extend(graph.node.iter().flat_map(|node| field(1, node, "in a node")));
    body.extend(graph.initializer.iter().flat_map(|tensor| field(5, tensor, "in a constant")));
    body.extend(graph.input.iter().flat_map(|input| field(11, input, "in an input")));
    body.extend(graph.output.iter().flat_map(|output| field(12, output, "in an output")));
    let mut bytes = ModelProto { graph: None, ..model.clone() }.encode_to_vec();
    bytes.extend(unknown("in the model"));
    bytes.push(7 << 3 | 2);
    prost::encoding::encode_varint(body.len() as u64, &mut bytes);
    bytes.extend(body);

    let folder = Folder::with(&bytes);
    let left = folder.quantised(PLAIN, Width::Float);
    let written = std::fs::read(folder.path("out.onnx")).unwrap();
    let count = |text: &str| written.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    for (text, times) in [
        ("in the model", 1),
        ("in the graph", 1),
        ("in a node", 2),
        ("in a constant", 2),
        ("in an input", 1),
        ("in an output", 1),
    ] {
        assert_eq!(count(text), times, "{text}");
    }
    assert!(left == model, "but for them, the file is the same");
    folder.quantised(FOLD, Width::Int8);
    let written = std::fs::read(folder.path("out.onnx")).unwrap();
    assert_eq!(written.windows(9).filter(|window| window == b"in a node").count(), 2);
}

#[test]
fn floats_of_their_own_type_and_constants_of_nodes_are_weights_too() {
    let model = ModelProto::decode(linear().to_bytes().unwrap().as_slice()).unwrap();
    let raw = Folder::with(&model.encode_to_vec()).quantised(PLAIN, Width::Int8).graph.unwrap();

    let mut typed = model.clone();
    let weight = &mut typed.graph.as_mut().unwrap().initializer[0];
    weight.float_data = floats(weight);
    weight.raw_data = None;
    assert_eq!(Folder::with(&typed.encode_to_vec()).quantised(PLAIN, Width::Int8).graph.unwrap(), raw);

    let mut node = model;
    let graph = node.graph.as_mut().unwrap();
    let weight = graph.initializer.remove(0);
    let mut made = trimtab_quant::proto::NodeProto {
        output: vec!["inner".into()],
        op_type: Some("Constant".into()),
        ..Default::default()
    };
    made.attribute.push(trimtab_quant::proto::AttributeProto {
        name: Some("value".into()),
        t: Some(trimtab_quant::proto::TensorProto { name: None, ..weight }),
        kind: Some(4),
        ..Default::default()
    });
    let mut same = graph.node[0].clone();
    (same.input, same.output, same.op_type) = (vec!["inner".into()], vec!["w".into()], Some("Identity".into()));
    graph.node.splice(0..0, [made, same]);
    let out = Folder::with(&node.encode_to_vec()).quantised(PLAIN, Width::Int8).graph.unwrap();
    assert_eq!(constant(&out, "inner.int8").raw_data, constant(&raw, "w.int8").raw_data);
    assert!(out.node.iter().all(|node| !matches!(node.op_type.as_deref(), Some("Constant" | "Identity"))));
}

#[test]
fn weights_in_a_file_of_their_own_are_read_and_written() {
    let mut model = ModelProto::decode(linear().to_bytes().unwrap().as_slice()).unwrap();
    let inline = Folder::with(&model.encode_to_vec());
    let graph = model.graph.as_mut().unwrap();
    let raw = graph.initializer[0].raw_data.take().unwrap();
    let place = |graph: &mut GraphProto, location: &str, offset: usize, length: usize| {
        let pair = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
        graph.initializer[0].data_location = Some(1);
        graph.initializer[0].external_data = vec![
            pair("location", location.into()),
            pair("offset", offset.to_string()),
            pair("length", length.to_string()),
        ];
    };
    place(graph, "weights/w.bin", 12, raw.len());
    let folder = Folder::with(&model.encode_to_vec());
    std::fs::create_dir(folder.path("weights")).unwrap();
    std::fs::write(folder.path("weights/w.bin"), [&[7; 12], raw.as_slice()].concat()).unwrap();
    assert_eq!(folder.quantised(PLAIN, Width::Int8), inline.quantised(PLAIN, Width::Int8));

    let quantiser = folder.open(PLAIN).unwrap();
    let written = quantiser.write(&[Width::Float], &folder.path("out.onnx"), 0).unwrap();
    let (data, bytes) = written.external.unwrap();
    assert_eq!((data, bytes), (folder.path("out.onnx_data"), raw.len() as u64));
    let out = read(&folder.path("out.onnx")).graph.unwrap();
    let keys: Vec<_> =
        out.initializer.iter().find(|tensor| tensor.data_location == Some(1)).unwrap().external_data.clone();
    let value = |key: &str| keys.iter().find(|pair| pair.key.as_deref() == Some(key)).unwrap().value.clone().unwrap();
    assert_eq!((value("location"), value("offset")), ("out.onnx_data".into(), "0".into()));
    assert_eq!(std::fs::read(folder.path("out.onnx_data")).unwrap(), raw);

    for (location, offset, length) in [
        ("../w.bin", 0, raw.len()),
        ("/etc/hostname", 0, raw.len()),
        ("absent", 0, raw.len()),
        ("weights/w.bin", 13, raw.len()),
    ] {
        place(model.graph.as_mut().unwrap(), location, offset, length);
        std::fs::write(folder.path("model.onnx"), model.encode_to_vec()).unwrap();
        let fault = folder.open(PLAIN).unwrap_err().to_string();
        assert!(fault.contains("weight w") && fault.contains(location), "{fault}");
    }
}

#[test]
fn older_operators_are_raised() {
    let mut g = trimtab_quant::Graph::new("old");
    g.input("x", trimtab_quant::DType::F32, &[1.into(), 64.into(), 1.into()]);
    let x = g.op("Squeeze", &["x"], &[("axes", Attr::Ints(vec![2]))]);
    let w = g.initializer_f32("w", &super::source::numbers(64 * 32, 1), &[64, 32]);
    let y = g.op("MatMul", &[&x, &w], &[]);
    g.node("Softmax", &[&y], &["p"], &[("axis", Attr::Int(-1))]);
    g.output("p", trimtab_quant::DType::F32, &[1.into(), 32.into()]);
    let mut model = ModelProto::decode(g.to_bytes().unwrap().as_slice()).unwrap();
    model.opset_import[0].version = Some(11);
    let folder = Folder::with(&model.encode_to_vec());
    let out = folder.quantised(PLAIN, Width::Int8);
    assert_eq!(out.opset_import[0].version, Some(13));
    let graph = out.graph.unwrap();
    let squeeze = super::source::node(&graph, "Squeeze");
    assert!(squeeze.attribute.is_empty());
    assert_eq!(constant(&graph, &squeeze.input[1]).raw_data.as_deref(), Some(&2_i64.to_le_bytes()[..]));

    let softmax = &mut model.graph.as_mut().unwrap().node[2];
    softmax.attribute[0].i = Some(0);
    std::fs::write(folder.path("model.onnx"), model.encode_to_vec()).unwrap();
    let fault = folder.open(PLAIN).unwrap_err().to_string();
    assert!(fault.contains("opset 11") && fault.contains("node p/Softmax"), "{fault}");
}
