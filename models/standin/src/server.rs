//! Listens, bounds the number of connections, and stops gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use trimtab_engine::{LanguageModel, Vqa};

use crate::answer::Loaded;
use crate::config::{Pacer, StandInConfig};
use crate::error::StandInError;
use crate::routes::Shared;

/// Most connections at once; further ones wait in the operating system's queue.
pub const CONNECTIONS_MAX: usize = 128;
/// Longest that a stop waits for answers in progress.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest that a client may take to send the head of a request.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// The server.
#[derive(Debug)]
pub struct StandIn;

impl StandIn {
    /// Loads the models, listens and serves until the returned handle is stopped or dropped.
    pub async fn start<P: Pacer>(config: StandInConfig, pacer: P) -> Result<RunningStandIn, StandInError> {
        let listen = config.listen;
        let api_key = config.api_key.clone();
        let models = tokio::task::spawn_blocking(move || load(&config));
        let models = models.await.map_err(|error| StandInError::Config { problem: error.to_string() })??;
        let failed = |source| StandInError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared { models, api_key, pacer, completions: AtomicU64::new(0) });
        let (stop, stopped) = watch::channel(false);
        let completions = Arc::clone(&shared);
        let accept = tokio::spawn(accept(listener, shared, stopped));
        Ok(RunningStandIn {
            addr,
            stop,
            accept,
            completions: Box::new(move || completions.completions.load(Ordering::Relaxed)),
        })
    }
}

/// A server that is up. Dropping it stops it at once, answers in progress included.
pub struct RunningStandIn {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    accept: JoinHandle<()>,
    completions: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl RunningStandIn {
    /// Address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Base address for clients, such as `http://127.0.0.1:4321/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Chat completions that its models have answered so far; refused requests do not count.
    pub fn completions(&self) -> u64 {
        (self.completions)()
    }

    /// Takes no more connections, waits a few seconds for answers in progress, and returns.
    pub async fn stop(mut self) {
        // Nobody listens any more if the accepting task has ended, which is what is wanted.
        let _ = self.stop.send(true);
        let _ = (&mut self.accept).await;
    }
}

impl Drop for RunningStandIn {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl std::fmt::Debug for RunningStandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningStandIn").field("addr", &self.addr).finish_non_exhaustive()
    }
}

fn load(config: &StandInConfig) -> Result<Vec<Arc<Loaded>>, StandInError> {
    if config.models.is_empty() || config.api_key.is_empty() {
        return Err(StandInError::Config { problem: "at least one model and a key are needed".into() });
    }
    let language = LanguageModel::load(&config.language)
        .map_err(|source| StandInError::Model { name: "language".into(), source })?;
    let mut models: Vec<Arc<Loaded>> = Vec::new();
    for served in &config.models {
        if models.iter().any(|model| model.name == served.name) {
            return Err(StandInError::Config { problem: format!("model {} is offered twice", served.name) });
        }
        let vqa =
            Vqa::load(&served.folder).map_err(|source| StandInError::Model { name: served.name.clone(), source })?;
        let (name, profile, language) = (served.name.clone(), served.profile, language.clone());
        models.push(Arc::new(Loaded { name, profile, vqa, language }));
    }
    Ok(models)
}

async fn accept<P: Pacer>(listener: TcpListener, shared: Arc<Shared<P>>, stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = stopping.changed() => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of descriptors: the ones in use must be given back first.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
        connections.spawn(async move {
            connection(stream, shared, stopped).await;
            drop(permit);
        });
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    // What is still running after that is dropped with the set.
    let _ = tokio::time::timeout(STOP_TIME_MAX, all_done).await;
}

async fn connection<P: Pacer>(stream: TcpStream, shared: Arc<Shared<P>>, mut stopped: watch::Receiver<bool>) {
    // Small events must leave at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Arc::clone(&shared).serve(request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A connection that breaks is the client's business: it sees it too.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
