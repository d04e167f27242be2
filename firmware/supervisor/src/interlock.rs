//! The interlock: it only gets safer, until a trip is released.
//!
//! ```text
//!           BudgetLow, OverCurrent,      BudgetExhausted, OverCurrent,     BudgetOverrun,
//!           OverTemperature, SensorLost, OverTemperature, SensorLost,      OverTemperature,
//!           HostLost, OwnWatchdog        ConfigInvalid                     HostGone, OwnFault
//!  Normal ─────────────────▶ Throttle ─────────────────▶ CutAccelerator ─────────────────▶ Safe
//!     ▲                          │                             │                             │
//!     └──────────────────────────┴── sealed release ───────────┴─────────────────────────────┘
//! ```
//!
//! Any state may be skipped on the way up. Every step up is a *trip* with a number of its own. Throttle is latched as the
//! others are: hysteresis and dwell are in what raises a state and in what a release finds still present (`danger`), never
//! in a way down. A release names the last trip, and leads to the state that the present dangers want; if that is above
//! Normal, what remains is a new trip, to be released in its turn. Trips outlive resets and power cuts.

use core::cmp::Ordering;

use crate::wire::{Cause, State, Trip, TripId};

/// The state and the last trip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interlock {
    trip: Option<Trip>,
    next: TripId,
}

impl Interlock {
    /// As it was left.
    pub(crate) const fn resumed(trip: Option<Trip>, next: TripId) -> Self {
        Self { trip, next }
    }

    /// What to believe of two, of which either may have missed the last change: the one that knows more trips. Of the same
    /// trips, one that is not released: so a release that one of them missed has to come again.
    pub(crate) fn or(self, other: Self) -> Self {
        match self.next.cmp(&other.next) {
            Ordering::Less => other,
            Ordering::Greater => self,
            Ordering::Equal => Self { trip: self.trip.or(other.trip), next: self.next },
        }
    }

    pub(crate) fn state(&self) -> State {
        self.trip.map_or(State::Normal, |trip| trip.state)
    }

    pub(crate) const fn trip(&self) -> Option<Trip> {
        self.trip
    }

    /// The number that the next trip will have.
    pub(crate) const fn next(&self) -> TripId {
        self.next
    }

    /// Steps up if that is safer; says with which trip.
    pub(crate) fn raise(&mut self, state: State, cause: Cause) -> Option<Trip> {
        if state <= self.state() {
            return None;
        }
        let trip = Trip { id: self.next, state, cause };
        self.next = TripId(self.next.0.saturating_add(1));
        self.trip = Some(trip);
        Some(trip)
    }

    /// Steps down to what is wanted now. The caller has checked the seal, and that `released` is the last trip; another one
    /// changes nothing.
    pub(crate) fn release(&mut self, released: TripId, wanted: Option<(State, Cause)>) {
        if self.trip.is_some_and(|trip| trip.id == released) {
            self.trip = None;
            if let Some((state, cause)) = wanted {
                self.raise(state, cause);
            }
        }
    }
}
