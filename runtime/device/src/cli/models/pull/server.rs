//! The server that a model comes from: HTTP or HTTPS, with redirects to where large files lie.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, ETAG, HOST, LOCATION, USER_AGENT};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::PullError;
use crate::client::{Stream, public_tls, speak};

/// Most redirects of one file.
const REDIRECTS_MAX: usize = 5;
/// Longest wait for a connection or for the head of an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

pub(super) struct Server {
    base: String,
    tls: Option<TlsConnector>,
}

/// A file that begins to arrive.
pub(super) struct File {
    pub(super) url: String,
    pub(super) body: Incoming,
    /// As far as the server says.
    pub(super) bytes: Option<u64>,
    /// As far as the server says: 64 hexadecimal digits.
    pub(super) sha256: Option<String>,
    pub(super) commit: Option<String>,
}

impl Server {
    pub(super) fn at(base: &str) -> Result<Self, PullError> {
        let base = base.trim_end_matches('/').to_owned();
        let fault = || PullError::Url { url: base.clone() };
        let uri: Uri = base.parse().map_err(|_| fault())?;
        if uri.host().is_none() || !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(fault());
        }
        let tls = if uri.scheme_str() == Some("https") { Some(tls(&base)?) } else { None };
        Ok(Self { base, tls })
    }

    /// Asks for a file; `None` when the server has none of this name.
    pub(super) async fn file(&self, id: &str, revision: &str, name: &str) -> Result<Option<File>, PullError> {
        let url = format!("{}/{id}/resolve/{}/{name}", self.base, revision.replace('/', "%2F"));
        let mut at = url.clone();
        let mut stated = Stated::default();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.get(&at).await?;
            let status = response.status();
            stated.take_from(response.headers());
            if status.is_redirection() {
                at = target(&at, response.headers()).ok_or_else(|| PullError::Status {
                    url: at.clone(),
                    status: status.as_u16(),
                    remedy: "it leads nowhere, or from https to http; check --from",
                })?;
                continue;
            }
            return match status {
                StatusCode::OK => Ok(Some(stated.of(url, response))),
                StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
                _ => Err(PullError::Status { url, status: status.as_u16(), remedy: remedy(status) }),
            };
        }
        Err(PullError::Broken { url, cause: format!("more than {REDIRECTS_MAX} redirects") })
    }

    async fn get(&self, url: &str) -> Result<Response<Incoming>, PullError> {
        let fault = || PullError::Url { url: url.to_owned() };
        let unreachable = |cause: String| PullError::Unreachable { url: url.to_owned(), cause };
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let is_secret = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(fault)?;
        let port = uri.port_u16().unwrap_or(if is_secret { 443 } else { 80 });
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let ask = async {
            let stream = TcpStream::connect((name, port)).await.map_err(|cause| unreachable(cause.to_string()))?;
            if !is_secret {
                return send(Box::new(stream), &uri).await.map_err(unreachable);
            }
            // A redirect may lead from http to https, never back.
            let connector = match &self.tls {
                Some(connector) => connector.clone(),
                None => tls(url)?,
            };
            let server = ServerName::try_from(name.to_owned()).map_err(|_| fault())?;
            let stream = connector.connect(server, stream).await.map_err(|cause| unreachable(cause.to_string()))?;
            send(Box::new(stream), &uri).await.map_err(unreachable)
        };
        let late = |_| unreachable(format!("no answer within {} s", ANSWER_TIME_MAX.as_secs()));
        timeout(ANSWER_TIME_MAX, ask).await.map_err(late)?
    }
}

async fn send(stream: Box<dyn Stream>, uri: &Uri) -> Result<Response<Incoming>, String> {
    // The connection ends when the body was read or dropped.
    let (mut sender, _) = speak(stream).await.map_err(|fault| fault.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, concat!("trimtab/", env!("CARGO_PKG_VERSION")))
        .body(Full::<Bytes>::default())
        .map_err(|fault| fault.to_string())?;
    sender.send_request(request).await.map_err(|fault| fault.to_string())
}

/// What the answers on the way to a file say of it; the first to say something is believed, because the storage that large
/// files are redirected to knows less.
#[derive(Default)]
struct Stated {
    sha256: Option<String>,
    commit: Option<String>,
}

impl Stated {
    fn take_from(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let hash = |text: &str| {
            let digits = text.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
            let is_hash = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hash.then_some(digits)
        };
        if self.sha256.is_none() {
            self.sha256 = text("x-linked-etag").and_then(hash).or_else(|| text(ETAG.as_str()).and_then(hash));
        }
        if self.commit.is_none() {
            self.commit = text("x-repo-commit").map(str::to_ascii_lowercase);
        }
    }

    fn of(self, url: String, response: Response<Incoming>) -> File {
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        File { url, bytes: length, sha256: self.sha256, commit: self.commit, body: response.into_body() }
    }
}

fn target(from: &str, headers: &HeaderMap) -> Option<String> {
    let to = headers.get(LOCATION)?.to_str().ok()?;
    if to.starts_with("https://") || (to.starts_with("http://") && !from.starts_with("https://")) {
        return Some(to.to_owned());
    }
    let scheme = from.find("://")? + 3;
    let origin = from[scheme..].find('/').map_or(from, |end| &from[..scheme + end]);
    (to.starts_with('/') && !to.starts_with("//")).then(|| format!("{origin}{to}"))
}

const fn remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "the model is private, or asks for consent; fetch it by hand",
        429 => "too many requests; wait a while and run the command again",
        500..=599 => "the server is in trouble; run the command again later",
        _ => "check the model's name, the revision and --from",
    }
}

fn tls(url: &str) -> Result<TlsConnector, PullError> {
    public_tls().map_err(|cause| PullError::Unreachable { url: url.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, LOCATION, Stated, target};

    #[test]
    fn a_redirect_stays_on_its_server_or_goes_to_one_that_is_as_safe() {
        let check = |from: &str, to: &str, expected: Option<&str>| {
            let headers: HeaderMap = [(LOCATION, to.parse().unwrap())].into_iter().collect();
            assert_eq!(target(from, &headers).as_deref(), expected, "{from} to {to}");
        };
        check("https://a.org/x/y", "/z?q=1", Some("https://a.org/z?q=1"));
        check("https://a.org/x", "https://b.org/z", Some("https://b.org/z"));
        check("https://a.org/x", "http://b.org/z", None);
        check("http://a.org:8/x", "http://b.org/z", Some("http://b.org/z"));
        check("http://a.org:8/x", "//b.org/z", None);
        check("http://a.org:8", "/z", Some("http://a.org:8/z"));
    }

    #[test]
    fn only_a_sha256_is_taken_for_one() {
        let hash = "ab".repeat(32);
        let stated = |name: &'static str, value: &str| {
            let mut stated = Stated::default();
            stated.take_from(&[(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect());
            stated.sha256
        };
        assert_eq!(stated("etag", &format!("W/\"{hash}\"")), Some(hash.clone()));
        assert_eq!(stated("x-linked-etag", &format!("\"{}\"", hash.to_uppercase())), Some(hash));
        assert_eq!(stated("etag", &format!("\"{}\"", "ab".repeat(20))), None);
    }
}
