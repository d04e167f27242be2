//! Billions of multiplications and additions a second of one layer, quantising its rows included, for every instruction set of
//! this processor: the layers of a ViT-B/32 vision tower, one row as in decoding, and a small model's.

use std::time::{Duration, Instant};

use trimtab_kernels::{Isa, Linear, Order, Weights};

/// Rows, inputs, outputs.
const LAYERS: [(usize, usize, usize); 4] = [(50, 768, 3072), (50, 3072, 768), (1, 576, 1536), (17, 128, 512)];
/// Time spent on each.
const TIME: Duration = Duration::from_millis(300);

fn main() {
    println!("{:<22} {:>14} {:>12} {:>10}", "rows × inputs × outputs", "instructions", "shortest µs", "GOP/s");
    for (count, inputs, outputs) in LAYERS {
        let values: Vec<i8> = (0..inputs * outputs).map(|i| (i * 37 % 255) as u8 as i8).map(|w| w.max(-127)).collect();
        let scales = vec![0.01; outputs];
        let x: Vec<f32> = (0..count * inputs).map(|i| ((i * 31 % 101) as f32 - 50.0) / 25.0).collect();
        let mut out = vec![0.0; count * outputs];
        for isa in Isa::available() {
            let order = Order::InputsFirst;
            let weights = Weights { inputs, outputs, order, values: &values, scales: &scales };
            let layer = Linear::on(isa, &weights).expect("a layer of this processor");
            let mut rows = layer.activations();
            let (start, mut shortest) = (Instant::now(), Duration::MAX);
            while start.elapsed() < TIME {
                let now = Instant::now();
                rows.quantise(std::hint::black_box(&x), inputs);
                layer.run(&rows, &mut out).expect("rows that fit");
                std::hint::black_box(&mut out);
                shortest = shortest.min(now.elapsed());
            }
            let operations = 2.0 * (count * inputs * outputs) as f64;
            println!(
                "{:<22} {:>14} {:>12.1} {:>10.1}",
                format!("{count} × {inputs} × {outputs}"),
                isa.name(),
                shortest.as_secs_f64() * 1e6,
                operations / shortest.as_secs_f64() / 1e9
            );
        }
    }
}
