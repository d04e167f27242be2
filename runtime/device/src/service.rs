//! What the service manager is told, by the protocol of `sd_notify`: lines in one datagram to the socket that it names.
//!
//! | Variable | Says |
//! |---|---|
//! | `NOTIFY_SOCKET` | where it listens: a path, or `@` and a name without a file |
//! | `WATCHDOG_USEC` | how long it waits for a sign of life before it ends and restarts the runtime |
//! | `WATCHDOG_PID` | whom that concerns, where it is said |
//!
//! Without a manager nobody is told, and nothing else changes.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Names the manager's socket.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
/// Names the manager's patience, microseconds.
const PATIENCE_VARIABLE: &str = "WATCHDOG_USEC";
/// Names the process that the patience is about.
const PROCESS_VARIABLE: &str = "WATCHDOG_PID";
/// Signs of life within the manager's patience: one may be late and one may be lost.
const SIGNS: u32 = 3;
/// Longest line of state, bytes.
const STATE_BYTES_MAX: usize = 200;

/// Why the manager is not told anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManagerError {
    #[error("NOTIFY_SOCKET names {}, which is no address of a socket; a service manager sets a path or @name", address.display())]
    Address { address: OsString },
    #[error("NOTIFY_SOCKET: cannot send to {}: {cause}; the unit needs NotifyAccess=main", address.display())]
    Socket { address: OsString, cause: io::Error },
    #[error("WATCHDOG_USEC is {text:?}, which is no number of microseconds above {SIGNS}; set WatchdogSec in the unit")]
    Patience { text: String },
}

/// The service manager that started this process.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    patience: Option<Duration>,
}

impl Manager {
    /// The manager that the environment names; none where this is no service.
    pub(crate) fn from_environment() -> Result<Option<Self>, ManagerError> {
        let Some(address) = env::var_os(SOCKET_VARIABLE).filter(|address| !address.is_empty()) else {
            return Ok(None);
        };
        let socket = connect(&address)?;
        let ours = env::var(PROCESS_VARIABLE).map_or(true, |process| process == std::process::id().to_string());
        let patience = match env::var(PATIENCE_VARIABLE) {
            Ok(text) if ours => Some(patience(&text)?),
            _ => None,
        };
        Ok(Some(Self { socket, patience }))
    }

    /// Pause between two signs of life; none where nobody waits for them.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.patience.map(|patience| patience / SIGNS)
    }

    /// The runtime serves; `state` is what the manager shows of it.
    pub(crate) fn ready(&self, state: &str) {
        self.tell(&format!("READY=1\nSTATUS={}\n", line(state)));
    }

    /// The runtime is alive.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    /// The runtime was told to stop and is about to.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping\n");
    }

    fn tell(&self, text: &str) {
        // A manager that does not listen draws its own conclusions; the runtime never waits for it.
        if let Err(fault) = self.socket.send(text.as_bytes()) {
            tracing::warn!(%fault, "the service manager was not told");
        }
    }
}

fn connect(address: &OsStr) -> Result<UnixDatagram, ManagerError> {
    let place = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(address),
        _ => return Err(ManagerError::Address { address: address.to_owned() }),
    };
    let place = place.map_err(|_| ManagerError::Address { address: address.to_owned() })?;
    let opened = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.connect_addr(&place)?;
        Ok(socket)
    });
    opened.map_err(|cause| ManagerError::Socket { address: address.to_owned(), cause })
}

fn patience(text: &str) -> Result<Duration, ManagerError> {
    let micros = text.parse::<u64>().ok().filter(|&micros| micros > u64::from(SIGNS));
    micros.map(Duration::from_micros).ok_or_else(|| ManagerError::Patience { text: text.to_owned() })
}

/// One line of bounded length: a second one would be another message.
fn line(state: &str) -> String {
    let end =
        state.char_indices().map(|(at, one)| at + one.len_utf8()).take_while(|&end| end <= STATE_BYTES_MAX).last();
    state[..end.unwrap_or(0)].replace(['\n', '\r'], " ")
}
