//! The local API: OpenAI-compatible chat completions on loopback and on a Unix socket, and the runtime's own routes.
//!
//! | Route | What it does |
//! |---|---|
//! | `POST /v1/chat/completions` | one turn, streamed or not |
//! | `GET /v1/models` | the one model, `trimtab` |
//! | `POST /v1/trimtab/feedback` | a score for a turn's answer |
//! | `GET /v1/trimtab/explain/<turn>` | the ledger record of a turn |
//! | `GET /v1/trimtab/status` | the present state |
//! | `POST /v1/trimtab/supervisor/release` | the sealed release of the microcontroller's trip |
//! | `GET /healthz` | whether the runtime serves |
//!
//! A turn's response carries the headers `x-trimtab-turn`, `-placement`, `-views` and `-reason`; a streamed one sends them
//! as soon as the decision is made, before its first byte of text. Nobody is asked who they are, so TCP is bound to
//! loopback only, and a request that a web page sends from elsewhere is refused by its `Host` and `Origin`. A request may name
//! the actions that its turn may take, where the configuration allows it.

mod body;
mod chat;
mod explore;
mod route;
mod schema;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::config::ApiConfig;
use crate::shell::{Device, stopped};

pub use schema::{CONVERSATION_BYTES_MAX, MODEL};

/// Largest request body, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Connections served at once; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Pause after a failed accept, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The TCP address cannot be bound.
    #[error("api.listen: cannot listen on {address}: {cause}; stop the other program or choose another port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// The socket cannot be bound.
    #[error("api.socket: cannot listen on {}: {cause}; choose a folder that the runtime may write", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// Another runtime answers on the socket.
    #[error("api.socket: another runtime serves {}; stop it, or give this one a state_dir of its own", path.display())]
    InUse {
        /// Its path.
        path: PathBuf,
    },
}

/// The API while it is served. Dropping it stops serving.
#[derive(Debug)]
pub struct Api {
    address: Option<SocketAddr>,
    socket: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Api {
    /// Binds both addresses and serves them until [`Api::stop`].
    pub async fn start(device: Device, config: &ApiConfig) -> Result<Self, ApiError> {
        let stop = watch::Sender::new(false);
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tasks = Vec::new();
        let mut address = None;
        if let Some(wanted) = config.listen {
            let fault = |cause| ApiError::Listen { address: wanted, cause };
            let listener = TcpListener::bind(wanted).await.map_err(fault)?;
            address = Some(listener.local_addr().map_err(fault)?);
            let accept = accept_tcp(listener, device.clone(), Arc::clone(&room), stop.subscribe());
            tasks.push(tokio::spawn(accept));
        }
        let listener = bind_socket(&config.socket)?;
        tasks.push(tokio::spawn(accept_unix(listener, device, room, stop.subscribe())));
        Ok(Self { address, socket: config.socket.clone(), stop, tasks })
    }

    /// Where TCP is served.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where the socket is.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Accepts no more connections; those that are open finish the request they are in.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            // A task that panicked has stopped as well.
            let _ = task.await;
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // The file of a socket outlives its process; a stale one is replaced at the next start.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Replaces the file of a runtime that is gone, never that of one that answers.
fn bind_socket(path: &Path) -> Result<UnixListener, ApiError> {
    let fault = |cause| ApiError::Socket { path: path.to_owned(), cause };
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(ApiError::InUse { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(fault)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    UnixListener::bind(path).map_err(fault)
}

async fn accept_tcp(listener: TcpListener, device: Device, room: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                // Without it a small response may wait for the client's delayed acknowledgement.
                if let Err(fault) = stream.set_nodelay(true) {
                    tracing::debug!(%fault, "no TCP_NODELAY on an API connection");
                }
                let serve = serve(stream, device.clone(), true, stop.clone());
                tokio::spawn(async move {
                    serve.await;
                    drop(permit);
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "an API connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_unix(listener: UnixListener, device: Device, room: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let serve = serve(stream, device.clone(), false, stop.clone());
                tokio::spawn(async move {
                    serve.await;
                    drop(permit);
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "an API connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve<S>(stream: S, device: Device, tcp: bool, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // One conversation a connection, where the client names none.
    let connection: Arc<str> = device.new_conversation().into();
    let service = service_fn(move |request| {
        let (device, connection) = (device.clone(), Arc::clone(&connection));
        async move { Ok::<_, Infallible>(route::answer(request, &device, tcp, &connection).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "an API connection ended early");
    }
}
