//! Scores what lies in a table folder and has no score yet.

use std::path::Path;

use trimtab_device::client::ClientError;
use trimtab_scenes::says;

use super::RobotError;
use super::folder::{collected, number};
use super::judge::Judge;
use super::prompts::Conversation;
use super::runtime::Runtime;
use crate::dataset::{Dialogue, Interaction, KNOWN_ANSWER, Measured, Outcome, write_shard};

/// From which score on an answer counts as right.
pub const RIGHT: f32 = 0.5;
/// What the source of a judge's score begins with.
const JUDGE: &str = "judge:";

/// Who scores.
#[derive(Debug)]
pub enum Scorer {
    /// A model.
    Judge(Box<Judge>),
    /// The device's user, over the application's feedback.
    Feedback,
    /// The right answer, where the file of prompts has one.
    Expected,
}

/// What came of scoring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Turns that have all their scores, now or before.
    pub scored: usize,
    /// Turns that are left out of training because they have none.
    pub unscored: usize,
    /// Scores that were sent to the device.
    pub told: usize,
    /// Scores that the device did not take: it no longer knows the turn, or has enough of them.
    pub untold: usize,
}

/// A score on its way to the device.
struct Told {
    turn: String,
    score: f32,
    source: String,
}

impl Scorer {
    /// Scores one answer: with who did it. None where nobody can yet.
    async fn score(
        &mut self,
        runtime: &Runtime,
        question: &str,
        expected: Option<&str>,
        outcome: &Outcome,
    ) -> Result<Option<(f32, String)>, RobotError> {
        match self {
            Self::Judge(judge) => {
                let score = judge.score(question, &outcome.answer, expected).await?;
                Ok(score.map(|score| (score, judge.source())))
            }
            Self::Expected => {
                let right = expected.map(|expected| f32::from(u8::from(says(&outcome.answer, expected))));
                Ok(right.map(|score| (score, KNOWN_ANSWER.to_owned())))
            }
            Self::Feedback => {
                let Some(turn) = &outcome.turn else { return Ok(None) };
                let record = match runtime.record(turn).await {
                    Ok(record) => record,
                    // Older than what the device keeps.
                    Err(RobotError::Device { source: ClientError::Status { status: 404, .. }, .. }) => return Ok(None),
                    Err(fault) => return Err(fault),
                };
                // What this program told the device is no user's word.
                let theirs = |source: &str| !source.starts_with(JUDGE) && source != KNOWN_ANSWER;
                let last = record.feedback.into_iter().rev().find(|feedback| theirs(&feedback.source));
                Ok(last.map(|feedback| (feedback.score, feedback.source)))
            }
        }
    }

    /// Whether a turn is to be scored at all.
    fn wants(&self, dialogue: u64, turn: usize) -> bool {
        match self {
            Self::Judge(judge) => judge.samples(dialogue, turn),
            Self::Feedback | Self::Expected => true,
        }
    }
}

/// Scores every conversation that was collected, tells the device, and writes each that changed; `done` is called after each.
pub async fn score(
    runtime: &Runtime,
    folder: &Path,
    conversations: &[Conversation],
    scorer: &mut Scorer,
    done: &mut dyn FnMut(),
) -> Result<Tally, RobotError> {
    let mut tally = Tally::default();
    for (place, conversation) in conversations.iter().enumerate() {
        if let Some(mut dialogue) = collected(folder, place, conversation)? {
            let mut told = Vec::new();
            let scored = dialogue_scores(runtime, &mut dialogue, scorer, &mut told).await;
            if !told.is_empty() {
                write_shard(folder, number(place), &dialogue)?;
            }
            if !matches!(scorer, Scorer::Feedback) {
                tell(runtime, &told, &mut tally).await?;
            }
            // What a judge said before it failed is kept and told.
            scored?;
            let unscored = dialogue.interactions.iter().filter(|turn| !turn.is_scored()).count();
            tally.unscored += unscored;
            tally.scored += dialogue.interactions.len() - unscored;
        }
        done();
    }
    Ok(tally)
}

async fn dialogue_scores(
    runtime: &Runtime,
    dialogue: &mut Dialogue,
    scorer: &mut Scorer,
    told: &mut Vec<Told>,
) -> Result<(), RobotError> {
    let id = dialogue.id;
    for (number, turn) in dialogue.interactions.iter_mut().enumerate() {
        if turn.is_scored() || !scorer.wants(id, number) {
            continue;
        }
        let Interaction { question, trimtab: Some(measured), score, .. } = turn else { continue };
        if let Some(logged) = turn_scores(runtime, question, measured, scorer, told).await? {
            *score = logged;
        }
    }
    Ok(())
}

/// Scores the answers of a turn; gives the logged one's score once all have theirs.
async fn turn_scores(
    runtime: &Runtime,
    question: &str,
    measured: &mut Measured,
    scorer: &mut Scorer,
    told: &mut Vec<Told>,
) -> Result<Option<f32>, RobotError> {
    let expected = Some(measured.expected.as_str()).filter(|expected| !expected.is_empty());
    let mut by = None;
    for outcome in measured.outcomes.iter_mut().filter(|outcome| outcome.score.is_none()) {
        let Some((score, source)) = scorer.score(runtime, question, expected, outcome).await? else { return Ok(None) };
        outcome.score = Some(score);
        outcome.right = score >= RIGHT;
        told.extend(outcome.turn.clone().map(|turn| Told { turn, score, source: source.clone() }));
        by = Some(source);
    }
    measured.scored_by = by;
    let logged = measured.logged.and_then(|logged| measured.outcomes.get(logged));
    Ok(logged.and_then(|outcome| outcome.score))
}

async fn tell(runtime: &Runtime, told: &[Told], tally: &mut Tally) -> Result<(), RobotError> {
    for Told { turn, score, source } in told {
        match runtime.feedback(turn, *score, source).await {
            Ok(()) => tally.told += 1,
            Err(RobotError::Device { source: ClientError::Status { .. }, .. }) => tally.untold += 1,
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
