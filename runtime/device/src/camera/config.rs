//! What a `[[camera]]` entry says, checked key by key.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use trimtab_core::Millis;
use trimtab_v4l2::{Layout, LayoutError, PIXELS_MAX, PixelFormat, SIDE_MAX, Wish};
use trimtab_wire::ViewName;

use super::change::{NOISE, NOISE_MAX};
use super::credential::Credential;
use super::mask::{MASKS_MAX, Mask};
use super::source::CameraSource;

/// How old a frame may be by default.
pub const FRESHNESS: Millis = Millis::new(2_000);
/// Speed of a recording by default, in frames a second.
pub const FPS: f64 = 5.0;
/// Speeds that may be asked of a recording or a camera, in frames a second.
pub const FPS_RANGE: RangeInclusive<f64> = 0.001..=120.0;
/// Widest picture that is uploaded by default, in pixels; wider ones are shrunk.
pub const UPLOAD_WIDTH: u32 = 1280;
/// What it may be set to.
pub const UPLOAD_WIDTH_RANGE: RangeInclusive<u32> = 16..=4096;
/// JPEG quality of re-encoded frames by default.
pub const UPLOAD_QUALITY: u8 = 85;
/// What it may be set to.
const QUALITY_RANGE: RangeInclusive<u8> = 1..=100;
/// Longest time without a frame that may be called fresh.
const FRESHNESS_MAX: Millis = Millis::new(24 * 3_600_000);

/// Why a camera's entry cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CameraConfigError {
    /// A source of an unknown kind, or without what it needs.
    #[error(
        "{given:?} is no source: write \"v4l2:/dev/video0\", \"http://HOST/PATH\", \"rtsp://HOST/PATH\", \"dir:FOLDER\", \"exec:PROGRAM ARGUMENTS\" or \"pattern:\""
    )]
    Source {
        /// What was written.
        given: String,
    },
    /// An address that cannot be used.
    #[error("this is no address of a camera: {problem}; write it as http://HOST:PORT/PATH or rtsp://HOST:PORT/PATH")]
    Url {
        /// What is wrong, without what was written: it may hold a password.
        problem: &'static str,
    },
    /// A key that says nothing to this kind of source.
    #[error("{key} says nothing to {kind}: {remedy}")]
    Key {
        /// The key.
        key: &'static str,
        /// What the source is.
        kind: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Neither a pixel format nor a size that goes with one.
    #[error(transparent)]
    Picture(#[from] LayoutError),
    /// No size.
    #[error(
        "{given:?} is no size: write WIDTHxHEIGHT in pixels, as in \"1280x720\", up to {SIDE_MAX} a side and {PIXELS_MAX} in all"
    )]
    Size {
        /// What was written.
        given: String,
    },
    /// Neither allowed nor never.
    #[error("{given:?}: write \"allowed\" or \"never\"")]
    Upload {
        /// What was written.
        given: String,
    },
    /// A figure outside its range.
    #[error("{given} is outside {least} to {most}")]
    Range {
        /// What was written.
        given: String,
        /// The least.
        least: String,
        /// The most.
        most: String,
    },
    /// Too many masks.
    #[error("more than {MASKS_MAX} masks; join some")]
    Masks,
}

/// Whether a camera's frames may leave the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Upload {
    /// They may, masked.
    #[default]
    Allowed,
    /// They may not; the device itself still looks at them.
    Never,
}

impl FromStr for Upload {
    type Err = CameraConfigError;

    fn from_str(text: &str) -> Result<Self, CameraConfigError> {
        match text {
            "allowed" => Ok(Self::Allowed),
            "never" => Ok(Self::Never),
            other => Err(CameraConfigError::Upload { given: other.to_owned() }),
        }
    }
}

/// What moves a recording or a test picture on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Playback {
    /// The clock: so many microseconds a frame.
    Every { micros: u64 },
    /// Only [`super::Camera::step_to`].
    Stepped,
}

/// One camera, checked.
#[derive(Clone, PartialEq, Debug)]
pub struct CameraConfig {
    name: ViewName,
    source: CameraSource,
    freshness: Millis,
    playback: Playback,
    upload: Upload,
    upload_width: u32,
    upload_quality: u8,
    masks: Vec<Mask>,
    wish: Wish,
    credential: Option<Credential>,
    noise: u8,
}

impl CameraConfig {
    /// A camera with defaults for everything else.
    #[must_use]
    pub fn new(name: ViewName, source: CameraSource) -> Self {
        let noise = if source.is_live() { NOISE } else { 0 };
        Self {
            name,
            source,
            freshness: FRESHNESS,
            playback: every(FPS),
            upload: Upload::default(),
            upload_width: UPLOAD_WIDTH,
            upload_quality: UPLOAD_QUALITY,
            masks: Vec::new(),
            wish: Wish::default(),
            credential: None,
            noise,
        }
    }

    /// How old a frame that comes from outside may be, up to a day.
    pub fn with_freshness(self, freshness: Millis) -> Result<Self, CameraConfigError> {
        let freshness = within(freshness, &(Millis::new(1)..=FRESHNESS_MAX))?;
        Ok(Self { freshness, ..self })
    }

    /// Speed of a recording, a test picture or a camera of this board, in frames a second within [`FPS_RANGE`].
    pub fn with_fps(self, fps: f64) -> Result<Self, CameraConfigError> {
        let playback = every(within(fps, &FPS_RANGE)?);
        let wish = Wish { fps: Some(fps), ..self.wish };
        match self.source {
            CameraSource::Device { .. } | CameraSource::Dir { .. } | CameraSource::Pattern => {
                Ok(Self { playback, wish, ..self })
            }
            CameraSource::Exec { .. } => Err(unfit("fps", "a program", "tell the program itself")),
            CameraSource::Http { .. } | CameraSource::Rtsp { .. } => {
                Err(unfit("fps", "a camera of the network", "set it in the camera's settings"))
            }
        }
    }

    /// Pixel format and size: of a camera of this board, what is looked for; of a program, what it writes, if that is not
    /// JPEG.
    pub fn with_picture(
        self,
        format: Option<PixelFormat>,
        size: Option<(u32, u32)>,
    ) -> Result<Self, CameraConfigError> {
        let key = if format.is_some() { "format" } else { "size" };
        match (&self.source, format, size) {
            (_, None, None) | (CameraSource::Device { .. }, ..) => {}
            (CameraSource::Exec { .. }, Some(PixelFormat::Mjpg), None) => {}
            (CameraSource::Exec { .. }, None | Some(PixelFormat::Mjpg), Some(_)) => {
                return Err(unfit("size", "a program that writes JPEG", "leave it out: every picture says its own"));
            }
            (CameraSource::Exec { .. }, Some(_), None) => {
                return Err(unfit(
                    "format",
                    "a program without size",
                    "add size = \"WIDTHxHEIGHT\", as it writes them",
                ));
            }
            (CameraSource::Exec { .. }, Some(format), Some((width, height))) => {
                let odd = match format {
                    PixelFormat::Yuyv => width % 2 == 1,
                    PixelFormat::Nv12 => width % 2 == 1 || height % 2 == 1,
                    PixelFormat::Mjpg | PixelFormat::Rgb24 | PixelFormat::Grey => false,
                };
                if odd {
                    return Err(unfit(
                        "size",
                        "this format when it is odd",
                        "programs differ there; write an even size",
                    ));
                }
                Layout::packed(format, width, height)?;
            }
            (CameraSource::Http { .. } | CameraSource::Rtsp { .. }, ..) => {
                return Err(unfit(key, "a camera of the network", "set it in the camera's settings"));
            }
            (CameraSource::Dir { .. } | CameraSource::Pattern, ..) => {
                return Err(unfit(key, "recorded frames and test pictures", "leave it out"));
            }
        }
        let wish = Wish { format, size, ..self.wish };
        Ok(Self { wish, ..self })
    }

    /// User and password of a camera of the network.
    pub fn with_credential(self, credential: Credential) -> Result<Self, CameraConfigError> {
        if !matches!(self.source, CameraSource::Http { .. } | CameraSource::Rtsp { .. }) {
            return Err(unfit("a credential", "anything but http:// and rtsp://", "leave it out"));
        }
        Ok(Self { credential: Some(credential), ..self })
    }

    /// How much a part of an unchanged view may differ, in steps of 255, up to [`NOISE_MAX`]; at 0 every bit counts.
    pub fn with_noise(self, noise: u8) -> Result<Self, CameraConfigError> {
        let noise = within(noise, &(0..=NOISE_MAX))?;
        Ok(Self { noise, ..self })
    }

    /// A recording or test picture that moves only when [`super::Camera::step_to`] says so.
    #[must_use]
    pub fn stepped(self) -> Self {
        let playback = Playback::Stepped;
        Self { playback, ..self }
    }

    /// Whether frames may leave the device.
    #[must_use]
    pub fn with_upload(self, upload: Upload) -> Self {
        Self { upload, ..self }
    }

    /// Widest picture, in pixels within [`UPLOAD_WIDTH_RANGE`]; wider frames are shrunk.
    pub fn with_upload_width(self, width: u32) -> Result<Self, CameraConfigError> {
        let upload_width = within(width, &UPLOAD_WIDTH_RANGE)?;
        Ok(Self { upload_width, ..self })
    }

    /// JPEG quality of frames that are re-encoded, 1 to 100.
    pub fn with_upload_quality(self, quality: u8) -> Result<Self, CameraConfigError> {
        let upload_quality = within(quality, &QUALITY_RANGE)?;
        Ok(Self { upload_quality, ..self })
    }

    /// Adds a part of the picture that nobody sees; at most [`MASKS_MAX`].
    pub fn with_mask(mut self, mask: Mask) -> Result<Self, CameraConfigError> {
        if self.masks.len() >= MASKS_MAX {
            return Err(CameraConfigError::Masks);
        }
        self.masks.push(mask);
        Ok(self)
    }

    /// The view's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Where its frames come from.
    #[must_use]
    pub const fn source(&self) -> &CameraSource {
        &self.source
    }

    /// How old a frame may be.
    #[must_use]
    pub const fn freshness(&self) -> Millis {
        self.freshness
    }

    /// Whether its frames may leave the device.
    #[must_use]
    pub const fn upload(&self) -> Upload {
        self.upload
    }

    /// Widest picture in pixels.
    #[must_use]
    pub const fn upload_width(&self) -> u32 {
        self.upload_width
    }

    /// JPEG quality of re-encoded frames.
    #[must_use]
    pub const fn upload_quality(&self) -> u8 {
        self.upload_quality
    }

    /// What is asked of a camera of this board.
    #[must_use]
    pub const fn wish(&self) -> &Wish {
        &self.wish
    }

    /// How raw pictures of a program lie; none where it writes JPEG.
    pub(super) fn raw_layout(&self) -> Option<Layout> {
        let (format, (width, height)) = (self.wish.format?, self.wish.size?);
        Layout::packed(format, width, height).ok()
    }

    /// Where user and password of a camera of the network are.
    #[must_use]
    pub const fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// How much a part of an unchanged view may differ, in steps of 255.
    #[must_use]
    pub const fn noise(&self) -> u8 {
        self.noise
    }

    /// What is blacked out.
    #[must_use]
    pub fn masks(&self) -> &[Mask] {
        &self.masks
    }

    pub(super) const fn view_name(&self) -> &ViewName {
        &self.name
    }

    pub(super) const fn playback(&self) -> Playback {
        self.playback
    }
}

const fn unfit(key: &'static str, kind: &'static str, remedy: &'static str) -> CameraConfigError {
    CameraConfigError::Key { key, kind, remedy }
}

/// Width and height, as in `1280x720`.
pub fn size(text: &str) -> Result<(u32, u32), CameraConfigError> {
    let fault = || CameraConfigError::Size { given: text.to_owned() };
    let (width, height) = text.trim().split_once('x').ok_or_else(fault)?;
    let sides = (width.parse().map_err(|_| fault())?, height.parse().map_err(|_| fault())?);
    let fits = |side: u32| (1..=SIDE_MAX).contains(&side);
    let is_fine = fits(sides.0) && fits(sides.1) && u64::from(sides.0) * u64::from(sides.1) <= PIXELS_MAX;
    is_fine.then_some(sides).ok_or_else(fault)
}

fn every(fps: f64) -> Playback {
    Playback::Every { micros: (1e6 / fps).round().max(1.0) as u64 }
}

fn within<T>(given: T, range: &RangeInclusive<T>) -> Result<T, CameraConfigError>
where
    T: PartialOrd + fmt::Display,
{
    if range.contains(&given) {
        return Ok(given);
    }
    Err(CameraConfigError::Range {
        given: given.to_string(),
        least: range.start().to_string(),
        most: range.end().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_ranges() {
        let camera = || CameraConfig::new(ViewName::new("wrist").unwrap(), CameraSource::Pattern);
        assert!(camera().with_fps(f64::NAN).is_err());
        assert!(camera().with_upload_width(0).is_err());
        assert_eq!(camera().with_upload_quality(101).unwrap_err().to_string(), "101 is outside 1 to 100");
        assert!("sometimes".parse::<Upload>().is_err());
        assert_eq!(size("1280x720").unwrap(), (1280, 720));
        for text in ["1280", "0x4", "20000x2", "8192x8192", "-1x5", "x", "1280x720x3"] {
            assert!(size(text).unwrap_err().to_string().contains("\"1280x720\""), "{text}");
        }
    }

    #[test]
    fn keys_belong_to_kinds_of_sources() {
        let camera = |source: &str| CameraConfig::new(ViewName::new("wrist").unwrap(), source.parse().unwrap());
        let (yuyv, vga) = (Some(PixelFormat::Yuyv), Some((640, 480)));
        assert!(camera("v4l2:/dev/video0").with_picture(yuyv, None).is_ok());
        assert!(camera("exec:cat").with_picture(yuyv, vga).unwrap().raw_layout().is_some());
        assert!(camera("exec:cat").with_picture(Some(PixelFormat::Mjpg), None).unwrap().raw_layout().is_none());
        let told = |camera: Result<CameraConfig, CameraConfigError>| camera.unwrap_err().to_string();
        assert!(told(camera("exec:cat").with_picture(yuyv, None)).contains("add size = \"WIDTHxHEIGHT\""));
        assert!(told(camera("exec:cat").with_picture(None, vga)).contains("leave it out"));
        assert!(told(camera("exec:cat").with_picture(yuyv, Some((641, 480)))).contains("write an even size"));
        assert!(told(camera("exec:cat").with_fps(5.0)).contains("tell the program itself"));
        for network in ["http://door/", "rtsp://door/"] {
            assert!(told(camera(network).with_picture(None, vga)).contains("the camera's settings"));
            assert!(told(camera(network).with_fps(5.0)).contains("the camera's settings"));
            assert!(camera(network).with_credential(Credential::Variable("A".into())).is_ok());
        }
        assert!(told(camera("dir:frames").with_picture(yuyv, None)).contains("recorded frames"));
        assert!(told(camera("dir:frames").with_credential(Credential::Variable("A".into()))).contains("http://"));
        assert!(told(camera("pattern:").with_noise(65)).contains("65 is outside 0 to 64"));
        assert_eq!((camera("pattern:").noise(), camera("exec:cat").noise()), (0, NOISE));
    }
}
