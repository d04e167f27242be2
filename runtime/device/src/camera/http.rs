//! A camera of the network that sends JPEG pictures in one endless answer over HTTP or HTTPS.
//!
//! An answer that ends, stalls or has no bounds is told, and asked for again. Redirects are not followed: a camera's address is
//! configured, and a credential goes to no other.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::credential::{Asked, Credential, heed};
use super::live::{Desk, Feed, LOOK};
use super::multipart::Multipart;
use super::reach::{ANSWER_TIME_MAX, connect, delivered, refusal, unless_stopped};
use super::url::StreamUrl;

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

    /// Asks for the pictures, and once more with user and password where the camera wants them.
    async fn ask(&self) -> Result<Response<Incoming>, String> {
        let mut login = self.credential.as_ref().map(Credential::login).transpose()?;
        let mut response = self.request(None).await?;
        let mut asked = Asked::Nobody;
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
            let challenges: Vec<&str> = challenges.filter_map(|value| value.to_str().ok()).collect();
            asked = heed(login.as_mut(), &challenges);
        }
        if let (Asked::Somebody, Some(login)) = (asked, &mut login) {
            drop(response);
            response = self.request(login.authorization("GET", self.url.target())).await?;
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(refusal(status.as_u16(), asked, header(response.headers(), LOCATION.as_str()))),
        }
    }

    async fn request(&self, authorization: Option<String>) -> Result<Response<Incoming>, String> {
        let broken = |cause: &dyn std::error::Error| {
            format!("does not answer in HTTP ({}); check its address", crate::fault_text(cause))
        };
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(connect(&self.url).await?))
            .await
            .map_err(|cause| broken(&cause))?;
        // It ends when the answer was dropped; what ails it is told by the answer.
        tokio::spawn(connection);
        let mut request = Request::get(self.url.target())
            .header(HOST, self.url.authority())
            .header(USER_AGENT, concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "multipart/x-mixed-replace, */*;q=0.5");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|cause| broken(&cause))?;
        sender.send_request(request).await.map_err(|cause| broken(&cause))
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
        delivered(&self.url, self.stream(desk))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
