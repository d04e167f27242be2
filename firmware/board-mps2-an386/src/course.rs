//! What is outside of the board's processor, where a course is played in simulated time: sensors that follow the course, a host that
//! says what its script says, and a stored configuration. When the course is over, QEMU ends.
//!
//! The processor does not wait for interrupts here, but does nothing until one came. QEMU leaps over a wait in another of its threads,
//! which now and then counts what was executed last a second time: then a run differs from the one before by a part of a microsecond.

use core::arch::asm;
use core::convert::Infallible;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cortex_m_semihosting::{debug, hprintln};
use embassy_executor::Spawner;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{ErrorType, Read};
use trimtab_app::{Reading, Sensors};
use trimtab_course::{COURSES, Course, MILLIVOLTS};
use trimtab_store::Store;
use trimtab_supervisor::wire::{
    BootNumber, Config, Encoded, FirmwareVersion, Greeting, Hello, Milliamps, Millicelsius, Millivolts, Name, Query,
    ToMcu, Versions, encode, encode_greeting,
};
use trimtab_supervisor::{Record, Stored};

use crate::flash::Flash;
use crate::i2c::Bus;
use crate::sensors::OnBoard;

/// Where QEMU writes which course is to be played.
const CHOICE: usize = 0x0100_3000;
const BEAT: Duration = Duration::from_millis(500);
/// The host asks for all counts so long before the end.
const ASKS_BEFORE_END: Duration = Duration::from_millis(400);

fn course() -> &'static Course {
    #[allow(unsafe_code)] // memory by address
    // SAFETY: the board has memory there of which the linker knows nothing; QEMU wrote it before the start.
    let choice = unsafe { ptr::read_volatile(ptr::with_exposed_provenance::<u32>(CHOICE)) };
    match COURSES.get(choice as usize) {
        Some(course) => course,
        None => fail("no such course"),
    }
}

fn fail(why: &str) -> ! {
    hprintln!("{}", why);
    debug::exit(debug::EXIT_FAILURE);
    loop {
        cortex_m::asm::nop();
    }
}

/// What the clock shows at the start, µs.
pub(crate) fn clock() -> u64 {
    course().clock
}

/// An instant of the course.
fn after(course: &Course, millis: u64) -> Instant {
    Instant::from_micros(course.clock.saturating_add(millis.saturating_mul(1_000)))
}

/// Whether nothing was to be done, and no interrupt came since.
static IDLE: AtomicBool = AtomicBool::new(false);
/// Since when, µs; wraps round.
static IDLE_SINCE: AtomicU32 = AtomicU32::new(0);
/// Time without anything to do, µs; wraps round.
static ASLEEP: AtomicU32 = AtomicU32::new(0);

fn micros() -> u32 {
    Instant::now().as_micros() as u32
}

/// Does nothing until an interrupt was served; they are held off until here.
pub(crate) fn sleep() {
    IDLE_SINCE.store(micros(), Ordering::Relaxed);
    IDLE.store(true, Ordering::Release);
    #[allow(unsafe_code)] // the crate's interface
    // SAFETY: this is not inside of a critical section, because only the executor's loop sleeps.
    unsafe {
        cortex_m::interrupt::enable();
    }
    while IDLE.load(Ordering::Acquire) {
        #[allow(unsafe_code)] // a microsecond at a time, which costs QEMU no more than one instruction does
        // SAFETY: it changes nothing.
        unsafe {
            asm!(".rept 28", "nop", ".endr", options(nomem, nostack, preserves_flags));
        }
    }
}

/// An interrupt begins to be served.
pub(crate) fn interrupted() {
    if IDLE.load(Ordering::Acquire) {
        let span = micros().wrapping_sub(IDLE_SINCE.load(Ordering::Relaxed));
        ASLEEP.store(ASLEEP.load(Ordering::Relaxed).wrapping_add(span), Ordering::Relaxed);
        IDLE.store(false, Ordering::Release);
    }
}

/// Sensors that follow the course. The board's own are asked too, so that it takes as long as it does, and are not believed.
pub(crate) struct Sensed(&'static Course, OnBoard);

pub(crate) fn sensors() -> Sensed {
    Sensed(course(), OnBoard::new(Bus::start()))
}

impl Sensors for Sensed {
    async fn read(&mut self) -> Reading {
        let (current, heat) = self.0.at(Instant::now().as_micros().saturating_sub(self.0.clock));
        self.1.read().await;
        Reading {
            current: current.map(Milliamps::new),
            voltage: current.map(|_| Millivolts::new(MILLIVOLTS)),
            temperature: Some(Millicelsius::new(heat)),
        }
    }
}

/// A host with a script.
pub(crate) struct Heard {
    course: &'static Course,
    due: Instant,
    number: u32,
    beats: u32,
    asked: bool,
    saying: Encoded,
}

pub(crate) fn host() -> Heard {
    let course = course();
    let due = after(course, course.greets_ms);
    Heard { course, due, number: 0, beats: 0, asked: false, saying: Encoded::new() }
}

impl Heard {
    /// What the host says now.
    fn next(&mut self) -> Encoded {
        let number = self.number;
        self.number += 1;
        let end = after(self.course, self.course.length_ms);
        let asks = end - ASKS_BEFORE_END;
        let said = if number == 0 {
            let hello = Hello {
                versions: Versions::SPOKEN,
                name: Name::new(),
                firmware: FirmwareVersion::default(),
                boot: BootNumber(0),
            };
            encode_greeting(number, &Greeting::Hello(hello))
        } else if self.due >= asks && !self.asked {
            self.asked = true;
            encode(Versions::SPOKEN.max, number, &ToMcu::Query(Query::Counters))
        } else {
            self.beats += 1;
            encode(Versions::SPOKEN.max, number, &ToMcu::Heartbeat { count: self.beats, uptime_ms: self.beats * 500 })
        };
        self.due += BEAT;
        if !self.asked && self.due > asks {
            self.due = asks;
        }
        if self.due >= after(self.course, self.course.silent_ms) {
            self.due = if self.asked { end } else { asks };
        }
        said.unwrap_or_default()
    }
}

impl ErrorType for Heard {
    type Error = Infallible;
}

impl Read for Heard {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        if self.saying.is_empty() {
            Timer::at(self.due).await;
            self.saying = self.next();
        }
        let count = into.len().min(self.saying.len());
        into.iter_mut().zip(&self.saying).for_each(|(to, from)| *to = *from);
        let rest = self.saying.iter().skip(count).copied().collect();
        self.saying = rest;
        Ok(count)
    }
}

pub(crate) async fn stored(_: &mut Store<Flash>) -> Stored {
    let mut config = Config::DEFAULT;
    (course().configure)(&mut config);
    Stored::Whole(Record { config, ..Record::NEW })
}

/// Ends QEMU when the course is over.
pub(crate) fn accompany(spawner: Spawner) {
    if let Ok(task) = end() {
        spawner.spawn(task);
    }
}

#[embassy_executor::task]
async fn end() {
    let course = course();
    Timer::at(after(course, course.length_ms)).await;
    hprintln!("asleep {} us of {} us", ASLEEP.load(Ordering::Relaxed), course.length_ms * 1_000);
    debug::exit(debug::EXIT_SUCCESS);
}
