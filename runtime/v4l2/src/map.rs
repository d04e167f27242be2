//! A buffer of the driver, mapped here for reading.
#![expect(unsafe_code, reason = "mapped memory is shared with the driver")]

use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Mapped memory, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to the mapping and not to a thread; it is only ever read.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes at an offset that the driver gave for this device.
    pub(crate) fn new(device: BorrowedFd<'_>, offset: u32, len: usize) -> rustix::io::Result<Self> {
        // SAFETY: the kernel chooses a free place, so nothing that is mapped already changes.
        let start =
            unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, device, u64::from(offset)) }?;
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::FAULT)?;
        Ok(Self { start, len })
    }

    /// Bytes there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// A copy of the first `used` bytes, or of all where there are fewer. Meant for a buffer that is not the driver's at the
    /// time; in one that is, older and newer bytes are mixed.
    pub(crate) fn copy(&self, used: usize) -> Vec<u8> {
        let used = used.min(self.len);
        let mut bytes = Vec::<u8>::with_capacity(used);
        // SAFETY: `used` bytes are mapped readable for as long as `self` lives, and the new vector has room for them elsewhere.
        // No reference to the shared memory is made; the copy is complete before its length is set.
        unsafe {
            ptr::copy_nonoverlapping(self.start.as_ptr().cast_const(), bytes.as_mut_ptr(), used);
            bytes.set_len(used);
        }
        bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody has a reference into it. It fails only for a wrong address.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn what_is_mapped_is_copied_within_its_bounds() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 4096]).unwrap();
        let mapping = Mapping::new(file.as_fd(), 0, 4096).unwrap();
        assert_eq!((mapping.copy(3), mapping.copy(usize::MAX).len(), mapping.len()), (vec![7; 3], 4096, 4096));
        assert!(Mapping::new(file.as_fd(), 1, 4096).is_err());
    }
}
