//! Energy budgets of the board: what may flow in an hour, in a day, and in all.
//!
//! The windows are those of `trimtab_core`, in time that the board was running. The configuration sets the ceilings; the host
//! may set less. The board has no holds: it counts what flows, whoever wanted it.

use trimtab_core::{Joules, Millis, Window};

use crate::wire::{BudgetLimits, BudgetWindow, Budgets as Told, WindowState};

/// One window and what flowed in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Spent {
    /// Which hour or day it is, counted from zero.
    pub(crate) number: u64,
    pub(crate) energy: Joules,
}

/// How far a budget is used, in rising order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Use {
    Little,
    Low,
    Exhausted,
    Overrun,
}

/// What the host allows, at most what the configuration does; none for that.
pub(crate) type HostLimits = [Option<Joules>; BudgetWindow::ALL.len()];

/// All windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Budgets {
    pub(crate) hour: Spent,
    pub(crate) day: Spent,
    pub(crate) total: Joules,
    pub(crate) host: HostLimits,
    now: Millis,
}

/// The window of the runtime that this one is; none for one without an end.
const fn window(of: BudgetWindow) -> Option<Window> {
    match of {
        BudgetWindow::Hour => Some(Window::Hour),
        BudgetWindow::Day => Some(Window::Day),
        BudgetWindow::Total => None,
    }
}

fn length(of: BudgetWindow) -> Option<u64> {
    window(of).and_then(Window::length).map(Millis::get)
}

/// So many thousandths of a limit, rounded down.
const fn share(limit: Joules, permille: u16) -> u64 {
    let (limit, permille) = (limit.micro(), permille as u64);
    (limit / 1_000).saturating_mul(permille).saturating_add((limit % 1_000).saturating_mul(permille) / 1_000)
}

impl Budgets {
    /// Goes on from what flowed before a reset.
    pub(crate) const fn resumed(hour: Spent, day: Spent, total: Joules, host: HostLimits) -> Self {
        Self { hour, day, total, host, now: Millis::ZERO }
    }

    /// Charges what flowed up to `now`, in time that the board was running; it counts in the windows that are current then.
    pub(crate) fn spend(&mut self, now: Millis, energy: Joules) {
        self.now = self.now.max(now);
        for (spent, of) in [(&mut self.hour, BudgetWindow::Hour), (&mut self.day, BudgetWindow::Day)] {
            let number = length(of).and_then(|length| self.now.get().checked_div(length)).unwrap_or(0);
            if number > spent.number {
                *spent = Spent { number, energy: Joules::ZERO };
            }
            spent.energy = spent.energy.plus(energy);
        }
        self.total = self.total.plus(energy);
    }

    /// Sets what the host allows; `limit` is at most the ceiling.
    pub(crate) fn allow(&mut self, of: BudgetWindow, limit: Option<Joules>) {
        if let Some(allowed) = self.host.get_mut(of as usize) {
            *allowed = limit;
        }
    }

    /// What the configuration allows.
    pub(crate) const fn ceiling(of: BudgetWindow, limits: &BudgetLimits) -> Option<Joules> {
        match of {
            BudgetWindow::Hour => limits.hour,
            BudgetWindow::Day => limits.day,
            BudgetWindow::Total => limits.total,
        }
    }

    fn limit(&self, of: BudgetWindow, limits: &BudgetLimits) -> Option<Joules> {
        let host = self.host.get(of as usize).copied().flatten();
        match (Self::ceiling(of, limits), host) {
            (Some(ceiling), Some(host)) => Some(ceiling.min(host)),
            (ceiling, host) => ceiling.or(host),
        }
    }

    const fn spent(&self, of: BudgetWindow) -> Joules {
        match of {
            BudgetWindow::Hour => self.hour.energy,
            BudgetWindow::Day => self.day.energy,
            BudgetWindow::Total => self.total,
        }
    }

    /// How far the budget is used that is used most.
    pub(crate) fn used(&self, limits: &BudgetLimits) -> Use {
        let used = BudgetWindow::ALL.into_iter().filter_map(|of| {
            let (limit, spent) = (self.limit(of, limits)?, self.spent(of).micro());
            Some(if spent >= share(limit, limits.overrun) && spent > limit.micro() {
                Use::Overrun
            } else if spent >= limit.micro() {
                Use::Exhausted
            } else if spent >= share(limit, limits.low) {
                Use::Low
            } else {
                Use::Little
            })
        });
        used.max().unwrap_or(Use::Little)
    }

    /// What is left of the budget that has least left; none without a budget.
    pub(crate) fn remaining(&self, limits: &BudgetLimits) -> Option<Joules> {
        let left = |of| self.limit(of, limits).map(|limit| limit.minus(self.spent(of)));
        BudgetWindow::ALL.into_iter().filter_map(left).min()
    }

    /// All of it, for the host.
    pub(crate) fn told(&self, limits: &BudgetLimits) -> Told {
        let state = |of| {
            let past = length(of).and_then(|length| Some(length.saturating_sub(self.now.get().checked_rem(length)?)));
            WindowState { limit: self.limit(of, limits), spent: self.spent(of), ends_in: past.map(Millis::new) }
        };
        Told { hour: state(BudgetWindow::Hour), day: state(BudgetWindow::Day), total: state(BudgetWindow::Total) }
    }
}
