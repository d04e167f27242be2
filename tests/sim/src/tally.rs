//! The account of true cost, kept outside the ledger by whoever draws it.
//!
//! Joules and milliseconds belong to the windows in which they were spent, by the device's clock; money and bytes to those
//! that were current when their hold was last made durable, because nobody knows when an upstream or a network took them.
//! A window is overshot when more was spent in it than its limit was when something was last reserved against it: an operator
//! who lowers a limit below what is spent already has not made the device overshoot.

use std::collections::BTreeMap;

use trimtab_core::{Budget, ConversationId, Cost, Millis, Resource, TurnId, Window};

/// Length of an hour and a day, in milliseconds of active time.
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// Windows of one kind that are looked back on.
const KEPT: usize = 20_000;
/// Overshoots that are told in words.
pub const TOLD_MAX: usize = 20;

/// On whose account, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which turn.
    pub turn: TurnId,
    /// Whose.
    pub conversation: ConversationId,
    /// In active time.
    pub at: Millis,
}

/// One window of one resource.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    spent: u64,
    /// When something was last reserved; none: nothing was.
    limit: Option<u64>,
}

/// What was truly spent.
#[derive(Debug, Default)]
pub struct Tally {
    /// By the window's kind and number.
    windows: [BTreeMap<u64, [Entry; 4]>; 4],
    overshoots: u64,
    told: Vec<String>,
}

/// The amount of one resource.
#[must_use]
pub const fn amount(resource: Resource, cost: &Cost) -> u64 {
    match resource {
        Resource::Energy => cost.energy.micro(),
        Resource::Money => cost.money.nano(),
        Resource::Bytes => cost.bytes.get(),
        Resource::Latency => cost.latency.get(),
    }
}

/// The number of the window of that kind.
const fn number(window: Window, account: &Account) -> u64 {
    match window {
        Window::Turn => account.turn.key(),
        Window::Conversation => account.conversation.0,
        Window::Hour => account.at.get() / HOUR,
        Window::Day => account.at.get() / DAY,
    }
}

/// The limit of that resource and window; none is the largest number.
fn limit(limits: &[Budget], resource: Resource, window: Window) -> u64 {
    let of = |budget: &&Budget| budget.resource() == resource && budget.window() == window;
    limits.iter().filter(of).map(Budget::limit).min().unwrap_or(u64::MAX)
}

impl Tally {
    /// So much is reserved under these limits.
    pub fn granted(&mut self, account: &Account, reserved: &Cost, limits: &[Budget]) {
        for (windows, window) in self.windows.iter_mut().zip(Window::ALL) {
            let entries = windows.entry(number(window, account)).or_default();
            for (entry, resource) in entries.iter_mut().zip(Resource::ALL) {
                if amount(resource, reserved) > 0 {
                    entry.limit = Some(limit(limits, resource, window));
                }
            }
            // Conversations are numbered by chance and last for ever.
            if window != Window::Conversation && windows.len() > KEPT {
                windows.pop_first();
            }
        }
    }

    /// So much was spent under a hold that was given under these limits.
    pub fn spent(&mut self, account: &Account, cost: &Cost, limits: &[Budget]) {
        for (windows, window) in self.windows.iter_mut().zip(Window::ALL) {
            let number = number(window, account);
            let entries = windows.entry(number).or_default();
            for (entry, resource) in entries.iter_mut().zip(Resource::ALL) {
                let more = amount(resource, cost);
                if more == 0 {
                    continue;
                }
                entry.spent += more;
                let most = *entry.limit.get_or_insert(limit(limits, resource, window));
                if entry.spent > most {
                    self.overshoots += 1;
                    if self.told.len() < TOLD_MAX {
                        let (resource, window, turn) = (resource.name(), window.name(), account.turn);
                        let spent = entry.spent;
                        self.told.push(format!(
                            "{resource} per {window} {number}: {spent} of {most} with turn {turn} at {}",
                            account.at
                        ));
                    }
                }
            }
        }
    }

    /// What was spent in one window that is current for the account.
    #[must_use]
    pub fn of(&self, account: &Account, resource: Resource, window: Window) -> u64 {
        let windows = self.windows.iter().zip(Window::ALL).find(|(_, kind)| *kind == window);
        let entries = windows.and_then(|(windows, _)| windows.get(&number(window, account)));
        let found = entries.and_then(|entries| entries.iter().zip(Resource::ALL).find(|(_, of)| *of == resource));
        found.map_or(0, |(entry, _)| entry.spent)
    }

    /// Times that a window was overshot.
    #[must_use]
    pub const fn overshoots(&self) -> u64 {
        self.overshoots
    }

    /// The first of them in words.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.told
    }
}
