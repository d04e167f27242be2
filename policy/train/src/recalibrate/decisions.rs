//! Whether both decide alike: the old policy through the old encoder, and the new one through the new encoder.

use std::sync::Arc;

use serde::Serialize;
use trimtab_core::{Action, Cost, NodeIndex, Preference, Quote, TaskKind};
use trimtab_engine::{Embedding, Encoder, PolicyFile, RgbFrame};
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::World;
use trimtab_scenes::{CAMERAS, Conversation, Split};

use super::RecalibrateError;
use super::material::{Encoders, Material, facts};
use super::scenes::frame;
use crate::choose::Chooser;
use crate::collect::{CollectError, Plan, setting};
use crate::dataset::{Setting, Table, Tried, Turn};
use crate::evaluate::{Report, evaluate};
use crate::experiment::{Progress, jobs};

/// Turns whose quotes decisions are compared on.
pub const SHEETS: usize = 16;
/// Of the conversation that they come from.
const SEED: u64 = 0x5_4ee7;

/// What one turn could have done, by the device's own quotes.
#[derive(Clone, PartialEq, Debug)]
pub struct Sheet {
    setting: Arc<Setting>,
    number: usize,
    actions: Vec<(Action, Quote)>,
}

/// How alike both decide.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Decisions {
    /// Turns.
    pub turns: usize,
    /// Share of them in which both take the same action.
    pub agreement: f64,
    /// Percent of right answers of the old policy, where every action's outcome is known.
    pub right_percent_old: Option<f64>,
    /// The same of the new one.
    pub right_percent_new: Option<f64>,
}

/// Runs turns of held-out scenes through the device, and keeps what it quoted for every action.
///
/// # Errors
/// A part does not start, or a turn is not taken.
pub async fn sheets(count: usize) -> Result<Vec<Sheet>, CollectError> {
    let plan = Plan::shipped(Split::HeldOut, count)?;
    let encoder = plan.encoder()?;
    let recording = Arc::new(Recording::generate(SEED, plan.split, plan.turns, FrameSize::default())?);
    let mut world = Box::pin(World::start(plan.settings.clone(), recording)).await?;
    let setting = Arc::new(setting(&plan, SEED, &encoder, &world)?);
    let mut found = Vec::with_capacity(count);
    for number in 0..plan.turns {
        let record = world.turn(number).await?.record;
        let node = |name: &str| setting.nodes.iter().position(|node| node.name == name).and_then(NodeIndex::new);
        let actions = record.candidates.iter().filter_map(|candidate| {
            Some((Action { node: node(&candidate.node)?, views: candidate.views }, candidate.quote))
        });
        found.push(Sheet { setting: Arc::clone(&setting), number, actions: actions.collect() });
    }
    world.stop().await;
    Ok(found)
}

/// Both policies, each with its encoder.
pub(super) struct Sides<'a> {
    pub(super) old: &'a PolicyFile,
    pub(super) new: &'a PolicyFile,
    pub(super) encoders: &'a Encoders,
}

impl Sides<'_> {
    /// On every moment of the material, with the quotes of one sheet after the other.
    pub(super) fn on_material(&self, material: &Material, sheets: &[Sheet]) -> Result<Decisions, RecalibrateError> {
        let mut pairs = Vec::new();
        for (moment, sheet) in material.moments.iter().zip(sheets.iter().cycle()) {
            let said = &material.said[moment.said];
            let [old, new] = material.facts(self.encoders, moment);
            let turn = |encoder: &Encoder, embedding: &Embedding, views| {
                let tried = |(action, quote): &(Action, Quote)| Tried {
                    action: *action,
                    quote: *quote,
                    right: false,
                    score: 0.0,
                    cost: Cost::ZERO,
                };
                let task = encoder.task(embedding);
                Turn {
                    dialogue: SEED,
                    number: sheet.number,
                    setting: Arc::clone(&sheet.setting),
                    prompt: said.text.clone(),
                    kind: said.kind,
                    needs_views: false,
                    embedding: embedding.as_slice().to_vec(),
                    tasks: task.probabilities,
                    unknown: task.out_of_distribution,
                    views,
                    tried: sheet.actions.iter().map(tried).collect(),
                }
            };
            pairs.push((turn(&self.encoders.old, &said.both.old, old), turn(&self.encoders.new, &said.both.new, new)));
        }
        let [old, new] = self.decide(&pairs)?;
        Ok(Decisions {
            turns: pairs.len(),
            agreement: new.agreement(&old),
            right_percent_old: None,
            right_percent_new: None,
        })
    }

    /// On the turns of a table that was collected from rendered scenes: they are rendered again for the new encoder.
    pub(super) fn on_table(
        &self,
        table: &Table,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<Decisions, RecalibrateError> {
        let expected = self.encoders.old.fingerprint().to_string();
        if table.encoder_sha256() != expected {
            let what = format!(
                "the table was collected with encoder {}; give one of encoder {expected}",
                table.encoder_sha256()
            );
            return Err(RecalibrateError::Material { path: "--data".into(), what });
        }
        let dialogues: Vec<&[Turn]> = table.turns().chunk_by(|a, b| a.dialogue == b.dialogue).collect();
        let seen = jobs::run(&dialogues, watch, |turns| self.seen_anew(turns));
        let mut pairs = Vec::new();
        for (turns, seen) in dialogues.iter().zip(seen) {
            pairs.extend(turns.iter().cloned().zip(seen?));
        }
        let [old, new] = self.decide(&pairs)?;
        Ok(Decisions {
            turns: pairs.len(),
            agreement: new.agreement(&old),
            right_percent_old: Some(old.right_percent.value),
            right_percent_new: Some(new.right_percent.value),
        })
    }

    /// The turns of one dialogue as the new encoder sees them.
    fn seen_anew(&self, turns: &[Turn]) -> Result<Vec<Turn>, RecalibrateError> {
        let setting = &turns[0].setting;
        let split = match setting.split.as_str() {
            "train" => Some(Split::Train),
            "held-out" => Some(Split::HeldOut),
            _ => None,
        };
        let count = turns.iter().map(|turn| turn.number + 1).max().unwrap_or(0);
        let scenes = split.map_or_else(Vec::new, |split| Conversation::generate(setting.seed, split, count).turns);
        let encoder = &self.encoders.new;
        let anew = |turn: &Turn| {
            let known =
                |rendered: &&trimtab_scenes::Turn| rendered.prompt.text == turn.prompt && turn.views.len() == CAMERAS;
            let Some(rendered) = scenes.get(turn.number).filter(known) else {
                let what = format!(
                    "dialogue {}, turn {}: is no rendered scene, so its pictures are not known; give a table of trimtab-lab collect \
                     --seeds, or --prompts and --pictures",
                    turn.dialogue, turn.number
                );
                return Err(RecalibrateError::Material { path: "--data".into(), what });
            };
            let prompt = encoder.embed_text(&turn.prompt)?;
            let task = encoder.task(&prompt);
            let view = |camera| -> Result<_, RecalibrateError> {
                let frame: RgbFrame = frame(&rendered.scene, camera)?;
                Ok(facts(encoder, &prompt, &encoder.embed_image(&frame)?))
            };
            Ok(Turn {
                embedding: prompt.as_slice().to_vec(),
                tasks: task.probabilities,
                unknown: task.kind == TaskKind::Unknown,
                views: (0..CAMERAS).map(view).collect::<Result<_, _>>()?,
                ..turn.clone()
            })
        };
        turns.iter().map(anew).collect()
    }

    fn decide(&self, pairs: &[(Turn, Turn)]) -> Result<[Report; 2], RecalibrateError> {
        let preference = Preference::default();
        let of = |file: &PolicyFile, turns: Vec<&Turn>| {
            let view_threshold = file.metadata("view_threshold").and_then(|text| text.parse().ok()).unwrap_or(0.0);
            let chooser = Chooser::File { file: Box::new(file.clone()), view_threshold };
            evaluate(&chooser, "policy", &turns, &preference)
        };
        let old = of(self.old, pairs.iter().map(|(old, _)| old).collect())?;
        let new = of(self.new, pairs.iter().map(|(_, new)| new).collect())?;
        Ok([old, new])
    }
}
