//! What a `[[camera]]` entry says, checked key by key.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use trimtab_core::Millis;
use trimtab_wire::ViewName;

use super::mask::{MASKS_MAX, Mask};

/// How old a frame may be by default.
pub const FRESHNESS: Millis = Millis::new(2_000);
/// Speed of a recording by default, in frames a second.
pub const FPS: f64 = 5.0;
/// Speeds that a recording may have, in frames a second.
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
    #[error("{given:?} is no source: write \"dir:FOLDER\", \"exec:PROGRAM ARGUMENTS\" or \"pattern:\"")]
    Source {
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

/// Where frames come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CameraSource {
    /// `dir:FOLDER`: its `.jpg` and `.jpeg` files in the order of their names, over and over.
    Dir {
        /// The folder.
        path: PathBuf,
    },
    /// `exec:PROGRAM ARGUMENTS`: a program that writes JPEG pictures to its standard output, one after the other. Arguments
    /// are separated by spaces; no shell is involved.
    Exec {
        /// The program, looked up in `PATH`.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// `pattern:`: a test picture that moves.
    Pattern,
}

impl FromStr for CameraSource {
    type Err = CameraConfigError;

    fn from_str(text: &str) -> Result<Self, CameraConfigError> {
        let unknown = || CameraConfigError::Source { given: text.to_owned() };
        let (kind, rest) = text.trim().split_once(':').ok_or_else(unknown)?;
        match (kind, rest.trim()) {
            ("dir", path) if !path.is_empty() => Ok(Self::Dir { path: path.into() }),
            ("exec", command) => {
                let mut words = command.split_ascii_whitespace().map(str::to_owned);
                Ok(Self::Exec { program: words.next().ok_or_else(unknown)?, args: words.collect() })
            }
            ("pattern", "") => Ok(Self::Pattern),
            _ => Err(unknown()),
        }
    }
}

impl CameraSource {
    /// The same with a relative folder taken from `base` on.
    #[must_use]
    pub fn beside(self, base: &Path) -> Self {
        match self {
            Self::Dir { path } => Self::Dir { path: base.join(path) },
            other @ (Self::Exec { .. } | Self::Pattern) => other,
        }
    }
}

impl fmt::Display for CameraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir { path } => write!(f, "dir:{}", path.display()),
            Self::Exec { program, args } => {
                write!(f, "exec:{program}")?;
                args.iter().try_for_each(|arg| write!(f, " {arg}"))
            }
            Self::Pattern => f.write_str("pattern:"),
        }
    }
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
}

impl CameraConfig {
    /// A camera with defaults for everything else.
    #[must_use]
    pub fn new(name: ViewName, source: CameraSource) -> Self {
        Self {
            name,
            source,
            freshness: FRESHNESS,
            playback: every(FPS),
            upload: Upload::default(),
            upload_width: UPLOAD_WIDTH,
            upload_quality: UPLOAD_QUALITY,
            masks: Vec::new(),
        }
    }

    /// How old a frame of a program may be, up to a day.
    pub fn with_freshness(self, freshness: Millis) -> Result<Self, CameraConfigError> {
        let freshness = within(freshness, &(Millis::new(1)..=FRESHNESS_MAX))?;
        Ok(Self { freshness, ..self })
    }

    /// Speed of a recording or test picture, in frames a second within [`FPS_RANGE`].
    pub fn with_fps(self, fps: f64) -> Result<Self, CameraConfigError> {
        let playback = every(within(fps, &FPS_RANGE)?);
        Ok(Self { playback, ..self })
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
    fn sources_are_read_and_written_alike() {
        for text in ["dir:/var/frames", "exec:rpicam-vid -t 0 -o -", "pattern:"] {
            let source: CameraSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        for text in ["", "dir:", "exec: ", "pattern:640", "rtsp://camera", "/dev/video0"] {
            let error = text.parse::<CameraSource>().unwrap_err();
            assert!(error.to_string().contains("\"pattern:\""), "{error}");
        }
    }

    #[test]
    fn figures_have_their_ranges() {
        let camera = || CameraConfig::new(ViewName::new("wrist").unwrap(), CameraSource::Pattern);
        assert!(camera().with_fps(f64::NAN).is_err());
        assert!(camera().with_upload_width(0).is_err());
        assert_eq!(camera().with_upload_quality(101).unwrap_err().to_string(), "101 is outside 1 to 100");
        assert!("sometimes".parse::<Upload>().is_err());
    }
}
