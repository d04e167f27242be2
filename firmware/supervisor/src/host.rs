//! The host's watchdog.
//!
//! ```text
//!              first heartbeat                    no heartbeat for `warn`       for `throttle`
//!  Starting ───────────────────▶ Alive ────────────────────────▶ Warned ─────────────────▶ Throttled
//!     │ none for `start`           ▲  ▲                             │                          │
//!     └────────▶ Warned            │  └──────── heartbeat ──────────┴──────────────────────────┤
//!                                  │                                                           │ for `reset`
//!                              heartbeat          after `pulse`                                ▼
//!                               HoldOff ◀──────────────────────────────────────────────── Resetting
//!                                  │ none for `hold_off`: Warned, Throttled, Resetting again
//!                                  └─── reset as often as is allowed ───▶ Gone ──heartbeat──▶ Alive
//! ```
//!
//! Any of these but `Resetting` and `Gone` becomes `Resting` by a farewell, which only a host in its senses says, and `Alive` again by
//! a heartbeat.
//!
//! A heartbeat counts only if its number has advanced: one that stands still is a host that hangs with its link alive. A
//! host that greets in a new boot begins to count anew; so does one that was reset.

use trimtab_core::Millis;

use crate::wire::{BootNumber, HostStage, HostTimes, Micros};

/// The host as the board sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    stage: HostStage,
    /// From when on its silence counts: its last heartbeat, or the end of the time that it has to start, less the time until a
    /// warning.
    silent_since: Micros,
    /// Since when its reset line is held, or it is alive.
    stage_since: Micros,
    /// It was overdue, and no heartbeat came since.
    lost: bool,
    count: Option<u32>,
    uptime_ms: Option<u32>,
    boot: Option<BootNumber>,
    /// Resets in a row, until it is healthy.
    pub(crate) resets: u8,
    /// Resets in all.
    pub(crate) pulses: u32,
    pub(crate) frozen: u32,
    pub(crate) restarts: u32,
}

/// When silence begins to count if the host may take `grace` from `now` on: the warning then comes at the end of it.
fn after(now: Micros, grace: Millis, times: &HostTimes) -> Micros {
    now.plus(Micros::from_millis(grace.minus(times.warn)))
}

impl Host {
    /// At the board's start, when the host may be starting too. `resets`: those in a row that came before.
    pub(crate) fn starting(times: &HostTimes, resets: u8) -> Self {
        Self {
            stage: HostStage::Starting,
            silent_since: after(Micros::ZERO, times.start, times),
            stage_since: Micros::ZERO,
            lost: false,
            count: None,
            uptime_ms: None,
            boot: None,
            resets,
            pulses: 0,
            frozen: 0,
            restarts: 0,
        }
    }

    pub(crate) const fn stage(&self) -> HostStage {
        self.stage
    }

    pub(crate) fn line(&self) -> bool {
        self.stage == HostStage::Resetting
    }

    pub(crate) fn gone(&self) -> bool {
        self.stage == HostStage::Gone
    }

    pub(crate) const fn lost(&self) -> bool {
        self.lost
    }

    /// It greeted: in a new boot its heartbeats count anew.
    pub(crate) fn greeted(&mut self, boot: BootNumber) {
        if self.boot != Some(boot) {
            (self.boot, self.count, self.uptime_ms) = (Some(boot), None, None);
        }
    }

    /// A heartbeat came; while the host is held in reset, none counts.
    pub(crate) fn beat(&mut self, now: Micros, count: u32, uptime_ms: u32) {
        let half = u32::MAX / 2;
        if self.uptime_ms.is_some_and(|before| uptime_ms.wrapping_sub(before) > half) {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.uptime_ms = Some(uptime_ms);
        if self.count.is_some_and(|before| matches!(count.wrapping_sub(before), 0 | 0x8000_0000..)) {
            self.frozen = self.frozen.saturating_add(1);
            return;
        }
        if self.stage == HostStage::Resetting {
            return;
        }
        self.count = Some(count);
        self.silent_since = now;
        self.lost = false;
        if self.stage != HostStage::Alive {
            self.stage = HostStage::Alive;
            self.stage_since = now;
        }
    }

    /// It stops on purpose.
    pub(crate) fn rest(&mut self) {
        if !matches!(self.stage, HostStage::Resetting | HostStage::Gone) {
            (self.stage, self.lost) = (HostStage::Resting, false);
        }
    }

    /// Goes on in time. `may_reset`: a host in a safe state is left as it is.
    pub(crate) fn advance(&mut self, now: Micros, times: &HostTimes, may_reset: bool) {
        match self.stage {
            HostStage::Resetting => {
                if now.since(self.stage_since) >= Micros::from_millis(times.pulse) {
                    self.stage = HostStage::HoldOff;
                    self.stage_since = now;
                    self.silent_since = after(now, times.hold_off, times);
                    (self.count, self.uptime_ms) = (None, None);
                }
            }
            HostStage::Gone | HostStage::Resting => {}
            HostStage::Starting | HostStage::Alive | HostStage::Warned | HostStage::Throttled | HostStage::HoldOff => {
                self.grow_silent(now, times, may_reset);
            }
        }
        if self.stage == HostStage::Alive && now.since(self.stage_since) >= Micros::from_millis(times.healthy) {
            self.resets = 0;
        }
    }

    fn grow_silent(&mut self, now: Micros, times: &HostTimes, may_reset: bool) {
        let silence = now.since(self.silent_since);
        let reached = |time| silence >= Micros::from_millis(time);
        if reached(times.reset) {
            self.lost = true;
            if may_reset && self.resets < times.resets_max {
                self.stage = HostStage::Resetting;
                self.stage_since = now;
                self.resets = self.resets.saturating_add(1);
                self.pulses = self.pulses.saturating_add(1);
            } else {
                self.stage = HostStage::Gone;
            }
        } else if reached(times.throttle) {
            self.lost = true;
            self.stage = HostStage::Throttled;
        } else if reached(times.warn) {
            self.stage = HostStage::Warned;
        }
    }

    /// When something happens next if no heartbeat comes.
    pub(crate) fn deadline(&self, times: &HostTimes) -> Option<Micros> {
        let silent = |time| Some(self.silent_since.plus(Micros::from_millis(time)));
        match self.stage {
            HostStage::Starting | HostStage::Alive | HostStage::HoldOff => silent(times.warn),
            HostStage::Warned => silent(times.throttle),
            HostStage::Throttled => silent(times.reset),
            HostStage::Resetting => Some(self.stage_since.plus(Micros::from_millis(times.pulse))),
            HostStage::Gone | HostStage::Resting => None,
        }
    }
}
