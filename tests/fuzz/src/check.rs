//! What every error owes its reader.

use std::error::Error;
use std::fmt::Display;

/// The message is there and names every one of these.
#[track_caller]
pub(crate) fn told(fault: &impl Display, names: &[&str]) {
    let text = fault.to_string();
    assert!(!text.trim().is_empty(), "an error without a word");
    for name in names {
        assert!(text.contains(name), "an error that does not name {name:?}: {text}");
    }
}

/// The message with all its causes.
pub(crate) fn chain(fault: &dyn Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.fold(fault.to_string(), |text, cause| format!("{text}: {cause}"))
}
