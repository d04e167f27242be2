//! What outlives a reset in memory that nothing initialises: why the board fell, and its log.
//!
//! After power comes this memory holds anything; a mark says whether it is ours.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use trimtab_supervisor::wire::ResetCause;
use trimtab_supervisor::{MEMORY_BYTES, Memory};

/// What a running board leaves behind if nobody says more.
const RUNNING: u32 = 0x5274_6d01;
const STARVED: u32 = 0x5274_6d02;
const FAILED: u32 = 0x5274_6d03;

struct Kept<T>(UnsafeCell<MaybeUninit<T>>);

#[allow(unsafe_code)] // statics that are not initialised
// SAFETY: the word is read and written whole, as volatile; the supervisor's memory is lent once.
unsafe impl<T> Sync for Kept<T> {}

#[allow(unsafe_code)] // a place that the start-up code leaves alone
#[unsafe(link_section = ".uninit.mark")]
static MARK: Kept<u32> = Kept(UnsafeCell::new(MaybeUninit::uninit()));

#[allow(unsafe_code)] // as above
#[unsafe(link_section = ".uninit.memory")]
static MEMORY: Kept<Memory> = Kept(UnsafeCell::new(MaybeUninit::uninit()));

/// Reads how the last life ended, and marks that this one runs.
pub(crate) fn begin() -> ResetCause {
    let end = match read() {
        RUNNING => ResetCause::Pin,
        STARVED => ResetCause::Watchdog,
        FAILED => ResetCause::Panic,
        _ => ResetCause::Power,
    };
    write(RUNNING);
    end
}

/// Leaves word that the watchdog ends this life.
pub(crate) fn starved() {
    write(STARVED);
}

/// Leaves word that the program failed.
pub(crate) fn failed() {
    write(FAILED);
}

/// The supervisor's memory as the reset left it; once.
pub(crate) fn memory() -> Option<&'static mut Memory> {
    static LENT: AtomicBool = AtomicBool::new(false);
    if LENT.swap(true, Ordering::AcqRel) {
        return None;
    }
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

fn read() -> u32 {
    #[allow(unsafe_code)] // memory that the program did not write
    // SAFETY: the word is a static of ours, aligned, and every pattern of bits is one of its values; the read is volatile, so the
    // compiler concludes nothing from the missing initialisation.
    unsafe {
        ptr::read_volatile(MARK.0.get().cast::<u32>())
    }
}

fn write(word: u32) {
    #[allow(unsafe_code)] // memory that the program does not initialise
    // SAFETY: as for reading; no reference to the word is ever made.
    unsafe {
        ptr::write_volatile(MARK.0.get().cast::<u32>(), word);
    }
}
