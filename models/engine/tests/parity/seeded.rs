//! Weights and pictures made by formula, the same here and in `tests/parity/seeded.py`.

use trimtab_engine::RgbFrame;

const SEED: u64 = 20_240_601;

/// A parameter of a model by the name that transformers gives it. Norms lie around one, biases around zero; queries and keys are
/// larger than they would be drawn, so that attention is not nearly even.
pub(crate) fn tensor(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let spread = |base: f32, spread: f32| uniform(name, count).map(|number| base + spread * number).collect();
    if name.contains("norm") && name.ends_with("weight") {
        spread(1.0, 0.2)
    } else if name.ends_with("bias") {
        spread(0.0, 0.1)
    } else if name.contains("embed") && !name.contains("patch") {
        spread(0.0, 0.5)
    } else {
        let inputs: usize = shape[1..].iter().product();
        let sharper = if name.contains("q_proj") || name.contains("k_proj") { 1.5 } else { 1.0 };
        spread(0.0, (sharper * (3.0 / inputs as f64).sqrt()) as f32)
    }
}

/// Numbers in -1..1, from SplitMix64 begun at the seed and the name.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let key = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |state: u64, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut state = SEED ^ key;
    (0..count).map(move |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    })
}

/// Noise, a slope, or blocks with hard edges.
pub(crate) fn picture(width: u32, height: u32, kind: &str) -> RgbFrame {
    let mut bytes = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..u64::from(height) {
        for x in 0..u64::from(width) {
            bytes.extend((0..3_u64).map(|c| match kind {
                "noise" => ((((y * u64::from(width) + x) * 3 + c) * 2_654_435_761) >> 24) as u8,
                "slope" => (x * 5 / 2 + y * (c + 1)) as u8,
                "blocks" => ((x / 7 + y / 5 + c) % 2 * 255) as u8,
                other => panic!("no kind of picture {other}"),
            }));
        }
    }
    RgbFrame::new(width, height, bytes).unwrap()
}
