//! What a fill puts on the canvas: one colour, a surface with a pattern, or a veil through which the ground shows.

use super::{Rgb, scaled};
use crate::thing::Finish;

/// Share of a period that stripes take, and that each of the two crossing sets of checks takes.
const STRIPE: f32 = 0.34;
const CHECK: f32 = 0.18;
/// Squared radius of a dot as a share of the squared period: dots cover 31 % of the ground.
const DOT: f32 = 0.1;

/// Where a thing stands on the canvas: what turns canvas coordinates into the thing's own, −1…1 both ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) cx: f32,
    pub(crate) cy: f32,
    pub(crate) half_w: f32,
    pub(crate) half_h: f32,
}

#[derive(Clone, Copy, Debug)]
enum Fill {
    Flat,
    Veil(f32),
    Pattern { finish: Finish, second: Rgb, spot: Spot, phase: f32, period: f32 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    base: Rgb,
    fill: Fill,
}

impl From<Rgb> for Paint {
    fn from(colour: Rgb) -> Self {
        Self::flat(colour)
    }
}

impl Paint {
    pub(crate) const fn flat(colour: Rgb) -> Self {
        Self { base: colour, fill: Fill::Flat }
    }

    /// Mixes `share` (0 to 1) of `colour` into the ground: shadow and glow. It marks nothing on a canvas of numbers.
    pub(crate) const fn veil(colour: Rgb, share: f32) -> Self {
        Self { base: colour, fill: Fill::Veil(share) }
    }

    /// A surface whose pattern belongs to the thing at `spot`. `phase` (0 to 1) moves it and chooses between the lighter
    /// and the darker tone; `period` is its pitch in the thing's own units.
    pub(crate) fn surface(base: Rgb, finish: Finish, spot: Spot, phase: f32, period: f32) -> Self {
        if finish == Finish::Plain {
            return Self::flat(base);
        }
        let second = if finish == Finish::Shiny { mixed(base, [255; 3], 0.75) } else { tone(base, phase < 0.5) };
        Self { base, fill: Fill::Pattern { finish, second, spot, phase, period } }
    }

    pub(super) const fn is_veil(&self) -> bool {
        matches!(self.fill, Fill::Veil(_))
    }

    /// Paints a run of pixels whose centres start at (`x`, `y`) and lie `step` apart.
    pub(super) fn run(&self, pixels: &mut [Rgb], x: f32, step: f32, y: f32) {
        match self.fill {
            Fill::Flat => pixels.fill(self.base),
            Fill::Veil(share) => {
                for pixel in pixels {
                    *pixel = mixed(*pixel, self.base, share);
                }
            }
            Fill::Pattern { finish, second, spot, phase, period } => {
                let v = (y - spot.cy) / spot.half_h;
                for (i, pixel) in pixels.iter_mut().enumerate() {
                    let u = (x + step * i as f32 - spot.cx) / spot.half_w;
                    *pixel = if finish == Finish::Shiny {
                        self.lit(second, u, v)
                    } else if covers(finish, u / period + phase, v / period + phase, phase) {
                        second
                    } else {
                        self.base
                    };
                }
            }
        }
    }

    /// A highlight above left and shade that grows towards below right.
    fn lit(&self, highlight: Rgb, u: f32, v: f32) -> Rgb {
        let (du, dv) = (u + 0.3, v + 0.2);
        if du * du * 2.0 + dv * dv < 0.06 {
            return highlight;
        }
        scaled(self.base, (1.0 - 0.2 * (u + v)).clamp(0.6, 1.25))
    }
}

/// Whether the pattern lies at (`u`, `v`), in periods.
fn covers(finish: Finish, u: f32, v: f32, phase: f32) -> bool {
    let part = |x: f32| x - x.floor();
    match finish {
        Finish::Plain | Finish::Shiny => false,
        // Level, upright or slanting, by the digit after the one that chooses the tone.
        Finish::Striped => match (phase * 10.0) as usize % 3 {
            0 => part(v) < STRIPE,
            1 => part(u) < STRIPE,
            _ => part((u + v) * 0.75) < STRIPE,
        },
        Finish::Checked => part(u) < CHECK || part(v) < CHECK,
        Finish::Dotted => {
            let shift = if part(v * 0.5) < 0.5 { 0.0 } else { 0.5 };
            let (a, b) = (part(u + shift) - 0.5, part(v) - 0.5);
            a * a + b * b < DOT
        }
    }
}

fn mixed(a: Rgb, b: Rgb, share: f32) -> Rgb {
    core::array::from_fn(|i| (f32::from(a[i]) + (f32::from(b[i]) - f32::from(a[i])) * share) as u8)
}

/// A lighter or darker tone of the same colour. Orange and yellow only turn lighter: darker they would pass for red and
/// orange.
fn tone(base: Rgb, lighter: bool) -> Rgb {
    let [r, g, b] = base;
    if r.max(g).max(b) < 60 {
        return [92, 92, 98];
    }
    if r.min(g).min(b) > 220 {
        return [188, 190, 194];
    }
    if lighter || (r > 200 && g > 120) { mixed(base, [255; 3], 0.55) } else { scaled(base, 0.64) }
}
