//! The supervisor's memory, which nothing initialises, so that it outlives resets.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use trimtab_supervisor::{MEMORY_BYTES, Memory};

struct Kept(UnsafeCell<MaybeUninit<Memory>>);

#[allow(unsafe_code)] // a static that is not initialised
// SAFETY: it is lent once.
unsafe impl Sync for Kept {}

#[allow(unsafe_code)] // a place that the start-up code leaves alone
#[unsafe(link_section = ".uninit.memory")]
static MEMORY: Kept = Kept(UnsafeCell::new(MaybeUninit::uninit()));

/// The memory as the reset left it; once.
pub(crate) fn lend() -> Option<&'static mut Memory> {
    static LENT: AtomicBool = AtomicBool::new(false);
    // Only `main` asks, so nobody comes in between.
    if LENT.load(Ordering::Relaxed) {
        return None;
    }
    LENT.store(true, Ordering::Relaxed);
    let bytes: *mut u8 = MEMORY.0.get().cast();
    for place in 0..MEMORY_BYTES {
        #[allow(unsafe_code)] // memory that the program did not write
        // SAFETY: the place is within the static. What a volatile read gives is some byte, whatever the memory holds, and writing
        // it back makes the memory initialised in the eyes of the compiler.
        unsafe {
            let byte = bytes.add(place);
            byte.write_volatile(byte.read_volatile());
        }
    }
    #[allow(unsafe_code)] // memory that the program did not initialise
    // SAFETY: every byte was just written, any bytes are a `Memory`, and this is the only reference there ever is.
    unsafe {
        Some(&mut *MEMORY.0.get().cast::<Memory>())
    }
}
