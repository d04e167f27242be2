//! Every instruction set makes the pixels that the definition makes.

use proptest::prelude::*;
use trimtab_kernels::Isa;
use trimtab_kernels::resample::{Taps, WEIGHT_BITS, resample};

#[derive(Clone, Debug)]
struct Case {
    width: usize,
    pixels: Vec<u8>,
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

/// Some taps of a side, with weights that overshoot and add up to one.
fn taps(side: usize) -> impl Strategy<Value = Taps> {
    (0..side, proptest::collection::vec(-3_i32..9, 1..9)).prop_map(move |(first, shares)| {
        let shares = &shares[..shares.len().min(side - first)];
        let unit = (1 << WEIGHT_BITS) / 32;
        let mut weights: Vec<i32> = shares.iter().map(|share| share * unit).collect();
        weights[0] += (1 << WEIGHT_BITS) - weights.iter().sum::<i32>();
        Taps { first, weights }
    })
}

fn case() -> impl Strategy<Value = Case> {
    (1_usize..40, 1_usize..20).prop_flat_map(|(width, height)| {
        (
            proptest::collection::vec(any::<u8>(), 3 * width * height),
            proptest::collection::vec(taps(width), 0..24),
            proptest::collection::vec(taps(height), 0..12),
        )
            .prop_map(move |(pixels, columns, rows)| Case { width, pixels, columns, rows })
    })
}

fn weighed(taps: &Taps, byte: impl Fn(usize) -> u8) -> u8 {
    let terms = taps.weights.iter().zip(taps.first..).map(|(weight, at)| weight * i32::from(byte(at)));
    ((terms.sum::<i32>() + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS).clamp(0, 255) as u8
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn pixels_are_weighed_along_rows_and_then_along_columns(case in case()) {
        let Case { width, pixels, columns, rows } = case;
        let source = |y: usize, x: usize, c: usize| pixels[3 * (y * width + x) + c];
        let mut expected = Vec::new();
        for row in &rows {
            for column in &columns {
                expected.extend((0..3).map(|c| weighed(row, |y| weighed(column, |x| source(y, x, c)))));
            }
        }
        for isa in Isa::available() {
            prop_assert_eq!(&resample(isa, &pixels, width, &columns, &rows), &expected, "{:?}", isa);
        }
    }
}

#[test]
#[should_panic(expected = "a tap lies beyond 2 pixels")]
fn a_tap_outside_is_told() {
    let outside = Taps { first: 1, weights: vec![1, 1] };
    let outside = [outside];
    let _ = resample(Isa::Scalar, &[0; 6], 2, &outside, &outside);
}
