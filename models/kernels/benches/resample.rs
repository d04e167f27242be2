//! A picture of 640 × 480 made 64 × 64 with two and with four pixels of the source a step: `cargo bench -p trimtab-kernels --bench resample`.

use std::hint::black_box;
use std::time::Instant;

use trimtab_kernels::Isa;
use trimtab_kernels::resample::{Taps, WEIGHT_BITS, resample};

const ROUNDS: usize = 60;

/// Weights in equal shares over as many steps as the filter's support has.
fn taps(from: usize, to: usize, steps: usize) -> Vec<Taps> {
    (0..to)
        .map(|at| {
            let (first, end) = (at * from / to, ((at + steps) * from / to).min(from));
            Taps { first, weights: vec![(1 << WEIGHT_BITS) / (end - first) as i32; end - first] }
        })
        .collect()
}

fn main() {
    let pixels: Vec<u8> = (0..3 * 640 * 480).map(|at| (at * 7 % 251) as u8).collect();
    for steps in [2, 4] {
        let (columns, rows) = (taps(640, 64, steps), taps(480, 64, steps));
        for isa in Isa::available() {
            let mut times: Vec<f64> = (0..ROUNDS)
                .map(|_| {
                    let start = Instant::now();
                    black_box(resample(isa, black_box(&pixels), 640, &columns, &rows));
                    start.elapsed().as_secs_f64() * 1e6
                })
                .collect();
            times.sort_by(f64::total_cmp);
            println!("{steps} steps, {:<13} {:>7.0} us", isa.name(), times[ROUNDS / 2]);
        }
    }
}
