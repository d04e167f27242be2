//! Runs one conversation on the device.

use serde_json::{Value, json};
use trimtab_core::{Action, Placement};
use trimtab_device::client::ClientError;
use trimtab_engine::Encoder;
use trimtab_scenes::Rng;
use trimtab_turn::TurnRecord;
use trimtab_wire::limits::MESSAGES_MAX;

use super::prompts::{Conversation, Said};
use super::runtime::{Facts, Named, Runtime};
use super::turn::{Kept, candidates, interaction, outcome};
use super::{Plan, RobotError};
use crate::dataset::{Dialogue, Interaction, Outcome, SCHEMA, Setting};

/// A conversation that is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Collected {
    /// Not scored yet.
    pub dialogue: Dialogue,
    /// Actions that did not run as asked; of every action they are left out, and a turn whose one action they are.
    pub left_out: usize,
}

/// One conversation in the making.
struct Talk<'a> {
    runtime: &'a Runtime,
    facts: &'a Facts,
    plan: &'a Plan,
    conversation: &'a Conversation,
    rng: Rng,
    /// What was said so far, as the API takes it.
    messages: Vec<Value>,
    left_out: usize,
}

/// The device refused a turn: its shield admitted none of the actions, or nobody answered.
struct Refused {
    /// Short name.
    reason: String,
    message: String,
}

/// What was run of a turn: each outcome with its record.
type Runs = Vec<(TurnRecord, Outcome)>;

/// Collects conversation `number` of the file; `done` is called after every turn.
pub async fn collect(
    runtime: &Runtime,
    facts: &Facts,
    plan: &Plan,
    number: u64,
    conversation: &Conversation,
    encoder: &Encoder,
    done: &mut dyn FnMut(),
) -> Result<Collected, RobotError> {
    let rng = Rng::for_purpose(plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15), "explored action");
    let mut talk = Talk { runtime, facts, plan, conversation, rng, messages: Vec::new(), left_out: 0 };
    let (mut interactions, mut association_score) = (Vec::new(), Vec::new());
    for (index, said) in conversation.turns.iter().enumerate() {
        if let Some((turn, associations)) = talk.turn(index, said, encoder).await? {
            interactions.push(turn);
            association_score.push(associations);
        }
        done();
    }
    if interactions.is_empty() {
        return Err(talk.fault(0, "no turn ran as it was asked for; see trimtab status on the device"));
    }
    let setting = talk.setting();
    let image_paths = setting.views.iter().map(|view| format!("{}/{view}", facts.name)).collect();
    let dialogue = Dialogue { id: number, image_paths, interactions, association_score, trimtab: Some(setting) };
    Ok(Collected { dialogue, left_out: talk.left_out })
}

impl Talk<'_> {
    async fn turn(
        &mut self,
        index: usize,
        said: &Said,
        encoder: &Encoder,
    ) -> Result<Option<(Interaction, Vec<f32>)>, RobotError> {
        self.messages.push(json!({"role": "user", "content": said.prompt}));
        let excess = self.messages.len().saturating_sub(MESSAGES_MAX);
        self.messages.drain(..excess);
        let runs =
            if self.plan.every_action { self.every_action(index).await? } else { self.one_action(index).await? };
        if runs.is_empty() {
            // What was not answered is not part of what was said.
            self.messages.pop();
            return Ok(None);
        }
        let logged = self.rng.below(runs.len());
        let kept = Kept(&self.plan.views);
        let (records, outcomes): (Vec<TurnRecord>, Vec<Outcome>) = runs.into_iter().unzip();
        let record = &records[logged];
        self.messages.push(json!({"role": "assistant", "content": record.answer}));
        let embedding = encoder.embed_text(&said.prompt)?.as_slice().to_vec();
        let (mut interaction, associations) = interaction(said, embedding, record, outcomes, logged, kept);
        if let Some(measured) = interaction.trimtab.as_mut().filter(|_| !self.plan.every_action) {
            measured.candidates = candidates(record, kept);
        }
        Ok(Some((interaction, associations)))
    }

    /// The first of all candidates in a random order that the shield admits.
    async fn one_action(&mut self, turn: usize) -> Result<Runs, RobotError> {
        let mut order = self.actions();
        self.rng.shuffle(&mut order);
        match self.ask(&order).await? {
            Ok(record) => {
                let outcome = outcome(&record, Kept(&self.plan.views));
                self.left_out += usize::from(outcome.is_none());
                Ok(outcome.map(|outcome| (record, outcome)).into_iter().collect())
            }
            // Without a single admissible action there is nothing to learn from the turns to come either.
            Err(Refused { reason, message }) if reason.ends_with("_budget") => {
                Err(self.fault(turn, &format!("{message}; raise the budget, or go on when its window ends")))
            }
            Err(_) => {
                self.left_out += 1;
                Ok(Vec::new())
            }
        }
    }

    /// Every candidate by itself, as far as it is admissible.
    async fn every_action(&mut self, turn: usize) -> Result<Runs, RobotError> {
        let mut runs = Vec::new();
        for action in self.actions() {
            let ran = self.ask(&[action]).await?.ok().and_then(|record| {
                let answered = record.placement != Placement::Refused && record.fallback.is_none();
                let outcome = outcome(&record, Kept(&self.plan.views)).filter(|_| answered)?;
                Some((record, outcome))
            });
            match ran {
                Some(run) => runs.push(run),
                None if action == Action::LOCAL => {
                    let what = "the local action did not run, and the others are compared with it; see its record with \
                                trimtab explain, and what is left with trimtab budget";
                    return Err(self.fault(turn, what));
                }
                None => self.left_out += 1,
            }
        }
        Ok(runs)
    }

    /// Every action over the device's nodes and the views that are kept.
    fn actions(&self) -> Vec<Action> {
        Action::all(self.facts.nodes.len(), self.plan.views.len()).collect()
    }

    /// Runs a turn with the first admissible action of `order`.
    async fn ask(&self, order: &[Action]) -> Result<Result<TurnRecord, Refused>, RobotError> {
        let named: Vec<Named<'_>> = order
            .iter()
            .map(|action| Named {
                node: &self.facts.nodes[action.node.get()].name,
                views: action.views.iter().map(|view| self.facts.cameras[self.plan.views[view]].as_str()).collect(),
            })
            .collect();
        match self.runtime.ask(&self.conversation.name, &self.messages, &named).await {
            Ok(record) => Ok(Ok(record)),
            Err(RobotError::Device {
                source: ClientError::Status { status: 429 | 503 | 504, code, message, .. },
                ..
            }) if code.is_some() => Ok(Err(Refused { reason: code.unwrap_or_default(), message })),
            Err(fault) => Err(fault),
        }
    }

    fn setting(&self) -> Setting {
        let Facts { cameras, nodes, encoder_sha256, .. } = self.facts;
        Setting {
            schema: SCHEMA,
            seed: self.plan.seed,
            split: "device".into(),
            one_action: !self.plan.every_action,
            conversation: Some(self.conversation.name.clone()),
            encoder_sha256: encoder_sha256.clone(),
            views: self.plan.views.iter().map(|view| cameras[*view].clone()).collect(),
            nodes: nodes.clone(),
            network: self.facts.name.clone(),
            prices: self.facts.name.clone(),
            round_trip: self.facts.round_trip,
            uplink_bits_per_s: self.facts.uplink_bits_per_s,
            preference: self.facts.preference,
        }
    }

    fn fault(&self, turn: usize, what: &str) -> RobotError {
        RobotError::Turn { conversation: self.conversation.name.clone(), turn, what: what.into() }
    }
}
