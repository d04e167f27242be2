//! Layers of every form, the numbers that they come to, and norms.

use trimtab_quant::proto::GraphProto;
use trimtab_quant::{Attr, BLOCK, DType, Graph, Int4Weight, Int8Weight, LayerKind, Width};

use super::source::{FOLD, FOUR, Folder, MADE, PLAIN, WIDTH, constant, floats, linear, node, numbers, tied};

#[test]
fn a_weight_is_dequantised_under_its_own_name() {
    let check = |graph: &Graph, name: &str, shape: [usize; 2], axis: usize, kind: LayerKind| {
        let folder = Folder::with(&graph.to_bytes().unwrap());
        let weight = floats(constant(&super::source::read(&folder.path("model.onnx")).graph.unwrap(), name));
        let found: Vec<_> = folder.open(PLAIN).unwrap().layers().collect();
        assert_eq!((found.len(), found[0].weight.as_str(), found[0].kind, found[0].shape), (1, name, kind, shape));
        let model = folder.quantised(PLAIN, Width::Int8);
        let graph = model.graph.unwrap();
        let dequantise = node(&graph, "DequantizeLinear");
        assert_eq!((dequantise.output[0].as_str(), dequantise.attribute[0].i), (name, Some(axis as i64)));
        let expected = Int8Weight::quantise(name, &weight, &shape, axis).unwrap();
        assert_eq!(floats(constant(&graph, &dequantise.input[1])), expected.scales());
        let bytes: Vec<u8> = expected.values().iter().map(|value| value.cast_unsigned()).collect();
        assert_eq!(constant(&graph, &dequantise.input[0]).raw_data, Some(bytes));
        assert!(graph.initializer.iter().all(|tensor| tensor.name.as_deref() != Some(name)));
    };
    check(&linear(), "w", [WIDTH, MADE], 1, LayerKind::Linear);
    for (turned, shape, axis) in [(0, [WIDTH, MADE], 1), (1, [MADE, WIDTH], 0)] {
        let mut g = Graph::new("gemm");
        g.input("x", DType::F32, &["N".into(), WIDTH.into()]);
        let w = g.initializer_f32("w", &numbers(WIDTH * MADE, 1), &shape);
        g.node("Gemm", &["x", &w], &["y"], &[("transB", Attr::Int(turned))]);
        g.output("y", DType::F32, &["N".into(), MADE.into()]);
        check(&g, "w", shape, axis, LayerKind::Linear);
    }
    check(&tied(false), "rows", [40, WIDTH], 0, LayerKind::Tied);
}

#[test]
fn a_head_that_was_written_twice_is_one_weight() {
    let folder = Folder::with(&tied(true).to_bytes().unwrap());
    let graph = folder.quantised(PLAIN, Width::Int8).graph.unwrap();
    let operators: Vec<_> = graph.node.iter().map(|node| node.op_type.as_deref().unwrap()).collect();
    assert_eq!(operators, ["DequantizeLinear", "Transpose", "Gather", "MatMul"]);
    assert_eq!((graph.node[1].input[0].as_str(), graph.node[1].output[0].as_str()), ("rows", "head"));
    assert_eq!(graph.initializer.len(), 2);
}

#[test]
fn a_weight_that_something_else_reads_stays() {
    let mut g = linear();
    g.node("ReduceSum", &["w"], &["sum"], &[]).output("sum", DType::F32, &[1.into(), 1.into()]);
    let fault = Folder::with(&g.to_bytes().unwrap()).open(PLAIN).unwrap_err().to_string();
    assert!(fault.contains("w is read by sum/ReduceSum, a ReduceSum"), "{fault}");
}

/// `x·w + b` of one row, of a weight of `[inputs, outputs]`.
fn apply(x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f64> {
    let outputs = bias.len();
    let mut y: Vec<f64> = bias.iter().map(|b| f64::from(*b)).collect();
    for (input, x) in x.iter().enumerate() {
        for (output, y) in y.iter_mut().enumerate() {
            *y += f64::from(*x) * f64::from(weight[input * outputs + output]);
        }
    }
    y
}

/// A norm before two layers: one with an offset, one without; `gemm` has them as `Gemm`.
fn normed(operator: bool, gemm: bool) -> Graph {
    let mut g = Graph::new("normed");
    g.input("x", DType::F32, &["N".into(), WIDTH.into()]);
    let gamma = g.initializer_f32("gamma", &numbers(WIDTH, 4), &[WIDTH]);
    let beta = g.initializer_f32("beta", &numbers(WIDTH, 5), &[WIDTH]);
    let normed = if operator {
        g.op("LayerNormalization", &["x", &gamma, &beta], &[])
    } else {
        let size = g.op("ReduceL2", &["x"], &[("axes", Attr::Ints(vec![-1]))]);
        let n = g.op("Div", &["x", &size], &[]);
        let scaled = g.op("Mul", &[&gamma, &n], &[]);
        g.op("Add", &[&scaled, &beta], &[])
    };
    g.op("Shape", &[&normed], &[]);
    for (name, seed) in [("p", 6), ("q", 7)] {
        let weight = numbers(WIDTH * MADE, seed);
        if gemm {
            let turned: Vec<f32> = (0..weight.len()).map(|at| weight[at % WIDTH * MADE + at / WIDTH]).collect();
            let w = g.initializer_f32(&format!("{name}.w"), &turned, &[MADE, WIDTH]);
            let mut inputs = vec![normed.as_str(), &w];
            let b = g.initializer_f32(&format!("{name}.b"), &numbers(MADE, 8), &[MADE]);
            if name == "p" {
                inputs.push(&b);
            }
            g.node("Gemm", &inputs, &[name], &[("transB", Attr::Int(1))]);
        } else {
            let w = g.initializer_f32(&format!("{name}.w"), &weight, &[WIDTH, MADE]);
            let b = g.initializer_f32(&format!("{name}.b"), &numbers(MADE, 8), &[1, MADE]);
            if name == "p" {
                let product = g.op("MatMul", &[&normed, &w], &[]);
                g.node("Add", &[&b, &product], &[name], &[]);
            } else {
                g.node("MatMul", &[&normed, &w], &[name], &[]);
            }
        }
        g.output(name, DType::F32, &["N".into(), MADE.into()]);
    }
    g
}

#[test]
fn a_folded_norm_is_the_same_function() {
    let (gamma, beta, n) = (numbers(WIDTH, 4), numbers(WIDTH, 5), numbers(WIDTH, 9));
    let x: Vec<f32> = n.iter().zip(&gamma).zip(&beta).map(|((n, gamma), beta)| n * gamma + beta).collect();
    for (operator, gemm) in [(true, false), (true, true), (false, false), (false, true)] {
        let folder = Folder::with(&normed(operator, gemm).to_bytes().unwrap());
        assert_eq!(folder.open(FOLD).unwrap().folded(), 1);
        let graph = folder.quantised(FOLD, Width::Float).graph.unwrap();
        let normalised = if operator {
            let norm = node(&graph, "LayerNormalization");
            assert_eq!(floats(constant(&graph, &norm.input[1])), [1.0; WIDTH]);
            assert_eq!(norm.input.len(), 2);
            norm.output[0].clone()
        } else {
            assert!(graph.node.iter().all(|node| node.op_type.as_deref() != Some("Mul")));
            node(&graph, "Div").output[0].clone()
        };
        for (name, seed, bias) in [("p", 6, numbers(MADE, 8)), ("q", 7, vec![0.0; MADE])] {
            let expected = apply(&x, &numbers(WIDTH * MADE, seed), &bias);
            let (weight, bias) = layer(&graph, &normalised, name, gemm);
            for (expected, have) in expected.iter().zip(apply(&n, &weight, &bias)) {
                assert!((expected - have).abs() <= 1e-5 * (1.0 + expected.abs()), "{name}: {expected} became {have}");
            }
        }
    }
}

/// Weight, `[inputs, outputs]`, and offset of the layer that makes an output.
fn layer(graph: &GraphProto, from: &str, output: &str, gemm: bool) -> (Vec<f32>, Vec<f32>) {
    let made = |name: &str| graph.node.iter().find(|node| node.output[0] == name).unwrap();
    let last = made(output);
    if gemm {
        assert_eq!(last.input[0], from);
        let turned = floats(constant(graph, &last.input[1]));
        let weight = (0..turned.len()).map(|at| turned[at % MADE * WIDTH + at / MADE]).collect();
        return (weight, floats(constant(graph, &last.input[2])));
    }
    let is_constant = |name: &&String| graph.initializer.iter().any(|tensor| tensor.name.as_ref() == Some(*name));
    let bias = last.input.iter().find(is_constant).unwrap();
    let product = made(last.input.iter().find(|name| *name != bias).unwrap());
    assert_eq!(product.input[0], from);
    (floats(constant(graph, &product.input[1])), floats(constant(graph, bias)))
}

#[test]
fn four_bits_are_packed_as_the_operator_reads_them() {
    // Numbers that a scale of 0.25 reaches exactly, so that there is one right answer.
    let steps: Vec<i32> = (0..BLOCK as i32).map(|at| (at * 7) % 16 - 8).collect();
    let weight: Vec<f32> = steps.iter().map(|step| *step as f32 * 0.25).collect();
    let packed = Int4Weight::pack(&weight);
    let bytes: Vec<u8> = steps.chunks(2).map(|pair| (pair[0] + 8) as u8 | ((pair[1] + 8) as u8) << 4).collect();
    assert_eq!((packed.packed.clone(), packed.scales.clone()), (bytes, vec![0.25]));
    assert_eq!(packed.unpack(), weight);
    assert_eq!(Int4Weight::pack(&[0.0; BLOCK]).unpack(), [0.0; BLOCK]);

    let folder = Folder::with(&linear().to_bytes().unwrap());
    let model = folder.quantised(FOUR, Width::Int4);
    let domains: Vec<_> = model.opset_import.iter().map(|opset| opset.domain.as_deref().unwrap_or("")).collect();
    assert_eq!(domains, ["", "com.microsoft"]);
    let graph = model.graph.unwrap();
    let matmul = node(&graph, "MatMulNBits");
    let of = |name: &str| matmul.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name)).unwrap().i;
    assert_eq!([of("K"), of("N"), of("bits"), of("block_size")], [64, 32, 4, 32].map(Some));
    let b = constant(&graph, &matmul.input[1]);
    assert_eq!(b.dims, [MADE as i64, (WIDTH / BLOCK) as i64, 16]);
    // Every row of the packed weight is a column of the weight, to half a step of its block.
    let original = numbers(WIDTH * MADE, 1);
    let scales = floats(constant(&graph, &matmul.input[2]));
    let packed = Int4Weight { packed: b.raw_data.clone().unwrap(), scales };
    let (mut error, mut size) = (0.0, 0.0);
    for (at, value) in packed.unpack().into_iter().enumerate() {
        let w = original[at % WIDTH * MADE + at / WIDTH];
        error += (value - w).powi(2);
        size += w * w;
    }
    assert!(error < 0.02 * size, "{error} of {size}");
    assert_eq!(matmul.output[0], node(&graph, "Add").input[0]);
}
