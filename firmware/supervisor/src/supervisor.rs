//! All parts together: what goes in, what comes out, and in which order.

use crate::budgets::Budgets;
use crate::danger::{Circumstances, Dangers};
use crate::host::Host;
use crate::integrator::{Integrator, Point};
use crate::interlock::Interlock;
use crate::link::Link;
use crate::memory::{self, Log, Memory, Snapshot};
use crate::pace::Pace;
use crate::record::{Record, Stored};
use crate::sampler::{Readings, Sampler};
use crate::saving::Saving;
use crate::seals::Seals;
use crate::wire::{
    BootNumber, Cause, Config, Event, FirmwareVersion, FromMcu, Hello, Key, Micros, Milliamps, Millicelsius,
    Millivolts, Name, ResetCause, Stamp, State, StoreFault, Telemetry, Verdict, Versions,
};
use trimtab_core::Joules;

/// A sample's stamp is at most this old; an older one is a fault, and counts as now.
const STAMP_AGE_MAX: Micros = Micros::new(1_000_000);
/// Time alone is kept in memory this often.
const KEEP_EVERY: Micros = Micros::new(1_000_000);
/// Sampling is dead after four periods and this much more.
const SAMPLING_SLACK: Micros = Micros::new(200_000);

/// What the board knows when it starts.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    /// The board's name, as hosts see it; cut off at 24 bytes.
    pub name: &'a str,
    /// The firmware's version.
    pub firmware: FirmwareVersion,
    /// What started the program. A panic that was noted in memory goes before it.
    pub reset: ResetCause,
    /// Anything that differs from start to start; a board without a source of chance gives zeros.
    pub entropy: [u8; 16],
    /// The key this board was provisioned with; without one nothing is ever released but by provisioning it.
    pub key: Option<Key>,
    /// What the store holds.
    pub stored: Stored,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Nothing but time.
    Tick,
    /// The sensors were read, or did not answer. Due every [`Config::sample_period`].
    Sample(Sample),
    /// Bytes came over the serial line, any number in one piece.
    Serial(&'a [u8]),
    /// The record that was asked for last ([`Outputs::save`]) is stored, or could not be.
    Saved {
        /// Whether it is stored.
        stored: bool,
    },
}

/// What the sensors gave; none where one did not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// When they were read: the low half of the board's microseconds, which wraps round every 71 minutes.
    pub at: u32,
    /// Of the board's supply.
    pub current: Option<Milliamps>,
    /// Of the board's supply.
    pub voltage: Option<Millivolts>,
    /// Of the board.
    pub temperature: Option<Millicelsius>,
}

/// The lines to the outside; true is asserted, whatever level that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lines {
    /// The host shall slow down.
    pub throttle: bool,
    /// The accelerator has no power.
    pub cut: bool,
    /// The host is held in reset.
    pub reset_host: bool,
}

impl Lines {
    /// What a board sets before its supervisor runs, and from its panic handler.
    pub const SAFE: Self = Self { throttle: true, cut: true, reset_host: false };
}

/// What the board must now do, in this order: set the lines, feed the watchdog, send ([`Supervisor::transmit`]), store.
#[must_use = "the lines must follow at once"]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outputs {
    /// The lines as they must be.
    pub lines: Lines,
    /// Feed the hardware watchdog. Where this stays false, sampling has stopped, and the board must be reset.
    pub feed: bool,
    /// Store [`Supervisor::record`] now, and report with [`Input::Saved`].
    pub save: bool,
    /// Call again at this time, if nothing happens before.
    pub wake: Micros,
}

/// What is counted nowhere else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) clock: u32,
    pub(crate) stamps: u32,
    pub(crate) store: u32,
    pub(crate) nacks: u32,
}

/// The supervisor of one board.
#[derive(Debug)]
pub struct Supervisor<'m> {
    pub(crate) memory: &'m mut Memory,
    pub(crate) record: Record,
    pub(crate) saving: Saving,
    pub(crate) link: Link,
    pub(crate) log: Log,
    /// The next line of the log that the host asked for.
    pub(crate) reading_log: Option<u32>,
    pub(crate) pace: Pace,
    pub(crate) sampler: Sampler,
    pub(crate) seals: Seals,
    pub(crate) budgets: Budgets,
    pub(crate) interlock: Interlock,
    pub(crate) host: Host,
    pub(crate) faults: Faults,
    /// The stored configuration cannot be read, and none was set since.
    pub(crate) config_invalid: bool,
    pub(crate) now: Micros,
    integrator: Integrator,
    readings: Readings,
    /// When a sample came last; the start, if none did.
    sampled_at: Micros,
    dangers: Dangers,
    boot: BootNumber,
    /// Time that the board was running before this start.
    active_before: Micros,
    /// What memory holds.
    kept: Snapshot,
}

impl<'m> Supervisor<'m> {
    /// Starts; the time is zero. `memory` is as the reset left it.
    #[must_use]
    #[inline(never)]
    pub fn new(memory: &'m mut Memory, boot: &Boot<'_>) -> Self {
        let reset = if memory::take_panic(memory) { ResetCause::Panic } else { boot.reset };
        let before = memory::newest(memory);
        let mut log = Log::find(memory, before.is_some());
        let (mut record, store_fault) = taken(&boot.stored);
        let mut kept = before.unwrap_or_default();
        let number = BootNumber(record.boot.0.max(kept.boot.0).saturating_add(1));
        let mut interlock = Interlock::resumed(record.trip, record.next_trip);
        if before.is_some() {
            interlock = interlock.or(Interlock::resumed(kept.trip, kept.next_trip));
        }
        let stamp = Stamp { boot: number, at: Micros::ZERO };
        log.note(memory, stamp, Event::Started(reset));
        if let Some(fault) = store_fault {
            log.note(memory, stamp, Event::Store(fault));
        }
        let own = match reset {
            ResetCause::Panic => interlock.raise(State::Safe, Cause::OwnFault),
            ResetCause::Watchdog => interlock.raise(State::Throttle, Cause::OwnWatchdog),
            ResetCause::Power | ResetCause::Pin | ResetCause::Software | ResetCause::Brownout => None,
        };
        if let Some(trip) = own {
            log.note(memory, stamp, Event::Tripped(trip));
        }
        // Nobody listens yet: all of it is noted, kept and to be stored.
        record.generation = record.generation.saturating_add(1);
        (record.boot, record.trip, record.next_trip) = (number, interlock.trip(), interlock.next());
        kept.generation = kept.generation.saturating_add(1);
        (kept.boot, kept.trip, kept.next_trip) = (number, interlock.trip(), interlock.next());
        memory::keep(memory, &kept);
        // Made where it is returned to: as a local of this function it would be on the stack besides.
        Self {
            memory,
            saving: Saving::wanted(),
            link: Link::new(Hello {
                versions: Versions::SPOKEN,
                name: name(boot.name),
                firmware: boot.firmware,
                boot: number,
            }),
            log,
            reading_log: None,
            pace: Pace::default(),
            sampler: Sampler::default(),
            seals: Seals::new(boot.key.clone(), number, boot.entropy),
            budgets: Budgets::resumed(kept.hour(), kept.day(), kept.energy, kept.host_limits),
            interlock,
            host: Host::starting(&record.config.host, kept.resets),
            faults: Faults { store: u32::from(store_fault.is_some()), ..Faults::default() },
            config_invalid: matches!(store_fault, Some(StoreFault::Damaged | StoreFault::Rules(_))),
            now: Micros::ZERO,
            integrator: Integrator::resumed(kept.energy, kept.widened, kept.rest),
            readings: Readings::worst(&record.config, Verdict::Missing),
            sampled_at: Micros::ZERO,
            dangers: Dangers::default(),
            boot: number,
            active_before: kept.active,
            kept,
            record,
        }
    }

    /// Takes what happened at `now`, microseconds since the start; says what must now be done.
    #[inline(never)]
    pub fn step(&mut self, now: Micros, input: Input<'_>) -> Outputs {
        if now < self.now {
            self.faults.clock = self.faults.clock.saturating_add(1);
        }
        self.now = self.now.max(now);
        match input {
            Input::Tick => {}
            Input::Sample(sample) => self.sample(&sample),
            Input::Serial(bytes) => self.hear(bytes),
            Input::Saved { stored } => self.saved(stored),
        }
        self.go_on();
        self.tell();
        self.keep();
        self.outputs()
    }

    /// Moves bytes that wait to be sent into `out`, in order; says how many.
    pub fn transmit(&mut self, out: &mut [u8]) -> usize {
        self.link.transmit(out)
    }

    /// What is to be stored.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// What outlives a reset, as it is now.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        self.memory
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.record.config
    }

    /// How far the board has stepped in.
    #[must_use]
    pub fn state(&self) -> State {
        self.interlock.state()
    }

    /// All energy since the board was last without power.
    #[must_use]
    pub const fn energy(&self) -> Joules {
        self.integrator.total
    }

    #[inline(never)]
    fn sample(&mut self, sample: &Sample) {
        self.sampled_at = self.now;
        // The way round tells how old the stamp is, whatever wrapped in between.
        let low = self.now.get() as u32;
        let age = Micros::new(u64::from(low.wrapping_sub(sample.at)));
        let at = if age <= STAMP_AGE_MAX { Micros::new(self.now.get().saturating_sub(age.get())) } else { self.now };
        if age > STAMP_AGE_MAX || at < self.integrator.reached() {
            self.faults.stamps = self.faults.stamps.saturating_add(1);
        }
        let at = at.max(self.integrator.reached());
        let answers = (sample.current, sample.voltage, sample.temperature);
        self.readings = self.sampler.take(at, answers, &self.record.config);
        self.dangers.feel(at, &self.readings, &self.record.config);
        self.charge(at);
    }

    /// Integrates up to `at`, at which the readings hold.
    fn charge(&mut self, at: Micros) {
        let point = Point { at, power: self.readings.power(), widened: self.readings.widened() };
        let added = self.integrator.advance(point);
        self.budgets.spend(self.active().millis(), added);
    }

    /// Time that the board was running since it was last without power.
    const fn active(&self) -> Micros {
        self.active_before.plus(self.now)
    }

    fn saved(&mut self, stored: bool) {
        if self.saving.answered(self.now, stored) {
            self.faults.store = self.faults.store.saturating_add(1);
            self.note(Event::Store(StoreFault::NotWritten));
        }
    }

    /// Everything that time alone brings, and what follows from it.
    #[inline(never)]
    fn go_on(&mut self) {
        let silent = self.now.since(self.integrator.reached());
        if silent >= Micros::from_millis(self.record.config.sensor_lost) {
            self.readings = self.sampler.stale(&self.record.config);
            self.charge(self.now);
        }
        self.budgets.spend(self.active().millis(), Joules::ZERO);
        for (channel, verdict) in self.sampler.changes(self.now, &self.record.config) {
            self.note(Event::Sensor { channel, verdict });
        }
        if self.saving.overdue(self.now) {
            self.saved(false);
        }
        let may_reset = self.state() < State::Safe;
        self.watch_host(|host, now, config| host.advance(now, &config.host, may_reset));
        if let Some((state, cause)) = self.wanted() {
            self.raise(state, cause);
        }
    }

    /// Lets something happen to the host, and notes what became of it.
    pub(crate) fn watch_host(&mut self, happen: impl FnOnce(&mut Host, Micros, &Config)) {
        let before = self.host.stage();
        happen(&mut self.host, self.now, &self.record.config);
        if self.host.stage() != before {
            self.note(Event::Host(self.host.stage()));
        }
    }

    /// What the dangers of now want.
    pub(crate) fn wanted(&self) -> Option<(State, Cause)> {
        let circumstances = Circumstances {
            used: self.budgets.used(&self.record.config.budgets),
            sensor_lost: self.sampler.lost_for(self.now),
            host_lost: self.host.lost(),
            host_gone: self.host.gone(),
            config_invalid: self.config_invalid,
        };
        self.dangers.demand(&circumstances, &self.record.config)
    }

    /// Steps up, if that is safer.
    fn raise(&mut self, state: State, cause: Cause) {
        if let Some(trip) = self.interlock.raise(state, cause) {
            self.note(Event::Tripped(trip));
            self.tripped();
        }
    }

    /// There is another trip, or none: what is stored, and what the next seal is made over, follow.
    pub(crate) fn tripped(&mut self) {
        self.record.trip = self.interlock.trip();
        self.record.next_trip = self.interlock.next();
        self.touch();
        self.seals.renew();
        if self.link.agreed() {
            self.link.send(&FromMcu::Challenge(self.challenge()));
        }
    }

    /// The record changed.
    pub(crate) fn touch(&mut self) {
        self.record.generation = self.record.generation.saturating_add(1);
        self.saving.want();
    }

    /// Notes an event, and tells the host.
    pub(crate) fn note(&mut self, event: Event) {
        let stamp = Stamp { boot: self.boot, at: self.now };
        let entry = self.log.note(self.memory, stamp, event);
        if self.link.agreed() {
            self.link.send(&FromMcu::Event(entry));
        }
    }

    /// Says what is due: hello, telemetry, lines of the log.
    #[inline(never)]
    fn tell(&mut self) {
        self.link.advance(self.now);
        if !self.link.agreed() {
            self.reading_log = None;
            return;
        }
        if self.pace.due(self.now) {
            let sent = self.link.offer(&FromMcu::Telemetry(self.telemetry()));
            self.pace.made(sent);
        }
        self.send_log();
    }

    fn telemetry(&self) -> Telemetry {
        let readings = &self.readings;
        Telemetry {
            number: self.pace.number(),
            dropped: self.pace.dropped(),
            at: self.now,
            energy: self.integrator.total,
            widened: self.integrator.widened,
            power: readings.power(),
            current: Milliamps::new(readings.current.value),
            voltage: Millivolts::new(readings.voltage.value),
            temperature: Millicelsius::new(readings.temperature.value),
            plausibility: readings.plausibility(),
            state: self.state(),
            cause: self.interlock.trip().map(|trip| trip.cause),
            host: self.host.stage(),
            remaining: self.budgets.remaining(&self.record.config.budgets),
        }
    }

    /// Puts what must outlive a reset into memory, if it is not there.
    #[inline(never)]
    fn keep(&mut self) {
        let (hour, day) = (self.budgets.hour, self.budgets.day);
        let snapshot = Snapshot {
            generation: self.kept.generation,
            boot: self.boot,
            active: self.kept.active,
            energy: self.integrator.total,
            widened: self.integrator.widened,
            rest: self.integrator.rest,
            hour: (hour.number, hour.energy),
            day: (day.number, day.energy),
            host_limits: self.budgets.host,
            trip: self.interlock.trip(),
            next_trip: self.interlock.next(),
            resets: self.host.resets,
        };
        // A change alone is kept, and time with it: every byte on the line calls for a step.
        if snapshot != self.kept || self.active().since(self.kept.active) >= KEEP_EVERY {
            let generation = self.kept.generation.saturating_add(1);
            self.kept = Snapshot { generation, active: self.active(), ..snapshot };
            memory::keep(self.memory, &self.kept);
        }
    }

    fn outputs(&mut self) -> Outputs {
        let state = self.state();
        let config = &self.record.config;
        let silent = self.now.since(self.sampled_at);
        let period = Micros::from_millis(config.sample_period);
        let patience = period.plus(period).plus(period).plus(period).plus(SAMPLING_SLACK);
        let stale_at = self.integrator.reached().plus(Micros::from_millis(config.sensor_lost));
        let deadlines = [self.host.deadline(&config.host), self.pace.next()];
        let wake = deadlines.into_iter().flatten().fold(stale_at, Micros::min);
        Outputs {
            lines: Lines {
                throttle: state >= State::Throttle,
                cut: state >= State::CutAccelerator,
                reset_host: self.host.line(),
            },
            feed: silent < patience,
            save: self.saving.ask(self.now),
            // Never at once, so that a board that waits for this does nothing else.
            wake: wake.max(self.now.plus(WAKE_MIN)).min(self.now.plus(WAKE_MAX)),
        }
    }
}

/// Shortest and longest time between two calls that is asked for.
const WAKE_MIN: Micros = Micros::new(1_000);
const WAKE_MAX: Micros = Micros::new(100_000);

/// What of the store is in force, and what is wrong with it.
#[inline(never)]
fn taken(stored: &Stored) -> (Record, Option<StoreFault>) {
    let (mut record, mut fault) = match stored {
        Stored::Empty => (Record::NEW, None),
        Stored::Whole(record) => (*record, None),
        Stored::FellBack(record) => (*record, Some(StoreFault::FellBack)),
        Stored::Damaged => (Record::NEW, Some(StoreFault::Damaged)),
    };
    if let Err(broken) = record.config.check() {
        record.config = Config::DEFAULT;
        fault = Some(StoreFault::Rules(broken));
    }
    (record, fault)
}

/// As much of a name as fits.
fn name(of: &str) -> Name {
    let most = of.floor_char_boundary(Name::new().capacity());
    of.get(..most).and_then(|of| Name::try_from(of).ok()).unwrap_or_default()
}
