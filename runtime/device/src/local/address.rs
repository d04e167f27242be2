//! The address of a language model server on this board.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use hyper::Uri;
use hyper::http::uri::Authority;

/// The path of the API where the address names none.
const PATH: &str = "/v1";
/// Port where the address names none.
const PORT: u16 = 80;

/// `http://127.0.0.1:8080/v1`: plain HTTP to loopback, because what answers there counts as this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    authority: Authority,
    ip: IpAddr,
    path: String,
}

impl ServerAddress {
    /// Reads an address; says what would be right where it is none, or not on this machine.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| format!("{text:?} is no URL; write http://127.0.0.1:8080/v1"))?;
        if uri.scheme_str() != Some("http") || uri.query().is_some() {
            return Err(format!("{text:?} is no plain http:// URL; on this machine write http://127.0.0.1:8080/v1"));
        }
        let authority = uri.authority().ok_or_else(|| format!("{text:?} names no host"))?.clone();
        let ip = match authority.host().trim_matches(['[', ']']) {
            "localhost" => Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        };
        let Some(ip) = ip.filter(IpAddr::is_loopback).filter(|_| !authority.as_str().contains('@')) else {
            return Err(format!(
                "{} is not this machine, so what it answers is not local; run the server here and write http://127.0.0.1:8080/v1, or let a bridge offer it as an upstream",
                authority.as_str()
            ));
        };
        let path = match uri.path().trim_end_matches('/') {
            "" => PATH,
            path => path,
        };
        Ok(Self { path: path.to_owned(), authority, ip })
    }

    /// Where to connect to.
    pub(super) fn socket(&self) -> (IpAddr, u16) {
        (self.ip, self.authority.port_u16().unwrap_or(PORT))
    }

    /// The host, as the server is told.
    pub(super) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// The path of a route of the API.
    pub(super) fn route(&self, route: &str) -> String {
        format!("{}{route}", self.path)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::ServerAddress;

    #[test]
    fn only_this_machine_is_local() {
        for (text, whole) in [
            ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
            ("http://localhost:11434/v1/", "http://localhost:11434/v1"),
            ("http://127.3.2.1", "http://127.3.2.1/v1"),
            ("http://[::1]:8080", "http://[::1]:8080/v1"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().to_string(), whole);
        }
        assert_eq!(ServerAddress::parse("http://[::1]:8080").unwrap().socket().1, 8080);
        for (text, told) in [
            ("http://192.168.1.7:8080/v1", "192.168.1.7:8080 is not this machine"),
            ("http://0.0.0.0:8080/v1", "not this machine"),
            ("http://models.example:8080/v1", "let a bridge offer it"),
            ("http://key@127.0.0.1/v1", "not this machine"),
            ("https://127.0.0.1:8080/v1", "plain http://"),
            ("http://127.0.0.1:8080/v1?model=x", "plain http://"),
            ("http://", "no URL"),
        ] {
            let fault = ServerAddress::parse(text).unwrap_err();
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }
}
