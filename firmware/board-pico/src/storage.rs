//! The last pages of the flash: the record, and the board's key.
//!
//! While it is erased or written nothing else runs, because the program is in it as well; it is read as memory is.

use core::ops::Range;

use embassy_rp::Peri;
use embassy_rp::flash::{Blocking, ERASE_SIZE, Error};
use embassy_rp::peripherals::FLASH;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use trimtab_supervisor::wire::Key;

const FLASH_BYTES: usize = 2 << 20;
/// What the store is laid out in; the flash itself takes single bytes.
const WORD_BYTES: usize = 4;
const PAGE: u32 = ERASE_SIZE as u32;
const END: u32 = FLASH_BYTES as u32;
/// Two pages for the record, so that one is whole while the other is written.
pub(crate) const RANGE: Range<u32> = END - 4 * PAGE..END - 2 * PAGE;
/// The board's key, which its owner writes when the board is provisioned.
const KEY_AT: u32 = END - PAGE;
const KEY_BYTES: usize = 32;

/// The board's flash.
pub(crate) struct Flash(embassy_rp::flash::Flash<'static, FLASH, Blocking, FLASH_BYTES>);

impl Flash {
    pub(crate) fn new(flash: Peri<'static, FLASH>) -> Self {
        Self(embassy_rp::flash::Flash::new_blocking(flash))
    }

    /// The key; none where the page is erased.
    pub(crate) fn key(&mut self) -> Option<Key> {
        let mut bytes = [0; KEY_BYTES];
        self.0.blocking_read(KEY_AT, &mut bytes).ok()?;
        let empty = bytes.iter().all(|byte| *byte == 0x00) || bytes.iter().all(|byte| *byte == 0xff);
        (!empty).then(|| Key::new(bytes))
    }
}

impl ErrorType for Flash {
    type Error = Error;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD_BYTES;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.blocking_read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        FLASH_BYTES
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Error> {
        self.0.blocking_erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Error> {
        self.0.blocking_write(offset, bytes)
    }
}
