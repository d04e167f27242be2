//! What the writer promises: bounded quantisation error, files that decode to what was built, and named mistakes.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use prost::Message;
use trimtab_quant::proto::ModelProto;
use trimtab_quant::{DType, Edit, EditError, Graph, GraphError, Int8Weight};

/// A weight of rank three, any magnitude that a trained layer could have and far beyond.
fn weight() -> impl Strategy<Value = (Vec<usize>, usize, Vec<f32>)> {
    (prop::array::uniform3(1_usize..6), 0_usize..3).prop_flat_map(|(shape, axis)| {
        let count = shape.iter().product::<usize>();
        let value = prop::num::f32::POSITIVE
            | prop::num::f32::NEGATIVE
            | prop::num::f32::NORMAL
            | prop::num::f32::ZERO
            | prop::num::f32::SUBNORMAL;
        prop::collection::vec(value, count).prop_map(move |values| (shape.to_vec(), axis, values))
    })
}

proptest! {
    #[test]
    fn a_dequantised_weight_is_within_half_a_step((shape, axis, weight) in weight()) {
        let quantised = Int8Weight::quantise("w", &weight, &shape, axis).unwrap();
        let inner: usize = shape[axis + 1..].iter().product();
        for (index, (w, d)) in weight.iter().zip(quantised.dequantise()).enumerate() {
            let scale = f64::from(quantised.scales()[(index / inner) % shape[axis]]);
            let error = (f64::from(d) - f64::from(*w)).abs();
            // The second term is the rounding of f32 arithmetic itself: a few units in the last place.
            prop_assert!(error <= scale / 2.0 + f64::from(w.abs()) * 4.0 * f64::from(f32::EPSILON), "{w} became {d} at scale {scale}");
        }
    }

    #[test]
    fn metadata_survives_the_file(pairs in prop::collection::btree_map(any::<String>(), any::<String>(), 0..8)) {
        let mut g = Graph::new("g");
        g.input("x", DType::F32, &[1.into()]).output("x", DType::F32, &[1.into()]);
        for (key, value) in &pairs {
            g.metadata(key, value);
        }
        let model = ModelProto::decode(g.to_bytes().unwrap().as_slice()).unwrap();
        let read: Vec<_> = model.metadata_props.into_iter().map(|p| (p.key.unwrap(), p.value.unwrap())).collect();
        prop_assert_eq!(read, pairs.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_weight_is_an_int8_initialiser_with_one_scale_per_channel() {
    let mut g = Graph::new("linear");
    g.input("x", DType::F32, &["N".into(), 2.into()]);
    let w = g.int8_weight("w", &[1.0, 10.0, -0.5, 127.0], &[2, 2], 1);
    g.node("MatMul", &["x", &w], &["y"], &[]).output("y", DType::F32, &["N".into(), 2.into()]);
    let graph = ModelProto::decode(g.to_bytes().unwrap().as_slice()).unwrap().graph.unwrap();

    assert_eq!(graph.initializer[0].raw_data.as_deref(), Some([127_i8, 10, -64, 127].map(|v| v as u8).as_slice()));
    let scales: Vec<u8> = [1.0_f32 / 127.0, 1.0].iter().flat_map(|s| s.to_le_bytes()).collect();
    assert_eq!(graph.initializer[1].raw_data, Some(scales));
    assert_eq!(graph.node[0].op_type.as_deref(), Some("DequantizeLinear"));
    assert_eq!(graph.node[0].attribute[0].i, Some(1));
}

#[test]
fn mistakes_are_named() {
    let check = |build: fn(&mut Graph), expected: GraphError| {
        let mut g = Graph::new("g");
        g.input("x", DType::F32, &[1.into()]);
        build(&mut g);
        assert_eq!(g.to_bytes(), Err(expected));
    };
    check(|_| (), GraphError::NoOutput { name: "g".into() });
    check(
        |g| {
            g.op("Add", &["x", "missing"], &[]);
        },
        GraphError::Dangling { reader: "add_1/Add".into(), name: "missing".into() },
    );
    check(
        |g| {
            g.output("y", DType::F32, &[]);
        },
        GraphError::Dangling { reader: "output of g".into(), name: "y".into() },
    );
    check(
        |g| {
            g.initializer_i64("x", &[1], &[1]);
        },
        GraphError::Twice { name: "x".into() },
    );
    check(
        |g| {
            g.int8_weight("w", &[1.0], &[2], 0);
        },
        GraphError::Shape { name: "w".into(), shape: vec![2], have: 1 },
    );
    check(
        |g| {
            g.int8_weight("w", &[1.0], &[1], 3);
        },
        GraphError::Axis { name: "w".into(), axis: 3, rank: 1 },
    );
    check(
        |g| {
            g.int8_weight("w", &[0.0, f32::INFINITY], &[2], 0);
        },
        GraphError::NotFinite { name: "w".into(), index: 1, value: f32::INFINITY },
    );
}

#[test]
fn a_file_is_changed_where_it_is_told_and_nowhere_else() {
    let mut g = Graph::new("g");
    g.input("x", DType::F32, &["N".into(), 2.into()]);
    let w = g.initializer_f32("w", &[1.0, 2.0], &[1, 2]);
    let y = g.op("Sub", &["x", &w], &[]);
    g.output(&y, DType::F32, &["N".into(), 2.into()]);
    g.metadata("key", "old");
    let bytes = g.to_bytes().unwrap();
    let mut edit = Edit::of(&bytes).unwrap();
    assert_eq!(edit.to_bytes(), bytes);
    assert_eq!(edit.constant("w"), Ok((vec![1.0, 2.0], vec![1, 2])));

    edit.set_constant("w", &[3.0, 4.0, 5.0], &[3, 1]).unwrap();
    edit.set_metadata("key", "new");
    let twice = |g: &mut Graph| {
        let two = g.initializer_f32("two", &[2.0], &[]);
        g.node("Mul", &["x", &two], &["twice"], &[]);
        "twice".into()
    };
    edit.divert("Sub", "x", &["N".into(), 2.into()], twice).unwrap();
    let model = ModelProto::decode(edit.to_bytes().as_slice()).unwrap();
    let graph = model.graph.unwrap();
    let read: Vec<_> = graph.node.iter().map(|node| (node.op_type.as_deref().unwrap(), node.input.clone())).collect();
    assert_eq!(read, [("Mul", vec!["x".into(), "two".into()]), ("Sub", vec!["twice".into(), "w".into()])]);
    assert_eq!(edit.constant("w"), Ok((vec![3.0, 4.0, 5.0], vec![3, 1])));
    assert_eq!(model.metadata_props[0].value.as_deref(), Some("new"));

    let again = edit.divert("Sub", "x", &["N".into(), 2.into()], |_| "x".into());
    assert!(matches!(again, Err(EditError::Reader { count: 0, .. })), "{again:?}");
    assert!(matches!(edit.set_constant("v", &[], &[0]), Err(EditError::Constant { .. })));
    assert!(matches!(Edit::of(&bytes[..bytes.len() - 3]), Err(EditError::Corrupt(_))));
    // A field that the writer does not know, as another exporter writes them.
    let foreign = [&bytes[..], &[0x28, 0x01]].concat();
    assert_eq!(Edit::of(&foreign).unwrap_err(), EditError::Foreign);
}
