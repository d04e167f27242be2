//! The wire to the microcontroller: a serial device, or a Unix socket behind which the same bytes go on (a bridge of a board
//! that has no port of its own to spare, an emulated board).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

/// How a socket's address begins.
const SOCKET: &str = "unix:";

/// Where the microcontroller is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortAddress {
    /// A serial device.
    Serial(PathBuf),
    /// A Unix socket.
    Socket(PathBuf),
}

impl PortAddress {
    /// A path, or `unix:` and a path; none if neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (path, made): (&str, fn(PathBuf) -> Self) = match text.strip_prefix(SOCKET) {
            Some(path) => (path, Self::Socket),
            None => (text, Self::Serial),
        };
        Path::new(path).is_absolute().then(|| made(PathBuf::from(path)))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Serial(path) | Self::Socket(path) => path,
        }
    }
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Socket(_)) { SOCKET } else { "" };
        write!(f, "{kind}{}", self.path().display())
    }
}

/// An open wire. Nothing that is read or written waits.
pub(super) enum Port {
    Serial(File),
    Socket(UnixStream),
}

impl Port {
    /// Opens it, a serial device in raw mode: no echo, no control characters, no modem lines; what lies in it is dropped.
    pub(super) fn open(address: &PortAddress, baud: u32) -> io::Result<Self> {
        match address {
            PortAddress::Socket(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Socket(socket))
            }
            PortAddress::Serial(path) => {
                let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
                let device =
                    OpenOptions::new().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
                let mut line = tcgetattr(&device)?;
                line.make_raw();
                line.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
                line.control_modes -= ControlModes::HUPCL | ControlModes::CRTSCTS;
                line.set_speed(baud)?;
                tcsetattr(&device, OptionalActions::Now, &line)?;
                tcflush(&device, QueueSelector::IOFlush)?;
                Ok(Self::Serial(device))
            }
        }
    }

    /// Waits until there is something to read, or room to write where that is wanted; no longer than `within`.
    pub(super) fn wait(&self, writes: bool, within: Duration) -> io::Result<()> {
        let limit = Timespec { tv_sec: within.as_secs() as _, tv_nsec: within.subsec_nanos().into() };
        let wanted = if writes { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        match poll(&mut [PollFd::from_borrowed_fd(self.fd(), wanted)], Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// What has come; none if nothing has, an error if the other end is gone.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match self {
            Self::Serial(device) => device.read(into),
            Self::Socket(socket) => socket.read(into),
        };
        match read {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other end is gone")),
            Ok(length) => Ok(Some(length)),
            Err(fault) if waits(&fault) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// How much of it was taken.
    pub(super) fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Serial(device) => device.write(from),
            Self::Socket(socket) => socket.write(from),
        };
        match written {
            Err(fault) if waits(&fault) => Ok(0),
            written => written,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Serial(device) => device.as_fd(),
            Self::Socket(socket) => socket.as_fd(),
        }
    }
}

fn waits(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
