//! What the process holds on its heap, counted as it is given out and taken back.
//!
//! Pages that were swapped out, to a compressed disk in memory for one, are resident no longer, and pages that were never touched
//! are not resident yet; both are held all the same. What C code allocates by itself, the ledger's page cache, is not counted here.

use std::alloc::System;

use cap::Cap;
use trimtab_core::Bytes;

/// Counts, and refuses nothing: an allocation that fails would end the process, and a ceiling must not.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// What is held now.
pub(super) fn held() -> Bytes {
    Bytes::new(u64::try_from(HEAP.allocated()).unwrap_or(u64::MAX))
}
