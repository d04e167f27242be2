//! Billions of multiplications and additions a second of one layer, quantising its rows included, for every instruction set of
//! this processor: the layers of a ViT-B/32 vision tower, one row as in decoding, and a small model's; with int8 and 4-bit weights.

use std::time::{Duration, Instant};

use trimtab_kernels::blocks::{BLOCK, BlockLinear, BlockWeights};
use trimtab_kernels::{Isa, Linear, Order, Weights};

/// Rows, inputs, outputs.
const LAYERS: [(usize, usize, usize); 6] =
    [(50, 768, 3072), (50, 3072, 768), (1, 576, 1536), (17, 128, 512), (16, 576, 1536), (1, 576, 49152)];
/// Time spent on each.
const TIME: Duration = Duration::from_millis(300);

fn main() {
    println!(
        "{:<22} {:>6} {:>14} {:>12} {:>10}",
        "rows × inputs × outputs", "bits", "instructions", "shortest µs", "GOP/s"
    );
    for (count, inputs, outputs) in LAYERS {
        let values: Vec<i8> = (0..inputs * outputs).map(|i| (i * 37 % 255) as u8 as i8).map(|w| w.max(-127)).collect();
        let scales = vec![0.01; inputs.div_ceil(BLOCK) * outputs];
        let nibbles: Vec<u8> = (0..scales.len() * BLOCK / 2).map(|i| (i * 37 % 256) as u8).collect();
        let x: Vec<f32> = (0..count * inputs).map(|i| ((i * 31 % 101) as f32 - 50.0) / 25.0).collect();
        let mut out = vec![0.0; count * outputs];
        for isa in Isa::available() {
            let line = |bits: u8, shortest: Duration| {
                let layer = format!("{count} × {inputs} × {outputs}");
                let (time, operations) = (shortest.as_secs_f64(), 2.0 * (count * inputs * outputs) as f64);
                let (micros, speed) = (time * 1e6, operations / time / 1e9);
                println!("{layer:<22} {bits:>6} {:>14} {micros:>12.1} {speed:>10.1}", isa.name());
            };
            let order = Order::InputsFirst;
            let weights = Weights { inputs, outputs, order, values: &values, scales: &scales[..outputs] };
            let layer = Linear::on(isa, &weights).expect("a layer of this processor");
            let mut rows = layer.activations();
            line(
                8,
                shortest(|| {
                    rows.quantise(std::hint::black_box(&x), inputs);
                    layer.run(&rows, &mut out).expect("rows that fit");
                }),
            );
            let weights = BlockWeights { inputs, outputs, values: &nibbles, scales: &scales, zeros: None };
            let layer = BlockLinear::on(isa, &weights).expect("a layer of this processor");
            let mut rows = layer.activations();
            line(
                4,
                shortest(|| {
                    rows.quantise(std::hint::black_box(&x), inputs);
                    layer.run(&rows, &mut out).expect("rows that fit");
                }),
            );
        }
    }
}

/// The shortest of many runs.
fn shortest(mut run: impl FnMut()) -> Duration {
    let (start, mut shortest) = (Instant::now(), Duration::MAX);
    while start.elapsed() < TIME {
        let now = Instant::now();
        run();
        shortest = shortest.min(now.elapsed());
    }
    shortest
}
