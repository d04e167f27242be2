//! The last pages of the flash: the record, and the board's key.

use core::ops::Range;

use embassy_rp::Peri;
use embassy_rp::dma::InterruptHandler;
use embassy_rp::flash::{Async, ERASE_SIZE};
use embassy_rp::interrupt::typelevel::{Binding, DMA_IRQ_0};
use embassy_rp::peripherals::{DMA_CH0, FLASH};
use trimtab_supervisor::wire::Key;

const FLASH_BYTES: usize = 2 << 20;
const PAGE: u32 = ERASE_SIZE as u32;
const END: u32 = FLASH_BYTES as u32;
/// Two pages for the record, so that one is whole while the other is written.
pub(crate) const RANGE: Range<u32> = END - 4 * PAGE..END - 2 * PAGE;
/// The board's key, which its owner writes when the board is provisioned.
const KEY_AT: u32 = END - PAGE;
const KEY_BYTES: usize = 32;

/// The board's flash.
pub(crate) type Flash = embassy_rp::flash::Flash<'static, FLASH, Async, FLASH_BYTES>;

pub(crate) fn open(
    flash: Peri<'static, FLASH>,
    channel: Peri<'static, DMA_CH0>,
    interrupts: impl Binding<DMA_IRQ_0, InterruptHandler<DMA_CH0>> + 'static,
) -> Flash {
    Flash::new(flash, channel, interrupts)
}

/// The key; none where the page is erased.
pub(crate) fn key(flash: &mut Flash) -> Option<Key> {
    let mut bytes = [0; KEY_BYTES];
    flash.blocking_read(KEY_AT, &mut bytes).ok()?;
    let empty = bytes.iter().all(|byte| *byte == 0x00) || bytes.iter().all(|byte| *byte == 0xff);
    (!empty).then(|| Key::new(bytes))
}
