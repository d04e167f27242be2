//! What is played in simulated time, on an image that has the course in it: two runs give the same bytes, and what they say is judged
//! against the course itself.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use trimtab_course::{COURSES, Course, PERIOD_MS};
use trimtab_wire::mcu::{
    Cause, Channel, Counters, Decoder, Event, FromMcu, HostStage, LogEntry, Received, State, Telemetry, Verdict,
};

use super::machine;

/// The longest course takes some seconds on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(240);
/// How near an integral must be to the exact one.
const NEAR: f64 = 0.001;
/// Between two samples, µs.
const PERIOD: u64 = PERIOD_MS * 1_000;

/// What came over the serial port.
struct Trace {
    telemetry: Vec<Telemetry>,
    events: Vec<LogEntry>,
    counters: Counters,
    /// Share of the time that the processor slept.
    asleep: f64,
}

/// A course, and what its trace must show.
struct Judged {
    name: &'static str,
    judge: fn(&Course, &Trace) -> Result<()>,
}

const JUDGED: [Judged; 11] = [
    Judged { name: "constant", judge: integral },
    Judged { name: "ramp", judge: integral },
    Judged { name: "steps", judge: integral },
    Judged { name: "budget at constant power", judge: budget },
    Judged { name: "budget on a ramp", judge: budget },
    Judged { name: "over-current", judge: over_current },
    Judged { name: "a sensor that disappears and comes back", judge: absence },
    Judged { name: "a sensor that reads negative", judge: negative },
    Judged { name: "a host that falls silent", judge: silence },
    Judged { name: "clocks that wrap round", judge: wrap },
    Judged { name: "a budget that is new every hour", judge: hour },
];

/// A course that is to be played.
pub(super) struct Chosen {
    number: usize,
    judged: &'static Judged,
}

/// Those with such a name.
pub(super) fn wanted(wants: impl Fn(&str) -> bool) -> Vec<Chosen> {
    let all = JUDGED.iter().filter(|it| wants(it.name));
    all.filter_map(|judged| {
        let number = COURSES.iter().position(|course| course.name == judged.name)?;
        Some(Chosen { number, judged })
    })
    .collect()
}

/// Share of the time that the processor sleeps in the first course.
pub(super) fn asleep(image: &Path) -> Result<f64> {
    let course = COURSES.first().context("no course")?;
    let (bytes, printed) = machine::play(image, 0, false, LIMIT)?;
    Ok(Trace::read(course, &bytes, &printed)?.asleep)
}

impl Chosen {
    pub(super) fn name(&self) -> &'static str {
        self.judged.name
    }

    /// Plays it twice, once while QEMU is kept busy otherwise, and judges it.
    pub(super) fn play(&self, image: &Path) -> Result<()> {
        let first = machine::play(image, self.number, false, LIMIT)?;
        let second = machine::play(image, self.number, true, LIMIT)?;
        ensure!(first == second, "two runs differ: {} and {} bytes", first.0.len(), second.0.len());
        let course = COURSES.get(self.number).context("no such course")?;
        let (bytes, printed) = first;
        let trace = Trace::read(course, &bytes, &printed)?;
        println!("      {} bytes twice; {:.2} % of the time asleep", bytes.len(), 100.0 * trace.asleep);
        (self.judged.judge)(course, &trace)
    }
}

impl Trace {
    fn read(course: &Course, bytes: &[u8], printed: &str) -> Result<Self> {
        let mut decoder: Decoder<FromMcu> = Decoder::new();
        let (mut telemetry, mut events, mut counters) = (Vec::new(), Vec::new(), None);
        for found in bytes.iter().filter_map(|byte| decoder.push(*byte)) {
            match found.context("the board sent no proper frame")? {
                Received::Message { message: FromMcu::Telemetry(it), .. } => telemetry.push(it),
                Received::Message { message: FromMcu::Event(it), .. } => events.push(it),
                Received::Message { message: FromMcu::Counters(it), .. } => counters = Some(it),
                Received::Message { .. } | Received::Greeting { .. } => {}
            }
        }
        let asleep = printed.split_whitespace().nth(1).context("nothing printed")?;
        let asleep: f64 = asleep.parse().with_context(|| format!("the image printed {printed:?}"))?;
        let trace = Self {
            telemetry,
            events,
            counters: counters.context("no counters at the end")?,
            asleep: asleep / (course.length_ms as f64 * 1e3),
        };
        trace.whole()?;
        Ok(trace)
    }

    /// Telemetry is complete, ten times a second.
    fn whole(&self) -> Result<()> {
        for pair in self.telemetry.windows(2) {
            let (number, span) = (pair[1].number - pair[0].number, pair[1].at.since(pair[0].at).get());
            ensure!(number == 1, "{number} telemetries between two that came, at {}", pair[0].at.get());
            ensure!(span.abs_diff(100_000) <= PERIOD, "{span} µs between two telemetries, at {}", pair[0].at.get());
        }
        ensure!(self.telemetry.len() > 10, "{} telemetries", self.telemetry.len());
        Ok(())
    }

    /// When it happened, µs on the board's clock.
    fn when(&self, event: Event) -> Result<u64> {
        let found = self.events.iter().find(|entry| entry.event == event);
        found.map(|entry| entry.stamp.at.get()).with_context(|| format!("no {event:?} among {:?}", self.events))
    }

    fn tripped(&self, state: State, cause: Cause) -> Result<u64> {
        let found = self
            .events
            .iter()
            .find(|entry| matches!(entry.event, Event::Tripped(trip) if trip.state == state && trip.cause == cause));
        let found = found.map(|entry| entry.stamp.at.get());
        found.with_context(|| format!("no trip to {state} for {cause} among {:?}", self.events))
    }

    fn quiet(&self) -> Result<()> {
        let trip = self.events.iter().find(|entry| matches!(entry.event, Event::Tripped(_)));
        ensure!(trip.is_none(), "there is a trip: {trip:?}");
        Ok(())
    }
}

/// Within one sampling period after the exact instant, never before it.
fn within_a_period(what: &str, found: u64, exact: u64) -> Result<()> {
    println!("      {what}: {found} µs, exactly {exact} µs");
    ensure!(
        (exact..=exact + PERIOD).contains(&found),
        "{what} came {} µs after the instant",
        found as i64 - exact as i64
    );
    Ok(())
}

fn integral(course: &Course, trace: &Trace) -> Result<()> {
    trace.quiet()?;
    let (first, last) = (trace.telemetry.first().context("none")?, trace.telemetry.last().context("none")?);
    let measured = last.energy.minus(first.energy).micro() as f64;
    let exact = course.energy(last.at.get()) - course.energy(first.at.get());
    let error = measured / exact - 1.0;
    println!("      {:.6} J of {:.6}: {:+.4} %", measured / 1e6, exact / 1e6, 100.0 * error);
    ensure!(error.abs() < NEAR, "the integral is {:.4} % off", 100.0 * error);
    Ok(())
}

fn budget(course: &Course, trace: &Trace) -> Result<()> {
    let mut config = trimtab_wire::mcu::Config::DEFAULT;
    (course.configure)(&mut config);
    let budgets = &config.budgets;
    let limit = [budgets.hour, budgets.total].into_iter().flatten().next().context("no budget")?.micro() as f64;
    let shares = [
        (State::Throttle, Cause::BudgetLow, f64::from(budgets.low) / 1e3),
        (State::CutAccelerator, Cause::BudgetExhausted, 1.0),
        (State::Safe, Cause::BudgetOverrun, f64::from(budgets.overrun) / 1e3),
    ];
    for (state, cause, share) in shares {
        let exact = course.when(limit * share).with_context(|| format!("{cause} is not within the course"))?;
        within_a_period(cause.name(), trace.tripped(state, cause)?, exact)?;
    }
    Ok(())
}

fn over_current(course: &Course, trace: &Trace) -> Result<()> {
    let mut config = trimtab_wire::mcu::Config::DEFAULT;
    (course.configure)(&mut config);
    let surge = course.points.last().context("no points")?.at;
    // It is seen at a sample, and has lasted at a sample.
    let dwell = config.current_limits.dwell.get() * 1_000;
    let tripped = trace.tripped(State::CutAccelerator, Cause::OverCurrent)?;
    println!("      cut {} µs after the surge, which must last {dwell} µs", tripped - surge);
    ensure!((dwell..=dwell + 2 * PERIOD).contains(&(tripped - surge)), "cut {} µs after the surge", tripped - surge);
    Ok(())
}

fn absence(course: &Course, trace: &Trace) -> Result<()> {
    let gone = course.points[1].at;
    let missing = trace.when(Event::Sensor { channel: Channel::Current, verdict: Verdict::Missing })?;
    // The last good reading is up to a period before.
    ensure!((gone + 500_000 - PERIOD..=gone + 500_000 + PERIOD).contains(&missing), "lost at {missing} µs");
    let throttled = trace.tripped(State::Throttle, Cause::SensorLost)?;
    let cut = trace.tripped(State::CutAccelerator, Cause::SensorLost)?;
    let back = trace.when(Event::Sensor { channel: Channel::Current, verdict: Verdict::Good })?;
    ensure!(missing <= throttled && throttled < cut && cut < back, "{missing}, {throttled}, {cut}, {back}");
    within_a_period("back", back, course.points[2].at)?;
    let last = trace.telemetry.last().context("none")?;
    ensure!(last.state == State::CutAccelerator, "in state {} although nobody released it", last.state);
    // Four seconds at the worst case, and no less.
    let worst = 20_000.0 * 21_000.0 * 4.0;
    let widened = last.widened.micro() as f64;
    println!(
        "      {:.3} J charged at the worst case, {:.3} J for the time of the absence alone",
        widened / 1e6,
        worst / 1e6
    );
    ensure!(widened >= worst && widened < worst * 1.02, "{widened} µJ were charged at the worst case");
    Ok(())
}

fn negative(_: &Course, trace: &Trace) -> Result<()> {
    trace.when(Event::Sensor { channel: Channel::Current, verdict: Verdict::Negative })?;
    trace.tripped(State::Throttle, Cause::SensorLost)?;
    ensure!(trace.counters.current.negative > 0, "no negative reading was counted");
    let last = trace.telemetry.last().context("none")?;
    ensure!(last.current.get() == 20_000, "{} instead of the worst case", last.current);
    Ok(())
}

fn silence(course: &Course, trace: &Trace) -> Result<()> {
    let mut config = trimtab_wire::mcu::Config::DEFAULT;
    (course.configure)(&mut config);
    // Its heart beats twice a second from the greeting on.
    let last = (course.silent_ms - course.greets_ms - 1) / 500 * 500 + course.greets_ms;
    let times = &config.host;
    let reset = times.reset.get();
    let expected = [
        (HostStage::Warned, times.warn.get()),
        (HostStage::Throttled, times.throttle.get()),
        (HostStage::Resetting, reset),
        (HostStage::HoldOff, reset + times.pulse.get()),
    ];
    for (stage, after) in expected {
        within_a_period(&format!("{stage:?}"), trace.when(Event::Host(stage))?, (last + after) * 1_000)?;
    }
    trace.tripped(State::Throttle, Cause::HostLost)?;
    ensure!(trace.counters.host_resets == 1, "{} resets of the host", trace.counters.host_resets);
    Ok(())
}

fn wrap(course: &Course, trace: &Trace) -> Result<()> {
    trace.quiet()?;
    let (first, last) = (trace.telemetry.first().context("none")?, trace.telemetry.last().context("none")?);
    let edge = 1 << 32;
    ensure!(first.at.get() < edge && edge < last.at.get(), "the clock did not wrap");
    let measured = last.energy.minus(first.energy).micro() as f64;
    let exact = course.energy(last.at.get() - course.clock) - course.energy(first.at.get() - course.clock);
    println!("      {:.6} J of {:.6} across the edge", measured / 1e6, exact / 1e6);
    ensure!((measured / exact - 1.0).abs() < NEAR, "{measured} µJ of {exact}");
    ensure!(trace.counters.clock_faults == 0 && trace.counters.stamp_faults == 0, "{:?}", trace.counters);
    Ok(())
}

fn hour(_: &Course, trace: &Trace) -> Result<()> {
    let left = |it: &Telemetry| it.remaining.map(|left| left.micro());
    let before = trace.telemetry.iter().rfind(|it| it.at.get() < 3_600_000_000).and_then(left).context("no budget")?;
    let after = trace.telemetry.iter().find(|it| it.at.get() > 3_600_100_000).and_then(left).context("no budget")?;
    println!("      {:.1} J left before the hour was over, {:.1} J after", before as f64 / 1e6, after as f64 / 1e6);
    ensure!(before < 20_000_000_000 && after > 99_900_000_000, "{before} µJ left before, {after} µJ after");
    Ok(())
}
