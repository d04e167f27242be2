//! From raw pictures to RGB, three bytes a pixel, row by row without padding.
//!
//! Luma and colour differences become red, green and blue by the standards' own weights, in whole numbers with 16 binary
//! places, rounded to the nearest and held within 0 to 255.

use crate::layout::{Colour, Layout, LayoutError, Matrix, PixelFormat, Range};

const PLACES: u32 = 16;
const HALF: i32 = 1 << (PLACES - 1);

/// What luma and differences are multiplied with.
#[derive(Clone, Copy, Debug)]
struct Weights {
    black: i32,
    luma: i32,
    red_of_cr: i32,
    green_of_cb: i32,
    green_of_cr: i32,
    blue_of_cb: i32,
}

impl Weights {
    fn of(colour: Colour) -> Self {
        let (red, blue) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
            Matrix::Smpte240 => (0.212, 0.087),
        };
        let (black, luma, difference) = match colour.range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let green = 1.0 - red - blue;
        let fixed = |weight: f64| (weight * f64::from(1_u32 << PLACES)).round() as i32;
        Self {
            black,
            luma: fixed(luma),
            red_of_cr: fixed(2.0 * (1.0 - red) * difference),
            green_of_cb: fixed(2.0 * (1.0 - blue) * blue / green * difference),
            green_of_cr: fixed(2.0 * (1.0 - red) * red / green * difference),
            blue_of_cb: fixed(2.0 * (1.0 - blue) * difference),
        }
    }

    /// What two neighbours share: the parts of red, green and blue that come from their differences.
    #[inline]
    fn tint(&self, cb: u8, cr: u8) -> [i32; 3] {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        [self.red_of_cr * cr, -self.green_of_cb * cb - self.green_of_cr * cr, self.blue_of_cb * cb]
    }

    #[inline]
    fn pixel(&self, luma: u8, tint: [i32; 3]) -> [u8; 3] {
        let luma = (i32::from(luma) - self.black) * self.luma + HALF;
        tint.map(|tint| ((luma + tint) >> PLACES).clamp(0, 255) as u8)
    }
}

impl Layout {
    /// The picture in RGB. Bytes after its end are not looked at.
    pub fn to_rgb(&self, bytes: &[u8]) -> Result<Vec<u8>, LayoutError> {
        if bytes.len() < self.bytes() {
            return Err(LayoutError::Truncated {
                have: bytes.len(),
                least: self.bytes(),
                width: self.width(),
                height: self.height(),
                format: self.format(),
            });
        }
        let (width, height) = (self.width() as usize, self.height() as usize);
        let mut rgb = vec![0; width * height * 3];
        let rows = rgb.chunks_exact_mut(width * 3);
        let lines = bytes.chunks(self.stride() as usize);
        let weights = Weights::of(self.colour());
        match self.format() {
            PixelFormat::Yuyv => rows.zip(lines).for_each(|(row, line)| yuyv(&weights, line, row)),
            PixelFormat::Nv12 => {
                let differences = bytes[self.differences()..].chunks(self.stride() as usize);
                let differences = differences.flat_map(|line| [line, line]);
                let lines = lines.zip(differences);
                rows.zip(lines).for_each(|(row, (luma, differences))| nv12(&weights, luma, differences, row));
            }
            PixelFormat::Rgb24 => {
                rows.zip(lines).for_each(|(row, line)| row.copy_from_slice(&line[..row.len()]));
                if self.colour().range == Range::Limited {
                    let shades = shades(&weights);
                    rgb.iter_mut().for_each(|number| *number = shades[usize::from(*number)]);
                }
            }
            PixelFormat::Grey => {
                let shades = shades(&weights);
                for (row, line) in rows.zip(lines) {
                    for (pixel, luma) in row.chunks_exact_mut(3).zip(line) {
                        pixel.fill(shades[usize::from(*luma)]);
                    }
                }
            }
            PixelFormat::Mjpg => return Err(LayoutError::Compressed),
        }
        Ok(rgb)
    }
}

/// What each number without colour means.
fn shades(weights: &Weights) -> [u8; 256] {
    std::array::from_fn(|luma| weights.pixel(luma as u8, [0; 3])[0])
}

fn yuyv(weights: &Weights, line: &[u8], row: &mut [u8]) {
    let mut pairs = row.chunks_exact_mut(6);
    let mut fours = line.chunks_exact(4);
    for (pair, four) in pairs.by_ref().zip(fours.by_ref()) {
        let tint = weights.tint(four[1], four[3]);
        pair[..3].copy_from_slice(&weights.pixel(four[0], tint));
        pair[3..].copy_from_slice(&weights.pixel(four[2], tint));
    }
    // The last pixel of an odd row has its four bytes like every pair.
    if let (last @ [_, _, _], Some(four)) = (pairs.into_remainder(), fours.next()) {
        last.copy_from_slice(&weights.pixel(four[0], weights.tint(four[1], four[3])));
    }
}

fn nv12(weights: &Weights, luma: &[u8], differences: &[u8], row: &mut [u8]) {
    let mut pairs = row.chunks_exact_mut(6);
    let mut lumas = luma.chunks_exact(2);
    let mut tints = differences.chunks_exact(2);
    for ((pair, luma), tint) in pairs.by_ref().zip(lumas.by_ref()).zip(tints.by_ref()) {
        let tint = weights.tint(tint[0], tint[1]);
        pair[..3].copy_from_slice(&weights.pixel(luma[0], tint));
        pair[3..].copy_from_slice(&weights.pixel(luma[1], tint));
    }
    if let (last @ [_, _, _], Some(tint)) = (pairs.into_remainder(), tints.next()) {
        let luma = lumas.next().map_or_else(|| lumas.remainder().first().copied(), |pair| pair.first().copied());
        last.copy_from_slice(&weights.pixel(luma.unwrap_or(0), weights.tint(tint[0], tint[1])));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw() -> impl Strategy<Value = PixelFormat> {
        prop::sample::select(&PixelFormat::ALL[1..])
    }

    /// The colour bars of BT.801 at 75 %, as they stand in limited BT.601: a published table, not our own arithmetic.
    #[test]
    fn known_colours_come_out() {
        let bars: [([u8; 3], [u8; 3]); 8] = [
            ([180, 128, 128], [191, 191, 191]),
            ([162, 44, 142], [191, 191, 0]),
            ([131, 156, 44], [0, 191, 191]),
            ([112, 72, 58], [0, 191, 0]),
            ([84, 184, 198], [191, 0, 191]),
            ([65, 100, 212], [191, 0, 0]),
            ([35, 212, 114], [0, 0, 191]),
            ([16, 128, 128], [0, 0, 0]),
        ];
        for ([y, cb, cr], expected) in bars {
            let yuyv = Layout::packed(PixelFormat::Yuyv, 2, 1).unwrap().to_rgb(&[y, cb, y, cr]).unwrap();
            let nv12 = Layout::packed(PixelFormat::Nv12, 2, 1).unwrap().to_rgb(&[y, y, cb, cr]).unwrap();
            assert_eq!(yuyv, nv12);
            for (got, wanted) in yuyv.iter().zip(expected.iter().cycle()) {
                assert!(got.abs_diff(*wanted) <= 2, "{y} {cb} {cr}: {yuyv:?}, expected {expected:?}");
            }
        }
        let full = Colour { matrix: Matrix::Bt601, range: Range::Full };
        let red = Layout::new(PixelFormat::Yuyv, 2, 1, 0, full).unwrap().to_rgb(&[76, 85, 76, 255]).unwrap();
        assert!(red[0] >= 253 && red[1] <= 1 && red[2] <= 1, "{red:?}");
        let high = Colour { matrix: Matrix::Bt709, range: Range::Limited };
        let green = Layout::new(PixelFormat::Yuyv, 2, 1, 0, high).unwrap().to_rgb(&[173, 42, 173, 26]).unwrap();
        assert!(green[0] <= 2 && green[1] >= 253 && green[2] <= 2, "{green:?}");
    }

    #[test]
    fn grey_and_rgb_are_taken_as_they_are_or_widened() {
        let grey = Layout::new(PixelFormat::Grey, 2, 2, 3, Colour::usual(PixelFormat::Grey)).unwrap();
        assert_eq!(grey.to_rgb(&[1, 2, 99, 3, 4]).unwrap(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let rgb = Layout::packed(PixelFormat::Rgb24, 1, 2).unwrap();
        assert_eq!(rgb.to_rgb(&[1, 2, 3, 4, 5, 6, 7]).unwrap(), [1, 2, 3, 4, 5, 6]);
        let limited = Layout::new(PixelFormat::Grey, 3, 1, 0, Colour::default()).unwrap();
        assert_eq!(limited.to_rgb(&[16, 235, 255]).unwrap(), [0, 0, 0, 255, 255, 255, 255, 255, 255]);
        assert!(grey.to_rgb(&[0; 4]).unwrap_err().to_string().contains("4 bytes, where 2×2 pixels of gray have 5"));
    }

    proptest! {
        #[test]
        fn padding_does_not_matter(
            format in raw(), width in 1_u32..9, height in 1_u32..7, padding in 1_u32..9, seed in any::<u64>(),
        ) {
            let packed = Layout::packed(format, width, height).unwrap();
            let padded =
                Layout::new(format, width, height, packed.stride() + padding, Colour::usual(format)).unwrap();
            let bytes: Vec<u8> =
                (0..packed.bytes() as u64).map(|at| (seed.rotate_left(at as u32 % 64) ^ at) as u8).collect();
            let spread: Vec<u8> = bytes
                .chunks(packed.stride() as usize)
                .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0xaa, padding as usize)))
                .collect();
            prop_assert_eq!(packed.to_rgb(&bytes).unwrap(), padded.to_rgb(&spread).unwrap());
        }

        #[test]
        fn any_bytes_of_any_size_are_survived(
            format in raw(), width in 1_u32..40, height in 1_u32..40, stride in 0_u32..200,
            bytes in prop::collection::vec(any::<u8>(), 0..4_000),
        ) {
            if let Ok(layout) = Layout::new(format, width, height, stride, Colour::default()) {
                match layout.to_rgb(&bytes) {
                    Ok(rgb) => prop_assert_eq!(rgb.len(), width as usize * height as usize * 3),
                    Err(_) => prop_assert!(bytes.len() < layout.bytes()),
                }
            }
        }

        #[test]
        fn grey_luma_has_no_tint(luma in any::<u8>(), full in any::<bool>()) {
            let colour = Colour { matrix: Matrix::Bt709, range: if full { Range::Full } else { Range::Limited } };
            let layout = Layout::new(PixelFormat::Yuyv, 2, 1, 0, colour).unwrap();
            let rgb = layout.to_rgb(&[luma, 128, luma, 128]).unwrap();
            prop_assert!(rgb.iter().all(|number| *number == rgb[0]));
            if full {
                prop_assert_eq!(rgb[0], luma);
            }
        }
    }
}
