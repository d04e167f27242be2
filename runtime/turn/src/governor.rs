//! What all turns of a device share: budgets, shield, nodes, link and the quotes learnt so far.

use crate::event::SeenView;
use crate::quoting::{CloudTrack, LocalEngine, Radio, Upper};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use trimtab_core::budget::{HoldId, TooManyBudgets};
use trimtab_core::limits::NODES_MAX;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::shield::{NodeGate, Surroundings, ViewGate};
use trimtab_core::{
    Action, Budget, Budgets, Bytes, Cost, Joules, Millis, NodeIndex, NodeProfile, Preference, Quote, Reason, Resource,
    Settlement, Shield, Watts,
};

/// What is known of energy on this device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterFacts {
    /// There is a meter, or estimates are allowed. Otherwise an energy budget refuses everything.
    pub known: bool,
    /// Most that the device can draw.
    pub peak: Watts,
    /// Between two readings.
    pub period: Millis,
    /// Longest step that cannot be interrupted: one token.
    pub step: Millis,
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
#[derive(Clone, PartialEq, Debug)]
pub struct KnownNode {
    /// Its name, as in requests.
    pub name: String,
    /// What the policy sees of it.
    pub profile: NodeProfile,
    /// Why nothing may go there, if so.
    pub closed: Option<Reason>,
    track: CloudTrack,
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
    price_prompt: trimtab_core::Usd::ZERO,
    price_completion: trimtab_core::Usd::ZERO,
    price_image: trimtab_core::Usd::ZERO,
    images_max: 0,
    latency_p50: Millis::ZERO,
    latency_p95: Millis::ZERO,
    token_time: Millis::ZERO,
    quality: 0.0,
};

/// The shared state of all turns. The shell keeps it in a mutex and never holds that across an await.
#[derive(Debug)]
pub struct Governor {
    pub(crate) budgets: Budgets,
    pub(crate) shield: Shield,
    preference: Preference,
    local: Option<LocalEngine>,
    meter: MeterFacts,
    link: LinkEstimate,
    cloud: Vec<KnownNode>,
    decision: Upper,
    /// Milliseconds from the prompt to the end of encoding.
    decision_time: Upper,
    /// What local answers take in percent of what was learnt, while the board is slowed or about to be.
    slowness: u64,
}

impl Governor {
    /// Starts with no cloud node known.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { budgets, shield, preference, local, meter, link, decision_time } = setup;
        let decision = Upper::from_guess(meter.decision.micro() as f32);
        let decision_time = Upper::from_guess(decision_time.get() as f32);
        Self {
            budgets,
            shield,
            preference,
            local,
            meter,
            link,
            cloud: Vec::new(),
            decision,
            decision_time,
            slowness: 100,
        }
    }

    /// Learns of a node, or of new terms for one. What was learnt of its answers is kept.
    pub fn offer(&mut self, name: &str, profile: NodeProfile) -> Result<(), TooManyNodes> {
        if let Some(node) = self.cloud.iter_mut().find(|node| node.name == name) {
            (node.profile, node.closed) = (profile, None);
            return Ok(());
        }
        if self.cloud.len() + 1 >= NODES_MAX {
            return Err(TooManyNodes { name: name.into() });
        }
        // By name, so that action numbers do not depend on which bridge spoke first.
        let place = self.cloud.partition_point(|node| node.name.as_str() < name);
        let track = CloudTrack::from_offer(&profile);
        self.cloud.insert(place, KnownNode { name: name.into(), profile, closed: None, track });
        Ok(())
    }
    /// A node's offer has expired or its bridge is gone: nothing goes there until it is offered again.
    pub fn withdraw(&mut self, name: &str) {
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
    pub const fn set_local(&mut self, local: Option<LocalEngine>) -> Option<LocalEngine> {
        core::mem::replace(&mut self.local, local)
    }
    /// The device was seen to draw more than it was taken to draw at most.
    pub fn raise_peak(&mut self, peak: Watts) {
        self.meter.peak = self.meter.peak.max(peak);
    }
    /// Quotes of local answers for the turns to come, in percent of what was learnt: more while heat or a weak supply slows the
    /// board, at least 100.
    pub fn set_slowness(&mut self, percent: u64) {
        self.slowness = percent.max(100);
    }
    /// The rules.
    #[must_use]
    pub const fn shield(&self) -> Shield {
        self.shield
    }
    /// Other rules for the turns to come: a policy brings its own threshold.
    pub const fn set_shield(&mut self, shield: Shield) {
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
    /// The budgets, to adopt holds that a crash left open.
    pub const fn budgets_mut(&mut self) -> &mut Budgets {
        &mut self.budgets
    }
    /// Puts other limits in force; what was spent stays spent.
    pub fn set_budgets(&mut self, limits: &[Budget]) -> Result<(), TooManyBudgets> {
        self.budgets.set_limits(limits)
    }
    /// Other weights for the turns to come.
    pub const fn set_preference(&mut self, preference: Preference) {
        self.preference = preference;
    }
    /// The weights in force.
    #[must_use]
    pub const fn preference(&self) -> &Preference {
        &self.preference
    }
    /// What is known of the link now.
    pub const fn set_link(&mut self, link: LinkEstimate) {
        self.link = link;
    }
    /// The link.
    #[must_use]
    pub const fn link(&self) -> &LinkEstimate {
        &self.link
    }
    /// Settles a hold that was left open. None if nobody knows it any more.
    pub fn late(&mut self, now: Millis, hold: HoldId, cost: Cost) -> Option<Settlement> {
        self.budgets.settle_late(now, hold, cost)
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

    /// What can be spent before a stop takes effect: peak power for one sampling period and one uninterruptible step.
    pub(crate) const fn guard(&self) -> Cost {
        Cost { energy: Joules::of(self.meter.peak, self.meter.period.plus(self.meter.step)), ..Cost::ZERO }
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
        self.local.map_or(Quote::default(), |local| self.slowed(local.quote(max_tokens)))
    }
    /// What a hold needs for the longest local answer.
    pub(crate) fn longest_local(&self, max_tokens: u32) -> Cost {
        self.local.map_or(Cost::ZERO, |local| self.slowed(local.longest(max_tokens)).cost().plus(self.guard()))
    }
    /// The least hold with which a local answer is worth beginning: a few words. None without a local engine.
    #[must_use]
    pub fn least_local(&self) -> Option<Cost> {
        self.local.map(|local| self.slowed(local.longest(LEAST_TOKENS)).cost().plus(self.guard()))
    }
    /// What must be left for the local model to step in.
    pub(crate) fn local_cost(&self, max_tokens: u32) -> Cost {
        self.local.map_or(Cost::ZERO, |local| self.slowed(local.quote(max_tokens)).cost().plus(self.guard()))
    }
    /// What deciding may take: what a turn needs left in every budget before anything is encoded.
    #[must_use]
    pub fn decision_cost(&self) -> Cost {
        let (energy, latency) = (Joules::from_micro(self.decision.ceil()), Millis::new(self.decision_time.ceil()));
        Cost { energy, latency, ..Cost::ZERO }.plus(self.guard())
    }
    pub(crate) fn learn_decision(&mut self, energy: Joules, took: Millis) {
        self.decision.learn(energy.micro() as f32);
        self.decision_time.learn(took.get() as f32);
    }
    pub(crate) fn learn_local(&mut self, took: Millis, tokens: u32) {
        // What a slowed board took is learnt as it would have been otherwise, so that it is not counted twice.
        let took = Millis::new(took.get().saturating_mul(100) / self.slowness);
        if let Some(local) = &mut self.local {
            local.tokens.learn(tokens as f32);
            let first = local.first_token.ceil();
            local.per_token.learn(took.minus(Millis::new(first)).get() as f32 / tokens.max(1) as f32);
            if tokens <= 1 {
                local.first_token.learn(took.get() as f32);
            }
        }
    }
    pub(crate) fn learn_cloud(&mut self, name: &str, took: Millis, bytes: Bytes, tokens: u32) {
        let transfer = bytes.transfer_time(self.link.uplink_bits_per_s);
        if let Some(node) = self.cloud.iter_mut().find(|node| node.name == name) {
            let profile = node.profile;
            node.track.learn(&profile, took, transfer, tokens);
        }
    }

    pub(crate) fn quote(&self, action: Action, prompt_bytes: u64, views: &[SeenView], max_tokens: u32) -> Quote {
        let Some(index) = action.node.get().checked_sub(1) else {
            return self.local_quote(max_tokens);
        };
        let Some(node) = self.cloud.get(index) else {
            return Quote::default();
        };
        let uploads: Vec<Bytes> =
            action.views.iter().filter_map(|view| views.get(view)).map(|view| view.bytes).collect();
        let radio = Radio { per_mebibyte: self.meter.radio_per_mebibyte, waiting: self.meter.waiting };
        node.track.quote(&node.profile, radio, self.link.uplink_bits_per_s, prompt_bytes, &uploads, max_tokens)
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
