//! Time since reset for `embassy-time`, in microseconds: TIMER0 runs freely and its wraps are counted, TIMER1 is the alarm.
//!
//! 64 bits of microseconds do not wrap within the life of a board; the timer under them does every 172 s.

use core::cell::RefCell;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::map::{CLOCK_HZ, TIMER0, TIMER1, interrupt};
use crate::nvic;
use crate::register::Register;

const CONTROL: usize = 0x0;
const VALUE: usize = 0x4;
const RELOAD: usize = 0x8;
/// Reads whether the timer has run out; a one written clears that.
const STATUS: usize = 0xc;

/// Counting, and interrupting at zero.
const RUNNING: u32 = 0b1001;
const STOPPED: u32 = 0;

const TICKS_PER_US: u64 = CLOCK_HZ as u64 / 1_000_000;
/// The shortest alarm: long enough to be set before it rings.
const ALARM_TICKS_MIN: u64 = 2 * TICKS_PER_US;

const COUNT: Register = TIMER0.register(VALUE);
const WRAPPED: Register = TIMER0.register(STATUS);

struct Clock {
    wraps: AtomicU32,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    wraps: AtomicU32::new(0),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

/// Starts time from so many µs.
pub(crate) fn start(micros: u64) {
    let ticks = micros.saturating_mul(TICKS_PER_US);
    TIMER0.register(CONTROL).write(STOPPED);
    TIMER0.register(RELOAD).write(u32::MAX);
    CLOCK.wraps.store((ticks >> 32) as u32, Ordering::Relaxed);
    COUNT.write(u32::MAX - ticks as u32);
    WRAPPED.write(1);
    TIMER0.register(CONTROL).write(RUNNING);
    nvic::unmask(interrupt::TIMER0);
    nvic::unmask(interrupt::TIMER1);
}

/// To be called at the interrupt of TIMER0.
pub(crate) fn on_wrap() {
    critical_section::with(|_| {
        WRAPPED.write(1);
        CLOCK.wraps.store(CLOCK.wraps.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    });
}

/// To be called at the interrupt of TIMER1.
pub(crate) fn on_alarm() {
    critical_section::with(|section| {
        TIMER1.register(CONTROL).write(STOPPED);
        TIMER1.register(STATUS).write(1);
        CLOCK.wake_due(section);
    });
}

impl Clock {
    /// Wakes what is due and sets the alarm for what is next.
    fn wake_due(&self, section: CriticalSection<'_>) {
        let Ok(mut queue) = self.queue.borrow(section).try_borrow_mut() else { return };
        loop {
            let now = self.now();
            let next = queue.next_expiration(now);
            if next == u64::MAX {
                TIMER1.register(CONTROL).write(STOPPED);
                return;
            }
            // What came due while we looked is woken in the next round.
            if next > now {
                ring_in((next - now).saturating_mul(TICKS_PER_US));
                return;
            }
        }
    }
}

fn ring_in(ticks: u64) {
    let ticks = u32::try_from(ticks.max(ALARM_TICKS_MIN)).unwrap_or(u32::MAX);
    TIMER1.register(CONTROL).write(STOPPED);
    TIMER1.register(STATUS).write(1);
    // Once: it stays at zero.
    TIMER1.register(RELOAD).write(0);
    TIMER1.register(VALUE).write(ticks);
    TIMER1.register(CONTROL).write(RUNNING);
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|_| {
            let mut wraps = self.wraps.load(Ordering::Relaxed);
            let mut left = COUNT.read();
            if WRAPPED.read() & 1 != 0 {
                // Wrapped, and the interrupt is still to come.
                wraps = wraps.wrapping_add(1);
                left = COUNT.read();
            }
            ((u64::from(wraps) << 32) | u64::from(u32::MAX - left)) / TICKS_PER_US
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let Ok(mut queue) = self.queue.borrow(section).try_borrow_mut() else { return };
            let changed = queue.schedule_wake(at, waker);
            drop(queue);
            if changed {
                self.wake_due(section);
            }
        });
    }
}
