//! Every instruction set of this processor gives the same bits as a plain loop over whole numbers.

use proptest::prelude::*;
use trimtab_kernels::{Activations, Function, INPUTS_MAX, Isa, Linear, LinearError, Order, Weights};

/// A layer and its rows.
#[derive(Clone, Debug)]
struct Case {
    inputs: usize,
    outputs: usize,
    order: Order,
    values: Vec<i8>,
    scales: Vec<f32>,
    bias: Option<Vec<f32>>,
    function: Function,
    x: Vec<f32>,
    /// What the results are added to.
    residual: Option<Vec<f32>>,
}

impl Case {
    fn weights(&self) -> Weights<'_> {
        let Self { inputs, outputs, order, values, scales, .. } = self;
        Weights { inputs: *inputs, outputs: *outputs, order: *order, values, scales }
    }
    fn weight(&self, input: usize, output: usize) -> i8 {
        match self.order {
            Order::InputsFirst => self.values[input * self.outputs + output],
            Order::OutputsFirst => self.values[output * self.inputs + input],
        }
    }
    fn layer(&self, isa: Isa) -> Linear {
        let layer = Linear::on(isa, &self.weights()).unwrap().with_function(self.function);
        match &self.bias {
            Some(bias) => layer.with_bias(bias).unwrap(),
            None => layer,
        }
    }
    fn run(&self, isa: Isa) -> Vec<f32> {
        let layer = self.layer(isa);
        let mut rows = layer.activations();
        rows.quantise(&self.x, self.inputs);
        if let Some(residual) = &self.residual {
            let mut out = residual.clone();
            layer.add(&rows, &mut out).unwrap();
            return out;
        }
        let mut out = vec![f32::NAN; rows.rows() * self.outputs];
        layer.run(&rows, &mut out).unwrap();
        out
    }
    /// The same as the definition says it.
    fn expected(&self) -> Vec<f32> {
        let row = |(index, x): (usize, &[f32])| -> Vec<f32> {
            let most = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let factor = if most == 0.0 { 0.0 } else { 127.0 / most };
            let q: Vec<i32> = x.iter().map(|x| (x * factor).round_ties_even() as i32).collect();
            let one = |output: usize| {
                let sum: i32 = q.iter().enumerate().map(|(i, q)| q * i32::from(self.weight(i, output))).sum();
                let bias = self.bias.as_ref().map_or(0.0, |bias| bias[output]);
                let result = (sum as f32).mul_add(self.scales[output] * (most / 127.0), bias);
                result + self.residual.as_ref().map_or(0.0, |other| other[index * self.outputs + output])
            };
            (0..self.outputs).map(one).collect()
        };
        self.x.chunks_exact(self.inputs).enumerate().flat_map(row).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1_usize..80, 1_usize..150, 0_usize..15);
    (shape, any::<bool>(), any::<bool>(), any::<bool>()).prop_flat_map(
        |((inputs, outputs, rows), biased, added, transposed)| {
            let number = -4.0_f32..4.0;
            let many = move |count| proptest::collection::vec(-4.0_f32..4.0, count);
            (
                proptest::collection::vec(prop_oneof![-127_i8..=127, Just(127), Just(-127)], inputs * outputs),
                proptest::collection::vec(0.0_f32..0.1, outputs),
                many(outputs),
                proptest::collection::vec(prop_oneof![8 => number, 1 => Just(0.0), 1 => Just(400.0)], rows * inputs),
                many(rows * outputs),
            )
                .prop_map(move |(values, scales, bias, x, residual)| Case {
                    inputs,
                    outputs,
                    order: if transposed { Order::OutputsFirst } else { Order::InputsFirst },
                    values,
                    scales,
                    bias: biased.then_some(bias),
                    function: Function::Identity,
                    x,
                    residual: added.then_some(residual),
                })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_instruction_set_gives_the_same_bits(case in case()) {
        let expected: Vec<u32> = case.expected().iter().map(|x| x.to_bits()).collect();
        for isa in Isa::available() {
            let found: Vec<u32> = case.run(isa).iter().map(|x| x.to_bits()).collect();
            prop_assert_eq!(&found, &expected, "{}", isa.name());
        }
    }

    #[test]
    fn every_function_gives_the_same_bits(case in case()) {
        for function in [Function::Gelu, Function::GeluTanh, Function::QuickGelu, Function::Silu] {
            let case = Case { function, ..case.clone() };
            let bits = |isa| -> Vec<u32> { case.run(isa).iter().map(|x| x.to_bits()).collect() };
            for isa in Isa::available() {
                prop_assert_eq!(bits(isa), bits(Isa::Scalar), "{:?} on {}", function, isa.name());
            }
        }
    }

    #[test]
    fn an_output_gives_its_weights_back(case in case()) {
        for isa in Isa::available() {
            let layer = case.layer(isa);
            let mut row = vec![f32::NAN; case.inputs];
            for output in 0..case.outputs {
                layer.weights_of(output, &mut row).unwrap();
                let expected = |input| f32::from(case.weight(input, output)) * case.scales[output];
                prop_assert!(row.iter().enumerate().all(|(input, found)| *found == expected(input)), "{}", isa.name());
            }
        }
    }
}

/// Largest products of one sign in the longest layer: nothing saturates or wraps.
#[test]
fn the_longest_sums_fit() {
    for sign in [1, -1] {
        let case = Case {
            inputs: INPUTS_MAX,
            outputs: 3,
            order: Order::InputsFirst,
            values: vec![127 * sign; 3 * INPUTS_MAX],
            scales: vec![1.0; 3],
            bias: None,
            function: Function::Identity,
            x: vec![2.0; INPUTS_MAX],
            residual: None,
        };
        let expected = case.expected();
        assert!((expected[0].abs() - 127.0 * 2.0 * INPUTS_MAX as f32).abs() < 1e3);
        for isa in Isa::available() {
            assert_eq!(case.run(isa), expected, "{}", isa.name());
        }
    }
}

#[test]
fn what_is_no_number_spoils_its_own_row_alone() {
    for isa in Isa::available() {
        let (order, values, scales) = (Order::InputsFirst, &[1, 2, 3, 4, 5, 6], &[1.0, 1.0]);
        let weights = Weights { inputs: 3, outputs: 2, order, values, scales };
        let layer = Linear::on(isa, &weights).unwrap();
        let mut rows = layer.activations();
        rows.quantise(&[1.0, f32::NAN, 1.0, 0.0, 0.0, 0.0, 1.0, f32::INFINITY, 0.0, 127.0, 0.0, 1e-40], 3);
        let mut out = [9.0; 8];
        layer.run(&rows, &mut out).unwrap();
        let spoilt = |pair: &[f32]| pair.iter().all(|x| x.is_nan());
        assert!(spoilt(&out[..2]) && spoilt(&out[4..6]), "{}: {out:?}", isa.name());
        assert_eq!((&out[2..4], &out[6..]), (&[0.0, 0.0][..], &[127.0, 254.0][..]), "{}", isa.name());
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let (order, values, scales) = (Order::InputsFirst, &[1, 2, 3, 4], &[1.0, 1.0]);
    let fits = Weights { inputs: 2, outputs: 2, order, values, scales };
    let refused = |weights: Weights<'_>| Linear::new(&weights).unwrap_err().to_string();
    assert!(refused(Weights { values: &[1, 2, 3], ..fits }).contains("3 weights for 2 inputs and 2 outputs"));
    assert!(refused(Weights { scales: &[1.0], ..fits }).contains("1 scales for 2 outputs"));
    assert!(refused(Weights { scales: &[1.0, f32::NAN], ..fits }).contains("scale of output 1 is NaN"));
    assert!(refused(Weights { inputs: 0, values: &[], ..fits }).contains("0 inputs"));
    assert!(refused(Weights { inputs: INPUTS_MAX + 1, ..fits }).contains("65536"));
    let asymmetric = Linear::new(&Weights { values: &[1, 2, -128, 4], ..fits }).unwrap_err();
    assert_eq!(asymmetric, LinearError::Weight { input: 1, output: 0 });
    let other = Weights { order: Order::OutputsFirst, values: &[1, 2, -128, 4], ..fits };
    assert_eq!(Linear::new(&other).unwrap_err(), LinearError::Weight { input: 0, output: 1 });
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        assert_eq!(Linear::on(isa, &fits), Err(LinearError::Isa { isa }));
    }

    let layer = Linear::new(&fits).unwrap();
    let mut rows = layer.activations();
    rows.quantise(&[1.0, 2.0, 3.0], 3);
    assert!(layer.run(&rows, &mut [0.0; 2]).unwrap_err().to_string().contains("rows of 3 inputs"));
    rows.quantise(&[1.0, 2.0], 2);
    assert!(layer.run(&rows, &mut [0.0; 3]).unwrap_err().to_string().contains("out has 3 numbers"));
    assert!(layer.weights_of(2, &mut [0.0; 2]).unwrap_err().to_string().contains("2 outputs of 2 inputs"));
    assert!(layer.clone().with_bias(&[0.0]).unwrap_err().to_string().contains("1 biases for 2 outputs"));
    if layer.activations().rows() == 0 && Isa::best() != Isa::Scalar {
        let mut other = Activations::new(Isa::Scalar);
        other.quantise(&[1.0, 2.0], 2);
        assert!(layer.run(&other, &mut [0.0; 2]).unwrap_err().to_string().contains("for scalar"));
    }
}
