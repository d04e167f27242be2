//! One configuration file: where a key stands, and what is said when its value will not do.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

/// Largest configuration file, bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Why a configuration is not in force. Every variant names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or directory cannot be read.
    #[error("{}: cannot be read ({cause}); check the path and its permissions", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// More than [`CONFIG_BYTES_MAX`].
    #[error("{}: more than the {CONFIG_BYTES_MAX} bytes that a configuration may have; remove what is none of it", path.display())]
    Large {
        /// Which.
        path: PathBuf,
    },
    /// No TOML, or a key or type that is not known.
    #[error("{}:{line}: {problem}; correct or remove it (`trimtab config check` says when all is well)", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says, on one line.
        problem: String,
    },
    /// A key whose value will not do.
    #[error("{}:{line}: {key}: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, with its section.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Sections that do not go together.
    #[error("{key}: {problem}")]
    Whole {
        /// The key that has to change.
        key: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let fault = |cause| ConfigError::Read { path: path.to_owned(), cause };
        let file = std::fs::File::open(path).map_err(fault)?;
        let mut text = String::new();
        // What a file says of its size is no bound: a device file has none and never ends.
        file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(fault)?;
        if text.len() as u64 > CONFIG_BYTES_MAX {
            return Err(ConfigError::Large { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), text })
    }

    pub(super) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|fault| ConfigError::Syntax {
            path: self.path.clone(),
            line: fault.span().map_or(1, |span| self.line(&span)),
            problem: fault.message().replace('\n', ", "),
        })
    }

    /// The fault of a key.
    pub(super) fn fault(&self, key: &str, span: &Range<usize>, problem: &(impl ToString + ?Sized)) -> ConfigError {
        ConfigError::Value {
            path: self.path.clone(),
            line: self.line(span),
            key: key.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// A value turned into its checked form, or the fault of its key.
    pub(super) fn checked<T, U, E: ToString>(
        &self,
        key: &str,
        raw: &Spanned<T>,
        check: impl FnOnce(&T) -> Result<U, E>,
    ) -> Result<U, ConfigError> {
        check(raw.get_ref()).map_err(|problem| self.fault(key, &raw.span(), &problem))
    }

    /// A path as written, relative to the file's own folder.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(path)
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        before.matches('\n').count() + 1
    }
}
