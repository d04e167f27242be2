//! Small files of the kernel and of the system.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use trimtab_core::Bytes;

/// Bytes of a file that are read.
const BYTES_MAX: u64 = 64 * 1024;
/// Entries of a folder that are looked at.
const ENTRIES_MAX: usize = 1024;

/// A file's text without the white space around it; none where it cannot be read.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

/// What is in a folder, in the order of the names; nothing where it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES_MAX).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// An amount for people.
pub(super) fn sized(bytes: Bytes) -> String {
    match bytes.get() as f64 {
        giga if giga >= 1e9 => format!("{:.1} GB", giga / 1e9),
        mega => format!("{:.1} MB", mega / 1e6),
    }
}
