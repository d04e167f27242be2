//! Budgets that cannot be overspent: reserve, act, settle.
//!
//! ```text
//!            reserve                    settle(actual)
//!  (nothing) ───────▶ Hold (open) ────────────────────▶ spent += actual in every current window
//!                        │  the runtime dies
//!                        ▼
//!                     orphan: counts as spent in the windows that were current when it became one,
//!                     until it is settled late or the day of these windows ends
//! ```
//!
//! For every window, settled cost plus open holds never exceeds the budget as long as actual cost stays within its hold;
//! a settlement is never clamped, an excess is debited and reported. Time is active time, so no window ends while the
//! device is off.

use crate::id::ConversationId;
use crate::limits::{BUDGETS_MAX, CONVERSATIONS_MAX, HOLDS_MAX, ORPHANS_MAX};
use crate::quote::Cost;
use crate::units::{Bytes, Joules, Millis, Usd};
use core::fmt;
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// What a budget limits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Energy on the device.
    Energy,
    /// Money to upstreams; local answers cost none, so a cap never blocks them.
    Money,
    /// Bytes over the uplink.
    Bytes,
    /// Time spent answering.
    Latency,
}

impl Resource {
    /// All of them, in the order of the observation.
    pub const ALL: [Self; 4] = [Self::Energy, Self::Money, Self::Bytes, Self::Latency];

    /// Name as in configuration and topics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::Money => "money",
            Self::Bytes => "bytes",
            Self::Latency => "latency",
        }
    }

    const fn of(self, cost: &Cost) -> u64 {
        match self {
            Self::Energy => cost.energy.micro(),
            Self::Money => cost.money.nano(),
            Self::Bytes => cost.bytes.get(),
            Self::Latency => cost.latency.get(),
        }
    }
}

/// How long a budget counts before it starts anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// One turn.
    Turn,
    /// One conversation, for ever.
    Conversation,
    /// One hour of active time.
    Hour,
    /// One day of active time.
    Day,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Turn, Self::Conversation, Self::Hour, Self::Day];

    /// Name as in configuration and topics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Conversation => "conversation",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long it lasts in active time; none for one that ends with something else.
    #[must_use]
    pub const fn length(self) -> Option<Millis> {
        match self {
            Self::Turn | Self::Conversation => None,
            Self::Hour => Some(Millis::new(HOUR)),
            Self::Day => Some(Millis::new(DAY)),
        }
    }
}

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A limit on one resource in one window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Budget {
    resource: Resource,
    window: Window,
    limit: u64,
}

impl Budget {
    /// On energy.
    #[must_use]
    pub const fn energy(window: Window, limit: Joules) -> Self {
        Self { resource: Resource::Energy, window, limit: limit.micro() }
    }
    /// On money.
    #[must_use]
    pub const fn money(window: Window, limit: Usd) -> Self {
        Self { resource: Resource::Money, window, limit: limit.nano() }
    }
    /// On bytes over the uplink.
    #[must_use]
    pub const fn bytes(window: Window, limit: Bytes) -> Self {
        Self { resource: Resource::Bytes, window, limit: limit.get() }
    }
    /// On time.
    #[must_use]
    pub const fn latency(window: Window, limit: Millis) -> Self {
        Self { resource: Resource::Latency, window, limit: limit.get() }
    }
    /// What it limits.
    #[must_use]
    pub const fn resource(&self) -> Resource {
        self.resource
    }
    /// For how long.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }
    /// The limit in the resource's own unit: µJ, nano-USD, bytes or ms.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

/// Why a hold was not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Short {
    /// This budget has too little left.
    Budget {
        /// Of what.
        resource: Resource,
        /// In which window.
        window: Window,
        /// What was asked for, in the resource's unit.
        needed: u64,
        /// What is left.
        left: u64,
    },
    /// [`HOLDS_MAX`] holds are open.
    Holds,
    /// [`CONVERSATIONS_MAX`] conversations have open holds.
    Conversations,
}

/// Name of a hold in the ledger; never used twice by one ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u64);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// On whose account something is reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Whose conversation.
    pub conversation: ConversationId,
    /// What the running turn has spent, and what it still holds.
    pub turn: Cost,
}

impl Account {
    /// Of a turn that has spent nothing yet.
    #[must_use]
    pub const fn new(conversation: ConversationId) -> Self {
        Self { conversation, turn: Cost::ZERO }
    }
    /// The same, with one more hold of the turn.
    #[must_use]
    pub const fn with(self, hold: &Hold) -> Self {
        Self { turn: self.turn.plus(hold.cost), ..self }
    }
}

/// A reserved right to spend. It has no public constructor and cannot be copied.
#[must_use = "settle it with what the meter read"]
#[derive(PartialEq, Eq, Debug)]
pub struct Hold {
    id: HoldId,
    cost: Cost,
}

impl Hold {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> HoldId {
        self.id
    }
    /// What may be spent under it.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

/// An open hold as the ledger keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenHold {
    /// Its name.
    pub id: HoldId,
    /// Whose conversation.
    pub conversation: ConversationId,
    /// How much.
    pub cost: Cost,
    /// Since when, in active time.
    pub opened: Millis,
    /// The runtime that opened it is gone, so it counts only in the windows it was opened in.
    pub orphan: bool,
}

impl OpenHold {
    /// A live hold counts in whatever window is current; an orphan only in the one it was opened in.
    const fn counts_in(&self, length: u64, current: u64) -> bool {
        !self.orphan || self.opened.get() / length == current
    }
}

/// What a settlement did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settlement {
    /// What was debited: the actual cost, unclamped.
    pub debited: Cost,
    /// By how much it exceeded the hold.
    pub overrun: Cost,
}

/// What was spent in the current windows, as the ledger keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Number of the current hour.
    pub hour: u64,
    /// Number of the current day.
    pub day: u64,
    /// In this hour.
    pub this_hour: Cost,
    /// In this day.
    pub this_day: Cost,
}

impl Spent {
    fn roll(&mut self, now: Millis) {
        let (hour, day) = (now.get() / HOUR, now.get() / DAY);
        if hour > self.hour {
            (self.hour, self.this_hour) = (hour, Cost::ZERO);
        }
        if day > self.day {
            (self.day, self.this_day) = (day, Cost::ZERO);
        }
    }
}

/// All budgets of a device and what was spent and reserved against them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Budgets {
    limits: Vec<Budget, BUDGETS_MAX>,
    spent: Spent,
    conversations: Vec<(ConversationId, Cost), CONVERSATIONS_MAX>,
    open: Vec<OpenHold, HOLDS_MAX>,
    next_hold: u64,
    now: Millis,
}

impl Budgets {
    /// Without limits; what was spent before comes from the ledger, and `next_hold` is above every hold it knows.
    #[must_use]
    pub fn new(spent: Spent, next_hold: HoldId) -> Self {
        Self { spent, next_hold: next_hold.0, ..Self::default() }
    }

    /// Replaces the limits; what was spent stays spent. Fails with the limits untouched if there are more than
    /// [`BUDGETS_MAX`].
    pub fn set_limits(&mut self, limits: &[Budget]) -> Result<(), TooManyBudgets> {
        self.limits = Vec::from_slice(limits).map_err(|_| TooManyBudgets)?;
        Ok(())
    }
    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &[Budget] {
        &self.limits
    }
    /// What was spent in the current windows.
    #[must_use]
    pub const fn spent(&self) -> &Spent {
        &self.spent
    }
    /// The open holds, orphans included.
    #[must_use]
    pub fn open(&self) -> &[OpenHold] {
        &self.open
    }

    /// Brings the windows up to `now`; time never runs backwards here.
    pub fn advance(&mut self, now: Millis) {
        self.now = self.now.max(now);
        self.spent.roll(self.now);
        let day = self.spent.day;
        // An orphan whose day has ended will not be paid back to any window but its conversation's, which never ends.
        while let Some(index) = self.open.iter().position(|hold| !hold.counts_in(DAY, day)) {
            let hold = self.open.remove(index);
            self.debit_conversation(hold.conversation, hold.cost);
        }
    }

    /// Says what a conversation spent before; needed once for every conversation that is not in memory.
    pub fn open_conversation(&mut self, id: ConversationId, spent: Cost) -> Result<(), Short> {
        if self.conversation_index(id).is_some() {
            return Ok(());
        }
        if self.conversations.is_full() {
            let idle = self
                .conversations
                .iter()
                .position(|(known, _)| !self.open.iter().any(|hold| hold.conversation == *known));
            let index = idle.ok_or(Short::Conversations)?;
            self.conversations.remove(index);
        }
        self.conversations.push((id, spent)).map_err(|_| Short::Conversations)
    }
    /// Whether a conversation is in memory.
    #[must_use]
    pub fn knows_conversation(&self, id: ConversationId) -> bool {
        self.conversation_index(id).is_some()
    }

    /// Takes over a hold that a dead runtime left open.
    pub fn adopt(&mut self, hold: OpenHold) -> Result<(), Short> {
        self.next_hold = self.next_hold.max(hold.id.0.saturating_add(1));
        self.open.push(OpenHold { orphan: true, ..hold }).map_err(|_| Short::Holds)
    }

    /// What is left of one budget on one account, in the resource's unit.
    #[must_use]
    pub fn left(&self, budget: &Budget, account: &Account) -> u64 {
        let (resource, conversation) = (budget.resource, account.conversation);
        let used = match budget.window {
            Window::Turn => resource.of(&account.turn),
            Window::Conversation => {
                let spent = self.conversation_index(conversation).and_then(|index| self.conversations.get(index));
                spent
                    .map_or(0, |(_, spent)| resource.of(spent))
                    .saturating_add(self.held(resource, |hold| hold.conversation == conversation))
            }
            Window::Hour => resource.of(&self.spent.this_hour).saturating_add(
                self.held(resource, |hold| !hold.orphan || hold.opened.get() / HOUR == self.spent.hour),
            ),
            Window::Day => resource
                .of(&self.spent.this_day)
                .saturating_add(self.held(resource, |hold| !hold.orphan || hold.opened.get() / DAY == self.spent.day)),
        };
        budget.limit.saturating_sub(used)
    }

    /// What is left of the tightest budget on a resource, as a share of its limit; one where there is none.
    #[must_use]
    pub fn remaining(&self, resource: Resource, account: &Account) -> f32 {
        let shares = self.limits.iter().filter(|budget| budget.resource == resource).map(|budget| {
            if budget.limit == 0 { 0.0 } else { (self.left(budget, account) as f64 / budget.limit as f64) as f32 }
        });
        shares.fold(1.0, f32::min)
    }

    /// The most that could be reserved; [`Cost::MAX`] of what no budget limits.
    #[must_use]
    pub fn room(&self, account: &Account) -> Cost {
        self.limits.iter().fold(Cost::MAX, |room, budget| {
            let left = self.left(budget, account);
            room.at_most(match budget.resource {
                Resource::Energy => Cost { energy: Joules::from_micro(left), ..Cost::MAX },
                Resource::Money => Cost { money: Usd::from_nano(left), ..Cost::MAX },
                Resource::Bytes => Cost { bytes: Bytes::new(left), ..Cost::MAX },
                Resource::Latency => Cost { latency: Millis::new(left), ..Cost::MAX },
            })
        })
    }

    /// Whether this much could be reserved; says which budget is short if not.
    pub fn check(&self, account: &Account, cost: &Cost) -> Result<(), Short> {
        for budget in &self.limits {
            let (needed, left) = (budget.resource.of(cost), self.left(budget, account));
            // What costs nothing of a resource is never blocked by its budget, even one already exceeded.
            if needed > left && needed > 0 {
                return Err(Short::Budget { resource: budget.resource, window: budget.window, needed, left });
            }
        }
        Ok(())
    }

    /// Reserves `cost`, or says which budget is short.
    pub fn reserve(&mut self, now: Millis, account: &Account, cost: Cost) -> Result<Hold, Short> {
        let conversation = account.conversation;
        self.advance(now);
        self.open_conversation(conversation, Cost::ZERO)?;
        self.check(account, &cost)?;
        let id = HoldId(self.next_hold);
        let hold = OpenHold { id, conversation, cost, opened: self.now, orphan: false };
        self.open.push(hold).map_err(|_| Short::Holds)?;
        self.next_hold = self.next_hold.saturating_add(1);
        Ok(Hold { id, cost })
    }

    /// Adds to a hold that will not do, or says which budget is short. `account` is the turn's without this hold; `spare`
    /// must be left afterwards. From now on the hold belongs to the present windows, whose budgets have room for it: what was
    /// left of an earlier window knew nothing of the addition.
    pub fn raise(
        &mut self,
        now: Millis,
        account: &Account,
        hold: &mut Hold,
        extra: Cost,
        spare: Cost,
    ) -> Result<(), Short> {
        self.advance(now);
        self.check(&account.with(hold), &extra.plus(spare))?;
        let open = self.open.iter_mut().find(|open| open.id == hold.id).ok_or(Short::Holds)?;
        hold.cost = hold.cost.plus(extra);
        (open.cost, open.opened) = (hold.cost, self.now);
        Ok(())
    }

    /// Debits what was spent and frees the hold.
    // By value: after this nobody can spend under it.
    #[expect(clippy::needless_pass_by_value)]
    pub fn settle(&mut self, now: Millis, hold: Hold, actual: Cost) -> Settlement {
        self.settle_late(now, hold.id, actual).unwrap_or_default()
    }

    /// Leaves a hold open because what it will cost is not known yet: `most` from now on. It counts as spent in the windows
    /// that are current now, in which part of it was, until it is settled by its name or its day ends. Of more than
    /// [`ORPHANS_MAX`] such holds the oldest is settled in full, as the ledger does, so that turns to come have room for
    /// theirs.
    #[expect(clippy::needless_pass_by_value)]
    pub fn leave_open(&mut self, now: Millis, hold: Hold, most: Cost) -> HoldId {
        self.advance(now);
        let now = self.now;
        if let Some(open) = self.open.iter_mut().find(|open| open.id == hold.id) {
            (open.orphan, open.cost, open.opened) = (true, most, now);
        }
        let orphans = self.open.iter().filter(|open| open.orphan);
        if orphans.clone().count() > ORPHANS_MAX
            && let Some((oldest, cost)) = orphans.min_by_key(|open| open.id).map(|open| (open.id, open.cost))
        {
            self.settle_late(now, oldest, cost);
        }
        hold.id
    }

    /// Settles a hold that was left open, by its name. An orphan is debited only to windows that it was opened in: those
    /// that have ended meanwhile counted it in full, and the current ones never did. None if its day has ended.
    pub fn settle_late(&mut self, now: Millis, id: HoldId, actual: Cost) -> Option<Settlement> {
        self.advance(now);
        let index = self.open.iter().position(|open| open.id == id)?;
        // Their order tells nothing of when they went, so that the same is the same.
        let open = self.open.remove(index);
        if open.counts_in(HOUR, self.spent.hour) {
            self.spent.this_hour = self.spent.this_hour.plus(actual);
        }
        if open.counts_in(DAY, self.spent.day) {
            self.spent.this_day = self.spent.this_day.plus(actual);
        }
        self.debit_conversation(open.conversation, actual);
        Some(Settlement { debited: actual, overrun: actual.minus(open.cost) })
    }

    fn conversation_index(&self, id: ConversationId) -> Option<usize> {
        self.conversations.iter().position(|(known, _)| *known == id)
    }

    fn debit_conversation(&mut self, id: ConversationId, cost: Cost) {
        if let Some((_, spent)) = self.conversations.iter_mut().find(|(known, _)| *known == id) {
            *spent = spent.plus(cost);
        }
    }

    fn held(&self, resource: Resource, counts: impl Fn(&OpenHold) -> bool) -> u64 {
        self.open.iter().filter(|hold| counts(hold)).fold(0, |sum, hold| sum.saturating_add(resource.of(&hold.cost)))
    }
}

/// More than [`BUDGETS_MAX`] budgets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyBudgets;

impl fmt::Display for TooManyBudgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {BUDGETS_MAX} budgets: remove some, or widen their windows")
    }
}

impl core::error::Error for TooManyBudgets {}
