//! How far a pull is, on standard error: one line a file, which grows while it arrives if somebody watches.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::megabytes;

const PERIOD: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    is_watched: bool,
    shown: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_watched: std::io::stderr().is_terminal(), shown: Instant::now() }
    }

    /// Some of a file is here.
    pub(super) fn some(&mut self, name: &str, have: u64, of: Option<u64>) {
        if !self.is_watched || self.shown.elapsed() < PERIOD {
            return;
        }
        self.shown = Instant::now();
        let of = of.map_or_else(String::new, |of| format!(" of {}", megabytes(of)));
        // Nothing depends on whether anybody can see it.
        let _ = write!(std::io::stderr(), "\r\x1b[K{name}  {}{of}", megabytes(have));
    }

    /// All of a file is here.
    pub(super) fn whole(&self, name: &str, bytes: u64, remark: &str) {
        let begin = if self.is_watched { "\r\x1b[K" } else { "" };
        let _ = writeln!(std::io::stderr(), "{begin}{name}  {}{remark}", megabytes(bytes));
    }
}
