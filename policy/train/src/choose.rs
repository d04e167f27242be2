//! Ways to choose an action for a recorded turn. Every one goes through the device's shield; they differ in the scores.

use std::collections::HashMap;

use trimtab_core::budget::{Budgets, Spent};
use trimtab_core::observation::{association_gain, default_quality, utility};
use trimtab_core::shield::{Candidate, NodeGate, Proposal, Surroundings, ViewGate};
use trimtab_core::{Account, Action, Bytes, ConversationId, Cost, HoldId, Millis, Preference, Shield, TaskKind};
use trimtab_engine::{PolicyError, PolicyFile};
use trimtab_scenes::Rng;

use crate::dataset::{Tried, Turn};
use crate::features::rows;
use crate::policy::Policy;

/// A way to choose.
#[derive(Clone, Debug)]
pub enum Chooser {
    /// Always local.
    Local,
    /// Always the cloud node of the highest declared quality, with every view there is.
    CloudAll,
    /// Any action, each as likely.
    Random {
        /// Of the draws.
        seed: u64,
    },
    /// The action that was worth most, on average, for each task kind.
    TaskTable(TaskTable),
    /// The documented default rule.
    DefaultRule,
    /// The best action in hindsight: an upper bound that nothing can reach.
    Oracle,
    /// What somebody else decided, by dialogue and turn; local where nothing is known.
    Known(HashMap<(u64, usize), Action>),
    /// A policy in the lab.
    Policy(Box<Policy>),
    /// A policy file, run by the engine as on the device.
    File {
        /// The file.
        file: Box<PolicyFile>,
        /// From its metadata.
        view_threshold: f32,
    },
}

/// An action for each task kind.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskTable(HashMap<TaskKind, Action>);

impl TaskTable {
    /// The best action of each kind over these turns, by mean reward.
    #[must_use]
    pub fn fit(turns: &[&Turn], preference: &Preference) -> Self {
        let mut sums: HashMap<(TaskKind, Action), (f32, u32)> = HashMap::new();
        for turn in turns {
            for tried in &turn.tried {
                let (sum, count) = sums.entry((turn.kind, tried.action)).or_default();
                *sum += reward(turn, tried, preference);
                *count += 1;
            }
        }
        let mut best: HashMap<TaskKind, (f32, Action)> = HashMap::new();
        for ((kind, action), (sum, count)) in sums {
            let mean = sum / count as f32;
            let now = best.entry(kind).or_insert((f32::NEG_INFINITY, Action::LOCAL));
            // Of equals the first action, so that the order of the map plays no part.
            if mean > now.0 || (mean == now.0 && action < now.1) {
                *now = (mean, action);
            }
        }
        Self(best.into_iter().map(|(kind, (_, action))| (kind, action)).collect())
    }
    /// The action for a kind; local for one that was never seen.
    #[must_use]
    pub fn action(&self, kind: TaskKind) -> Action {
        self.0.get(&kind).copied().unwrap_or(Action::LOCAL)
    }
    /// The table in words, with the names of a turn's nodes and views.
    #[must_use]
    pub fn describe(&self, turn: &Turn) -> Vec<(&'static str, String)> {
        let words = |kind: TaskKind| {
            let action = self.action(kind);
            let views: Vec<&str> = action.views.iter().map(|view| turn.setting.views[view].as_str()).collect();
            let node = &turn.setting.nodes[action.node.get()].name;
            (kind.name(), if views.is_empty() { node.clone() } else { format!("{node} with {}", views.join(", ")) })
        };
        TaskKind::KNOWN.into_iter().map(words).collect()
    }
}

/// What an action was worth to the owner: the utility with what happened in place of estimates.
#[must_use]
pub fn reward(turn: &Turn, tried: &Tried, preference: &Preference) -> f32 {
    let spent = trimtab_core::Quote {
        latency: tried.cost.latency,
        energy: tried.cost.energy,
        money: tried.cost.money,
        bytes: tried.cost.bytes,
        memory: Bytes::ZERO,
    };
    let gain = association_gain(&turn.views, tried.action.views);
    utility(preference, tried.score, gain, &spent)
}

impl Chooser {
    /// Its name in reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::CloudAll => "cloud",
            Self::Random { .. } => "random",
            Self::TaskTable(_) => "table",
            Self::DefaultRule => "default",
            Self::Oracle => "oracle",
            Self::Known(_) => "known",
            Self::Policy(_) => "policy",
            Self::File { .. } => "policy",
        }
    }

    /// The place of the chosen action among the tried ones of the turn.
    ///
    /// # Errors
    /// A policy file that cannot be run.
    pub fn choose(&self, turn: &Turn, preference: &Preference) -> Result<usize, PolicyError> {
        let prefer = |wanted: &dyn Fn(&Tried) -> f32| turn.tried.iter().map(wanted).collect();
        let only = |action: Action| prefer(&|tried: &Tried| f32::from(u8::from(tried.action == action)));
        let (scores, threshold): (Vec<f32>, f32) = match self {
            Self::Local => (only(Action::LOCAL), 0.0),
            Self::CloudAll => (
                prefer(&|tried| {
                    let profile = turn.profile(tried.action);
                    if profile.local { -1.0 } else { profile.quality + tried.action.views.len() as f32 }
                }),
                0.0,
            ),
            Self::Random { seed } => {
                let draw = turn.dialogue.wrapping_mul(1_000_003).wrapping_add(turn.number as u64);
                let mut rng = Rng::for_purpose(seed ^ draw, "random choice");
                (turn.tried.iter().map(|_| rng.unit()).collect(), 0.0)
            }
            // The table goes by the task as the device estimates it.
            Self::TaskTable(table) => (only(table.action(likeliest(turn))), 0.0),
            Self::DefaultRule => (default_scores(turn, preference), 0.0),
            Self::Oracle => (prefer(&|tried| reward(turn, tried, preference)), 0.0),
            Self::Known(actions) => {
                (only(actions.get(&(turn.dialogue, turn.number)).copied().unwrap_or(Action::LOCAL)), 0.0)
            }
            Self::Policy(policy) if !turn.unknown => (policy.scores(turn, preference), policy.view_threshold),
            Self::File { file, view_threshold } if !turn.unknown => {
                let prompt = policy_prompt(file, turn)?;
                (file.score(&rows(turn, prompt, preference))?.score, *view_threshold)
            }
            // As on the device: what is unlike everything seen in training goes by the default rule.
            Self::Policy(policy) => (default_scores(turn, preference), policy.view_threshold),
            Self::File { view_threshold, .. } => (default_scores(turn, preference), *view_threshold),
        };
        Ok(review(turn, &scores, threshold))
    }
}

fn policy_prompt(file: &PolicyFile, turn: &Turn) -> Result<[f32; trimtab_core::limits::PROMPT_FEATURES], PolicyError> {
    // A recorded embedding is a unit vector already.
    let embedding = trimtab_engine::Embedding::unit(turn.embedding.clone());
    embedding.map_or(Ok([0.0; trimtab_core::limits::PROMPT_FEATURES]), |embedding| file.project(&embedding))
}

/// The task as the device estimates it.
pub(crate) fn likeliest(turn: &Turn) -> TaskKind {
    let best = turn.tasks.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(TaskKind::Unknown, |(index, _)| TaskKind::KNOWN[index])
}

fn default_scores(turn: &Turn, preference: &Preference) -> Vec<f32> {
    let one = |tried: &Tried| {
        let quality = default_quality(&turn.views, turn.profile(tried.action), tried.action.views);
        utility(preference, quality, association_gain(&turn.views, tried.action.views), &tried.quote)
    };
    turn.tried.iter().map(one).collect()
}

/// What the device's shield makes of these scores when no budget is short.
#[must_use]
pub fn review(turn: &Turn, scores: &[f32], view_threshold: f32) -> usize {
    let candidates: Vec<Candidate> = turn
        .tried
        .iter()
        .zip(scores)
        .map(|(tried, score)| Candidate { action: tried.action, quote: tried.quote, score: *score })
        .collect();
    let open = |images_max| NodeGate { closed: None, images_max };
    let around = Surroundings {
        nodes: turn.setting.nodes.iter().map(|node| open(node.profile.images_max)).collect(),
        views: turn
            .views
            .iter()
            .map(|view| ViewGate { available: view.available, upload: true, shows: view.shows })
            .collect(),
        memory_left: Bytes::MAX,
        time_left: Millis::MAX,
        energy_unknown: false,
    };
    let conversation = ConversationId(turn.dialogue);
    let mut budgets = Budgets::new(Spent::default(), HoldId(1));
    // An empty set of budgets has room for a first conversation.
    let _ = budgets.open_conversation(conversation, Cost::ZERO);
    let account = Account::new(conversation);
    let proposal = Proposal { account, candidates: &candidates, guard: Cost::ZERO, spare: Cost::ZERO, least: None };
    let (verdict, _) = Shield { view_threshold }.review(Millis::ZERO, &mut budgets, &proposal, &around);
    verdict.map_or_else(|_| turn.local(), |approved| approved.index())
}
