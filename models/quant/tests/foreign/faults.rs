//! Files that cannot be quantised say what and where.

use prost::Message;
use trimtab_quant::QuantiseError;
use trimtab_quant::proto::ModelProto;

use super::source::{Folder, PLAIN, linear};

/// The fault of the plain layer after a change.
fn fault(change: impl FnOnce(&mut ModelProto)) -> QuantiseError {
    let mut model = ModelProto::decode(linear().to_bytes().unwrap().as_slice()).unwrap();
    change(&mut model);
    Folder::with(&model.encode_to_vec()).open(PLAIN).unwrap_err()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = linear().to_bytes().unwrap();
    let folder = Folder::with(&whole);
    assert!(folder.open(PLAIN).is_ok());
    for length in (0..whole.len()).step_by(7).chain(whole.len() - 40..whole.len()) {
        std::fs::write(folder.path("model.onnx"), &whole[..length]).unwrap();
        let fault = folder.open(PLAIN).expect_err("it is cut");
        let known = matches!(
            fault,
            QuantiseError::Corrupt { .. } | QuantiseError::Opset { .. } | QuantiseError::Nothing { .. }
        );
        assert!(known && fault.to_string().contains("model.onnx"), "{length}: {fault}");
    }
}

#[test]
fn faults_are_named() {
    let weight = |value: f32| {
        fault(|model| {
            let raw = model.graph.as_mut().unwrap().initializer[0].raw_data.as_mut().unwrap();
            raw[40..44].copy_from_slice(&value.to_le_bytes());
        })
    };
    assert!(matches!(weight(f32::INFINITY), QuantiseError::NotFinite { tensor, index: 10, .. } if tensor == "w"));
    assert!(matches!(weight(f32::NAN), QuantiseError::NotFinite { index: 10, .. }));
    let offset = fault(|model| {
        let raw = model.graph.as_mut().unwrap().initializer[1].raw_data.as_mut().unwrap();
        raw[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(matches!(offset, QuantiseError::NotFinite { tensor, index: 1, .. } if tensor == "b"));
    let shape = fault(|model| model.graph.as_mut().unwrap().initializer[0].dims = vec![64, 31]);
    assert!(matches!(shape, QuantiseError::Shape { tensor, have: 2048, .. } if tensor == "w"));
    let huge = fault(|model| model.graph.as_mut().unwrap().initializer[0].dims = vec![i64::MAX, i64::MAX]);
    assert!(matches!(huge, QuantiseError::Shape { .. }), "{huge}");
    let quantised = fault(|model| model.graph.as_mut().unwrap().node[0].op_type = Some("MatMulInteger".into()));
    assert!(matches!(quantised, QuantiseError::Quantised { operator, .. } if operator == "MatMulInteger"));
    let old = fault(|model| model.opset_import[0].version = Some(9));
    assert!(matches!(old, QuantiseError::Opset { have: 9, .. }), "{old}");
    let half = fault(|model| {
        let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
        tensor.data_type = Some(10);
        tensor.raw_data.as_mut().unwrap().truncate(64 * 32 * 2);
    });
    assert!(half.to_string().contains("weight w has floats of 16 bits"), "{half}");
    let dangling = fault(|model| model.graph.as_mut().unwrap().node[0].input[0] = "absent".into());
    assert!(dangling.to_string().contains("reads absent"), "{dangling}");
}
