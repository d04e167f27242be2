//! Runs tasks, and sleeps where there is nothing to run.
//!
//! Embassy's own loop sleeps by an instruction (WFE) that QEMU does not wait at; this one waits for an interrupt (WFI).

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use embassy_executor::Spawner;
use embassy_executor::raw::Executor;
use static_cell::StaticCell;

use crate::outside;

/// Whether a task was woken since all were polled last.
static WOKEN: AtomicBool = AtomicBool::new(true);

#[allow(unsafe_code)]
// how the executor calls out
// SAFETY: the executor declares this name with this signature, and nothing else defines it.
#[unsafe(export_name = "__pender")]
fn wake(_: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Runs for ever what `begin` starts, and whatever that starts.
pub(crate) fn run(begin: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let executor: &'static Executor = EXECUTOR.init(Executor::new(ptr::null_mut()));
    begin(executor.spawner());
    loop {
        #[allow(unsafe_code)] // the promise that it is not polled twice at a time
        // SAFETY: it is polled here alone, never from an interrupt or from a task.
        unsafe {
            executor.poll();
        }
        sleep();
    }
}

/// Sleeps unless a task was woken. Interrupts are held off in between, and one that is pending ends the sleep all the same.
fn sleep() {
    cortex_m::interrupt::disable();
    if !WOKEN.swap(false, Ordering::AcqRel) {
        outside::sleep();
    }
    #[allow(unsafe_code)] // the crate's interface
    // SAFETY: this is not inside of a critical section, because the executor has returned.
    unsafe {
        cortex_m::interrupt::enable();
    }
}
