//! Billions of multiplications and additions a second of attention, softmax included, for every instruction set of this processor:
//! one head of a tiny and of a ViT-B/32 vision tower, and of a decoder that reads one token.

use std::time::{Duration, Instant};

use trimtab_kernels::Isa;
use trimtab_kernels::attention::{Attention, Head, Rows, RowsMut};

/// Queries, keys, numbers of each.
const HEADS: [(usize, usize, usize); 4] = [(197, 197, 64), (50, 50, 64), (16, 80, 64), (1, 80, 64)];
/// Time spent on each.
const TIME: Duration = Duration::from_millis(300);

fn main() {
    println!("{:<22} {:>14} {:>12} {:>10}", "queries × keys × width", "instructions", "shortest µs", "GOP/s");
    for (queries, keys, width) in HEADS {
        let numbers: Vec<f32> = (0..keys * width).map(|i| ((i * 31 % 101) as f32 - 50.0) / 25.0).collect();
        let rows = |count| Rows::new(&numbers, 0, width, count, width).expect("rows that fit");
        let head = Head { queries: rows(queries), keys: rows(keys), values: rows(keys), scale: 0.125, mask: None };
        for isa in Isa::available() {
            let mut attention = Attention::new(isa);
            let mut out = vec![0.0; queries * width];
            let (start, mut shortest) = (Instant::now(), Duration::MAX);
            while start.elapsed() < TIME {
                let now = Instant::now();
                let mut out = RowsMut::new(&mut out, 0, width, queries, width).expect("rows that fit");
                attention.run(std::hint::black_box(&head), &mut out).expect("a head that fits");
                shortest = shortest.min(now.elapsed());
            }
            let (time, operations) = (shortest.as_secs_f64(), 4.0 * (queries * keys * width) as f64);
            let (micros, speed) = (time * 1e6, operations / time / 1e9);
            let head = format!("{queries} × {keys} × {width}");
            println!("{head:<22} {:>14} {micros:>12.1} {speed:>10.1}", isa.name());
        }
    }
}
