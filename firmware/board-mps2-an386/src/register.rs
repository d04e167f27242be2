//! Device registers as values: the one place where this board's memory is read and written by address.

use core::ptr;

/// A 32-bit register of a device.
#[derive(Clone, Copy)]
pub(crate) struct Register(usize);

/// A device's registers.
#[derive(Clone, Copy)]
pub(crate) struct Block(usize);

impl Block {
    /// The registers that begin at an address.
    ///
    /// # Safety
    /// A device of this board must have its registers there, the caller's alone, none of which makes the processor or another
    /// device touch memory of this program.
    #[allow(unsafe_code)] // the claim on which every access rests
    pub(crate) const unsafe fn at(address: usize) -> Self {
        Self(address)
    }

    /// The register so many bytes after the first.
    pub(crate) const fn register(self, offset: usize) -> Register {
        assert!(offset.is_multiple_of(4) && offset < 0x1000, "registers are words of one page");
        Register(self.0 + offset)
    }
}

impl Register {
    pub(crate) fn read(self) -> u32 {
        #[allow(unsafe_code)] // a register is read by its address
        // SAFETY: whoever named the block vouched for a device's registers there; they are words, aligned, and no memory of ours.
        unsafe {
            ptr::read_volatile(ptr::with_exposed_provenance::<u32>(self.0))
        }
    }

    pub(crate) fn write(self, word: u32) {
        #[allow(unsafe_code)] // a register is written by its address
        // SAFETY: as for reading; a device's registers cannot change memory of ours, so a write breaks no reference.
        unsafe {
            ptr::write_volatile(ptr::with_exposed_provenance_mut::<u32>(self.0), word);
        }
    }
}
