//! Normalised rows against the same in double precision, and every instruction set against the others.

use proptest::prelude::*;
use trimtab_kernels::{Isa, Norm};

fn expected(rows: &[f32], width: usize, centred: bool, epsilon: f32, scale: &[f32], bias: &[f32]) -> Vec<f64> {
    let row = |row: &[f32]| {
        let numbers: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let mean = if centred { numbers.iter().sum::<f64>() / width as f64 } else { 0.0 };
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        let factor = 1.0 / (variance + f64::from(epsilon)).sqrt();
        let affine = scale.iter().zip(bias).map(|(scale, bias)| (f64::from(*scale), f64::from(*bias)));
        numbers.into_iter().zip(affine).map(move |(x, (scale, bias))| (x - mean) * factor * scale + bias)
    };
    rows.chunks_exact(width).flat_map(row).collect()
}

fn rows() -> impl Strategy<Value = (usize, Vec<f32>)> {
    (1_usize..70, 0_usize..4)
        .prop_flat_map(|(width, count)| (Just(width), proptest::collection::vec(-50.0_f32..50.0, width * count)))
}

proptest! {
    #[test]
    fn rows_are_normalised_alike_on_every_instruction_set((width, rows) in rows(), centred: bool) {
        let scale: Vec<f32> = (0..width).map(|at| 0.5 + at as f32 / 16.0).collect();
        let bias: Vec<f32> = (0..width).map(|at| at as f32 / 8.0 - 1.0).collect();
        let norm = Norm::new(width, centred, 1e-5).with_scale(&scale).unwrap().with_bias(&bias).unwrap();
        let on = |isa: Isa| {
            let mut found = rows.clone();
            norm.clone().on(isa).run(&mut found);
            found
        };
        let found = on(Isa::Scalar);
        for (found, expected) in found.iter().zip(expected(&rows, width, centred, 1e-5, &scale, &bias)) {
            prop_assert!((f64::from(*found) - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{found} is not {expected}");
        }
        for isa in Isa::available() {
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&on(isa)), bits(&found), "{}", isa.name());
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let error = Norm::new(4, true, 1e-5).with_scale(&[1.0; 3]).unwrap_err();
    assert!(error.to_string().contains("3 numbers for rows of 4"), "{error}");
}

#[test]
fn what_is_no_number_stays_in_its_row() {
    let mut rows = [1.0, f32::NAN, 3.0, 1.0, 2.0, 3.0];
    Norm::new(3, true, 1e-5).run(&mut rows);
    assert!(rows[..3].iter().all(|x| x.is_nan()) && rows[3..].iter().all(|x| x.is_finite()), "{rows:?}");
}
