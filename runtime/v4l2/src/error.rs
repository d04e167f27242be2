//! Why a device does not capture.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::layout::LayoutError;

/// What is read of the list of groups.
const GROUPS_BYTES_MAX: u64 = 1 << 20;

/// Why a device does not capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such node.
    #[error("{}: there is no such device; plug the camera in, and name it by its link in /dev/v4l/by-id, which outlives a change of ports", path.display())]
    Missing {
        /// The node.
        path: PathBuf,
    },
    /// The user may not open it.
    #[error("{}: permission denied; it belongs to group {group}: add the runtime's user to it (usermod -aG {group} USER) and start the runtime anew", path.display())]
    Denied {
        /// The node.
        path: PathBuf,
        /// The group that may.
        group: String,
    },
    /// Somebody else captures.
    #[error("{}: another program captures from it; end that program (fuser {} names it)", path.display(), path.display())]
    Busy {
        /// The node.
        path: PathBuf,
    },
    /// Not a device that this crate captures from.
    #[error("{}: {what}; {remedy}", path.display())]
    NoCamera {
        /// The node.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// It has none of the pixel formats that can be read, or not the one that is asked for.
    #[error("{}: it offers no {wanted}; it offers {offered}: set format to one of them that is read here (mjpg, yuyv, nv12, rgb24, gray), or leave it out", path.display())]
    Format {
        /// The node.
        path: PathBuf,
        /// What is wanted.
        wanted: String,
        /// What there is.
        offered: String,
    },
    /// The driver set something that cannot be read.
    #[error("{}: the driver set a picture that cannot be read", path.display())]
    Layout {
        /// The node.
        path: PathBuf,
        /// Why.
        #[source]
        source: LayoutError,
    },
    /// The device went away, or its driver gave up.
    #[error("{}: the camera is gone ({cause}); check its plug and its power supply", path.display())]
    Gone {
        /// The node.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Any other call that failed.
    #[error("{}: {call} failed ({cause}); the kernel's log (dmesg) may say more", path.display())]
    Call {
        /// The node.
        path: PathBuf,
        /// What was asked of the driver.
        call: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// Sorts what the system said when a node was opened.
    pub(crate) fn opening(path: &Path, fault: Errno) -> Self {
        let path = path.to_owned();
        match fault {
            Errno::NOENT => Self::Missing { path },
            Errno::ACCESS | Errno::PERM => Self::Denied { group: group_of(&path), path },
            Errno::BUSY => Self::Busy { path },
            // A node whose device is unplugged, and one whose driver is not loaded.
            Errno::NODEV | Errno::NXIO => Self::Gone { path, cause: fault.into() },
            fault => Self::Call { path, call: "open", cause: fault.into() },
        }
    }

    /// Sorts what the system said to a call.
    pub(crate) fn calling(path: &Path, call: &'static str, fault: Errno) -> Self {
        let path = path.to_owned();
        match fault {
            Errno::BUSY => Self::Busy { path },
            Errno::NODEV | Errno::IO | Errno::NXIO | Errno::PIPE => Self::Gone { path, cause: fault.into() },
            fault => Self::Call { path, call, cause: fault.into() },
        }
    }
}

/// Name of the group that a file belongs to; its number where it has no name.
fn group_of(path: &Path) -> String {
    let Ok(about) = fs::metadata(path) else { return "video".to_owned() };
    let mut groups = String::new();
    if let Ok(file) = fs::File::open("/etc/group") {
        // A list that cannot be read as text names nobody.
        let _ = file.take(GROUPS_BYTES_MAX).read_to_string(&mut groups);
    }
    name_of(&groups, about.gid()).unwrap_or_else(|| about.gid().to_string())
}

fn name_of(groups: &str, id: u32) -> Option<String> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named() {
        let groups = "root:x:0:\nbroken\nvideo:x:44:anna,ben\nlast:x:45";
        assert_eq!(name_of(groups, 44).as_deref(), Some("video"));
        assert_eq!(name_of(groups, 45).as_deref(), Some("last"));
        assert_eq!(name_of(groups, 46), None);
    }

    #[test]
    fn every_fault_names_the_device_and_a_remedy() {
        let path = Path::new("/dev/null");
        let text = |fault| Error::opening(path, fault).to_string();
        assert!(text(Errno::ACCESS).starts_with("/dev/null: permission denied; it belongs to group root: add"));
        assert!(text(Errno::NOENT).contains("/dev/v4l/by-id"));
        assert!(text(Errno::BUSY).contains("another program captures"));
        assert!(text(Errno::NODEV).contains("the camera is gone"));
        assert!(Error::calling(path, "start", Errno::INVAL).to_string().contains("start failed (Invalid argument"));
    }
}
