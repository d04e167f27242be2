//! The ledger: one SQLite file with everything that was reserved, spent and answered.
//!
//! ```text
//!  persist_hold ─▶ turns: prompt, no record      holds: open
//!  close ────────▶ turns: record                 holds: settled, or left open
//!  kill, restart ▶ unfinished(): to be closed    holds: orphans, adopted by the new runtime
//!  record_late ──▶ turns: record.late            holds: settled
//! ```
//!
//! Every call is one transaction that is on the disk when the call returns. What was spent is not stored but summed over
//! the settled holds, so it cannot disagree with them; sums of old holds are kept per conversation, where a budget may
//! last for ever. One thread owns the file; [`Ledger`] is a handle to it, and a lock beside the file keeps a second
//! runtime out.
//!
//! On a full disk turns go on: the ledger owns the room that it needs, and drops its oldest records where that does not suffice. What is
//! dropped is counted, and a budget stays as hard as it was.

mod entry;
mod error;
mod examine;
mod handle;
mod holds;
mod outbox;
mod recorded;
pub mod replay;
mod restart;
mod room;
mod scarce;
mod schema;
mod store;
mod turns;

pub use entry::{BYTES_KEPT, DAYS_KEPT, Durability, Outgoing, Past, Retention, Setting, TURNS_KEPT, Unfinished};
pub use error::LedgerError;
pub use examine::{Examined, examine};
pub use handle::{JOBS_MAX, Ledger};
pub use outbox::{OUTBOX_MAX, SETTING_BYTES_MAX};
pub use recorded::{Recorded, Recording};
pub use restart::{Lost, RestoreError};
pub use scarce::{Episode, Losses};
pub use store::{STAMP_EVERY, Store};
pub use trimtab_core::limits::ORPHANS_MAX;
pub use turns::{FEEDBACK_MAX, RECENT_MAX, SOURCE_BYTES_MAX};
