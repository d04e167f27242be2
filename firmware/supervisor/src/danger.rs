//! What speaks for stepping in: each danger with its limit, its hysteresis and how long it must last.
//!
//! ```text
//!              at or above the limit, for `dwell` without a break
//!    quiet ─────────────────────────────────────────────────────▶ present
//!      ▲                                                            │
//!      └────────── below limit − hysteresis, for `dwell` ───────────┘
//! ```
//!
//! A reading that is not believed starts nothing and ends nothing; a danger that was about to show stays about to. A danger
//! that is present says which state it wants. That it has passed lowers nothing by itself: it only lets a release do more.

use crate::budgets::Use;
use crate::sampler::Readings;
use crate::wire::{Cause, Config, Micros, State};

/// One limit with hysteresis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Trigger {
    present: bool,
    /// Since when the opposite has held without a break.
    turning: Option<Micros>,
}

impl Trigger {
    fn feel(&mut self, at: Micros, felt: Option<i32>, limit: i32, hysteresis: i32, dwell: Micros) {
        let Some(felt) = felt else {
            // What is unknown is no sign that it is over.
            if self.present {
                self.turning = None;
            }
            return;
        };
        let opposite = if self.present { felt < limit.saturating_sub(hysteresis) } else { felt >= limit };
        if !opposite {
            self.turning = None;
        } else if at.since(*self.turning.get_or_insert(at)) >= dwell {
            (self.present, self.turning) = (!self.present, None);
        }
    }
}

/// What holds of the board besides its sensors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Circumstances {
    pub(crate) used: Use,
    /// For how long the sensor that was lost first is; none while all are there.
    pub(crate) sensor_lost: Option<Micros>,
    pub(crate) host_lost: bool,
    pub(crate) host_gone: bool,
    pub(crate) config_invalid: bool,
}

/// Every danger there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dangers {
    current: [Trigger; 2],
    temperature: [Trigger; 3],
}

impl Dangers {
    /// Takes a sample's readings, believed or not.
    pub(crate) fn feel(&mut self, at: Micros, readings: &Readings, config: &Config) {
        let limits = &config.current_limits;
        let dwell = Micros::from_millis(limits.dwell);
        for (trigger, limit) in self.current.iter_mut().zip([limits.soft, limits.hard]) {
            trigger.feel(at, readings.current.felt, limit.get(), limits.hysteresis.get(), dwell);
        }
        let limits = &config.temperature_limits;
        let dwell = Micros::from_millis(limits.dwell);
        for (trigger, limit) in self.temperature.iter_mut().zip([limits.soft, limits.hard, limits.critical]) {
            trigger.feel(at, readings.temperature.felt, limit.get(), limits.hysteresis.get(), dwell);
        }
    }

    /// The safest state that anything wants, and what wants it. Of several that want the same, the first of the list.
    pub(crate) fn demand(&self, now: &Circumstances, config: &Config) -> Option<(State, Cause)> {
        let [soft_current, hard_current] = self.current.map(|trigger| trigger.present);
        let [soft_heat, hard_heat, critical_heat] = self.temperature.map(|trigger| trigger.present);
        let lost_long = now.sensor_lost.is_some_and(|span| span >= Micros::from_millis(config.sensor_cut));
        let wanted = [
            (critical_heat, State::Safe, Cause::OverTemperature),
            (now.used >= Use::Overrun, State::Safe, Cause::BudgetOverrun),
            (now.host_gone, State::Safe, Cause::HostGone),
            (hard_heat, State::CutAccelerator, Cause::OverTemperature),
            (hard_current, State::CutAccelerator, Cause::OverCurrent),
            (now.used >= Use::Exhausted, State::CutAccelerator, Cause::BudgetExhausted),
            (lost_long, State::CutAccelerator, Cause::SensorLost),
            (now.config_invalid, State::CutAccelerator, Cause::ConfigInvalid),
            (soft_heat, State::Throttle, Cause::OverTemperature),
            (soft_current, State::Throttle, Cause::OverCurrent),
            (now.used >= Use::Low, State::Throttle, Cause::BudgetLow),
            (now.sensor_lost.is_some(), State::Throttle, Cause::SensorLost),
            (now.host_lost, State::Throttle, Cause::HostLost),
        ];
        wanted.into_iter().find(|(present, ..)| *present).map(|(_, state, cause)| (state, cause))
    }
}
