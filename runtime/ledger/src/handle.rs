//! The thread that owns the file, and handles to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use trimtab_core::Millis;

use super::error::LedgerError;
use super::{Retention, Store};

/// Calls that may wait for the ledger's thread.
pub const JOBS_MAX: usize = 64;

type Job = Box<dyn FnOnce(&mut Store) + Send>;

struct Shared {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    boot: u32,
    base: Millis,
}

/// A handle to the ledger; clones share the file. When the last one is dropped the file is closed.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

impl Ledger {
    /// Opens or creates the file at `path` and begins a new boot. Blocks while it reads; fails with file and remedy.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, LedgerError> {
        let mut store = Store::open(path, retention)?;
        let (boot, base) = (store.boot(), store.newest());
        let (jobs, mut queue) = mpsc::channel::<Job>(JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut store);
                }
            })
            .map_err(|source| LedgerError::Open { path: path.to_path_buf(), source })?;
        Ok(Self(Arc::new(Shared { jobs: Some(jobs), thread: Some(thread), path: path.to_path_buf(), boot, base })))
    }

    /// Starts of the runtime with this file, this one included.
    #[must_use]
    pub fn boot(&self) -> u32 {
        self.0.boot
    }

    /// The newest stamp in the file when it was opened: where active time goes on.
    #[must_use]
    pub fn base(&self) -> Millis {
        self.0.base
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `act` on the ledger's thread and waits for its result. Calls run in the order in which they were made; one whose
    /// caller stops waiting still runs.
    pub async fn with<T, F>(&self, act: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    {
        let (job, result) = self.job(act);
        self.jobs()?.send(job).await.map_err(|_| self.gone())?;
        result.await.map_err(|_| self.gone())?
    }

    /// The same for callers outside an async runtime.
    ///
    /// # Panics
    /// On a thread that drives async tasks: it would block them all.
    pub fn with_blocking<T, F>(&self, act: F) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    {
        let (job, result) = self.job(act);
        self.jobs()?.blocking_send(job).map_err(|_| self.gone())?;
        result.blocking_recv().map_err(|_| self.gone())?
    }

    fn job<T, F>(&self, act: F) -> (Job, oneshot::Receiver<Result<T, LedgerError>>)
    where
        T: Send + 'static,
        F: FnOnce(&mut Store) -> Result<T, LedgerError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            // Whoever stopped waiting has no use for the result; the work is done all the same.
            drop(reply.send(act(store)));
        });
        (job, result)
    }

    fn jobs(&self) -> Result<&mpsc::Sender<Job>, LedgerError> {
        self.0.jobs.as_ref().ok_or_else(|| self.gone())
    }

    fn gone(&self) -> LedgerError {
        LedgerError::Gone { path: self.0.path.clone() }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.0.path.display())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic there was already reported on the thread's own account; the file is closed either way.
            drop(thread.join());
        }
    }
}
