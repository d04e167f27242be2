//! The board's configuration, its safe defaults and its rules. Field order is the wire format.

use core::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::{Joules, Millis};

use super::units::{Milliamps, Millicelsius, Millivolts};

/// What a sensor can give: whatever lies outside is not believed, and counts as `most`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plausible<U> {
    /// The least that is believed.
    pub least: U,
    /// The most that is believed, and the worst case.
    pub most: U,
    /// The most by which two readings that follow each other differ; what is farther must be confirmed by the next ones.
    pub jump: U,
    /// So many equal readings in a row are believed; zero for any number.
    pub stuck: u16,
}

/// When current is too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CurrentLimits {
    /// From here on: throttle.
    pub soft: Milliamps,
    /// From here on: cut.
    pub hard: Milliamps,
    /// A limit no longer counts as exceeded this much below it.
    pub hysteresis: Milliamps,
    /// For so long without a break, either way.
    pub dwell: Millis,
}

/// When it is too hot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TemperatureLimits {
    /// From here on: throttle.
    pub soft: Millicelsius,
    /// From here on: cut.
    pub hard: Millicelsius,
    /// From here on: safe.
    pub critical: Millicelsius,
    /// A limit no longer counts as exceeded this much below it.
    pub hysteresis: Millicelsius,
    /// For so long without a break, either way.
    pub dwell: Millis,
}

/// The most energy that may flow; the host may set less, never more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BudgetLimits {
    /// In an hour of the board's time.
    pub hour: Option<Joules>,
    /// In a day of the board's time.
    pub day: Option<Joules>,
    /// Since the board was last without power.
    pub total: Option<Joules>,
    /// Throttle when this much of a budget is used, ‰ (1 to 1000).
    pub low: u16,
    /// Safe when this much of a budget is used, ‰ (1000 to 10000).
    pub overrun: u16,
}

/// How long the host may be silent. Each time counts from the last heartbeat that advanced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostTimes {
    /// From the board's start to the first heartbeat.
    pub start: Millis,
    /// Until it is warned of.
    pub warn: Millis,
    /// Until the board throttles.
    pub throttle: Millis,
    /// Until the host is reset.
    pub reset: Millis,
    /// How long the reset line is held.
    pub pulse: Millis,
    /// How long the host may take to start after a reset.
    pub hold_off: Millis,
    /// How often the host is reset before the board gives it up.
    pub resets_max: u8,
    /// After so long of heartbeats without a break, earlier resets are forgotten.
    pub healthy: Millis,
}

/// The whole configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Between two samples.
    pub sample_period: Millis,
    /// Without a sample that is believed for so long: the sensor is lost. Throttle.
    pub sensor_lost: Millis,
    /// And for so long: cut.
    pub sensor_cut: Millis,
    /// What the current can be.
    pub current: Plausible<Milliamps>,
    /// What the voltage can be.
    pub voltage: Plausible<Millivolts>,
    /// What the temperature can be.
    pub temperature: Plausible<Millicelsius>,
    /// When current is too much.
    pub current_limits: CurrentLimits,
    /// When it is too hot.
    pub temperature_limits: TemperatureLimits,
    /// The most energy that may flow.
    pub budgets: BudgetLimits,
    /// How long the host may be silent.
    pub host: HostTimes,
}

impl Config {
    /// For a single-board computer of some 15 W with an accelerator, on 5 to 20 V: careful, so that a board that knows
    /// nothing better does no harm.
    pub const DEFAULT: Self = Self {
        sample_period: Millis::new(20),
        sensor_lost: Millis::new(500),
        sensor_cut: Millis::new(5_000),
        current: Plausible {
            least: Milliamps::new(0),
            most: Milliamps::new(15_000),
            jump: Milliamps::new(10_000),
            stuck: 6_000,
        },
        voltage: Plausible {
            least: Millivolts::new(4_000),
            most: Millivolts::new(21_000),
            jump: Millivolts::new(5_000),
            stuck: 0,
        },
        temperature: Plausible {
            least: Millicelsius::new(-40_000),
            most: Millicelsius::new(125_000),
            jump: Millicelsius::new(20_000),
            stuck: 0,
        },
        current_limits: CurrentLimits {
            soft: Milliamps::new(5_000),
            hard: Milliamps::new(8_000),
            hysteresis: Milliamps::new(500),
            dwell: Millis::new(200),
        },
        temperature_limits: TemperatureLimits {
            soft: Millicelsius::new(70_000),
            hard: Millicelsius::new(80_000),
            critical: Millicelsius::new(90_000),
            hysteresis: Millicelsius::new(5_000),
            dwell: Millis::new(1_000),
        },
        budgets: BudgetLimits { hour: None, day: None, total: None, low: 800, overrun: 1_100 },
        host: HostTimes {
            start: Millis::new(120_000),
            warn: Millis::new(1_000),
            throttle: Millis::new(2_000),
            reset: Millis::new(5_000),
            pulse: Millis::new(250),
            hold_off: Millis::new(90_000),
            resets_max: 3,
            healthy: Millis::new(600_000),
        },
    };

    /// Whether it keeps its own rules; names the first that it breaks.
    pub fn check(&self) -> Result<(), ConfigFault> {
        self.check_sensors()?;
        self.check_limits()?;
        self.check_host()
    }

    fn check_sensors(&self) -> Result<(), ConfigFault> {
        within(self.sample_period, 1, 1_000, ConfigFault::SamplePeriod)?;
        // One sample may be late without its sensor being lost.
        within(self.sensor_lost, 2 * self.sample_period.get(), SPAN_MAX, ConfigFault::SensorLost)?;
        within(self.sensor_cut, self.sensor_lost.get(), SPAN_MAX, ConfigFault::SensorCut)?;
        let current = &self.current;
        let (least, most) = (current.least.get(), current.most.get());
        rule(-100 <= least && least < most && most <= 1_000_000 && current.jump.get() > 0, ConfigFault::Current)?;
        let voltage = &self.voltage;
        let (least, most) = (voltage.least.get(), voltage.most.get());
        rule(0 <= least && least < most && most <= 100_000 && voltage.jump.get() > 0, ConfigFault::Voltage)?;
        let temperature = &self.temperature;
        let (least, most) = (temperature.least.get(), temperature.most.get());
        let rules = -100_000 <= least && least < most && most <= 300_000 && temperature.jump.get() > 0;
        rule(rules, ConfigFault::Temperature)
    }

    fn check_limits(&self) -> Result<(), ConfigFault> {
        let current = &self.current_limits;
        let (soft, hard, margin) = (current.soft.get(), current.hard.get(), current.hysteresis.get());
        let rules = 0 <= margin && margin < soft && soft < hard && hard <= self.current.most.get();
        rule(rules && current.dwell.get() <= DWELL_MAX, ConfigFault::CurrentLimits)?;
        let heat = &self.temperature_limits;
        let (soft, hard, critical) = (heat.soft.get(), heat.hard.get(), heat.critical.get());
        let rules = self.temperature.least.get() < soft
            && soft < hard
            && hard < critical
            && critical <= self.temperature.most.get()
            && (0..=100_000).contains(&heat.hysteresis.get());
        rule(rules && heat.dwell.get() <= DWELL_MAX, ConfigFault::TemperatureLimits)?;
        let budgets = &self.budgets;
        let zero = [budgets.hour, budgets.day, budgets.total].contains(&Some(Joules::ZERO));
        let rules = (1..=1_000).contains(&budgets.low) && (1_000..=10_000).contains(&budgets.overrun);
        rule(rules && !zero, ConfigFault::Budgets)
    }

    fn check_host(&self) -> Result<(), ConfigFault> {
        let host = &self.host;
        within(host.warn, 100, SPAN_MAX, ConfigFault::HostWarn)?;
        within(host.throttle, host.warn.get(), SPAN_MAX, ConfigFault::HostThrottle)?;
        within(host.reset, host.throttle.get(), SPAN_MAX, ConfigFault::HostReset)?;
        within(host.pulse, 1, 10_000, ConfigFault::HostPulse)?;
        within(host.start, host.warn.get(), SPAN_MAX, ConfigFault::HostStart)?;
        within(host.hold_off, host.warn.get(), SPAN_MAX, ConfigFault::HostHoldOff)?;
        within(host.healthy, host.warn.get(), SPAN_MAX, ConfigFault::HostHealthy)
    }
}

/// Longest span in a configuration, ms: a day.
const SPAN_MAX: u64 = 86_400_000;
/// Longest dwell, ms: what is too much for longer is acted on.
const DWELL_MAX: u64 = 60_000;

const fn rule(holds: bool, fault: ConfigFault) -> Result<(), ConfigFault> {
    if holds { Ok(()) } else { Err(fault) }
}

const fn within(span: Millis, least: u64, most: u64, fault: ConfigFault) -> Result<(), ConfigFault> {
    rule(least <= span.get() && span.get() <= most, fault)
}

/// The rule that a configuration breaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ConfigFault {
    /// Of the time between samples.
    SamplePeriod,
    /// Of the time until a sensor is lost.
    SensorLost,
    /// Of the time until a lost sensor cuts.
    SensorCut,
    /// Of what the current can be.
    Current,
    /// Of what the voltage can be.
    Voltage,
    /// Of what the temperature can be.
    Temperature,
    /// Of the limits of current.
    CurrentLimits,
    /// Of the limits of temperature.
    TemperatureLimits,
    /// Of the energy budgets.
    Budgets,
    /// Of the time until a warning.
    HostWarn,
    /// Of the time until a throttle.
    HostThrottle,
    /// Of the time until a reset.
    HostReset,
    /// Of the pulse.
    HostPulse,
    /// Of the time to the first heartbeat.
    HostStart,
    /// Of the time to start after a reset.
    HostHoldOff,
    /// Of the time after which resets are forgotten.
    HostHealthy,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SamplePeriod => "sample_period must be 1 to 1000 ms",
            Self::SensorLost => "sensor_lost must be twice sample_period to a day",
            Self::SensorCut => "sensor_cut must be sensor_lost to a day",
            Self::Current => "current: -100 mA ≤ least < most ≤ 1000 A and jump > 0 must hold",
            Self::Voltage => "voltage: 0 V ≤ least < most ≤ 100 V and jump > 0 must hold",
            Self::Temperature => "temperature: -100 °C ≤ least < most ≤ 300 °C and jump > 0 must hold",
            Self::CurrentLimits => {
                "current_limits: 0 ≤ hysteresis < soft < hard ≤ current.most and dwell ≤ 60 s must hold"
            }
            Self::TemperatureLimits => {
                "temperature_limits: temperature.least < soft < hard < critical ≤ temperature.most, hysteresis of 0 to \
                 100 °C and dwell ≤ 60 s must hold"
            }
            Self::Budgets => "budgets: low must be 1 to 1000 ‰, overrun 1000 to 10000 ‰, and no limit zero",
            Self::HostWarn => "host.warn must be 100 ms to a day",
            Self::HostThrottle => "host.throttle must be host.warn to a day",
            Self::HostReset => "host.reset must be host.throttle to a day",
            Self::HostPulse => "host.pulse must be 1 ms to 10 s",
            Self::HostStart => "host.start must be host.warn to a day",
            Self::HostHoldOff => "host.hold_off must be host.warn to a day",
            Self::HostHealthy => "host.healthy must be host.warn to a day",
        })
    }
}

impl core::error::Error for ConfigFault {}
