//! Attention is what its definition says, to within rounding, and has the same bits on every instruction set of this processor.

use proptest::prelude::*;
use trimtab_kernels::Isa;
use trimtab_kernels::attention::{Attention, Head, Rows, RowsMut};

#[derive(Clone, Debug)]
struct Case {
    queries: usize,
    keys: usize,
    depth: usize,
    width: usize,
    /// Numbers between the rows of one head: those of others.
    apart: usize,
    numbers: Vec<f32>,
    /// 0: none, 1: one row, 2: a row for each query.
    mask: u8,
}

impl Case {
    fn number(&self, salt: usize, at: usize) -> f32 {
        self.numbers[(at * 31 + salt * 17) % self.numbers.len()]
    }
    fn rows(&self, salt: usize, count: usize, width: usize) -> Vec<f32> {
        (0..count * (width + self.apart)).map(|at| self.number(salt, at)).collect()
    }
}

fn case() -> impl Strategy<Value = Case> {
    (
        1_usize..40,
        1_usize..90,
        1_usize..70,
        1_usize..70,
        0_usize..5,
        proptest::collection::vec(-3.0_f32..3.0, 97),
        0_u8..3,
    )
        .prop_map(|(queries, keys, depth, width, apart, numbers, mask)| Case {
            queries,
            keys,
            depth,
            width,
            apart,
            numbers,
            mask,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_is_the_softmax_of_scaled_products_times_values(case in case()) {
        let Case { queries, keys, depth, width, apart, mask, .. } = case;
        let (q, k, v) = (case.rows(1, queries, depth), case.rows(2, keys, depth), case.rows(3, keys, width));
        let masks: Vec<f32> = (0..queries * keys).map(|at| if at % 7 == 3 { f32::MIN } else { 0.0 }).collect();
        let head = Head {
            queries: Rows::new(&q, 0, depth + apart, queries, depth).unwrap(),
            keys: Rows::new(&k, 0, depth + apart, keys, depth).unwrap(),
            values: Rows::new(&v, 0, width + apart, keys, width).unwrap(),
            scale: 0.3,
            mask: (mask > 0).then(|| Rows::new(&masks, 0, keys, if mask == 1 { 1 } else { queries }, keys).unwrap()),
        };
        let mut bits: Option<Vec<u32>> = None;
        for isa in Isa::available() {
            let mut out = vec![f32::NAN; queries * (width + apart)];
            let mut rows = RowsMut::new(&mut out, 0, width + apart, queries, width).unwrap();
            Attention::new(isa).run(&head, &mut rows).unwrap();
            let these: Vec<u32> = out.iter().map(|x| x.to_bits()).collect();
            prop_assert_eq!(bits.get_or_insert_with(|| these.clone()), &these, "{}", isa.name());
            for query in 0..queries {
                let score = |key: usize| -> f64 {
                    let product = |at: usize| {
                        f64::from(q[query * (depth + apart) + at]) * f64::from(k[key * (depth + apart) + at])
                    };
                    let masked = match mask { 0 => 0.0, 1 => masks[key], _ => masks[query * keys + key] };
                    0.3 * (0..depth).map(product).sum::<f64>() + f64::from(masked)
                };
                let scores: Vec<f64> = (0..keys).map(score).collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                for at in 0..width {
                    let value = |key: usize| f64::from(v[key * (width + apart) + at]);
                    let expected: f64 = (0..keys).map(|key| (scores[key] - most).exp() * value(key)).sum::<f64>() / total;
                    let found = f64::from(out[query * (width + apart) + at]);
                    prop_assert!((found - expected).abs() < 2e-5, "{}: {found} is not {expected}", isa.name());
                }
                prop_assert!(out[query * (width + apart) + width..][..apart].iter().all(|x| x.is_nan()));
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let numbers = [0.0; 12];
    assert!(
        Rows::new(&numbers, 1, 4, 3, 4)
            .unwrap_err()
            .to_string()
            .contains("3 rows of 4 from 1 on, 4 apart, in 12 numbers")
    );
    let rows = |count, width| Rows::new(&numbers, 0, width, count, width).unwrap();
    let head = Head { queries: rows(2, 4), keys: rows(3, 4), values: rows(3, 2), scale: 1.0, mask: None };
    let refused = |head: Head<'_>, count: usize| {
        let mut out = [0.0; 8];
        let mut out = RowsMut::new(&mut out, 0, 2, count, 2).unwrap();
        Attention::new(Isa::best()).run(&head, &mut out).unwrap_err().to_string()
    };
    assert!(refused(head, 3).contains("attention of 2 × 4 over 3 × 2 into 3 × 2"));
    assert!(refused(Head { keys: rows(3, 3), ..head }, 2).contains("attention of 2 × 4 over 3 × 3"));
    assert!(refused(Head { mask: Some(rows(3, 3)), ..head }, 2).contains("a mask of 3 × 3"));
}
