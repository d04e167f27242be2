//! A device: what it is, what it offers, and what it is set to.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode as FileMode, OFlags};
use rustix::io::Errno;

use crate::abi::{
    CAN_CAPTURE, CAN_CAPTURE_PLANES, CAN_SET_INTERVAL, CAN_STREAM, CAPTURE, Capability, DISCRETE, FIELD_NONE, Format,
    FormatDescription, FormatUnion, Fraction, FrameInterval, FrameSize, HAS_DEVICE_CAPS, PixFormat, StreamParameters,
};
use crate::call;
use crate::choose::{Offer, Sizes, Wish, choose};
use crate::error::Error;
use crate::layout::{Colour, Layout, PixelFormat, check_size};

/// Most pixel formats of a device that are looked at.
pub const FORMATS_MAX: u32 = 64;
/// Most sizes of a pixel format that are looked at.
pub const SIZES_MAX: u32 = 128;
/// Most frame rates of a size that are looked at.
pub const RATES_MAX: u32 = 64;

/// What a device says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    /// Name of the driver.
    pub driver: String,
    /// Name of the camera.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
}

/// An open device that captures.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    node: Arc<OwnedFd>,
    about: About,
}

/// What a device was set to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mode {
    /// Pixel format.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How its bytes lie; none for JPEG.
    pub layout: Option<Layout>,
    /// Frames a second, where the driver says.
    pub fps: Option<f64>,
}

impl Device {
    /// Opens a node and makes sure that it captures. Never waits for the camera.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let no_camera = |what, remedy| Error::NoCamera { path: path.to_owned(), what, remedy };
        const NAME_IT: &str = "name a camera: `trimtab cameras list` shows those that are there";
        // Nothing but a device is opened: a pipe would wait, and a file would be written to.
        let is_device = fs::metadata(path).map(|about| about.file_type().is_char_device());
        if matches!(is_device, Ok(false)) {
            return Err(no_camera("it is no device", NAME_IT));
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let node = rustix::fs::open(path, flags, FileMode::empty()).map_err(|fault| Error::opening(path, fault))?;
        let mut found = Capability::default();
        match call::query_capability(node.as_fd(), &mut found) {
            Ok(()) => {}
            Err(Errno::NOTTY | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return Err(no_camera("it is no video device", NAME_IT));
            }
            Err(fault) => return Err(Error::calling(path, "VIDIOC_QUERYCAP", fault)),
        }
        let can = if found.capabilities & HAS_DEVICE_CAPS == 0 { found.capabilities } else { found.device_caps };
        if can & CAN_CAPTURE == 0 {
            return Err(if can & CAN_CAPTURE_PLANES == 0 {
                no_camera("this node captures no pictures", NAME_IT)
            } else {
                no_camera(
                    "it captures into several planes, which is not read here",
                    "let a program read it: source = \"exec:gst-launch-1.0 -q v4l2src device=… ! videoconvert ! jpegenc ! fdsink\"",
                )
            });
        }
        if can & CAN_STREAM == 0 {
            return Err(no_camera(
                "its driver does not stream",
                "let a program read it: source = \"exec:PROGRAM ARGUMENTS\"",
            ));
        }
        let about = About { driver: text(&found.driver), card: text(&found.card), bus: text(&found.bus_info) };
        Ok(Self { path: path.to_owned(), node: Arc::new(node), about })
    }

    /// The node.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    pub(crate) fn node(&self) -> BorrowedFd<'_> {
        self.node.as_fd()
    }

    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.node)
    }

    /// Its pixel formats, with their sizes.
    pub fn offers(&self) -> Result<Vec<Offer>, Error> {
        let mut offers = Vec::new();
        for index in 0..FORMATS_MAX {
            let mut found = FormatDescription { index, kind: CAPTURE, ..FormatDescription::default() };
            match call::enumerate_format(self.node(), &mut found) {
                Ok(()) => offers.push(Offer {
                    code: found.pixelformat,
                    description: text(&found.description),
                    sizes: self.sizes(found.pixelformat)?,
                }),
                Err(Errno::INVAL | Errno::NOTTY) => break,
                Err(fault) => return Err(Error::calling(&self.path, "VIDIOC_ENUM_FMT", fault)),
            }
        }
        Ok(offers)
    }

    fn sizes(&self, pixelformat: u32) -> Result<Sizes, Error> {
        let mut listed = Vec::new();
        for index in 0..SIZES_MAX {
            let mut found = FrameSize { index, pixelformat, ..FrameSize::default() };
            match call::enumerate_size(self.node(), &mut found) {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::NOTTY) => break,
                Err(fault) => return Err(Error::calling(&self.path, "VIDIOC_ENUM_FRAMESIZES", fault)),
            }
            let [width, height_or_most, step, least_height, most_height, step_height] = found.figures;
            if found.kind != DISCRETE {
                let (least, most) = ((width, least_height), (height_or_most, most_height));
                return Ok(Sizes::Within { least, most, step: (step, step_height) });
            }
            listed.push((width, height_or_most));
        }
        Ok(if listed.is_empty() { Sizes::Unknown } else { Sizes::Listed(listed) })
    }

    /// Frames a second that a format and size has, the fastest first; the ends where there is a range, none where the driver
    /// does not say.
    pub fn rates(&self, code: u32, (width, height): (u32, u32)) -> Result<Vec<f64>, Error> {
        let mut rates = Vec::new();
        for index in 0..RATES_MAX {
            let mut found = FrameInterval { index, pixelformat: code, width, height, ..FrameInterval::default() };
            match call::enumerate_interval(self.node(), &mut found) {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::NOTTY) => break,
                Err(fault) => return Err(Error::calling(&self.path, "VIDIOC_ENUM_FRAMEINTERVALS", fault)),
            }
            let ends = if found.kind == DISCRETE { 1 } else { 2 };
            rates.extend(found.intervals[..ends].iter().filter_map(|interval| rate(*interval)));
            if found.kind != DISCRETE {
                break;
            }
        }
        rates.sort_by(|one, other| other.total_cmp(one));
        rates.dedup();
        Ok(rates)
    }

    /// Sets pixel format, size and frame rate to what comes nearest to a wish, and says what the driver made of it.
    pub fn set(&self, wish: &Wish) -> Result<Mode, Error> {
        let offers = self.offers()?;
        let Some((pixelformat, (width, height))) = choose(&offers, wish) else {
            let offered: Vec<String> = offers.iter().map(Offer::name).collect();
            return Err(Error::Format {
                path: self.path.clone(),
                wanted: wish.format.map_or("pixel format that is read here", PixelFormat::name).to_owned(),
                offered: if offered.is_empty() { "none".to_owned() } else { offered.join(", ") },
            });
        };
        let pix = PixFormat { width, height, pixelformat, field: FIELD_NONE, ..PixFormat::default() };
        let mut format = Format { kind: CAPTURE, fmt: FormatUnion { pix, ..FormatUnion::default() } };
        call::set_format(self.node(), &mut format)
            .map_err(|fault| Error::calling(&self.path, "VIDIOC_S_FMT", fault))?;
        let set = format.fmt.pix;
        let Some(format) = PixelFormat::of(set.pixelformat).filter(|set| wish.format.is_none_or(|wish| wish == *set))
        else {
            let set = Offer { code: set.pixelformat, description: String::new(), sizes: Sizes::Unknown };
            let wanted = wish.format.unwrap_or(PixelFormat::Mjpg).name().to_owned();
            return Err(Error::Format { path: self.path.clone(), wanted, offered: set.name() });
        };
        let unreadable = |source| Error::Layout { path: self.path.clone(), source };
        check_size(set.width, set.height).map_err(unreadable)?;
        let layout = match format {
            PixelFormat::Mjpg => None,
            raw => {
                let colour = Colour::of_driver(raw, &set);
                Some(Layout::new(raw, set.width, set.height, set.bytesperline, colour).map_err(unreadable)?)
            }
        };
        let fps = self.pace(wish.fps)?;
        Ok(Mode { format, width: set.width, height: set.height, layout, fps })
    }

    /// Sets the frame rate where the driver lets it be set, and says what it is.
    fn pace(&self, wanted: Option<f64>) -> Result<Option<f64>, Error> {
        let mut parameters = StreamParameters { kind: CAPTURE, ..StreamParameters::default() };
        match call::get_parameters(self.node(), &mut parameters) {
            Ok(()) => {}
            // A driver without this call has one rate.
            Err(Errno::NOTTY | Errno::INVAL | Errno::NOSYS) => return Ok(None),
            Err(fault) => return Err(Error::calling(&self.path, "VIDIOC_G_PARM", fault)),
        }
        if let Some(fps) = wanted
            && parameters.capture.capability & CAN_SET_INTERVAL != 0
        {
            parameters = StreamParameters { kind: CAPTURE, ..StreamParameters::default() };
            parameters.capture.interval = interval(fps);
            call::set_parameters(self.node(), &mut parameters)
                .map_err(|fault| Error::calling(&self.path, "VIDIOC_S_PARM", fault))?;
        }
        Ok(rate(parameters.capture.interval))
    }
}

/// Seconds a frame, to the microsecond.
fn interval(fps: f64) -> Fraction {
    const MICRO: u32 = 1_000_000;
    let micros = (f64::from(MICRO) / fps).round().clamp(1.0, f64::from(u32::MAX)) as u32;
    if fps.fract() == 0.0 && (1.0..=1000.0).contains(&fps) {
        return Fraction { numerator: 1, denominator: fps as u32 };
    }
    Fraction { numerator: micros, denominator: MICRO }
}

fn rate(interval: Fraction) -> Option<f64> {
    (interval.numerator > 0 && interval.denominator > 0)
        .then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

/// Text of a fixed field, up to its first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let clean = |letter: char| if letter.is_control() { '?' } else { letter };
    String::from_utf8_lossy(&bytes[..end]).trim().chars().map(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_intervals_and_back() {
        assert_eq!(interval(15.0), Fraction { numerator: 1, denominator: 15 });
        assert!((rate(interval(29.97)).unwrap() - 29.97).abs() < 0.001);
        assert!((rate(interval(0.001)).unwrap() - 0.001).abs() < 1e-6);
        assert_eq!(rate(Fraction { numerator: 0, denominator: 1 }), None);
    }

    #[test]
    fn fields_of_a_driver_are_clean_text() {
        assert_eq!(text(b"USB Camera\0junk"), "USB Camera");
        assert_eq!(text(b"a\nb\xff"), "a?b\u{fffd}");
    }
}
