//! User and password of a camera of the network: the configuration names where they are and never holds them.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// Longest user and password together, bytes.
pub const CREDENTIAL_BYTES_MAX: u64 = 1024;

/// Where `user:password` is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// In this variable of the environment.
    Variable(String),
    /// In this file.
    File(PathBuf),
}

impl Credential {
    /// The value of the header `Authorization`; read anew for every connection, so that a changed password needs no restart.
    pub(super) fn authorization(&self) -> Result<String, String> {
        let (text, place) = match self {
            Self::Variable(name) => {
                let text = std::env::var(name).map_err(|_| {
                    format!("variable {name} of credential_env is not set; set it to user:password for the runtime")
                })?;
                (text, format!("variable {name}"))
            }
            Self::File(path) => {
                let place = path.display().to_string();
                let mut text = String::new();
                File::open(path)
                    .and_then(|file| file.take(CREDENTIAL_BYTES_MAX + 1).read_to_string(&mut text))
                    .map_err(|cause| {
                        format!("{place} of credential_file cannot be read ({cause}); make it readable for the runtime's user alone")
                    })?;
                (text, place)
            }
        };
        let pair = text.trim_end_matches(['\r', '\n']);
        if pair.len() as u64 > CREDENTIAL_BYTES_MAX {
            return Err(format!("{place} has more than the {CREDENTIAL_BYTES_MAX} bytes of a user and password"));
        }
        if !pair.contains(':') || pair.chars().any(char::is_control) {
            return Err(format!("{place} does not hold user:password on one line"));
        }
        Ok(format!("Basic {}", base64(pair.as_bytes())))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let known = digit <= three.len();
            let six = (bits >> (18 - 6 * digit)) as usize % 64;
            text.push(if known { char::from(DIGITS[six]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard() {
        // RFC 4648, section 10, and RFC 7617, section 2.
        for (plain, written) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), written);
        }
        assert_eq!(base64(b"Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn what_is_wrong_with_a_credential_is_said_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Credential::File(path.clone()).authorization()
        };
        assert_eq!(told("Aladdin:open sesame\n").unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let fault = told("hush").unwrap_err();
        assert!(fault.ends_with("does not hold user:password on one line") && !fault.contains("hush"), "{fault}");
        assert!(told(&format!("a:{}", "b".repeat(2_000))).unwrap_err().contains("more than the 1024 bytes"));
        let fault = Credential::File(folder.path().join("none")).authorization().unwrap_err();
        assert!(fault.contains("cannot be read"), "{fault}");
        let fault = Credential::Variable("TRIMTAB_NO_SUCH_VARIABLE".to_owned()).authorization().unwrap_err();
        assert!(fault.contains("TRIMTAB_NO_SUCH_VARIABLE"), "{fault}");
    }
}
