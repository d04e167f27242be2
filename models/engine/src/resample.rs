//! Resampling to the bit as the reference implementation does it (Pillow's `resize` on bytes): which weights each filter has.
//!
//! Only what is seen is computed, from the pixels that it would be computed from if the whole picture were resized.

use std::f64::consts::PI;

use trimtab_kernels::Isa;
use trimtab_kernels::resample::{Taps, WEIGHT_BITS, resample as kernel};

/// A filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Filter {
    /// The source pixel in whose middle the target pixel lies.
    Nearest,
    /// Straight lines between pixels.
    Bilinear,
    /// Cubic, with the parameter -1/2.
    Bicubic,
    /// A windowed sinc of three lobes.
    Lanczos,
}

/// What is done along one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Axis {
    /// Pixels of the source.
    pub(crate) have: u32,
    /// Pixels that the whole source would become; at least one.
    pub(crate) full: u64,
    /// The first of them that is seen.
    pub(crate) before: u64,
    /// How many of them are seen; none lies beyond `full`.
    pub(crate) seen: u32,
}

/// Three bytes a pixel in, three bytes a pixel out.
pub(crate) fn resample(filter: Filter, pixels: &[u8], across: Axis, down: Axis) -> Vec<u8> {
    kernel(Isa::best(), pixels, across.have as usize, &taps(filter, across), &taps(filter, down))
}

fn taps(filter: Filter, axis: Axis) -> Vec<Taps> {
    let scale = f64::from(axis.have) / axis.full as f64;
    // A picture that is made smaller is blurred by as much.
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let one = f64::from(1 << WEIGHT_BITS);
    (0..u64::from(axis.seen))
        .map(|at| {
            let centre = ((axis.before + at) as f64 + 0.5) * scale;
            if filter == Filter::Nearest {
                let first = (centre as usize).min(axis.have as usize - 1);
                return Taps { first, weights: vec![1 << WEIGHT_BITS] };
            }
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(axis.have as usize);
            let weights: Vec<f64> =
                (first..end).map(|source| filter.weight((source as f64 - centre + 0.5) / stretch)).collect();
            let total: f64 = weights.iter().sum();
            // `round` takes halves away from zero, as the reference does.
            let weights = weights.iter().map(|weight| (weight / total * one).round() as i32).collect();
            Taps { first, weights }
        })
        .collect()
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0),
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Nearest | Self::Bilinear | Self::Bicubic | Self::Lanczos => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Filter, resample};

    /// The middle four columns of a picture whose height becomes four, as Pillow computes them.
    #[test]
    fn bytes_are_those_of_the_reference() {
        let check = |filter, width: u32, height: u32, expected: [u8; 48]| {
            let pixels: Vec<u8> = (0..height)
                .flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| x * 37 + y * 101 + c * 59 + x * y * 13)))
                .map(|value| value as u8)
                .collect();
            let across = Axis { have: width, full: 6, before: 1, seen: 4 };
            let down = Axis { have: height, full: 4, before: 0, seen: 4 };
            assert_eq!(resample(filter, &pixels, across, down), expected, "{filter:?} {width}×{height}");
        };
        #[rustfmt::skip]
        check(Filter::Bicubic, 9, 6, [
            116, 104, 133, 143, 136, 143, 145, 198, 86, 155, 115, 66, 107, 101, 125, 161, 94, 168, 71, 78, 129, 113, 173, 150,
            141, 85, 142, 104, 118, 128, 151, 159, 117, 146, 111, 118, 140, 74, 134, 124, 143, 77, 188, 107, 111, 126, 180, 122,
        ]);
        #[rustfmt::skip]
        check(Filter::Lanczos, 9, 6, [
            124, 103, 131, 143, 132, 143, 147, 202, 85, 158, 119, 59, 108, 104, 121, 166, 84, 175, 63, 72, 124, 112, 182, 159,
            133, 90, 150, 100, 119, 129, 163, 161, 112, 137, 104, 121, 137, 71, 140, 129, 145, 64, 191, 105, 118, 125, 185, 118,
        ]);
        #[rustfmt::skip]
        check(Filter::Bicubic, 3, 2, [
            0, 55, 119, 16, 74, 152, 38, 102, 180, 57, 134, 198, 27, 88, 135, 49, 112, 126, 72, 120, 134, 94, 110, 158,
            88, 151, 168, 113, 186, 73, 142, 155, 42, 167, 61, 77, 118, 184, 184, 146, 224, 47, 176, 173, 0, 204, 37, 37,
        ]);
        #[rustfmt::skip]
        check(Filter::Bilinear, 9, 6, [
            113, 107, 135, 141, 136, 142, 142, 183, 89, 149, 119, 75, 113, 99, 129, 149, 101, 160, 87, 96, 129, 117, 161, 141,
            137, 88, 138, 112, 117, 129, 143, 148, 119, 143, 123, 119, 142, 80, 129, 126, 135, 87, 178, 116, 110, 129, 171, 123,
        ]);
        #[rustfmt::skip]
        check(Filter::Bilinear, 3, 2, [
            9, 68, 127, 28, 87, 146, 46, 105, 164, 65, 124, 183, 35, 94, 137, 56, 115, 126, 76, 119, 130, 96, 107, 150,
            88, 147, 158, 111, 170, 85, 135, 146, 61, 158, 73, 84, 114, 173, 168, 139, 198, 65, 164, 159, 26, 189, 56, 51,
        ]);
        #[rustfmt::skip]
        check(Filter::Nearest, 9, 6, [
            74, 133, 192, 111, 170, 229, 185, 244, 47, 222, 25, 84, 72, 131, 190, 135, 194, 253, 5, 64, 123, 68, 127, 186,
            199, 2, 61, 19, 78, 137, 171, 230, 33, 247, 50, 109, 197, 0, 59, 43, 102, 161, 247, 50, 109, 93, 152, 211,
        ]);
        #[rustfmt::skip]
        check(Filter::Nearest, 3, 2, [
            0, 59, 118, 37, 96, 155, 37, 96, 155, 74, 133, 192, 0, 59, 118, 37, 96, 155, 37, 96, 155, 74, 133, 192,
            101, 160, 219, 151, 210, 13, 151, 210, 13, 201, 4, 63, 101, 160, 219, 151, 210, 13, 151, 210, 13, 201, 4, 63,
        ]);
    }
}
