//! Checked names and the request id: what may stand in a topic level.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{ID_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between two slashes.
    #[error("a name is empty; write characters of a-z, A-Z, 0-9, '.', '-', '_'")]
    Empty,
    /// Longer than its kind of name may be.
    #[error("a name has {bytes} bytes; the limit is {limit}")]
    Long {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A character that a topic level must not carry.
    #[error("name {name:?} contains {found:?}; use a-z, A-Z, 0-9, '.', '-', '_' only")]
    Character {
        /// The offered name.
        name: String,
        /// The first offending character.
        found: char,
    },
    /// Names that begin with `_` or `.` are kept for the topic tree's own levels.
    #[error("name {name:?} begins with '_' or '.'; begin with a letter or a digit")]
    Reserved {
        /// The offered name.
        name: String,
    },
}

fn check(text: &str, limit: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > limit {
        return Err(NameError::Long { bytes: text.len(), limit });
    }
    if let Some(found) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
        return Err(NameError::Character { name: text.to_owned(), found });
    }
    if text.starts_with(['_', '.']) {
        return Err(NameError::Reserved { name: text.to_owned() });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $limit:ident) => {
        $(#[$doc])*
        ///
        #[doc = concat!("At most [`", stringify!($limit), "`] characters of `a-z A-Z 0-9 . - _`, not beginning with `_` or `.`.")]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Checks `text`; fails with what is wrong about it.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text, $limit)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }
    };
}

name! {
    /// A fleet: the robots that share bridges and operators.
    FleetId, ID_BYTES_MAX
}
name! {
    /// A device: the common name of its certificate and its MQTT client id.
    DeviceId, ID_BYTES_MAX
}
name! {
    /// A bridge: the common name of its certificate and its MQTT client id.
    BridgeId, ID_BYTES_MAX
}
name! {
    /// A node: a place where a turn can be answered, as bridges offer it.
    NodeName, NAME_BYTES_MAX
}
name! {
    /// A camera view.
    ViewName, NAME_BYTES_MAX
}

/// The identity of one request over all its attempts; 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub [u8; 16]);

/// A text is not a request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 32 lower-case hexadecimal digits")]
pub struct RequestIdError;

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(RequestIdError);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |value, digit| match digit {
                b'0'..=b'9' => Ok(value << 4 | (digit - b'0')),
                b'a'..=b'f' => Ok(value << 4 | (digit - b'a' + 10)),
                _ => Err(RequestIdError),
            })?;
        }
        Ok(Self(id))
    }
}
