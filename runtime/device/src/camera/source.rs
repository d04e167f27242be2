//! Where frames come from: the `source` of a `[[camera]]` entry.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::conceal::concealed;
use super::config::CameraConfigError;
use super::url::StreamUrl;

/// Where frames come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CameraSource {
    /// `v4l2:NODE`: a camera of this board, by its Video4Linux node.
    Device {
        /// The node, like `/dev/video0`.
        path: PathBuf,
    },
    /// `http://HOST/PATH`: a camera of the network that sends JPEG pictures in one endless answer.
    Http {
        /// Its address.
        url: StreamUrl,
    },
    /// `rtsp://HOST/PATH`: a camera of the network that sends JPEG pictures over RTSP.
    Rtsp {
        /// Its address.
        url: StreamUrl,
    },
    /// `dir:FOLDER`: its `.jpg` and `.jpeg` files in the order of their names, over and over.
    Dir {
        /// The folder.
        path: PathBuf,
    },
    /// `exec:PROGRAM ARGUMENTS`: a program that writes pictures to its standard output, one after the other. Arguments
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
        let unknown = || CameraConfigError::Source { given: concealed(text) };
        let (kind, rest) = text.trim().split_once(':').ok_or_else(unknown)?;
        match (kind, rest.trim()) {
            ("v4l2", path) if !path.is_empty() => Ok(Self::Device { path: path.into() }),
            ("http" | "https", _) => Ok(Self::Http { url: StreamUrl::parse(text.trim())? }),
            ("rtsp" | "rtsps", _) => Ok(Self::Rtsp { url: StreamUrl::parse(text.trim())? }),
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
            other @ (Self::Device { .. }
            | Self::Http { .. }
            | Self::Rtsp { .. }
            | Self::Exec { .. }
            | Self::Pattern) => other,
        }
    }

    /// Whether its frames come by themselves, from outside: such a source has noise, troubles and an age.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        match self {
            Self::Device { .. } | Self::Http { .. } | Self::Rtsp { .. } | Self::Exec { .. } => true,
            Self::Dir { .. } | Self::Pattern => false,
        }
    }
}

/// As people may read it: without user, password and query of addresses.
impl fmt::Display for CameraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { path } => write!(f, "v4l2:{}", path.display()),
            Self::Http { url } | Self::Rtsp { url } => write!(f, "{url}"),
            Self::Dir { path } => write!(f, "dir:{}", path.display()),
            Self::Exec { program, args } => {
                write!(f, "exec:{program}")?;
                args.iter().try_for_each(|arg| write!(f, " {}", concealed(arg)))
            }
            Self::Pattern => f.write_str("pattern:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_and_written_alike() {
        for text in [
            "dir:/var/frames",
            "exec:rpicam-vid -t 0 -o -",
            "pattern:",
            "v4l2:/dev/video0",
            "http://10.0.0.7:8080/mjpg",
            "rtsp://10.0.0.7/jpeg",
        ] {
            let source: CameraSource = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
        let log_in: CameraSource = "exec:ffmpeg -i rtsp://me:s3cret@cam/live -".parse().unwrap();
        assert_eq!(log_in.to_string(), "exec:ffmpeg -i rtsp://…@cam/live -");
        for text in ["", "dir:", "exec: ", "pattern:640", "v4l2:", "/dev/video0"] {
            let error = text.parse::<CameraSource>().unwrap_err();
            assert!(error.to_string().contains("\"pattern:\""), "{error}");
        }
    }
}
