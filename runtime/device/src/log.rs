//! Log lines on standard error, one a event: level, place, message and fields. The level is set by `TRIMTAB_LOG`
//! (`error`, `warn`, `info`, `debug`, `trace`); journald adds the time.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Environment variable that names the least severe level shown.
pub(crate) const LEVEL_VARIABLE: &str = "TRIMTAB_LOG";

/// Writes events to standard error; spans are not shown.
#[derive(Debug)]
struct Lines {
    level: Level,
}

/// Installs the log for the whole process. An unknown level counts as `info`; a second call changes nothing.
pub(crate) fn start() {
    let wanted = std::env::var(LEVEL_VARIABLE).ok();
    let level = wanted.and_then(|name| name.parse().ok()).unwrap_or(Level::INFO);
    // Another log that is installed already was somebody's choice.
    let _ = tracing::subscriber::set_global_default(Lines { level });
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries are heard only where they warn.
        let ours = metadata.target().starts_with("trimtab");
        *metadata.level() <= if ours { self.level } else { self.level.min(Level::WARN) }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        // Where standard error is closed there is nobody to tell.
        let _ = std::io::stderr().write_all(line.0.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
