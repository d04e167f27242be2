//! Where the configuration is stored. The emulated board keeps nothing without power, so a memory beside the image stands for the
//! flash: it outlives resets, is erased before it is written, and takes its time.

use core::ops::Range;
use core::ptr;

use embassy_time::Timer;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use trimtab_supervisor::wire::ResetCause;

/// First address of the memory.
const BASE: usize = 0x0100_0000;
/// Two pages, so that one is whole while the other is written.
const BYTES: usize = 2 * PAGE_BYTES;
/// All of it.
pub(crate) const RANGE: Range<u32> = 0..BYTES as u32;
const PAGE_BYTES: usize = 4_096;
const WORD_BYTES: usize = 4;
/// Slower than flash, so that whatever fails in between finds it at work.
const ERASE_MS: u64 = 80;
const WRITE_US_PER_WORD: u64 = 500;

const ERASED: u32 = u32::MAX;

/// The stand-in for flash.
pub(crate) struct Flash(());

impl Flash {
    /// Takes it; there is to be one only. When power came there is anything in it: then it becomes as a new flash is, erased.
    pub(crate) fn take(reset: ResetCause) -> Self {
        let flash = Self(());
        if reset == ResetCause::Power {
            for word in 0..BYTES / WORD_BYTES {
                flash.put(word, ERASED);
            }
        }
        flash
    }

    fn word(&self, index: usize) -> u32 {
        debug_assert!(index < BYTES / WORD_BYTES);
        #[allow(unsafe_code)] // memory by address
        // SAFETY: the board has 16 KiB of memory from `BASE`, of which the linker knows nothing; the index is below its words,
        // because every caller's range was checked.
        unsafe {
            ptr::read_volatile(ptr::with_exposed_provenance::<u32>(BASE + index * WORD_BYTES))
        }
    }

    fn put(&self, index: usize, word: u32) {
        debug_assert!(index < BYTES / WORD_BYTES);
        #[allow(unsafe_code)] // memory by address
        // SAFETY: as for reading; nothing else refers to this memory.
        unsafe {
            ptr::write_volatile(ptr::with_exposed_provenance_mut::<u32>(BASE + index * WORD_BYTES), word);
        }
    }
}

/// Whether so many bytes from `offset` on are there, in whole pieces.
fn within(offset: usize, length: usize, piece: usize) -> Result<(), NorFlashErrorKind> {
    if !offset.is_multiple_of(piece) || !length.is_multiple_of(piece) {
        return Err(NorFlashErrorKind::NotAligned);
    }
    match offset.checked_add(length) {
        Some(end) if end <= BYTES => Ok(()),
        _ => Err(NorFlashErrorKind::OutOfBounds),
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        within(offset as usize, bytes.len(), 1)?;
        for (place, byte) in (offset as usize..).zip(bytes) {
            let word = self.word(place / WORD_BYTES).to_le_bytes();
            *byte = word.into_iter().nth(place % WORD_BYTES).unwrap_or_default();
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        BYTES
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = PAGE_BYTES;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        within(from as usize, (to as usize).saturating_sub(from as usize), PAGE_BYTES)?;
        for index in from as usize / WORD_BYTES..to as usize / WORD_BYTES {
            self.put(index, ERASED);
            // A supply that fails in between leaves a page erased in part.
            if index.is_multiple_of(PAGE_BYTES / WORD_BYTES / 8) {
                Timer::after_millis(ERASE_MS / 8).await;
            }
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        within(offset as usize, bytes.len(), WORD_BYTES)?;
        for (index, word) in (offset as usize / WORD_BYTES..).zip(bytes.chunks_exact(WORD_BYTES)) {
            let word = word.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
            // Writing only clears bits.
            self.put(index, self.word(index) & word);
            Timer::after_micros(WRITE_US_PER_WORD).await;
        }
        Ok(())
    }
}
