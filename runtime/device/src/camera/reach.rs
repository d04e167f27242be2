//! How a camera of the network is reached, and what it means when it refuses.

use std::convert::Infallible;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::credential::Asked;
use super::live::{Desk, LOOK};
use super::url::StreamUrl;
use crate::client::{Stream, public_tls};

/// Longest wait for a camera's first answer, the connection included.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Connects, with TLS where the address says so.
pub(super) async fn connect(url: &StreamUrl) -> Result<Box<dyn Stream>, String> {
    let (host, port) = url.address();
    let unreachable = |cause: &dyn std::fmt::Display| {
        format!("is not reachable ({cause}); check its address, and that it is switched on")
    };
    let stream = TcpStream::connect((host, port)).await.map_err(|cause| unreachable(&cause))?;
    if !url.is_secret() {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|cause| unreachable(&cause))?;
    let stream = public_tls()?.connect(name, stream).await.map_err(|cause| {
        format!(
            "is not trusted ({cause}); install the authority of its certificate on this system (update-ca-certificates)"
        )
    })?;
    Ok(Box::new(stream))
}

/// Runs a stream to its end, on an event loop of its own, and says what ended it.
pub(super) fn delivered(url: &StreamUrl, stream: impl Future<Output = Result<Infallible, String>>) -> String {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return format!("no event loop for {url}: {cause}"),
    };
    let Err(trouble) = runtime.block_on(stream);
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    format!("{url} {trouble}")
}

/// Waits for something as long as the camera is wanted.
pub(super) async fn unless_stopped<T>(desk: &Desk, work: impl Future<Output = T>) -> Result<T, String> {
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

/// What an answer other than 200 means, and what to do. The codes of HTTP, which RTSP takes over.
pub(super) fn refusal(code: u16, asked: Asked, location: &str) -> String {
    match (code, asked) {
        (401, Asked::Unspoken) => "asks for a kind of log-in that is not spoken here; allow Digest or Basic in its settings, or let a program read it: source = \"exec:ffmpeg …\"".to_owned(),
        (401, Asked::Somebody) => "refuses the user and password (401); correct what credential_file or credential_env names".to_owned(),
        (401, Asked::Nobody) => "asks for a user and password (401); name them by credential_file or credential_env".to_owned(),
        (403, _) => "forbids this (403); check the rights of the user in its settings".to_owned(),
        (404 | 410, _) => format!("has nothing there ({code}); check the path in its address"),
        (300..=399, _) => format!("sends elsewhere ({code}), to {location:?}; write that address as source"),
        (453 | 503, _) => format!("is busy ({code}): it may serve few at once; end another viewer"),
        (461, _) => "does not send pictures over its own connection (461); allow RTP over TCP (interleaved) in its settings".to_owned(),
        _ => format!("answers with {code}; look into its own log"),
    }
}
