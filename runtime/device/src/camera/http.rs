//! A camera of the network that sends JPEG pictures in one endless answer over HTTP or HTTPS.
//!
//! An answer that ends, stalls or has no bounds is told, and asked for again. Redirects are not followed: a camera's address is
//! configured, and a credential goes to no other.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::credential::Credential;
use super::live::{Desk, Feed, LOOK};
use super::multipart::Multipart;
use super::url::StreamUrl;
use crate::client::{Stream, public_tls};

/// Longest wait for a connection, and then for the head of an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Longest head of an answer, and most that is read at once, bytes.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;

pub(super) struct NetworkCamera {
    url: StreamUrl,
    credential: Option<Credential>,
}

impl NetworkCamera {
    pub(super) const fn new(url: StreamUrl, credential: Option<Credential>) -> Self {
        Self { url, credential }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let (host, port) = self.url.address();
        let unreachable = |cause: &dyn std::fmt::Display| {
            format!("is not reachable ({cause}); check its address, and that it is switched on")
        };
        let stream = TcpStream::connect((host, port)).await.map_err(|cause| unreachable(&cause))?;
        if !self.url.is_secret() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|cause| unreachable(&cause))?;
        let stream = public_tls()?.connect(name, stream).await.map_err(|cause| {
            format!("is not trusted ({cause}); install the authority of its certificate on this system (update-ca-certificates)")
        })?;
        Ok(Box::new(stream))
    }

    async fn ask(&self) -> Result<Response<Incoming>, String> {
        let broken = |cause: &dyn std::error::Error| {
            format!("does not answer in HTTP ({}); check its address", crate::fault_text(cause))
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(self.connect().await?))
            .await
            .map_err(|cause| broken(&cause))?;
        // It ends when the answer was dropped; what ails it is told by the answer.
        tokio::spawn(connection);
        let mut request = Request::get(self.url.target())
            .header(HOST, self.url.authority())
            .header(USER_AGENT, concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "multipart/x-mixed-replace, */*;q=0.5");
        if let Some(credential) = &self.credential {
            request = request.header(AUTHORIZATION, credential.authorization()?);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|cause| broken(&cause))?;
        let response = sender.send_request(request).await.map_err(|cause| broken(&cause))?;
        match refusal(response.status(), response.headers(), self.credential.is_some()) {
            Some(refusal) => Err(refusal),
            None => Ok(response),
        }
    }

    async fn stream(&self, desk: &mut Desk) -> Result<Infallible, String> {
        let late = |_| format!("gave no answer within {} s", ANSWER_TIME_MAX.as_secs());
        let response = unless_stopped(desk, timeout(ANSWER_TIME_MAX, self.ask())).await?.map_err(late)??;
        let kind = header(response.headers(), CONTENT_TYPE.as_str()).to_owned();
        let mut parts = Multipart::of_type(&kind).ok_or_else(|| {
            format!("answers with {kind:?}, where a camera sends multipart/x-mixed-replace; use the address of its MJPEG stream")
        })?;
        let (mut body, mut dropped) = (response.into_body(), 0);
        loop {
            if let Some(silent) = desk.silent() {
                return Err(silent);
            }
            let Ok(read) = timeout(LOOK, body.frame()).await else {
                if desk.is_stopping() {
                    return Err("was stopped".to_owned());
                }
                continue;
            };
            let bytes = match read {
                None => return Err("ended its answer".to_owned()),
                Some(Err(cause)) => return Err(format!("broke off ({})", crate::fault_text(&cause))),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            parts.push(&bytes, |picture| desk.jpeg(picture)).map_err(|fault| fault.to_string())?;
            desk.slot.count_bad(parts.dropped().saturating_sub(dropped));
            dropped = parts.dropped();
            if desk.is_stopping() {
                return Err("was stopped".to_owned());
            }
        }
    }
}

impl Feed for NetworkCamera {
    fn deliver(&mut self, desk: &mut Desk) -> String {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(cause) => return format!("no event loop for {}: {cause}", self.url),
        };
        let Err(trouble) = runtime.block_on(self.stream(desk));
        // A name that is being looked up is not waited for.
        runtime.shutdown_background();
        format!("{} {trouble}", self.url)
    }
}

/// Waits for something as long as the camera is wanted.
async fn unless_stopped<T>(desk: &Desk, work: impl Future<Output = T>) -> Result<T, String> {
    let stopped = async {
        while !desk.is_stopping() {
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = stopped => Err("was stopped".to_owned()),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What an answer other than pictures means, and what to do.
fn refusal(status: StatusCode, headers: &HeaderMap, has_credential: bool) -> Option<String> {
    let asked = header(headers, WWW_AUTHENTICATE.as_str()).to_ascii_lowercase();
    let is_basic = asked.is_empty() || asked.contains("basic");
    let code = status.as_u16();
    Some(match code {
        200 => return None,
        401 if !is_basic => "asks for a kind of log-in that is not spoken here; allow Basic in its settings, or let a program read it: source = \"exec:ffmpeg …\"".to_owned(),
        401 if has_credential => "refuses the user and password (401); correct what credential_file or credential_env names".to_owned(),
        401 => "asks for a user and password (401); name them by credential_file or credential_env".to_owned(),
        403 => "forbids this (403); check the rights of the user in its settings".to_owned(),
        404 | 410 => format!("has nothing there ({code}); check the path in its address"),
        300..=399 => format!("sends elsewhere ({code}), to {:?}; write that address as source", header(headers, LOCATION.as_str())),
        503 => "is busy (503): it may serve few at once; end another viewer".to_owned(),
        _ => format!("answers {status}; look into its own log"),
    })
}
