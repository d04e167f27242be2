//! What all turns of a device share: budgets, shield, nodes, link and the quotes learnt so far.

use crate::calibration::{Calibration, Coverage};
use crate::event::{Opening, SeenView};
use crate::journal::{Change, Journal};
use crate::quoting::{CloudTrack, LocalEngine, Radio};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use trimtab_core::budget::{HoldId, TooManyBudgets};
use trimtab_core::limits::NODES_MAX;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::shield::{NodeGate, Surroundings, ViewGate};
use trimtab_core::{
    Action, Budget, Budgets, Bytes, Cost, Joules, Millis, NodeIndex, NodeProfile, Preference, Quote, Reason, Resource,
    Settlement, Shield, Usd, Watts,
};

/// What is known of energy on this device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MeterFacts {
    /// There is a meter, or estimates are allowed. Otherwise an energy budget refuses everything.
    pub known: bool,
    /// Most that the device can draw.
    pub peak: Watts,
    /// Between two readings.
    pub period: Millis,
    /// Longest step of an answer that cannot be interrupted: one token.
    pub step: Millis,
    /// The same of deciding: one view.
    pub look: Millis,
    /// For each mebibyte sent.
    pub radio_per_mebibyte: Joules,
    /// While waiting for an answer.
    pub waiting: Watts,
    /// Prior of what deciding takes: encoding the prompt and all views.
    pub decision: Joules,
}

/// How a governor starts.
#[derive(Debug)]
pub struct Setup {
    /// Limits, and what the ledger says was spent.
    pub budgets: Budgets,
    /// The rules.
    pub shield: Shield,
    /// The owner's weights.
    pub preference: Preference,
    /// The local engine, if its model is loaded.
    pub local: Option<LocalEngine>,
    /// Energy.
    pub meter: MeterFacts,
    /// The link until something is known of it.
    pub link: LinkEstimate,
    /// Prior of how long encoding the prompt and all views takes.
    pub decision_time: Millis,
}

/// A cloud node that a bridge offers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KnownNode {
    /// Its name, as in requests.
    pub name: String,
    /// What the policy sees of it.
    pub profile: NodeProfile,
    /// Why nothing may go there, if so.
    pub closed: Option<Reason>,
    pub(crate) track: CloudTrack,
}

/// More nodes than one turn can choose from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TooManyNodes {
    /// The node that found no place.
    pub name: String,
}

impl fmt::Display for TooManyNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}: {} cloud nodes are known already: offer fewer", self.name, NODES_MAX - 1)
    }
}

impl core::error::Error for TooManyNodes {}

/// Tokens that an answer is not begun for fewer of.
const LEAST_TOKENS: u32 = 4;
/// Name of the local node.
const LOCAL_NAME: &str = "local";
/// What a device without a local engine tells the policy about it: a node that never answers.
const NO_LOCAL: NodeProfile = NodeProfile {
    local: true,
    price_prompt: Usd::ZERO,
    price_completion: Usd::ZERO,
    price_image: Usd::ZERO,
    images_max: 0,
    latency_p50: Millis::ZERO,
    latency_p95: Millis::ZERO,
    token_time: Millis::ZERO,
    quality: 0.0,
};

/// What is expected of an action: by cards, offers and probes, and with what was learnt.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Expected {
    base: Cost,
    quote: Cost,
}

/// The shared state of all turns. The shell keeps it in a mutex and never holds that across an await.
#[derive(Debug, Serialize, Deserialize)]
pub struct Governor {
    pub(crate) budgets: Budgets,
    pub(crate) shield: Shield,
    preference: Preference,
    local: Option<LocalEngine>,
    meter: MeterFacts,
    link: LinkEstimate,
    cloud: Vec<KnownNode>,
    /// What deciding should take, and what it takes.
    pub(crate) decision: Cost,
    pub(crate) deciding: Calibration,
    /// What local answers take: whole ones, and so many tokens.
    pub(crate) answering: Calibration,
    pub(crate) speed: Calibration,
    pub(crate) coverage: Coverage,
    /// What an earlier runtime learnt of nodes that are not offered yet.
    pub(crate) recalled: Vec<(String, CloudTrack)>,
    /// What local answers take in percent of what they should, while the board is slowed or about to be.
    slowness: u64,
    #[serde(skip)]
    pub(crate) journal: Journal,
}

impl Governor {
    /// Starts with no cloud node known.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { budgets, shield, preference, local, meter, link, decision_time } = setup;
        Self {
            budgets,
            shield,
            preference,
            local,
            meter,
            link,
            cloud: Vec::new(),
            decision: Cost { energy: meter.decision, latency: decision_time, ..Cost::ZERO },
            deciding: Calibration::NEW,
            answering: Calibration::NEW,
            speed: Calibration::NEW,
            coverage: Coverage::default(),
            slowness: 100,
            recalled: Vec::new(),
            journal: Journal::default(),
        }
    }

    /// Learns of a node, or of new terms for one. What was learnt of its answers is kept.
    pub fn offer(&mut self, name: &str, profile: NodeProfile) -> Result<(), TooManyNodes> {
        self.journal.changed(|| Change::Offered { name: name.into(), profile });
        if let Some(node) = self.cloud.iter_mut().find(|node| node.name == name) {
            (node.profile, node.closed) = (profile, None);
            return Ok(());
        }
        if self.cloud.len() + 1 >= NODES_MAX {
            return Err(TooManyNodes { name: name.into() });
        }
        // By name, so that action numbers do not depend on which bridge spoke first.
        let place = self.cloud.partition_point(|node| node.name.as_str() < name);
        let recalled = self.recalled.iter().position(|(known, _)| known == name);
        let track = recalled.map_or(CloudTrack::NEW, |index| self.recalled.remove(index).1);
        self.cloud.insert(place, KnownNode { name: name.into(), profile, closed: None, track });
        Ok(())
    }
    /// A node's offer has expired or its bridge is gone: nothing goes there until it is offered again.
    pub fn withdraw(&mut self, name: &str) {
        self.journal.changed(|| Change::Withdrawn { name: name.into() });
        if let Some(node) = self.cloud.iter_mut().find(|node| node.name == name) {
            node.closed = Some(Reason::NodeDown);
        }
    }
    /// The cloud nodes, in the order of their index from 1.
    #[must_use]
    pub fn nodes(&self) -> &[KnownNode] {
        &self.cloud
    }
    /// The node of that name: `local`, or a cloud node that is known.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeIndex> {
        if name == LOCAL_NAME {
            return Some(NodeIndex::LOCAL);
        }
        let place = self.cloud.iter().position(|node| node.name == name)?;
        NodeIndex::new(place + 1)
    }
    /// The local engine.
    #[must_use]
    pub const fn local(&self) -> Option<&LocalEngine> {
        self.local.as_ref()
    }
    /// Another local engine, or none while it is away, for the turns to come; returns what was known until now.
    pub fn set_local(&mut self, local: Option<LocalEngine>) -> Option<LocalEngine> {
        self.journal.changed(|| Change::Local(local));
        core::mem::replace(&mut self.local, local)
    }
    /// The device was seen to draw more than it was taken to draw at most.
    pub fn raise_peak(&mut self, peak: Watts) {
        if peak > self.meter.peak {
            self.journal.changed(|| Change::Peak(peak));
            self.meter.peak = peak;
        }
    }
    /// Quotes of local answers for the turns to come, in percent of what was learnt: more while heat or a weak supply slows the
    /// board, at least 100.
    pub fn set_slowness(&mut self, percent: u64) {
        let slowness = percent.max(100);
        if slowness != self.slowness {
            self.journal.changed(|| Change::Slowness(slowness));
            self.slowness = slowness;
        }
    }
    /// The rules.
    #[must_use]
    pub const fn shield(&self) -> Shield {
        self.shield
    }
    /// Other rules for the turns to come: a policy brings its own threshold.
    pub fn set_shield(&mut self, shield: Shield) {
        self.journal.changed(|| Change::Shield(shield));
        self.shield = shield;
    }
    /// What is known of energy.
    #[must_use]
    pub const fn meter(&self) -> MeterFacts {
        self.meter
    }
    /// The budgets.
    #[must_use]
    pub const fn budgets(&self) -> &Budgets {
        &self.budgets
    }
    /// It is `now`: windows that have ended begin anew.
    pub fn advance(&mut self, now: Millis) {
        self.budgets.advance(now);
    }
    /// Puts other limits in force; what was spent stays spent.
    pub fn set_budgets(&mut self, limits: &[Budget]) -> Result<(), TooManyBudgets> {
        self.journal.changed(|| Change::Budgets(limits.to_vec()));
        self.budgets.set_limits(limits)
    }
    /// Other weights for the turns to come.
    pub fn set_preference(&mut self, preference: Preference) {
        self.journal.changed(|| Change::Preference(preference));
        self.preference = preference;
    }
    /// The weights in force.
    #[must_use]
    pub const fn preference(&self) -> &Preference {
        &self.preference
    }
    /// What is known of the link now.
    pub fn set_link(&mut self, link: LinkEstimate) {
        if self.link != link {
            self.journal.changed(|| Change::Link(link));
        }
        self.link = link;
    }
    /// The link.
    #[must_use]
    pub const fn link(&self) -> &LinkEstimate {
        &self.link
    }
    /// Settles a hold that was left open. None if nobody knows it any more.
    pub fn late(&mut self, now: Millis, hold: HoldId, cost: Cost) -> Option<Settlement> {
        self.journal.changed(|| Change::Late { now, hold, cost });
        self.budgets.settle_late(now, hold, cost)
    }
    /// Settles a hold that was left open with what its answer cost: `bytes_up` of none is known only to a runtime that is
    /// gone, and counts as reserved, like what sending and waiting took. Returns the whole cost.
    pub fn late_answer(
        &mut self,
        now: Millis,
        hold: HoldId,
        money: Usd,
        bytes_up: Option<Bytes>,
    ) -> (Cost, Option<Settlement>) {
        let reserved = self.budgets.open().iter().find(|open| open.id == hold).map(|open| open.cost);
        let reserved = reserved.unwrap_or_default();
        let cost = Cost { money, bytes: bytes_up.unwrap_or(reserved.bytes), ..reserved };
        (cost, self.late(now, hold, cost))
    }

    /// From now on everything is written down that turns are fed, and what changes beside them, for whoever takes it with every
    /// record.
    pub const fn record_events(&mut self) {
        self.journal.start();
    }
    /// What was written down since it was last taken, in a form that [`Replay`](crate::Replay) reads; nothing where something is
    /// missing.
    pub fn take_events(&mut self) -> Vec<u8> {
        self.journal.take()
    }
    /// What was taken could not be kept.
    pub fn events_lost(&mut self) {
        self.journal.lost();
    }
    /// A turn begins.
    pub(crate) fn begin(&mut self, now: Millis, opening: &Opening) {
        // Before the turn's conversation is known: what that spent before includes what expires with a day that has ended.
        self.advance(now);
        if self.journal.wants_state() {
            let state = self.state();
            self.journal.state(now, state);
        }
        self.journal.opened(now, opening);
    }
    /// All that decisions depend on, as bytes.
    pub(crate) fn state(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok()
    }

    /// Nodes, the local one included.
    pub(crate) fn node_count(&self) -> usize {
        self.cloud.len() + 1
    }
    pub(crate) fn node_name(&self, node: NodeIndex) -> &str {
        match node.get().checked_sub(1) {
            None => LOCAL_NAME,
            Some(index) => self.cloud.get(index).map_or("", |node| node.name.as_str()),
        }
    }
    pub(crate) fn profile(&self, node: NodeIndex) -> NodeProfile {
        match node.get().checked_sub(1) {
            None => self.local.map_or(NO_LOCAL, |local| local.profile),
            Some(index) => self.cloud.get(index).map_or(NO_LOCAL, |node| node.profile),
        }
    }

    /// What can be spent before a stop takes effect: one sampling period and one step of an answer that cannot be
    /// interrupted, and peak power for as long.
    pub(crate) const fn guard(&self) -> Cost {
        self.guard_of(self.meter.step)
    }
    /// The same while deciding.
    pub(crate) const fn deciding_guard(&self) -> Cost {
        self.guard_of(self.meter.look)
    }
    const fn guard_of(&self, step: Millis) -> Cost {
        let latency = self.meter.period.plus(step);
        Cost { latency, energy: Joules::of(self.meter.peak, latency), ..Cost::ZERO }
    }
    /// Most that can have been drawn in that time.
    pub(crate) const fn drawn(&self, span: Millis) -> Joules {
        Joules::of(self.meter.peak, span)
    }
    /// How long so much energy lasts at least; a millisecond at the least, because the guard pays for that.
    pub(crate) fn lasts(&self, energy: Joules) -> Millis {
        let milliseconds = u128::from(energy.micro()) * 1000 / u128::from(self.meter.peak.micro().max(1));
        Millis::new(u64::try_from(milliseconds).unwrap_or(u64::MAX).max(1))
    }
    /// Whether a budget limits time.
    pub(crate) fn limits_latency(&self) -> bool {
        self.budgets.limits().iter().any(|budget| budget.resource() == Resource::Latency)
    }
    /// What a slowed board takes for this.
    fn slowed(&self, quote: Quote) -> Quote {
        let (latency, energy) =
            (quote.latency.scaled_up(self.slowness, 100), quote.energy.scaled_up(self.slowness, 100));
        Quote { latency, energy, ..quote }
    }
    /// The quote of a local answer; nothing without a local engine.
    pub(crate) fn local_quote(&self, max_tokens: u32) -> Quote {
        self.quote(Action::LOCAL, 0, &[], max_tokens)
    }
    /// What so many tokens take at most.
    fn tokens_cost(&self, tokens: u32) -> Cost {
        self.speed.upper(0, self.local.map_or(Cost::ZERO, |local| self.slowed(local.longest(tokens)).cost()))
    }
    /// What a hold needs for the longest local answer.
    pub(crate) fn longest_local(&self, max_tokens: u32) -> Cost {
        self.local.map_or(Cost::ZERO, |_| self.tokens_cost(max_tokens).plus(self.guard()))
    }
    /// The least hold with which a local answer is worth beginning: a few words. None without a local engine.
    #[must_use]
    pub fn least_local(&self) -> Option<Cost> {
        self.local.map(|_| self.tokens_cost(LEAST_TOKENS).plus(self.guard()))
    }
    /// What must be left for the local model to step in.
    pub(crate) fn local_cost(&self, max_tokens: u32) -> Cost {
        self.local.map_or(Cost::ZERO, |_| self.local_quote(max_tokens).cost().plus(self.guard()))
    }
    /// What deciding may take: what a turn needs left in every budget before anything is encoded.
    #[must_use]
    pub fn decision_cost(&self) -> Cost {
        self.deciding.upper(0, self.decision).plus(self.deciding_guard())
    }
    /// How often actions took more than was quoted.
    #[must_use]
    pub const fn coverage(&self) -> Coverage {
        self.coverage
    }
    /// Observations that the quote of an action is learnt from; none: it is a prior, from a card or an offer.
    #[must_use]
    pub fn seen(&self, action: Action) -> u16 {
        self.taken(action).map_or(0, |taken| taken.seen(action.views.len()))
    }

    pub(crate) fn learn_decision(&mut self, energy: Joules, took: Millis) {
        self.deciding.learn(0, &self.decision, &Cost { energy, latency: took, ..Cost::ZERO }, false);
    }
    /// Learns what an action took of what it should; of one that was `cut`, that it takes more than that.
    pub(crate) fn learn(&mut self, action: Action, expected: &Expected, taken: &Cost, cut: bool) {
        self.coverage.actions = self.coverage.actions.saturating_add(1);
        self.coverage.above = self.coverage.above.saturating_add(u64::from(taken.minus(expected.quote) != Cost::ZERO));
        let views = action.views.len();
        let track = match action.node.get().checked_sub(1) {
            None => Some(&mut self.answering),
            Some(index) => self.cloud.get_mut(index).map(|node| &mut node.track.taken),
        };
        if let Some(track) = track {
            track.learn(views, &expected.base, taken, cut);
        }
    }
    /// Learns what so many tokens of a local answer took.
    pub(crate) fn learn_speed(&mut self, tokens: u32, taken: &Cost) {
        if let Some(local) = self.local.filter(|_| tokens > 0) {
            self.speed.learn(0, &self.slowed(local.longest(tokens)).cost(), taken, false);
        }
    }
    pub(crate) fn learn_tokens(&mut self, name: &str, tokens: u32) {
        if let Some(node) = self.cloud.iter_mut().find(|node| node.name == name) {
            node.track.tokens.learn(tokens as f32);
        }
    }

    fn taken(&self, action: Action) -> Option<&Calibration> {
        match action.node.get().checked_sub(1) {
            None => Some(&self.answering),
            Some(index) => self.cloud.get(index).map(|node| &node.track.taken),
        }
    }

    /// What an action should take, before anything is learnt.
    fn base(&self, action: Action, prompt_bytes: u64, views: &[SeenView], max_tokens: u32) -> Quote {
        let Some(index) = action.node.get().checked_sub(1) else {
            return self.local.map_or(Quote::default(), |local| self.slowed(local.quote(max_tokens)));
        };
        let Some(node) = self.cloud.get(index) else {
            return Quote::default();
        };
        let uploads: Vec<Bytes> =
            action.views.iter().filter_map(|view| views.get(view)).map(|view| view.bytes).collect();
        let radio = Radio { per_mebibyte: self.meter.radio_per_mebibyte, waiting: self.meter.waiting };
        node.track.base(&node.profile, radio, self.link.uplink_bits_per_s, prompt_bytes, &uploads, max_tokens)
    }

    /// What it will take at most: no answer is longer than it may be, and no bytes are sent faster than the link takes them.
    fn calibrated(&self, action: Action, base: Quote, max_tokens: u32) -> Quote {
        let Some(taken) = self.taken(action) else { return base };
        let upper = taken.upper(action.views.len(), base.cost());
        let bounded = if action.node.is_local() {
            upper.at_most(self.tokens_cost(max_tokens))
        } else {
            Cost { latency: upper.latency.max(base.bytes.transfer_time(self.link.uplink_bits_per_s)), ..upper }
        };
        Quote { latency: bounded.latency, energy: bounded.energy, ..base }
    }

    pub(crate) fn quote(&self, action: Action, prompt_bytes: u64, views: &[SeenView], max_tokens: u32) -> Quote {
        self.calibrated(action, self.base(action, prompt_bytes, views, max_tokens), max_tokens)
    }

    /// What is expected of an action, to be compared with what it takes.
    pub(crate) fn expected(&self, action: Action, prompt_bytes: u64, views: &[SeenView], max_tokens: u32) -> Expected {
        let base = self.base(action, prompt_bytes, views, max_tokens);
        Expected { base: base.cost(), quote: self.calibrated(action, base, max_tokens).cost() }
    }

    pub(crate) fn surroundings(&self, views: &[SeenView], memory_left: Bytes, time_left: Millis) -> Surroundings {
        let local =
            NodeGate { closed: if self.local.is_some() { None } else { Some(Reason::ModelMissing) }, images_max: 0 };
        let cloud = self.cloud.iter().map(|node| {
            let closed = if self.link.up { node.closed } else { Some(Reason::LinkDown) };
            NodeGate { closed, images_max: node.profile.images_max }
        });
        let budgeted = self.budgets.limits().iter().any(|budget| budget.resource() == Resource::Energy);
        Surroundings {
            nodes: core::iter::once(local).chain(cloud).take(NODES_MAX).collect(),
            views: views
                .iter()
                .take(trimtab_core::limits::VIEWS_MAX)
                .map(|view| ViewGate { available: view.available, upload: view.upload, shows: view.shows })
                .collect(),
            memory_left,
            time_left,
            energy_unknown: budgeted && !self.meter.known,
        }
    }
}
