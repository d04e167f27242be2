//! Which of a device's formats and sizes is taken.

use crate::layout::{PixelFormat, check_size};

/// The size that is looked for where none is asked for: what is uploaded at most by default.
pub const SIZE: (u32, u32) = (1280, 720);

/// What is asked of a device; everything that is left open is chosen.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Wish {
    /// Pixel format.
    pub format: Option<PixelFormat>,
    /// Width and height in pixels; the nearest that the device has is taken.
    pub size: Option<(u32, u32)>,
    /// Frames a second; the nearest that the device has is taken.
    pub fps: Option<f64>,
}

/// One pixel format of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The kernel's code.
    pub code: u32,
    /// What the driver calls it.
    pub description: String,
    /// Its sizes.
    pub sizes: Sizes,
}

/// The sizes of a pixel format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// The driver does not say.
    Unknown,
    /// These.
    Listed(Vec<(u32, u32)>),
    /// Every one between, in steps: least, greatest, step of width and of height.
    Within {
        /// Least width and height.
        least: (u32, u32),
        /// Greatest width and height.
        most: (u32, u32),
        /// Step of the width and of the height.
        step: (u32, u32),
    },
}

impl Offer {
    /// The format, where it is read here.
    #[must_use]
    pub fn format(&self) -> Option<PixelFormat> {
        PixelFormat::of(self.code)
    }

    /// The kernel's code as its four letters.
    #[must_use]
    pub fn name(&self) -> String {
        // The highest bit marks the other byte order.
        let letters = (self.code & 0x7fff_ffff).to_le_bytes();
        letters
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' })
            .collect::<String>()
            .trim()
            .to_owned()
    }
}

impl Sizes {
    /// The size that is nearest to this one.
    #[must_use]
    pub fn nearest(&self, (width, height): (u32, u32)) -> (u32, u32) {
        let distance = |size: &(u32, u32)| u64::from(size.0.abs_diff(width)) + u64::from(size.1.abs_diff(height));
        match self {
            Self::Unknown => (width, height),
            Self::Listed(sizes) => {
                let usable = sizes.iter().filter(|size| check_size(size.0, size.1).is_ok());
                usable.min_by_key(|size| distance(size)).copied().unwrap_or((width, height))
            }
            Self::Within { least, most, step } => {
                let side = |wanted: u32, least: u32, most: u32, step: u32| {
                    let within = wanted.clamp(least.min(most), most.max(least));
                    let step = step.max(1);
                    least.min(most) + (within - least.min(most)) / step * step
                };
                (side(width, least.0, most.0, step.0), side(height, least.1, most.1, step.1))
            }
        }
    }
}

/// Code and size that come nearest to a wish; none where its format, or any that is read here, is not offered.
pub(crate) fn choose(offers: &[Offer], wish: &Wish) -> Option<(u32, (u32, u32))> {
    let formats = PixelFormat::ALL.into_iter().filter(|format| wish.format.is_none_or(|wanted| wanted == *format));
    let mut found = formats.filter_map(|format| offers.iter().find(|offer| offer.format() == Some(format)));
    let offer = found.next()?;
    Some((offer.code, offer.sizes.nearest(wish.size.unwrap_or(SIZE))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(letters: [u8; 4], sizes: Sizes) -> Offer {
        Offer { code: u32::from_le_bytes(letters), description: String::new(), sizes }
    }

    #[test]
    fn the_preferred_format_and_the_nearest_size_are_taken() {
        let listed = Sizes::Listed(vec![(320, 240), (640, 480), (1280, 720), (20_000, 20_000)]);
        let offers = [offer(*b"YUYV", listed.clone()), offer(*b"H264", listed.clone()), offer(*b"JPEG", listed)];
        let chosen = |wish| choose(&offers, &wish).map(|(code, size)| (PixelFormat::of(code).unwrap(), size));
        assert_eq!(chosen(Wish::default()), Some((PixelFormat::Mjpg, (1280, 720))));
        let small = Wish { format: Some(PixelFormat::Yuyv), size: Some((600, 500)), fps: None };
        assert_eq!(chosen(small), Some((PixelFormat::Yuyv, (640, 480))));
        let huge = Wish { size: Some((30_000, 30_000)), ..Wish::default() };
        assert_eq!(chosen(huge), Some((PixelFormat::Mjpg, (1280, 720))));
        assert_eq!(chosen(Wish { format: Some(PixelFormat::Grey), ..Wish::default() }), None);
        assert_eq!(choose(&[offer(*b"GREY", Sizes::Unknown)], &Wish::default()).unwrap().1, SIZE);
        assert_eq!(offers[1].name(), "H264");
    }

    #[test]
    fn a_size_within_a_range_keeps_its_steps() {
        let within = Sizes::Within { least: (48, 32), most: (1000, 1000), step: (16, 8) };
        assert_eq!(within.nearest((641, 487)), (640, 480));
        assert_eq!(within.nearest((5, 5000)), (48, 1000));
        let senseless = Sizes::Within { least: (9, 9), most: (3, 3), step: (0, 0) };
        assert_eq!(senseless.nearest((5, 5)), (5, 5));
    }
}
