//! The ten shown turns: which prompts and scenes, and what happens around them.
//!
//! Prompts and scenes are drawn from held-out conversations by what they are about, never by what becomes of them. Around
//! them an operator changes budgets, memory gets short, and the broker goes away once. Everything else is decided live.

use anyhow::{Context, Result};
use trimtab_core::{Bytes, Joules, Resource, Window};
use trimtab_rig::world::{TurnOutcome, World};
use trimtab_scenes::{CAMERAS, Conversation, Split, TaskKind, Topic, Turn};
use trimtab_turn::Finish;
use trimtab_wire::operator::Limit;

/// Conversations that are searched for the shown turns.
const CONVERSATIONS_MAX: u64 = 64;
/// Turns of each.
const TURNS_EACH: usize = 64;
/// What the operator leaves for a turn while the battery is low.
const LOW_ENERGY: Joules = Joules::from_micro(800_000);
/// What a turn may take otherwise.
const USUAL_ENERGY: Joules = Joules::from_micro(20_000_000);
/// What another program leaves: enough to send a text, too little for the local model to answer.
const TIGHT_MEMORY: Bytes = Bytes::new(96 << 10);
/// Most corrections of a wish. Another program's work beside this one doubles what single decisions take; their quote must
/// have come near to the usual again before so little is left that an answer is cut.
const TRIES_MAX: usize = 100;
/// Short and long prompts, bytes.
const SHORT: usize = 48;
const LONG: usize = 130;

/// Something that happens before a turn, or in the middle of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Happening {
    /// The operator publishes a wish on `budget/desired`.
    EnergyPerTurn(Joules),
    /// The same, with no more than deciding and the beginning of a local answer need here. What deciding takes differs from time
    /// to time, so the operator corrects the wish until it is so.
    EnergyForFewWords,
    /// Another program takes all memory but this much, or gives it back.
    MemoryLeft(Option<Bytes>),
    /// The broker is gone once the request is on its way, and back after the turn.
    Outage,
}

impl Happening {
    /// In words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::EnergyPerTurn(limit) => {
                format!("the operator publishes budget/desired: energy per turn {:.2} J", limit.as_f64())
            }
            Self::EnergyForFewWords => {
                "the operator corrects budget/desired until energy per turn is for a decision and a few words"
                    .to_owned()
            }
            Self::MemoryLeft(Some(left)) => {
                format!("memory gets short: the ceiling leaves {} KiB", left.get() >> 10)
            }
            Self::MemoryLeft(None) => "memory is free again: no ceiling".to_owned(),
            Self::Outage => "the broker goes away as soon as the request has left".to_owned(),
        }
    }
}

/// One turn and what happens around it.
#[derive(Clone, Debug)]
pub(crate) struct StoryTurn {
    pub(crate) turn: Turn,
    pub(crate) before: Vec<Happening>,
}

/// What a shown turn asks about.
type Wanted = fn(&Turn) -> bool;

fn views_needed(turn: &Turn) -> usize {
    (0..CAMERAS).filter(|camera| turn.prompt.relevant(&turn.scene, *camera)).count()
}

fn is(turn: &Turn, kind: TaskKind) -> bool {
    turn.prompt.kind == kind
}

/// The ten turns, each the first of its kind in the held-out conversations that was not taken before.
pub(crate) fn ten_turns() -> Result<Vec<StoryTurn>> {
    use Happening::{EnergyForFewWords, EnergyPerTurn, MemoryLeft, Outage};
    let wanted: [(Wanted, Vec<Happening>); 10] = [
        (|t| is(t, TaskKind::Assistive) && t.prompt.text.len() < SHORT, vec![]),
        (|t| matches!(t.prompt.topic, Topic::ColourOf(_)) && views_needed(t) == 1, vec![]),
        (|t| t.prompt.topic == Topic::People, vec![]),
        (|t| matches!(t.prompt.topic, Topic::Recommend(_)) && views_needed(t) == 1, vec![]),
        (|t| t.prompt.topic == Topic::TidyFloor, vec![EnergyPerTurn(LOW_ENERGY)]),
        (|t| t.prompt.topic == Topic::TidyFloor, vec![EnergyPerTurn(USUAL_ENERGY)]),
        (|t| is(t, TaskKind::Message) && t.prompt.text.len() < SHORT, vec![MemoryLeft(Some(TIGHT_MEMORY))]),
        (|t| is(t, TaskKind::Message) && t.prompt.text.len() > LONG, vec![MemoryLeft(None), EnergyForFewWords]),
        (
            |t| matches!(t.prompt.topic, Topic::KindOn(_)) && views_needed(t) == 1,
            vec![EnergyPerTurn(USUAL_ENERGY), Outage],
        ),
        (|t| t.prompt.topic == Topic::LampState, vec![]),
    ];
    let mut pool: Vec<Turn> = (0..CONVERSATIONS_MAX)
        .flat_map(|seed| Conversation::generate(seed, Split::HeldOut, TURNS_EACH).turns)
        .collect();
    wanted
        .into_iter()
        .enumerate()
        .map(|(index, (fits, before))| {
            let place = pool.iter().position(fits);
            let place = place.with_context(|| format!("no held-out prompt fits turn {} of the demo", index + 1))?;
            Ok(StoryTurn { turn: pool.remove(place), before })
        })
        .collect()
}

async fn allow(world: &mut World, a_turn: Joules) -> Result<()> {
    let limit = Limit { resource: Resource::Energy, window: Window::Turn, limit: a_turn.micro() };
    Ok(world.wish_budgets(&[limit]).await?)
}

/// Plays a turn under budgets for a decision and a few words until one cuts an answer. Each is what the last decision took
/// and the least a local answer needs, with a margin that shrinks after a whole answer and grows after none; less than a
/// decision is quoted at would not be decided under. The last try is the turn of the story; the ledger has all of them.
async fn few_words(world: &mut World, index: usize, mut decided: Joules) -> Result<TurnOutcome> {
    let mut margin = Joules::ZERO;
    let mut tries = 0;
    loop {
        let (decision, least) = world.least_needs();
        allow(world, decision.max(decided.plus(least).plus(margin))).await?;
        let outcome = world.turn(index).await?;
        tries += 1;
        margin = match outcome.record.finish {
            Finish::EnergyCut => return Ok(outcome),
            Finish::Stop => margin.scaled_up(1, 2),
            _ => margin.plus(least.scaled_up(1, 4)),
        };
        if tries == TRIES_MAX {
            return Ok(outcome);
        }
        decided = outcome.record.decision_energy;
    }
}

/// Plays the turns in a world that was started with their recording; `shown` sees each as soon as it is over.
pub(crate) async fn play(
    world: &mut World,
    story: &[StoryTurn],
    mut shown: impl FnMut(&StoryTurn, &TurnOutcome),
) -> Result<Vec<TurnOutcome>> {
    let mut outcomes: Vec<TurnOutcome> = Vec::with_capacity(story.len());
    for (index, turn) in story.iter().enumerate() {
        for happening in &turn.before {
            match *happening {
                Happening::EnergyPerTurn(limit) => allow(world, limit).await?,
                Happening::EnergyForFewWords => {}
                Happening::MemoryLeft(left) => world.leave_memory(left).await,
                Happening::Outage => world.link().cut_after_request(),
            }
        }
        let outcome = if turn.before.contains(&Happening::EnergyForFewWords) {
            let decided = outcomes.last().map_or(Joules::ZERO, |last| last.record.decision_energy);
            few_words(world, index, decided).await?
        } else {
            world.turn(index).await?
        };
        if !world.link().is_open() || turn.before.contains(&Happening::Outage) {
            world.restore_link().await?;
        }
        shown(turn, &outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
