//! User and password of a camera of the network: the configuration names where they are and never holds them.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use http_auth::{PasswordClient, PasswordParams, basic};

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
    /// User and password, ready to answer a server that asks for them; read anew for every connection, so that a changed
    /// password needs no restart.
    pub(super) fn login(&self) -> Result<Login, String> {
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
        match pair.split_once(':') {
            Some((user, password)) if !pair.chars().any(char::is_control) => {
                Ok(Login { user: user.to_owned(), password: password.to_owned(), scheme: None })
            }
            _ => Err(format!("{place} does not hold user:password on one line")),
        }
    }
}

/// User and password, sent only in answer to a server that asks, and in the safest way that it offers.
pub(super) struct Login {
    user: String,
    password: String,
    scheme: Option<Scheme>,
}

enum Scheme {
    /// As the server asked; it may be Digest, which needs the server's words.
    Asked(PasswordClient),
    /// A server that asked without saying how, or not in the words of the standard.
    Basic,
}

impl Login {
    /// Takes up what a server asks for; false if none of it is spoken here.
    fn take_up(&mut self, challenges: &[&str]) -> bool {
        let builder = challenges.iter().fold(PasswordClient::builder(), |builder, asked| builder.challenges(asked));
        self.scheme = match builder.build() {
            Ok(client) => Some(Scheme::Asked(client)),
            Err(_) => can_be_basic(challenges).then_some(Scheme::Basic),
        };
        self.scheme.is_some()
    }

    /// The value of the header `Authorization`; none before a server has asked.
    pub(super) fn authorization(&mut self, method: &str, uri: &str) -> Option<String> {
        let (username, password) = (self.user.as_str(), self.password.as_str());
        match self.scheme.as_mut()? {
            Scheme::Asked(client) => {
                client.respond(&PasswordParams { username, password, uri, method, body: None }).ok()
            }
            Scheme::Basic => Some(basic::encode_credentials(username, password)),
        }
    }
}

/// What is known of the log-in when a server asks for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// The camera asks for a kind that is not spoken.
    Unspoken,
    /// No user and password are configured.
    Nobody,
    /// They were sent.
    Somebody,
}

/// Takes up what a server asks for by its headers `WWW-Authenticate`.
pub(super) fn heed(login: Option<&mut Login>, challenges: &[&str]) -> Asked {
    if let Some(login) = login {
        return if login.take_up(challenges) { Asked::Somebody } else { Asked::Unspoken };
    }
    let is_digest = |asked: &&str| asked.to_ascii_lowercase().contains("digest");
    let is_spoken = can_be_basic(challenges) || challenges.iter().any(is_digest);
    if is_spoken { Asked::Nobody } else { Asked::Unspoken }
}

/// Also where a server does not say what it wants.
fn can_be_basic(challenges: &[&str]) -> bool {
    challenges.is_empty() || challenges.iter().any(|asked| asked.to_ascii_lowercase().contains("basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(asked: &[&str]) -> Option<String> {
        let mut login = Login { user: "Aladdin".to_owned(), password: "open sesame".to_owned(), scheme: None };
        assert_eq!(login.authorization("GET", "/"), None, "nobody has asked yet");
        (heed(Some(&mut login), asked) == Asked::Somebody).then(|| login.authorization("GET", "/").unwrap())
    }

    #[test]
    fn a_server_gets_what_it_asks_for_and_the_password_itself_only_where_it_must() {
        // RFC 7617, section 2.
        let basic = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(answer(&[]), basic);
        assert_eq!(answer(&["BASIC"]), basic);
        assert_eq!(answer(&["Negotiate", "Basic realm=\"door\""]), basic);
        let digest = answer(&["Basic realm=\"door\"", "Digest realm=\"door\", nonce=\"7\", qop=\"auth\""]).unwrap();
        assert!(digest.starts_with("Digest username=\"Aladdin\"") && !digest.contains("sesame"), "{digest}");
        assert_eq!(answer(&["Negotiate"]), None);
        assert_eq!((heed(None, &["Negotiate"]), heed(None, &["Digest realm=\"a\""])), (Asked::Unspoken, Asked::Nobody));
    }

    #[test]
    fn what_is_wrong_with_a_credential_is_said_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Credential::File(path.clone()).login().map(|login| (login.user, login.password))
        };
        assert_eq!(told("Aladdin:open: sesame\n").unwrap(), ("Aladdin".to_owned(), "open: sesame".to_owned()));
        let fault = told("hush").unwrap_err();
        assert!(fault.ends_with("does not hold user:password on one line") && !fault.contains("hush"), "{fault}");
        assert!(told(&format!("a:{}", "b".repeat(2_000))).unwrap_err().contains("more than the 1024 bytes"));
        let fault = Credential::File(folder.path().join("none")).login().map(|_| ()).unwrap_err();
        assert!(fault.contains("cannot be read"), "{fault}");
        let fault = Credential::Variable("TRIMTAB_NO_SUCH_VARIABLE".to_owned()).login().map(|_| ()).unwrap_err();
        assert!(fault.contains("TRIMTAB_NO_SUCH_VARIABLE"), "{fault}");
    }
}
