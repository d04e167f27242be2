//! Speaks to a running runtime over its Unix socket or a URL: for the command line, and for tools beside it.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Largest response, bytes.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;

/// Why the runtime did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no runtime answers at {place} ({cause}); start it with `trimtab run`")]
    Unreachable {
        /// The socket or address.
        place: String,
        /// The operating system's reason.
        cause: String,
    },
    /// Not a URL that can be spoken to.
    #[error("{url:?} is no URL of a runtime; write it as http://127.0.0.1:8088")]
    Url {
        /// As given.
        url: String,
    },
    /// The connection ended early, or what came is no JSON.
    #[error("the runtime's answer broke off: {cause}; ask again")]
    Broken {
        /// Why.
        cause: String,
    },
    /// A body beyond the limit.
    #[error("the runtime's answer is larger than {RESPONSE_BYTES_MAX} bytes")]
    Large,
    /// It refused.
    #[error("{message}")]
    Status {
        /// Of HTTP.
        status: u16,
        /// The short name of the reason, where it gave one.
        code: Option<String>,
        /// The turn that it refused, as boot-number, if it was one.
        turn: Option<String>,
        /// Its own words.
        message: String,
    },
}

#[derive(Debug)]
enum Place {
    Socket(PathBuf),
    Address(String),
}

/// One runtime.
#[derive(Debug)]
pub struct Client {
    place: Place,
}

/// What it said.
#[derive(Debug)]
pub struct Answer {
    /// The headers, among them what was decided.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Client {
    /// On its Unix socket.
    #[must_use]
    pub const fn on_socket(path: PathBuf) -> Self {
        Self { place: Place::Socket(path) }
    }

    /// At a URL like `http://127.0.0.1:8088`; what follows the port is not looked at.
    pub fn at(url: &str) -> Result<Self, ClientError> {
        let fault = || ClientError::Url { url: url.to_owned() };
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or_else(fault)?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { place: Place::Address(format!("{}:{port}", authority.host())) })
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        Ok(self.request(Method::GET, path, &[], None).await?.body)
    }

    /// Sends JSON to a path.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer, ClientError> {
        self.request(Method::POST, path, headers, Some(body)).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let unreachable =
            |place: String, cause: std::io::Error| ClientError::Unreachable { place, cause: cause.to_string() };
        match &self.place {
            Place::Socket(socket) => {
                let stream = UnixStream::connect(socket)
                    .await
                    .map_err(|cause| unreachable(socket.display().to_string(), cause))?;
                exchange(Box::new(stream), "localhost", method, path, headers, body).await
            }
            Place::Address(address) => {
                let stream = TcpStream::connect(address).await.map_err(|cause| unreachable(address.clone(), cause))?;
                exchange(Box::new(stream), address, method, path, headers, body).await
            }
        }
    }
}

/// Bytes to and from somewhere. Whatever carries them, the protocol on top is one and the same code.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// TLS to servers of the network, by the authorities that this system trusts; says what is missing otherwise.
pub(crate) fn public_tls() -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err("this system has no certificates of authorities; install ca-certificates".to_owned());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Begins to speak HTTP; also returns the task that moves the bytes, which ends with the connection.
pub(crate) async fn speak(
    stream: Box<dyn Stream>,
) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<Result<(), hyper::Error>>), hyper::Error> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    Ok((sender, tokio::spawn(connection)))
}

async fn exchange(
    stream: Box<dyn Stream>,
    host: &str,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Answer, ClientError> {
    let broken = |cause: String| ClientError::Broken { cause };
    let (mut sender, driver) = speak(stream).await.map_err(|fault| broken(fault.to_string()))?;
    let mut request = Request::builder().method(method).uri(path).header(HOST, host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let request = request.body(Full::new(bytes)).map_err(|fault| broken(fault.to_string()))?;
    let response = sender.send_request(request).await.map_err(|fault| broken(fault.to_string()))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, RESPONSE_BYTES_MAX).collect().await.map_err(|fault| {
        if fault.is::<http_body_util::LengthLimitError>() { ClientError::Large } else { broken(fault.to_string()) }
    })?;
    drop(sender);
    // The connection has nothing more to say once its one response is here.
    driver.abort();
    let value: Value = serde_json::from_slice(&body.to_bytes()).map_err(|fault| broken(fault.to_string()))?;
    if !head.status.is_success() {
        let error = &value["error"];
        return Err(ClientError::Status {
            status: head.status.as_u16(),
            code: error["code"].as_str().map(str::to_owned),
            turn: head.headers.get("x-trimtab-turn").and_then(|turn| turn.to_str().ok()).map(str::to_owned),
            message: error["message"].as_str().unwrap_or("the runtime refused without saying why").to_owned(),
        });
    }
    Ok(Answer { headers: head.headers, body: value })
}
