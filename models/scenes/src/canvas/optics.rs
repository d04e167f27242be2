//! What a lens and a sensor do to the light of a view.

use super::Rgb;
use crate::rng::Rng;

/// How a camera distorts brightness and colour; all of it keeps the colours nameable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Optics {
    /// Exposure and tint, one factor a channel.
    pub(crate) gain: [f32; 3],
    /// Relative change of brightness across the whole width and the whole height.
    pub(crate) slope: [f32; 2],
    /// Share of the light that the corners lose.
    pub(crate) vignette: f32,
    /// Noise common to the channels of a pixel, half-width in grey levels.
    pub(crate) noise: f32,
    /// Noise of each channel for itself, half-width in grey levels.
    pub(crate) chroma: f32,
    /// Motion during the exposure along x and y, as shares of the width.
    pub(crate) blur: [f32; 2],
}

impl Optics {
    /// A camera that changes nothing.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self { gain: [1.0; 3], slope: [0.0; 2], vignette: 0.0, noise: 0.0, chroma: 0.0, blur: [0.0; 2] }
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let exposure = rng.range(0.72, 1.15);
        // The darker the exposure, the less the corners lose: nothing falls below half its brightness by much.
        let vignette = 0.3 * ((exposure - 0.6) / 0.4).clamp(0.3, 1.0);
        let blur = rng.range(0.0, 0.02);
        let along = rng.range(-1.0, 1.0);
        Self {
            gain: core::array::from_fn(|_| exposure * rng.range(0.94, 1.06)),
            slope: [rng.range(-0.25, 0.25), rng.range(-0.25, 0.25)],
            vignette: rng.range(0.0, vignette),
            noise: rng.range(0.0, 10.0),
            chroma: rng.range(0.0, 4.0),
            blur: [blur * along, blur * (1.0 - along * along).sqrt()],
        }
    }

    /// The picture that `light` (row by row, 0 to 255) leaves on the sensor.
    pub(super) fn expose(&self, light: Vec<[f32; 3]>, width: usize, height: usize, grain: &mut Rng) -> Vec<u8> {
        let light = self.smear(light, width, height);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for (y, row) in light.chunks_exact(width).enumerate() {
            let v = (y as f32 + 0.5) / height as f32 - 0.5;
            for (x, pixel) in row.iter().enumerate() {
                let u = (x as f32 + 0.5) / width as f32 - 0.5;
                let shade =
                    (1.0 + self.slope[0] * u + self.slope[1] * v) * (1.0 - self.vignette * 2.0 * (u * u + v * v));
                let bits = grain.bits();
                let part = |i: u32| ((bits >> (16 * i)) & 0xffff) as f32 / 32_768.0 - 1.0;
                let common = part(0) * self.noise;
                let out: Rgb = core::array::from_fn(|c| {
                    let noise = common + part(c as u32 + 1) * self.chroma;
                    (pixel[c] * self.gain[c] * shade + noise).clamp(0.0, 255.0) as u8
                });
                rgb.extend_from_slice(&out);
            }
        }
        rgb
    }

    /// Averages along the line of motion, when that is longer than a pixel.
    fn smear(&self, light: Vec<[f32; 3]>, width: usize, height: usize) -> Vec<[f32; 3]> {
        let (dx, dy) = (self.blur[0] * width as f32, self.blur[1] * width as f32);
        let length = dx.abs().max(dy.abs());
        if length <= 1.0 {
            return light;
        }
        let reach = (length / 2.0 + 0.5).floor() as isize;
        let taps: Vec<(isize, isize, f32)> = (-reach..=reach)
            .map(|k| {
                let at = k as f32;
                let covered = ((at + 0.5).min(length / 2.0) - (at - 0.5).max(-length / 2.0)).max(0.0);
                let (x, y) = ((at * dx / length + 0.5).floor(), (at * dy / length + 0.5).floor());
                (x as isize, y as isize, covered / length)
            })
            .collect();
        let mut smeared = vec![[0.0f32; 3]; light.len()];
        for (y, row) in smeared.chunks_exact_mut(width).enumerate() {
            for &(dx, dy, weight) in &taps {
                let from = y.saturating_add_signed(dy).min(height - 1) * width;
                for (x, sum) in row.iter_mut().enumerate() {
                    let pixel = light[from + x.saturating_add_signed(dx).min(width - 1)];
                    for (s, c) in sum.iter_mut().zip(pixel) {
                        *s += weight * c;
                    }
                }
            }
        }
        smeared
    }
}
