//! The board's key, which its owner writes behind the image when the board is provisioned.

use core::ptr;

use trimtab_supervisor::wire::Key;

/// Address of the key: the last page of the memory that holds the image.
const KEY_ADDRESS: usize = 0x003f_f000;
const KEY_BYTES: usize = 32;

/// The key; none where there is nothing but what an empty or an erased memory holds.
pub(crate) fn read() -> Option<Key> {
    #[allow(unsafe_code)] // memory by address
    // SAFETY: the linker is given the memory below this page alone, so it holds bytes that nothing else in this program refers to.
    let bytes = unsafe { ptr::read_volatile(ptr::with_exposed_provenance::<[u8; KEY_BYTES]>(KEY_ADDRESS)) };
    let empty = bytes.iter().all(|byte| *byte == 0x00) || bytes.iter().all(|byte| *byte == 0xff);
    (!empty).then(|| Key::new(bytes))
}
