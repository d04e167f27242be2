//! What a scenario is made of, and how it is played: steps in order, each of which does something or waits for something.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use trimtab_core::{Joules, Millis};
use trimtab_wire::mcu::{
    BudgetWindow, Cause, Channel, Config, Counters, Event, HostStage, Milliamps, Millicelsius, Millivolts, NackReason,
    Plausible, Query, ResetCause, State, Tag, Telemetry, ToMcu, Trip, Verdict, Versions,
};

use super::bench::{Beat, Bench, Heard, LIMIT, Lines, World};
use super::image::Image;
use super::machine::Parts;
use super::noise::{self, Noise};

/// What the sensors see where a scenario says nothing else: 12 V, 1 A, 25 °C.
pub(super) const WORLD: World = World { current: 1_011, voltage: 12_000, heat: 25_000 };

/// One scenario.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) parts: Parts,
    /// Whether the board has a key.
    pub(super) key: bool,
    pub(super) steps: &'static [Step],
}

/// What is done, or waited for.
pub(super) enum Step {
    /// The power sensor sees so many mA.
    Current(i64),
    /// The power sensor sees so many mV.
    Voltage(i64),
    /// The thermometer sees so many m°C.
    Heat(i64),
    /// A configuration is put in force: the bench's, changed.
    Configure(fn(&mut Config)),
    /// The same, and the board refuses.
    Misconfigure(fn(&mut Config), NackReason),
    /// The host's heart goes on like this.
    Beat(Beat),
    /// The host allows so many µJ.
    Allow(BudgetWindow, u64),
    /// The host tries to, and the board refuses.
    Overdraw(BudgetWindow, u64, NackReason),
    /// The last trip is released.
    Release(Seal),
    /// Something that is no proper frame.
    Noise(Noise),
    /// The host claims to speak these versions from its next greeting on.
    Speak(Versions),
    /// Something happens to the board.
    Break(Break),
    /// Waits until it is heard; what was heard before an earlier wait ended does not count.
    Until(Seen),
    /// Waits until the lines are so.
    Lines(Lines),
    /// The board has counted so many of something, at least.
    Counted(&'static str, fn(&Counters) -> u32, u32),
    /// So much time passes.
    Pass(u64),
    /// The board is in this state.
    State(State),
    /// A check of its own.
    Check(fn(&mut Bench) -> Result<()>),
}

/// With which seal a release comes.
#[derive(Clone, Copy)]
pub(super) enum Seal {
    Right,
    Wrong,
    /// The one that worked last, for the trip of now.
    Used,
    /// A right one for the trip before.
    OfStaleTrip,
    /// A right one, to a board that has no key.
    ToKeyless,
}

/// What happens to a board.
#[derive(Clone, Copy)]
pub(super) enum Break {
    /// Somebody presses its reset button.
    Reset,
    /// Its program hangs, with interrupts held off.
    Hang,
    /// Its program panics.
    Panic,
    /// Its processor finds no instruction.
    Crash,
}

/// What can be heard.
pub(super) enum Seen {
    Tripped(State, Cause),
    Released(State),
    Host(HostStage),
    Sensor(Channel, Verdict),
    Started(ResetCause),
    /// An event that came before the reset, as the log has it.
    Logged(State, Cause),
    SealRefused,
    Greeting,
    Refusal,
    Reset,
    Watchdog,
    Telemetry(fn(&Telemetry) -> bool),
}

/// Bench configuration: quick to act, and surprised by nothing.
pub(super) fn configuration() -> Config {
    let mut config = Config::DEFAULT;
    config.sensor_lost = Millis::new(200);
    config.sensor_cut = Millis::new(60_000);
    config.current =
        Plausible { most: Milliamps::new(60_000), jump: Milliamps::new(100_000), stuck: 0, ..config.current };
    config.voltage = Plausible { most: Millivolts::new(30_000), jump: Millivolts::new(50_000), ..config.voltage };
    config.temperature = Plausible { jump: Millicelsius::new(200_000), ..config.temperature };
    config.current_limits.dwell = Millis::new(60);
    config.temperature_limits.dwell = Millis::new(60);
    // A bench is busy: its host is late at times, and is not to be reset for it.
    config.host.warn = Millis::new(5_000);
    config.host.throttle = Millis::new(10_000);
    config.host.reset = Millis::new(15_000);
    config
}

/// Plays a scenario on a new board; gives how deep its stack was at most, bytes.
pub(super) fn play(scenario: &Scenario, image: &Image) -> Result<usize> {
    let bench = Bench::new(&image.file, scenario.parts, scenario.key, WORLD)?;
    let mut player = Player { bench, image, cursor: 0, used: None, released: None };
    for (index, step) in scenario.steps.iter().enumerate() {
        player.play(step).with_context(|| {
            format!("step {} of {}; before it was heard: {}", index + 1, scenario.name, player.lately())
        })?;
    }
    let (lowest, bytes) = image.stack;
    player.bench.stack(lowest, bytes)
}

struct Player<'a> {
    bench: Bench,
    image: &'a Image,
    /// Place in the record that a wait has reached.
    cursor: usize,
    used: Option<Tag>,
    released: Option<Trip>,
}

impl Player<'_> {
    fn play(&mut self, step: &Step) -> Result<()> {
        let world = self.bench.world;
        match step {
            Step::Current(current) => self.bench.set_world(World { current: *current, ..world }),
            Step::Voltage(voltage) => self.bench.set_world(World { voltage: *voltage, ..world }),
            Step::Heat(heat) => self.bench.set_world(World { heat: *heat, ..world }),
            Step::Configure(change) => {
                let config = changed(*change);
                let taken = self.bench.configure(&config)?;
                taken.map_err(|reason| anyhow::anyhow!("the board refused the configuration: {reason}"))
            }
            Step::Misconfigure(change, expected) => {
                let config = changed(*change);
                refused(self.bench.configure(&config)?, expected)
            }
            Step::Beat(beat) => {
                self.bench.beat = *beat;
                Ok(())
            }
            Step::Allow(window, micro) => {
                let limit = Some(Joules::from_micro(*micro));
                self.bench.must(&ToMcu::SetBudget { window: *window, limit })
            }
            Step::Overdraw(window, micro, expected) => {
                let limit = Some(Joules::from_micro(*micro));
                refused(self.bench.command(&ToMcu::SetBudget { window: *window, limit })?, expected)
            }
            Step::Release(seal) => self.release(*seal),
            Step::Noise(noise) => noise::make(&mut self.bench, *noise),
            Step::Speak(versions) => {
                self.bench.versions = *versions;
                Ok(())
            }
            Step::Break(kind) => self.damage(*kind),
            Step::Until(seen) => self.until(seen),
            Step::Lines(lines) => self.lines(*lines),
            Step::Counted(what, count, least) => {
                let counted = count(&self.bench.counters()?);
                ensure!(counted >= *least, "the board counted {counted} {what}, not {least}");
                Ok(())
            }
            Step::Pass(millis) => self.bench.pass(Duration::from_millis(*millis)),
            Step::State(expected) => self.state(*expected),
            Step::Check(check) => check(&mut self.bench),
        }
    }

    fn release(&mut self, seal: Seal) -> Result<()> {
        let challenge = self.bench.fresh_challenge()?;
        let Some(trip) = challenge.trip else { bail!("there is no trip to release") };
        let right = self.bench.key().release(&challenge.nonce, trip.id);
        let (trip, tag, expected) = match seal {
            Seal::Right => (trip, right, None),
            Seal::Wrong => {
                let Tag(mut bytes) = right;
                bytes[31] ^= 1;
                (trip, Tag(bytes), Some(NackReason::WrongSeal))
            }
            Seal::Used => (trip, self.used.context("no release before")?, Some(NackReason::ReplayedSeal)),
            Seal::OfStaleTrip => {
                let stale = self.released.context("no release before")?;
                let tag = self.bench.key().release(&challenge.nonce, stale.id);
                (stale, tag, Some(NackReason::StaleTrip { last: Some(trip.id) }))
            }
            Seal::ToKeyless => (trip, right, Some(NackReason::NoKey)),
        };
        let answer = self.bench.command(&ToMcu::Release { trip: trip.id, tag })?;
        let Some(expected) = expected else {
            (self.used, self.released) = (Some(tag), Some(trip));
            return answer.map_err(|reason| anyhow::anyhow!("the board refused the release: {reason}"));
        };
        refused(answer, &expected)
    }

    fn damage(&mut self, kind: Break) -> Result<()> {
        match kind {
            Break::Reset => self.bench.press_reset(),
            Break::Hang => self.bench.jump(self.image.endless_loop),
            Break::Panic => self.bench.jump(self.image.panic),
            // Nothing is there.
            Break::Crash => self.bench.jump(0xd000_0000),
        }
    }

    fn until(&mut self, seen: &Seen) -> Result<()> {
        let what = seen.name();
        if let Seen::Logged(..) = seen {
            self.bench.must(&ToMcu::Query(Query::Log { from: 0 }))?;
        }
        let (place, ()) = self.bench.find(self.cursor, &what, |heard| seen.is(heard).then_some(()))?;
        self.cursor = place;
        Ok(())
    }

    fn lines(&mut self, expected: Lines) -> Result<()> {
        let begun = std::time::Instant::now();
        loop {
            let lines = self.bench.lines()?;
            if lines == expected {
                return Ok(());
            }
            ensure!(begun.elapsed() < LIMIT, "the lines are {lines:?}, not {expected:?}");
            self.bench.pump()?;
        }
    }

    fn state(&mut self, expected: State) -> Result<()> {
        let from = self.bench.heard.len();
        let state = self.bench.until(from, "telemetry", |heard| match heard {
            Heard::Telemetry(it) => Some(it.state),
            _ => None,
        })?;
        ensure!(state == expected, "the board is in state {state}, not {expected}");
        Ok(())
    }

    /// The last things that were heard, without telemetry.
    fn lately(&self) -> String {
        let telling = self.bench.heard.iter().filter(|heard| !matches!(heard, Heard::Telemetry(_)));
        let telling: Vec<String> = telling.map(|heard| format!("{heard:?}")).collect();
        telling[telling.len().saturating_sub(8)..].join(", ")
    }
}

fn changed(change: fn(&mut Config)) -> Config {
    let mut config = configuration();
    change(&mut config);
    config
}

fn refused(answer: Result<(), NackReason>, expected: &NackReason) -> Result<()> {
    match answer {
        Err(reason) if reason == *expected => Ok(()),
        Err(reason) => bail!("the board refused because {reason}, not because {expected}"),
        Ok(()) => bail!("the board took what it was to refuse because {expected}"),
    }
}

impl Seen {
    fn name(&self) -> String {
        match self {
            Self::Tripped(state, cause) => format!("trip to {state} for {cause}"),
            Self::Released(state) => format!("release to {state}"),
            Self::Host(stage) => format!("host {stage:?}"),
            Self::Sensor(channel, verdict) => format!("{channel:?} {verdict:?}"),
            Self::Started(cause) => format!("start after {cause:?}"),
            Self::Logged(state, cause) => format!("trip to {state} for {cause} in the log"),
            Self::SealRefused => "refused seal".to_owned(),
            Self::Greeting => "greeting".to_owned(),
            Self::Refusal => "refusal".to_owned(),
            Self::Reset => "reset".to_owned(),
            Self::Watchdog => "watchdog".to_owned(),
            Self::Telemetry(_) => "such telemetry".to_owned(),
        }
    }

    fn is(&self, heard: &Heard) -> bool {
        let event = match heard {
            Heard::Event(entry) => Some(entry.event),
            _ => None,
        };
        match self {
            Self::Tripped(state, cause) => is_trip(event, *state, *cause),
            Self::Released(state) => matches!(event, Some(Event::Released { to, .. }) if to == *state),
            Self::Host(stage) => event == Some(Event::Host(*stage)),
            Self::Sensor(channel, verdict) => event == Some(Event::Sensor { channel: *channel, verdict: *verdict }),
            Self::Started(cause) => {
                matches!(heard, Heard::Log(it) | Heard::Event(it) if it.event == Event::Started(*cause))
            }
            Self::Logged(state, cause) => matches!(heard, Heard::Log(it) if is_trip(Some(it.event), *state, *cause)),
            Self::SealRefused => event == Some(Event::SealRefused),
            Self::Greeting => matches!(heard, Heard::Hello(_)),
            Self::Refusal => *heard == Heard::Refusal,
            Self::Reset => *heard == Heard::Reset,
            Self::Watchdog => *heard == Heard::Watchdog,
            Self::Telemetry(wanted) => matches!(heard, Heard::Telemetry(it) if wanted(it)),
        }
    }
}

fn is_trip(event: Option<Event>, state: State, cause: Cause) -> bool {
    matches!(event, Some(Event::Tripped(trip)) if trip.state == state && trip.cause == cause)
}
