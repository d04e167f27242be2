//! Values in memory and in flash: a length, postcard, and a checksum over both.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use serde::Serialize;
use serde::de::DeserializeOwned;

const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
/// Bytes of the length and of the checksum.
const FRAME_BYTES: usize = 2 + 4;

/// Writes a value; says how many bytes of `out` are filled, or nothing if it does not fit.
pub(crate) fn seal<T: Serialize>(value: &T, out: &mut [u8]) -> Option<usize> {
    let room = out.len().checked_sub(4)?;
    let filled = postcard::to_slice(value, out.get_mut(2..room)?).ok()?.len();
    close(out, filled)
}

/// Puts the length in front of what is written, and the checksum behind it.
fn close(out: &mut [u8], filled: usize) -> Option<usize> {
    *out.first_chunk_mut()? = u16::try_from(filled).ok()?.to_le_bytes();
    let (checked, rest) = out.split_at_mut_checked(filled.checked_add(2)?)?;
    *rest.first_chunk_mut()? = CRC.checksum(checked).to_le_bytes();
    filled.checked_add(FRAME_BYTES)
}

/// Reads a value, if it is whole. What follows it is of no matter.
pub(crate) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(whole(bytes)?).ok()
}

/// What is between the length and the checksum, if both are right.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (length, _) = bytes.split_first_chunk()?;
    let filled = usize::from(u16::from_le_bytes(*length));
    let (checked, rest) = bytes.split_at_checked(filled.checked_add(2)?)?;
    if CRC.checksum(checked) != u32::from_le_bytes(*rest.first_chunk()?) {
        return None;
    }
    checked.get(2..)
}
