//! The address of a camera of the network.

use std::fmt;

use hyper::Uri;

use super::conceal::concealed;
use super::config::CameraConfigError;

/// Longest address, bytes.
const URL_BYTES_MAX: usize = 2048;

/// How a camera of the network is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    Http,
    Https,
    Rtsp,
    Rtsps,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Rtsp => 554,
            Self::Rtsps => 322,
        }
    }
}

/// `http://HOST:PORT/PATH?QUERY`, or the same with `https`, `rtsp` or `rtsps`. Shown without its query, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl {
    scheme: Scheme,
    authority: String,
    host: String,
    port: u16,
    target: String,
}

impl StreamUrl {
    pub(super) fn parse(text: &str) -> Result<Self, CameraConfigError> {
        let fault = |problem| CameraConfigError::Url { problem };
        if text.len() > URL_BYTES_MAX {
            return Err(fault("it is longer than 2048 bytes"));
        }
        let uri: Uri = text.parse().map_err(|_| fault("it is no URL"))?;
        let authority = uri.authority().ok_or_else(|| fault("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(fault(
                "a password does not belong into a configuration: write user:password into a file or a variable, and name it by credential_file or credential_env",
            ));
        }
        let known = [Scheme::Http, Scheme::Https, Scheme::Rtsp, Scheme::Rtsps];
        let scheme = known.into_iter().find(|scheme| uri.scheme_str() == Some(scheme.name()));
        let scheme = scheme.ok_or_else(|| fault("it names no host"))?;
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(fault("it names no host"));
        }
        Ok(Self {
            scheme,
            authority: authority.as_str().to_owned(),
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(scheme.port()),
            target: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// Whether TLS lies below.
    pub(super) const fn is_secret(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::Rtsps)
    }

    /// Host and port as written, for the server.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The whole of it, for the server; not to be shown.
    pub(super) fn whole(&self) -> String {
        format!("{}://{}{}", self.scheme.name(), self.authority, self.target)
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&concealed(&self.whole()))
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_never_show_a_password() {
        let url = StreamUrl::parse("http://[::1]:81/video?user=a&pwd=hush").unwrap();
        assert_eq!((url.address(), url.target()), (("::1", 81), "/video?user=a&pwd=hush"));
        assert_eq!(format!("{url} {url:?}"), "http://[::1]:81/video?… http://[::1]:81/video?…");
        for (text, port) in [("http://door", 80), ("https://door", 443), ("rtsp://door", 554), ("rtsps://door", 322)] {
            let url = StreamUrl::parse(text).unwrap();
            assert_eq!((url.address(), url.is_secret()), (("door", port), text.contains("s:")));
        }
        assert_eq!(StreamUrl::parse("rtsp://door/1?pwd=hush").unwrap().whole(), "rtsp://door/1?pwd=hush");
        let error = StreamUrl::parse("http://a:hush@door/").unwrap_err().to_string();
        assert!(error.contains("credential_file") && !error.contains("hush"), "{error}");
        for text in ["http:", "http://", "http:///path", "http://:80/", "http://bad host/"] {
            assert!(StreamUrl::parse(text).is_err(), "{text}");
        }
    }
}
