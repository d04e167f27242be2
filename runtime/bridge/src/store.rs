//! The durable memory of requests: what was called, and what came of it, by device and request id.
//!
//! ```text
//! (unknown) ──open──▶ called ──close──▶ closed(answer or refusal)
//! ```
//!
//! `called` is on the disk before an upstream is called. Found there by a later attempt while no call is under way, it
//! means that the bridge died in between: the outcome is unknown and the whole allowance counts as spent.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use trimtab_core::Usd;
use trimtab_wire::{DeviceId, Down, RequestId, WireError, decode_down, encode_down, limits};

/// How long outcomes are kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// Outcomes kept at most; the oldest go first.
pub const KEPT_MAX: u32 = 20_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS request (
        device TEXT NOT NULL,
        id BLOB NOT NULL,
        at_unix_ms INTEGER NOT NULL,
        max_cost_nusd INTEGER NOT NULL,
        outcome BLOB,
        PRIMARY KEY (device, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS request_at ON request (at_unix_ms);
";

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    Unknown,
    /// An upstream was called with this allowance; no outcome was recorded.
    Called(Usd),
    /// It ended like this.
    Closed(Down),
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made.
    #[error("state directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The database refuses.
    #[error("database {}", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rusqlite::Error,
    },
    /// A stored outcome cannot be read.
    #[error("database {}: a stored outcome is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: WireError,
    },
    /// The worker thread is gone.
    #[error("database {}: the program is stopping", path.display())]
    Stopping {
        /// Which.
        path: PathBuf,
    },
}

/// The database; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: Arc<Path>,
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens or creates it in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|cause| StoreError::Directory { path: dir.to_owned(), cause })?;
        let path = dir.join("requests.sqlite");
        let fault = |cause| StoreError::Database { path: path.clone(), cause };
        let connection = Connection::open(&path).map_err(fault)?;
        // FULL: what is called "durable" survives a power cut, not only a crash of this program.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(fault)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(fault)?;
        connection.execute_batch(SCHEMA).map_err(fault)?;
        Ok(Self { path: path.clone().into(), connection: Arc::new(Mutex::new(connection)) })
    }

    /// What is known of a request.
    pub(crate) async fn look_up(&self, device: &DeviceId, id: RequestId) -> Result<Known, StoreError> {
        let device = device.to_string();
        let row: Option<(i64, Option<Vec<u8>>)> = self
            .with(move |connection| {
                let sql = "SELECT max_cost_nusd, outcome FROM request WHERE device = ?1 AND id = ?2";
                connection.query_row(sql, params![device, id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .await?;
        match row {
            None => Ok(Known::Unknown),
            Some((max_cost, None)) => Ok(Known::Called(Usd::from_nano(max_cost.unsigned_abs()))),
            Some((_, Some(outcome))) => decode_down(Some(limits::CONTENT_TYPE_DOWN), &outcome)
                .map(Known::Closed)
                .map_err(|cause| StoreError::Damaged { path: self.path.to_path_buf(), cause }),
        }
    }

    /// Records that an upstream is about to be called; on the disk when this returns.
    pub(crate) async fn open_call(
        &self,
        device: &DeviceId,
        id: RequestId,
        max_cost: Usd,
        now_unix_ms: u64,
    ) -> Result<(), StoreError> {
        let device = device.to_string();
        // A cost beyond what a column holds counts as its largest value: too much rather than too little.
        let max_cost = i64::try_from(max_cost.nano()).unwrap_or(i64::MAX);
        self.with(move |connection| {
            let sql = "INSERT INTO request (device, id, at_unix_ms, max_cost_nusd) VALUES (?1, ?2, ?3, ?4)";
            connection.execute(sql, params![device, id.0, now_unix_ms.cast_signed(), max_cost]).map(drop)
        })
        .await
    }

    /// Records how it ended; on the disk when this returns.
    pub(crate) async fn close(&self, device: &DeviceId, id: RequestId, outcome: &Down) -> Result<(), StoreError> {
        let path = || self.path.to_path_buf();
        let bytes = encode_down(outcome).map_err(|cause| StoreError::Damaged { path: path(), cause })?;
        let device = device.to_string();
        self.with(move |connection| {
            let sql = "UPDATE request SET outcome = ?3 WHERE device = ?1 AND id = ?2";
            connection.execute(sql, params![device, id.0, bytes]).map(drop)
        })
        .await
    }

    /// Forgets what is older than [`KEPT_FOR`], and the oldest beyond [`KEPT_MAX`].
    pub(crate) async fn forget(&self, now_unix_ms: u64) -> Result<(), StoreError> {
        let before = now_unix_ms.saturating_sub(KEPT_FOR.as_millis() as u64).cast_signed();
        self.with(move |connection| {
            connection.execute("DELETE FROM request WHERE at_unix_ms < ?1", params![before])?;
            let sql = "DELETE FROM request WHERE (device, id) IN
                       (SELECT device, id FROM request ORDER BY at_unix_ms DESC LIMIT -1 OFFSET ?1)";
            connection.execute(sql, params![KEPT_MAX]).map(drop)
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let path = || self.path.to_path_buf();
        tokio::task::spawn_blocking(move || run(&connection.lock().unwrap_or_else(PoisonError::into_inner)))
            .await
            .map_err(|_| StoreError::Stopping { path: path() })?
            .map_err(|cause| StoreError::Database { path: path(), cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_wire::{Refusal, RefusalReason};

    #[tokio::test]
    async fn a_call_is_remembered_across_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let device = DeviceId::new("robot").unwrap();
        let (first, second) = (RequestId([1; 16]), RequestId([2; 16]));
        let outcome = Down::Refusal(Refusal {
            reason: RefusalReason::UpstreamFailed,
            detail: "status 500".into(),
            cost: Usd::ZERO,
        });
        {
            let store = Store::open(dir.path()).unwrap();
            assert_eq!(store.look_up(&device, first).await.unwrap(), Known::Unknown);
            store.open_call(&device, first, Usd::from_nano(70), 1_000).await.unwrap();
            store.open_call(&device, second, Usd::from_nano(80), 2_000).await.unwrap();
            store.close(&device, second, &outcome).await.unwrap();
            let again = store.open_call(&device, second, Usd::from_nano(80), 3_000).await;
            assert!(again.is_err(), "one call for one request id");
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.look_up(&device, first).await.unwrap(), Known::Called(Usd::from_nano(70)));
        assert_eq!(store.look_up(&device, second).await.unwrap(), Known::Closed(outcome));
        let other = DeviceId::new("other").unwrap();
        assert_eq!(store.look_up(&other, second).await.unwrap(), Known::Unknown, "ids are a device's own");
        store.forget(1_500 + KEPT_FOR.as_millis() as u64).await.unwrap();
        assert_eq!(store.look_up(&device, first).await.unwrap(), Known::Unknown);
        assert!(matches!(store.look_up(&device, second).await.unwrap(), Known::Closed(_)));
    }
}
