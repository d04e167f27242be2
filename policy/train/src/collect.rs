//! Runs every action of every turn for real, through the device's own turn code, and writes down what came of it.
//!
//! The parts are those of [`trimtab_rig`]: broker, bridge, stand-in models, device; declared waiting is skipped on a shared
//! clock. Nothing is budgeted during collection, so every action can be run, and what is right is known from the scene.

use std::sync::Arc;

use trimtab_core::{Action, Placement, TaskKind};
use trimtab_engine::{Encoder, ModelError};
use trimtab_rig::choosing::Choosing;
use trimtab_rig::pace::Pace;
use trimtab_rig::profile::ProfileError;
use trimtab_rig::recording::{FrameSize, Recording, RecordingError};
use trimtab_rig::world::{Settings, TurnOutcome, World, WorldError};
use trimtab_scenes::{CAMERA_NAMES, Prompt, Rng, Split};

use crate::dataset::{
    Dialogue, Interaction, KNOWN_ANSWER, Measured, Node, Outcome, SCHEMA, Setting, TaskCategory, View,
};

/// Most turns of one dialogue.
pub const TURNS_MAX: usize = 1_000;

/// Why a dialogue was not collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The declared profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The frames.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A part does not start or does not take a turn.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The encoder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Without the local answer a turn has no fall-back to compare with.
    #[error("seed {seed}, turn {turn}: the local action was not run ({reason}); look at the device's log")]
    Local {
        /// Of the dialogue.
        seed: u64,
        /// From 0.
        turn: usize,
        /// What the record says.
        reason: String,
    },
}

/// What to collect.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Clouds, network and prices.
    pub settings: Settings,
    /// Which scenes and prompts.
    pub split: Split,
    /// Turns of each dialogue, at most [`TURNS_MAX`].
    pub turns: usize,
}

impl Plan {
    /// On the shipped models, with skipped waiting and without budgets, chooser or dropped views.
    pub fn shipped(split: Split, turns: usize) -> Result<Self, CollectError> {
        let settings = Settings {
            pace: Pace::Skipped,
            choosing: Choosing::DefaultRule,
            budgets: Vec::new(),
            view_threshold: Some(0.0),
            ..Settings::shipped()?
        };
        Ok(Self { settings, split, turns: turns.min(TURNS_MAX) })
    }

    /// The encoder that the device will use.
    pub fn encoder(&self) -> Result<Encoder, CollectError> {
        Ok(Encoder::load(&self.settings.models.join("encoder"))?)
    }
}

/// A collected dialogue.
#[derive(Clone, PartialEq, Debug)]
pub struct Collected {
    /// With every outcome.
    pub dialogue: Dialogue,
    /// Actions that did not run as asked, because something else stepped in; they are left out.
    pub left_out: usize,
}

/// Collects the dialogue of one seed; `done` is called after every turn.
pub async fn collect(
    plan: &Plan,
    seed: u64,
    encoder: &Encoder,
    done: &mut dyn FnMut(),
) -> Result<Collected, CollectError> {
    let recording = Arc::new(Recording::generate(seed, plan.split, plan.turns, FrameSize::default())?);
    let mut world = Box::pin(World::start(plan.settings.clone(), Arc::clone(&recording))).await?;
    let setting = setting(plan, seed, encoder, &world)?;
    let mut rng = Rng::for_purpose(seed, "logged action");
    let (mut interactions, mut association_score, mut left_out) = (Vec::new(), Vec::new(), 0);
    for (index, said) in recording.turns().iter().enumerate() {
        let mut runs = Vec::new();
        for action in world.actions() {
            let outcome = world.turn_only(index, action).await?;
            if ran_as_asked(action, &outcome) {
                runs.push((action, outcome));
            } else if action == Action::LOCAL {
                let record = outcome.record;
                let reason = record.trouble.unwrap_or(record.reason);
                return Err(CollectError::Local { seed, turn: index, reason });
            } else {
                left_out += 1;
            }
        }
        let embedding = encoder.embed_text(&said.prompt.text)?;
        let logged = rng.below(runs.len());
        let (interaction, associations) = interaction(&said.prompt, embedding.as_slice(), &runs, logged);
        interactions.push(interaction);
        association_score.push(associations);
        done();
    }
    world.stop().await;
    let image_paths = CAMERA_NAMES.map(|view| format!("{}-{seed}/{view}", setting.split)).to_vec();
    let dialogue = Dialogue { id: seed, image_paths, interactions, association_score, trimtab: Some(setting) };
    Ok(Collected { dialogue, left_out })
}

/// Nobody else stepped in, and nothing was left away.
fn ran_as_asked(action: Action, outcome: &TurnOutcome) -> bool {
    let record = &outcome.record;
    let placement = if action.node.is_local() { Placement::Local } else { Placement::Cloud };
    record.chosen.is_some()
        && record.fallback.is_none()
        && record.late.is_none()
        && record.placement == placement
        && record.views_used == action.views
}

pub(crate) fn setting(plan: &Plan, seed: u64, encoder: &Encoder, world: &World) -> Result<Setting, CollectError> {
    let Settings { network, prices, profile, preference, .. } = &plan.settings;
    let link = profile.network(network)?;
    let nodes = world.device().with_governor(|governor| {
        let local = governor.local().map(|local| Node { name: "local".into(), profile: local.profile });
        let cloud = governor.nodes().iter().map(|node| Node { name: node.name.clone(), profile: node.profile });
        local.into_iter().chain(cloud).collect()
    });
    Ok(Setting {
        schema: SCHEMA,
        seed,
        split: match plan.split {
            Split::Train => "train",
            Split::HeldOut => "held-out",
        }
        .into(),
        one_action: false,
        conversation: None,
        encoder_sha256: encoder.fingerprint().to_string(),
        views: CAMERA_NAMES.map(String::from).to_vec(),
        nodes,
        network: network.clone(),
        prices: prices.clone(),
        round_trip: link.round_trip(),
        uplink_bits_per_s: link.up_bits_per_s,
        preference: *preference,
    })
}

/// One turn from the runs of its actions, of which one is the logged one; the second part is the row of associations.
fn interaction(
    prompt: &Prompt,
    embedding: &[f32],
    runs: &[(Action, TurnOutcome)],
    logged: usize,
) -> (Interaction, Vec<f32>) {
    let (action, run) = &runs[logged];
    // What the turn saw is the same in every run of it.
    let record = &run.record;
    let views: Vec<View> = record
        .views
        .iter()
        .map(|view| View { association: view.association, shows: view.shows, available: view.available })
        .collect();
    let associations = views.iter().map(|view| view.association).collect();
    let interaction = Interaction {
        question: prompt.text.clone(),
        task_cat: category(prompt),
        action: u8::from(!action.node.is_local()),
        image_index: (!action.views.is_empty()).then(|| action.views.iter().collect()),
        answer: record.answer.clone(),
        score: f32::from(u8::from(run.right)),
        interaction_time: record.cost.latency.get() as f64 / 1e3,
        usage_cost: record.cost.money.nano() as f64 / 1e9,
        trimtab: Some(Measured {
            needs_views: prompt.needs_views,
            expected: prompt.answer.clone(),
            embedding: embedding.to_vec(),
            tasks: record.task_mix,
            unknown: record.task == TaskKind::Unknown,
            views,
            outcomes: runs.iter().filter_map(|(action, run)| outcome(*action, run)).collect(),
            logged: None,
            scored_by: Some(KNOWN_ANSWER.into()),
            candidates: Vec::new(),
            asked_unix_ms: None,
            energy_source: None,
        }),
    };
    (interaction, associations)
}

fn category(prompt: &Prompt) -> TaskCategory {
    match prompt.kind {
        trimtab_scenes::TaskKind::Assistive => TaskCategory::Assistive,
        trimtab_scenes::TaskKind::Query => TaskCategory::Query,
        trimtab_scenes::TaskKind::Recommendation => TaskCategory::Recommendation,
        trimtab_scenes::TaskKind::Message => TaskCategory::Message,
    }
}

fn outcome(action: Action, run: &TurnOutcome) -> Option<Outcome> {
    let record = &run.record;
    let candidate = record.candidates.get(record.chosen.as_ref()?.candidate)?;
    Some(Outcome {
        node: record.node.clone(),
        views: action.views.iter().collect(),
        quote: candidate.quote.into(),
        answer: record.answer.clone(),
        right: run.right,
        latency_ms: record.cost.latency.get(),
        energy_uj: record.cost.energy.micro(),
        money_nusd: record.cost.money.nano(),
        bytes_up: record.cost.bytes.get(),
        score: None,
        fallback: false,
        turn: None,
    })
}
