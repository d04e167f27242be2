//! `trimtab-1`: one row for each candidate, so that a new node or camera is data, not a new output.
//!
//! Views enter only through symmetric functions of the set (best, sum, any), so swapping cameras swaps the choice. The
//! scales below bring every number to about 0..=1; they are part of the layout and never change under its name.

use crate::action::{Action, ViewSet};
use crate::limits::{PROMPT_FEATURES, VIEWS_MAX};
use crate::node::NodeProfile;
use crate::preference::Preference;
use crate::quote::Quote;
use crate::task::TaskMix;
use crate::units::{Joules, Millis, Usd};
use serde::{Deserialize, Serialize};

/// Numbers in one row.
pub const TRIMTAB1_WIDTH: usize = PROMPT_FEATURES + 39;

/// First column of each group, for training code and for people who read a table.
pub const TRIMTAB1_COLUMNS: [(&str, usize); 7] = [
    ("prompt", 0),
    ("task", PROMPT_FEATURES),
    ("context", PROMPT_FEATURES + 5),
    ("preference", PROMPT_FEATURES + 14),
    ("node", PROMPT_FEATURES + 19),
    ("views", PROMPT_FEATURES + 27),
    ("quote", PROMPT_FEATURES + 35),
];

/// What is known of the way to the bridge.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkEstimate {
    /// The broker is connected.
    pub up: bool,
    /// Smallest request to first reply, without the node's own time.
    pub round_trip: Millis,
    /// Uplink, in bits a second.
    pub uplink_bits_per_s: u64,
}

/// What is known of one view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ViewFacts {
    /// Cosine of prompt and view, -1..=1.
    pub association: f32,
    /// The same, calibrated: how likely the view shows what the prompt asks about, 0..=1.
    pub shows: f32,
    /// There is a frame, and it is fresh.
    pub available: bool,
}

impl ViewFacts {
    fn shows(&self) -> f32 {
        if self.available { self.shows.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// What every candidate of a turn has in common.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TurnContext<'a> {
    /// The prompt's embedding, projected by the matrix in the policy file.
    pub prompt: [f32; PROMPT_FEATURES],
    /// How likely each task kind is.
    pub tasks: TaskMix,
    /// The prompt is unlike everything seen in training.
    pub unknown: bool,
    /// Turns of this conversation before this one.
    pub turns_before: u16,
    /// What is left of the tightest budget of energy, money, bytes and latency, 0..=1.
    pub remaining: [f32; 4],
    /// The link.
    pub link: LinkEstimate,
    /// What is left under the memory ceiling, 0..=1.
    pub memory_headroom: f32,
    /// The owner's weights.
    pub preference: Preference,
    /// The views, in camera order.
    pub views: &'a [ViewFacts],
}

const fn flag(yes: bool) -> f32 {
    if yes { 1.0 } else { 0.0 }
}

fn seconds(span: Millis) -> f32 {
    (span.get().min(600_000) as f32) / 1000.0
}

fn milli_usd(amount: Usd) -> f32 {
    (amount.nano().min(1_000_000_000_000) as f64 / 1e6) as f32
}

fn tens_of_joules(amount: Joules) -> f32 {
    (amount.as_f64().min(1e5) / 10.0) as f32
}

/// Symmetric statistics of a set of views.
struct SetFacts {
    best: f32,
    sum: f32,
    any: f32,
    best_left_out: f32,
    share: f32,
    mean_cosine: f32,
    weakest: f32,
}

impl SetFacts {
    fn of(views: &[ViewFacts], set: ViewSet) -> Self {
        let (mut best, mut sum, mut none, mut best_left_out, mut total) = (0.0_f32, 0.0, 1.0, 0.0_f32, 0.0);
        let (mut cosines, mut weakest) = (0.0, 1.0_f32);
        for (index, view) in views.iter().enumerate().take(VIEWS_MAX) {
            let shows = view.shows();
            total += shows;
            if set.contains(index) {
                best = best.max(shows);
                weakest = weakest.min(shows);
                sum += shows;
                none *= 1.0 - shows;
                cosines += view.association;
            } else {
                best_left_out = best_left_out.max(shows);
            }
        }
        let count = set.len();
        Self {
            best,
            sum,
            any: 1.0 - none,
            best_left_out,
            share: if total > 0.0 { sum / total } else { 0.0 },
            mean_cosine: if count == 0 { 0.0 } else { cosines / count as f32 },
            weakest: if count == 0 { 0.0 } else { weakest },
        }
    }
}

/// The row of one candidate.
#[must_use]
pub fn row(context: &TurnContext<'_>, node: &NodeProfile, action: Action, quote: &Quote) -> [f32; TRIMTAB1_WIDTH] {
    let set = SetFacts::of(context.views, action.views);
    let available = context.views.iter().filter(|view| view.available).count();
    let count = action.views.len() as f32;
    let rest = [
        context.tasks[0],
        context.tasks[1],
        context.tasks[2],
        context.tasks[3],
        flag(context.unknown),
        f32::from(context.turns_before.min(20)) / 10.0,
        context.remaining[0],
        context.remaining[1],
        context.remaining[2],
        context.remaining[3],
        flag(context.link.up),
        seconds(context.link.round_trip),
        context.link.uplink_bits_per_s.min(100_000_000) as f32 / 1e8,
        context.memory_headroom,
        context.preference.quality,
        context.preference.association,
        context.preference.latency,
        context.preference.cost,
        context.preference.energy,
        flag(node.local),
        milli_usd(node.price_prompt) / 10_000.0,
        milli_usd(node.price_completion) / 10_000.0,
        milli_usd(node.price_image) / 10_000_000.0,
        seconds(node.latency_p50) / 10.0,
        seconds(node.latency_p95) / 10.0,
        seconds(node.token_time) * 10.0,
        node.quality,
        count / VIEWS_MAX as f32,
        if available == 0 { 0.0 } else { count / available as f32 },
        set.best,
        set.sum / VIEWS_MAX as f32,
        set.any,
        set.best_left_out,
        set.share,
        (set.mean_cosine + set.weakest) / 2.0,
        seconds(quote.latency) / 10.0,
        tens_of_joules(quote.energy),
        milli_usd(quote.money),
        (quote.bytes.get() as f64 / 1e6) as f32,
    ];
    let mut row = [0.0; TRIMTAB1_WIDTH];
    for (slot, value) in row.iter_mut().zip(context.prompt.into_iter().chain(rest)) {
        *slot = value;
    }
    row
}

/// What of the calibrated association a set of views captures: the probability that any of them shows what is asked.
#[must_use]
pub fn association_gain(views: &[ViewFacts], set: ViewSet) -> f32 {
    SetFacts::of(views, set).any
}

/// The owner's value of a candidate: the weighted sum that the policy network computes from its own estimate of
/// `quality` (probability of a right answer), and that the default rule computes from [`default_quality`].
#[must_use]
pub fn utility(preference: &Preference, quality: f32, association: f32, quote: &Quote) -> f32 {
    preference.quality * quality + preference.association * association
        - preference.latency * seconds(quote.latency) / 10.0
        - preference.cost * milli_usd(quote.money)
        - preference.energy * tens_of_joules(quote.energy)
}

/// The documented default rule's estimate, used without a policy and for prompts unlike everything seen in training: a
/// node is as good as it declares; a cloud node that gets views is trusted in proportion to what they are likely to show.
#[must_use]
pub fn default_quality(views: &[ViewFacts], node: &NodeProfile, set: ViewSet) -> f32 {
    if node.local || views.is_empty() {
        return node.quality;
    }
    node.quality * (0.4 + 0.6 * SetFacts::of(views, set).share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::NodeIndex;
    use proptest::prelude::*;

    fn context(views: &[ViewFacts]) -> TurnContext<'_> {
        TurnContext {
            prompt: [0.5; PROMPT_FEATURES],
            tasks: [0.1, 0.2, 0.3, 0.4],
            unknown: false,
            turns_before: 2,
            remaining: [1.0, 0.5, 0.25, 0.0],
            link: LinkEstimate { up: true, round_trip: Millis::new(60), uplink_bits_per_s: 5_000_000 },
            memory_headroom: 0.5,
            preference: Preference::default(),
            views,
        }
    }

    fn node() -> NodeProfile {
        NodeProfile {
            local: false,
            price_prompt: Usd::from_nano(2_500_000_000),
            price_completion: Usd::from_nano(10_000_000_000),
            price_image: Usd::from_nano(1_000_000_000_000),
            images_max: 4,
            latency_p50: Millis::new(600),
            latency_p95: Millis::new(1500),
            token_time: Millis::new(30),
            quality: 0.9,
        }
    }

    proptest! {
        /// Swapping cameras swaps nothing but their names.
        #[test]
        fn rows_do_not_know_camera_numbers(shows in prop::array::uniform4(0.0_f32..1.0), bits in 0_u8..16, shift in 0_usize..4) {
            let view = |p: f32| ViewFacts { association: p - 0.5, shows: p, available: true };
            let plain = shows.map(view);
            let mut turned = plain;
            turned.rotate_left(shift);
            let set = ViewSet::from_bits(bits);
            let moved = set.iter().fold(ViewSet::EMPTY, |moved, index| moved.with((index + 4 - shift) % 4));
            let one = NodeIndex::new(1).unwrap_or(NodeIndex::LOCAL);
            let a = row(&context(&plain), &node(), Action { node: one, views: set }, &Quote::default());
            let b = row(&context(&turned), &node(), Action { node: one, views: moved }, &Quote::default());
            for (x, y) in a.iter().zip(b) {
                prop_assert!((x - y).abs() < 1e-5);
            }
        }

        /// Every number is finite and of about unit size, whatever the quote says.
        #[test]
        fn rows_are_bounded(latency in any::<u64>(), money in any::<u64>(), energy in any::<u64>()) {
            let quote = Quote { latency: Millis::new(latency), money: Usd::from_nano(money), energy: Joules::from_micro(energy), ..Quote::default() };
            let row = row(&context(&[]), &node(), Action::LOCAL, &quote);
            prop_assert!(row.iter().all(|x| x.is_finite()));
        }
    }
}
