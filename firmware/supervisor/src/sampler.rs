//! Readings, and whether they are believed.
//!
//! ```text
//!            in range, near the last one, not stuck
//!   ┌──────────────────────────────────────────────┐
//!   ▼                                              │
//!  Good ──no answer──▶ Missing ────────────────────┤
//!   ├──out of range──▶ Range, Negative ────────────┤
//!   ├──too far off───▶ Jump ──confirmed thrice────▶┤
//!   ├──same too long─▶ Stuck ──changes────────────▶┤
//!   └──not sampled───▶ Stale ──sampled again──────▶┘
//! ```
//!
//! Whatever is not good is taken at its worst case, the most that its sensor can give, and never as it was before. A channel
//! that is not good for a configured time is *lost*. What lies above the range is not believed as a measurement, but as a
//! danger it is: limits hear of it.

use crate::wire::{
    Channel, ChannelCounters, Config, Micros, Milliamps, Millicelsius, Millivolts, Plausibility, Plausible, Verdict,
};

/// A reading far from the one before is believed once so many in a row agree with each other.
const JUMP_CONFIRMED: u8 = 3;

/// The rules of one channel as plain numbers.
#[derive(Clone, Copy)]
struct Rules {
    least: i32,
    most: i32,
    jump: i32,
    stuck: u16,
    /// Below zero there is nothing, whatever offset is allowed.
    positive: bool,
}

/// What one channel gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// The reading, or the worst case.
    pub(crate) value: i32,
    /// What limits must hear: the reading if it is good or above its range.
    pub(crate) felt: Option<i32>,
    pub(crate) verdict: Verdict,
}

/// One sensor's past.
#[derive(Clone, Copy, Debug, Default)]
struct Sensor {
    /// The last reading that was believed; none at first, and after the sensor was lost.
    believed: Option<i32>,
    /// The last answer, believed or not, and how often it came in a row before.
    answer: Option<i32>,
    repeats: u16,
    /// Where it may have jumped to, and how many readings agree.
    jumped: Option<(i32, u8)>,
    /// When it was good last; the start, if never.
    good_at: Micros,
    lost: bool,
    verdict: Verdict,
    counters: ChannelCounters,
}

impl Sensor {
    fn take(&mut self, answer: Option<i32>, now: Micros, rules: Rules) -> Taken {
        let verdict = answer.map_or(Verdict::Missing, |reading| self.judge(reading, rules));
        self.count(verdict);
        self.verdict = verdict;
        if verdict == Verdict::Good {
            self.good_at = now;
        }
        match answer {
            Some(reading) if verdict == Verdict::Good => Taken { value: reading, felt: Some(reading), verdict },
            Some(reading) if reading > rules.most => Taken { value: rules.most, felt: Some(reading), verdict },
            _ => Taken { value: rules.most, felt: None, verdict },
        }
    }

    fn judge(&mut self, reading: i32, rules: Rules) -> Verdict {
        self.repeats = if self.answer == Some(reading) { self.repeats.saturating_add(1) } else { 0 };
        self.answer = Some(reading);
        if reading < rules.least && reading < 0 && rules.positive {
            return Verdict::Negative;
        }
        if reading < rules.least || reading > rules.most {
            return Verdict::Range;
        }
        if rules.stuck > 0 && self.repeats >= rules.stuck {
            return Verdict::Stuck;
        }
        let near = |other: i32| i64::from(reading).abs_diff(i64::from(other)) <= u64::from(rules.jump.unsigned_abs());
        if self.believed.is_some_and(|believed| !near(believed)) {
            let agreeing = match self.jumped {
                Some((other, agreeing)) if near(other) => agreeing.saturating_add(1),
                _ => 1,
            };
            self.jumped = Some((reading, agreeing));
            if agreeing < JUMP_CONFIRMED {
                return Verdict::Jump;
            }
        }
        self.jumped = None;
        self.believed = Some(reading);
        Verdict::Good
    }

    fn count(&mut self, verdict: Verdict) {
        let counters = &mut self.counters;
        let count = match verdict {
            Verdict::Good => return,
            Verdict::Missing => &mut counters.missing,
            Verdict::Stale => &mut counters.stale,
            Verdict::Range => &mut counters.range,
            Verdict::Negative => &mut counters.negative,
            Verdict::Jump => &mut counters.jump,
            Verdict::Stuck => &mut counters.stuck,
        };
        *count = count.saturating_add(1);
    }

    /// Whether it is lost since, or back since: a change.
    fn settle(&mut self, now: Micros, lost_after: Micros) -> bool {
        let lost = self.verdict != Verdict::Good && now.since(self.good_at) >= lost_after;
        // Only a good reading brings it back.
        if lost == self.lost || (self.lost && self.verdict != Verdict::Good) {
            return false;
        }
        self.lost = lost;
        if lost {
            (self.believed, self.jumped) = (None, None);
        }
        true
    }
}

/// All that one sample gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readings {
    pub(crate) current: Taken,
    pub(crate) voltage: Taken,
    pub(crate) temperature: Taken,
}

impl Readings {
    /// Whether power is not measured but the worst case.
    pub(crate) fn widened(&self) -> bool {
        self.current.verdict != Verdict::Good || self.voltage.verdict != Verdict::Good
    }

    pub(crate) const fn power(&self) -> trimtab_core::Watts {
        Milliamps::new(self.current.value).at(Millivolts::new(self.voltage.value))
    }

    pub(crate) const fn plausibility(&self) -> Plausibility {
        Plausibility {
            current: self.current.verdict,
            voltage: self.voltage.verdict,
            temperature: self.temperature.verdict,
        }
    }

    /// Nothing is known.
    pub(crate) const fn worst(config: &Config, verdict: Verdict) -> Self {
        const fn taken(value: i32, verdict: Verdict) -> Taken {
            Taken { value, felt: None, verdict }
        }
        Self {
            current: taken(config.current.most.get(), verdict),
            voltage: taken(config.voltage.most.get(), verdict),
            temperature: taken(config.temperature.most.get(), verdict),
        }
    }
}

/// The three sensors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sampler {
    current: Sensor,
    voltage: Sensor,
    temperature: Sensor,
}

impl Sampler {
    /// Takes what the sensors answered.
    pub(crate) fn take(
        &mut self,
        now: Micros,
        answers: (Option<Milliamps>, Option<Millivolts>, Option<Millicelsius>),
        config: &Config,
    ) -> Readings {
        let (current, voltage, temperature) = answers;
        Readings {
            current: self.current.take(current.map(Milliamps::get), now, Rules::current(&config.current)),
            voltage: self.voltage.take(voltage.map(Millivolts::get), now, Rules::voltage(&config.voltage)),
            temperature: self.temperature.take(
                temperature.map(Millicelsius::get),
                now,
                Rules::temperature(&config.temperature),
            ),
        }
    }

    /// Nothing was sampled for too long.
    pub(crate) fn stale(&mut self, config: &Config) -> Readings {
        for sensor in [&mut self.current, &mut self.voltage, &mut self.temperature] {
            if sensor.verdict != Verdict::Stale {
                sensor.count(Verdict::Stale);
                sensor.verdict = Verdict::Stale;
            }
        }
        Readings::worst(config, Verdict::Stale)
    }

    /// Tells which channels were lost, or came back, since the last call.
    pub(crate) fn changes(&mut self, now: Micros, config: &Config) -> impl Iterator<Item = (Channel, Verdict)> + use<> {
        let lost_after = Micros::from_millis(config.sensor_lost);
        let change = |channel, sensor: &mut Sensor| {
            let changed = sensor.settle(now, lost_after);
            changed.then_some((channel, sensor.verdict))
        };
        let changes = [
            change(Channel::Current, &mut self.current),
            change(Channel::Voltage, &mut self.voltage),
            change(Channel::Temperature, &mut self.temperature),
        ];
        changes.into_iter().flatten()
    }

    /// For how long the channel that was lost first is not good; none while all are there.
    pub(crate) fn lost_for(&self, now: Micros) -> Option<Micros> {
        let lost = [&self.current, &self.voltage, &self.temperature].into_iter().filter(|sensor| sensor.lost);
        lost.map(|sensor| now.since(sensor.good_at)).max()
    }

    /// Counts of current, voltage and temperature.
    pub(crate) const fn counters(&self) -> (ChannelCounters, ChannelCounters, ChannelCounters) {
        (self.current.counters, self.voltage.counters, self.temperature.counters)
    }
}

impl Rules {
    const fn current(of: &Plausible<Milliamps>) -> Self {
        let (least, most, jump) = (of.least.get(), of.most.get(), of.jump.get());
        Self { least, most, jump, stuck: of.stuck, positive: true }
    }

    const fn voltage(of: &Plausible<Millivolts>) -> Self {
        let (least, most, jump) = (of.least.get(), of.most.get(), of.jump.get());
        Self { least, most, jump, stuck: of.stuck, positive: true }
    }

    const fn temperature(of: &Plausible<Millicelsius>) -> Self {
        let (least, most, jump) = (of.least.get(), of.most.get(), of.jump.get());
        Self { least, most, jump, stuck: of.stuck, positive: false }
    }
}
