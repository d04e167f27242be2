//! Pictures from a device: the newest is held, every older one goes back unread.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::abi::{
    BUFFER_CLOCK_MASK, BUFFER_CLOCK_MONOTONIC, BUFFER_ERROR, Buffer, BufferRequest, CAPTURE, MEMORY_MMAP,
};
use crate::call;
use crate::device::{Device, Mode};
use crate::error::Error;
use crate::map::Mapping;

/// Buffers that are asked for: one is held, one is being handed over, two are the driver's.
pub const BUFFERS: u32 = 4;
/// Fewest that will do.
const BUFFERS_MIN: u32 = 2;
/// Most that a driver may give.
const BUFFERS_MAX: u32 = 32;
/// Largest buffer that is mapped, bytes: raw pictures of the most pixels, with padding.
const BUFFER_BYTES_MAX: u32 = 128 << 20;

/// A device that captures.
pub struct Stream {
    mode: Mode,
    // Before the device: what is mapped goes first.
    buffers: Vec<Mapping>,
    held: Option<Held>,
    sequence: Option<u32>,
    device: Device,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    index: u32,
    used: usize,
    sequence: u32,
    /// Of the monotonic clock, where the driver uses that.
    taken: Option<Duration>,
}

/// What came since the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Whole pictures.
    pub pictures: u64,
    /// Pictures that the driver had no buffer for, by the gaps in its numbers.
    pub lost: u64,
    /// Pictures that the driver called damaged, or that had no bytes.
    pub damaged: u64,
}

/// A copy of the newest picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// Its bytes, as [`Mode::layout`] says or as a JPEG.
    pub bytes: Vec<u8>,
    /// The driver's number.
    pub sequence: u32,
}

/// Waits for pictures without holding the stream.
#[derive(Clone, Debug)]
pub struct Waiter {
    path: PathBuf,
    node: Arc<OwnedFd>,
}

impl Stream {
    /// Begins to capture.
    pub fn start(device: Device, mode: Mode) -> Result<Self, Error> {
        let fault = |call, fault| Error::calling(device.path(), call, fault);
        let mut asked =
            BufferRequest { count: BUFFERS, kind: CAPTURE, memory: MEMORY_MMAP, ..BufferRequest::default() };
        call::request_buffers(device.node(), &mut asked).map_err(|cause| fault("VIDIOC_REQBUFS", cause))?;
        if !(BUFFERS_MIN..=BUFFERS_MAX).contains(&asked.count) {
            return Err(fault("VIDIOC_REQBUFS", Errno::NOMEM));
        }
        let mut buffers = Vec::new();
        for index in 0..asked.count {
            let buffer = call::query_buffer(device.node(), index).map_err(|cause| fault("VIDIOC_QUERYBUF", cause))?;
            if buffer.length == 0 || buffer.length > BUFFER_BYTES_MAX {
                return Err(fault("VIDIOC_QUERYBUF", Errno::OVERFLOW));
            }
            let mapping = Mapping::new(device.node(), buffer.place.offset, buffer.length as usize);
            buffers.push(mapping.map_err(|cause| fault("mmap", cause))?);
            call::queue_buffer(device.node(), index).map_err(|cause| fault("VIDIOC_QBUF", cause))?;
        }
        call::stream_on(device.node()).map_err(|cause| fault("VIDIOC_STREAMON", cause))?;
        Ok(Self { mode, buffers, held: None, sequence: None, device })
    }

    /// What the device was set to.
    #[must_use]
    pub const fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Something to wait with while others use the stream.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter { path: self.device.path().to_owned(), node: self.device.shared() }
    }

    /// Takes whatever is there, without waiting: the newest whole picture is held, the others go back.
    pub fn advance(&mut self) -> Result<News, Error> {
        let mut news = News::default();
        // No more than there are buffers at once, so that this ends however fast a driver is.
        for _ in 0..self.buffers.len() {
            let buffer = match call::dequeue_buffer(self.device.node()) {
                Ok(buffer) => buffer,
                Err(Errno::AGAIN) => break,
                Err(fault) => return Err(Error::calling(self.device.path(), "VIDIOC_DQBUF", fault)),
            };
            self.take(&buffer, &mut news)?;
        }
        Ok(news)
    }

    fn take(&mut self, buffer: &Buffer, news: &mut News) -> Result<(), Error> {
        news.lost += self.sequence.map_or(0, |last| gap(last, buffer.sequence));
        self.sequence = Some(buffer.sequence);
        let known = (buffer.index as usize) < self.buffers.len();
        let back = if !known || buffer.flags & BUFFER_ERROR != 0 || buffer.bytesused == 0 {
            news.damaged += 1;
            known.then_some(buffer.index)
        } else {
            news.pictures += 1;
            let held = Held {
                index: buffer.index,
                used: buffer.bytesused as usize,
                sequence: buffer.sequence,
                taken: taken(buffer),
            };
            self.held.replace(held).map(|older| older.index).filter(|older| *older != buffer.index)
        };
        if let Some(index) = back {
            call::queue_buffer(self.device.node(), index)
                .map_err(|fault| Error::calling(self.device.path(), "VIDIOC_QBUF", fault))?;
        }
        Ok(())
    }

    /// How long ago the held picture was taken, where the driver says.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let taken = self.held?.taken?;
        let now = clock_gettime(ClockId::Monotonic);
        let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
        now.checked_sub(taken)
    }

    /// A copy of the held picture; none before the first one.
    #[must_use]
    pub fn newest(&self) -> Option<Captured> {
        let held = self.held?;
        let mapping = self.buffers.get(held.index as usize)?;
        Some(Captured { bytes: mapping.copy(held.used), sequence: held.sequence })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A device that is gone has stopped already.
        let _ = call::stream_off(self.device.node());
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.buffers.iter().map(Mapping::len).sum();
        write!(f, "Stream({}, {:?}, {bytes} B mapped)", self.device.path().display(), self.mode)
    }
}

impl Waiter {
    /// Waits until there is something to take, or for `span` at most; false if there is nothing. A device that is gone is an
    /// error.
    pub fn wait(&self, span: Duration) -> Result<bool, Error> {
        let gone = |fault: Errno| Error::Gone { path: self.path.clone(), cause: fault.into() };
        let span =
            Timespec { tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX), tv_nsec: span.subsec_nanos().into() };
        let mut ready = [PollFd::new(self.node.as_ref(), PollFlags::IN)];
        match poll(&mut ready, Some(&span)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(fault) => return Err(Error::calling(&self.path, "poll", fault)),
        }
        let found = ready[0].revents();
        // Readable or not, what is wrong is told by the next call; only a wait that would return at once for ever is not.
        if found.intersects(PollFlags::HUP | PollFlags::NVAL) || found == PollFlags::ERR {
            return Err(gone(Errno::NODEV));
        }
        Ok(found.contains(PollFlags::IN))
    }
}

/// When a picture was taken, by the monotonic clock.
fn taken(buffer: &Buffer) -> Option<Duration> {
    if buffer.flags & BUFFER_CLOCK_MASK != BUFFER_CLOCK_MONOTONIC {
        return None;
    }
    let seconds = Duration::from_secs(u64::try_from(buffer.timestamp.seconds).ok()?);
    seconds.checked_add(Duration::from_micros(u64::try_from(buffer.timestamp.micros).ok()?))
}

/// Pictures between two numbers. Numbers wrap around; one that goes back begins anew.
fn gap(last: u32, next: u32) -> u64 {
    match next.wrapping_sub(last) {
        0 => 0,
        ahead if ahead <= u32::MAX / 2 => u64::from(ahead - 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_the_numbers_are_lost_pictures() {
        for (last, next, lost) in [(0, 1, 0), (1, 5, 3), (7, 7, 0), (u32::MAX, 1, 1), (900, 3, 0)] {
            assert_eq!(gap(last, next), lost, "{last} to {next}");
        }
    }

    #[test]
    fn only_the_monotonic_clock_is_believed() {
        let mut buffer = Buffer { flags: BUFFER_CLOCK_MONOTONIC | 1, ..Buffer::default() };
        (buffer.timestamp.seconds, buffer.timestamp.micros) = (3, 250_000);
        assert_eq!(taken(&buffer), Some(Duration::from_millis(3_250)));
        buffer.flags = 0;
        assert_eq!(taken(&buffer), None);
    }
}
