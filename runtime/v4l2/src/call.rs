//! The calls of the kernel's video interface, each with the one structure that belongs to its number.
#![expect(unsafe_code, reason = "an ioctl is not safe in general")]

use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{Setter, Updater, ioctl};

use crate::abi::{
    self, Buffer, BufferRequest, CAPTURE, Capability, Format, FormatDescription, FrameInterval, FrameSize, MEMORY_MMAP,
    StreamParameters,
};

/// Calls again when a signal came in between.
fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

macro_rules! exchanges {
    ($($(#[$doc:meta])* $name:ident($structure:ty) = $number:path;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(device: BorrowedFd<'_>, value: &mut $structure) -> rustix::io::Result<()> {
            again(|| {
                // SAFETY: the number holds direction and size of this very structure, so the kernel reads and writes its bytes
                // and none beside them; every bit pattern is a value of it. Pointers are in none of these calls: the
                // forms of the unions that have them belong to types and memories that `value` is not made for.
                unsafe { ioctl(device, Updater::<{ $number }, $structure>::new(value)) }
            })
        }
    )*};
}

exchanges! {
    /// What a device is.
    query_capability(Capability) = abi::QUERY_CAPABILITY;
    /// Its `index`-th pixel format.
    enumerate_format(FormatDescription) = abi::ENUMERATE_FORMAT;
    /// The `index`-th size of a pixel format.
    enumerate_size(FrameSize) = abi::ENUMERATE_SIZE;
    /// The `index`-th frame interval of a pixel format and size.
    enumerate_interval(FrameInterval) = abi::ENUMERATE_INTERVAL;
    /// Asks for a format; the driver writes what it made of it.
    set_format(Format) = abi::SET_FORMAT;
    /// The frame interval.
    get_parameters(StreamParameters) = abi::GET_PARAMETERS;
    /// Asks for a frame interval; the driver writes what it made of it.
    set_parameters(StreamParameters) = abi::SET_PARAMETERS;
    /// Asks for buffers; the driver writes how many there are.
    request_buffers(BufferRequest) = abi::REQUEST_BUFFERS;
}

fn mapped(index: u32) -> Buffer {
    Buffer { index, kind: CAPTURE, memory: MEMORY_MMAP, ..Buffer::default() }
}

/// Size and place of a buffer.
pub(crate) fn query_buffer(device: BorrowedFd<'_>, index: u32) -> rustix::io::Result<Buffer> {
    let mut buffer = mapped(index);
    again(|| {
        // SAFETY: as above; the buffer is of the kind whose place is an offset.
        unsafe { ioctl(device, Updater::<{ abi::QUERY_BUFFER }, Buffer>::new(&mut buffer)) }
    })?;
    Ok(buffer)
}

/// Hands a buffer to the driver.
pub(crate) fn queue_buffer(device: BorrowedFd<'_>, index: u32) -> rustix::io::Result<()> {
    let mut buffer = mapped(index);
    again(|| {
        // SAFETY: as above; the driver fills memory of its own, never memory that `buffer` names.
        unsafe { ioctl(device, Updater::<{ abi::QUEUE_BUFFER }, Buffer>::new(&mut buffer)) }
    })
}

/// Takes the oldest filled buffer back; `AGAIN` where there is none.
pub(crate) fn dequeue_buffer(device: BorrowedFd<'_>) -> rustix::io::Result<Buffer> {
    let mut buffer = mapped(0);
    again(|| {
        // SAFETY: as above.
        unsafe { ioctl(device, Updater::<{ abi::DEQUEUE_BUFFER }, Buffer>::new(&mut buffer)) }
    })?;
    Ok(buffer)
}

/// Begins to capture.
pub(crate) fn stream_on(device: BorrowedFd<'_>) -> rustix::io::Result<()> {
    again(|| {
        // SAFETY: the kernel reads one number of 32 bits, the type of the buffers.
        unsafe { ioctl(device, Setter::<{ abi::STREAM_ON }, u32>::new(CAPTURE)) }
    })
}

/// Ends it; all buffers are ours again.
pub(crate) fn stream_off(device: BorrowedFd<'_>) -> rustix::io::Result<()> {
    again(|| {
        // SAFETY: the kernel reads one number of 32 bits, the type of the buffers.
        unsafe { ioctl(device, Setter::<{ abi::STREAM_OFF }, u32>::new(CAPTURE)) }
    })
}
