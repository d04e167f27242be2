//! 4-bit layers: every instruction set of this processor gives the same bits as a plain loop.

use half::f16;
use proptest::prelude::*;
use trimtab_kernels::blocks::{BLOCK, BlockLinear, BlockWeights, ZERO};
use trimtab_kernels::{Function, Isa};

/// A layer and its rows.
#[derive(Clone, Debug)]
struct Case {
    inputs: usize,
    outputs: usize,
    values: Vec<u8>,
    scales: Vec<f32>,
    zeros: Option<Vec<u8>>,
    bias: Option<Vec<f32>>,
    x: Vec<f32>,
    /// What the results are added to.
    residual: Option<Vec<f32>>,
}

impl Case {
    fn blocks(&self) -> usize {
        self.inputs.div_ceil(BLOCK)
    }

    fn run(&self, isa: Isa) -> Vec<f32> {
        let Self { inputs, outputs, values, scales, zeros, .. } = self;
        let (inputs, outputs) = (*inputs, *outputs);
        let weights = BlockWeights { inputs, outputs, values, scales, zeros: zeros.as_deref() };
        let mut layer = BlockLinear::on(isa, &weights).unwrap();
        if let Some(bias) = &self.bias {
            layer = layer.with_bias(bias).unwrap();
        }
        let mut rows = layer.activations();
        rows.quantise(&self.x, inputs);
        if let Some(residual) = &self.residual {
            let mut out = residual.clone();
            layer.add(&rows, &mut out).unwrap();
            return out;
        }
        let mut out = vec![f32::NAN; rows.rows() * outputs];
        layer.run(&rows, &mut out).unwrap();
        out
    }

    fn nibble(&self, output: usize, input: usize) -> i32 {
        let byte = self.values[output * self.blocks() * BLOCK / 2 + input / 2];
        i32::from(byte >> (4 * (input % 2)) & 15)
    }

    fn zero(&self, output: usize, block: usize) -> u8 {
        let byte = |zeros: &Vec<u8>| zeros[output * self.blocks().div_ceil(2) + block / 2] >> (4 * (block % 2)) & 15;
        self.zeros.as_ref().map_or(ZERO, byte)
    }

    /// The same as the definition says it; what is added for other zero points comes last.
    fn expected(&self) -> Vec<f32> {
        let row = |(index, x): (usize, &[f32])| -> Vec<f32> {
            let blocks: Vec<(f32, Vec<i32>)> = x
                .chunks(BLOCK)
                .map(|x| {
                    let most = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                    let factor = if most == 0.0 { 0.0 } else { 127.0 / most };
                    (most / 127.0, x.iter().map(|x| (x * factor).round_ties_even() as i32).collect())
                })
                .collect();
            let one = |output: usize| {
                let scale = |block: usize| f16::from_f32(self.scales[output * self.blocks() + block]).to_f32();
                let mut result = 0.0_f32;
                for (block, (factor, q)) in blocks.iter().enumerate() {
                    let weight = |input: usize| self.nibble(output, block * BLOCK + input) - i32::from(ZERO);
                    let sum: i32 = q.iter().enumerate().map(|(input, q)| q * weight(input)).sum();
                    result = (sum as f32).mul_add(scale(block) * factor, result);
                }
                if self.zeros.is_some() {
                    for (block, (factor, q)) in blocks.iter().enumerate() {
                        let shift = (f32::from(ZERO) - f32::from(self.zero(output, block))) * scale(block);
                        result = shift.mul_add(factor * q.iter().sum::<i32>() as f32, result);
                    }
                }
                let result = result + self.bias.as_ref().map_or(0.0, |bias| bias[output]);
                self.residual.as_ref().map_or(result, |other| other[index * self.outputs + output] + result)
            };
            (0..self.outputs).map(one).collect()
        };
        self.x.chunks_exact(self.inputs).enumerate().flat_map(row).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1_usize..150, 1_usize..40, 0_usize..12);
    (shape, any::<[bool; 3]>()).prop_flat_map(|((inputs, outputs, rows), [shifted, biased, added])| {
        let blocks = inputs.div_ceil(BLOCK);
        let number = prop_oneof![8 => -4.0_f32..4.0, 1 => Just(0.0), 1 => Just(400.0)];
        let many = move |count| proptest::collection::vec(-4.0_f32..4.0, count);
        let bytes = |count| proptest::collection::vec(any::<u8>(), count);
        (
            bytes(outputs * blocks * BLOCK / 2),
            proptest::collection::vec(prop_oneof![9 => -0.1_f32..0.1, 1 => -1e-5_f32..1e-5], outputs * blocks),
            bytes(outputs * blocks.div_ceil(2)),
            many(outputs),
            proptest::collection::vec(number, rows * inputs),
            many(rows * outputs),
        )
            .prop_map(move |(values, scales, zeros, bias, x, residual)| Case {
                inputs,
                outputs,
                values,
                scales,
                zeros: shifted.then_some(zeros),
                bias: biased.then_some(bias),
                x,
                residual: added.then_some(residual),
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_instruction_set_gives_the_same_bits(case in case()) {
        let bits = |numbers: Vec<f32>| -> Vec<u32> { numbers.iter().map(|x| x.to_bits()).collect() };
        let expected = bits(case.expected());
        for isa in Isa::available() {
            prop_assert_eq!(&bits(case.run(isa)), &expected, "{}", isa.name());
        }
    }
}

/// Largest products of one sign: nothing saturates or wraps; and what is no number spoils its own row alone.
#[test]
fn the_largest_sums_fit_and_what_is_no_number_stays_in_its_row() {
    let (inputs, outputs) = (64, 17);
    let mut x = vec![3.0; 2 * inputs];
    x[inputs + 5] = f32::NAN;
    let case = Case {
        inputs,
        outputs,
        values: vec![0xff; outputs * inputs / 2],
        scales: vec![1.0; outputs * 2],
        zeros: Some(vec![0; outputs]),
        bias: None,
        x,
        residual: None,
    };
    for isa in Isa::available() {
        let found = case.run(isa);
        assert!(found[..outputs].iter().all(|x| (x - 15.0 * 3.0 * 64.0).abs() < 1e-2), "{}: {found:?}", isa.name());
        assert!(found[outputs..].iter().all(|x| x.is_nan()), "{}", isa.name());
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let fits = BlockWeights { inputs: 32, outputs: 1, values: &[0; 16], scales: &[1.0], zeros: None };
    let refused = |weights: BlockWeights<'_>| BlockLinear::new(&weights).unwrap_err().to_string();
    assert!(refused(BlockWeights { inputs: 33, ..fits }).contains("1 scales and 16 bytes for 1 outputs of 2 blocks"));
    assert!(refused(BlockWeights { scales: &[f32::NAN], ..fits }).contains("scale of output 0 is NaN"));
    assert!(refused(BlockWeights { scales: &[1e6], ..fits }).contains("at most 65504"));
    assert!(refused(BlockWeights { zeros: Some(&[0, 0]), ..fits }).contains("2 bytes of zero points"));
    let layer = BlockLinear::new(&fits).unwrap().with_function(Function::Silu);
    assert!(layer.clone().with_bias(&[1.0, 2.0]).unwrap_err().to_string().contains("2 biases for 1 outputs"));
    let mut rows = layer.activations();
    rows.quantise(&[1.0; 32], 32);
    assert!(layer.run(&rows, &mut [0.0; 2]).unwrap_err().to_string().contains("out has 2 numbers"));
    rows.quantise(&[1.0; 31], 31);
    assert!(layer.run(&rows, &mut [0.0]).unwrap_err().to_string().contains("rows of 31 inputs"));
}
