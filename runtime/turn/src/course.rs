//! In which order a shell carries out the steps of a turn, and the turn hears of what happens.

use crate::event::{Event, Opening, Step};
use crate::governor::Governor;
use crate::turn::Turn;
use alloc::collections::VecDeque;
use trimtab_core::{Joules, Millis};

/// How carrying out a step went.
#[derive(Debug)]
pub enum Outcome {
    /// On with what is to be done.
    On,
    /// The same, and this happened.
    Then(Event),
    /// This happened, and what else was to be done is void, but for the record of a turn that is over.
    Failed(Event),
}

/// One turn on its way to its record.
///
/// ```text
///  open ─▶ step ─▶ went ─┐
///           ▲            │ until there is no step left
///           └────────────┘
///          pending, or whatever happens first ─▶ hear ─▶ step …
/// ```
#[derive(Debug)]
pub struct Course {
    turn: Turn,
    steps: VecDeque<Step>,
    heard: VecDeque<Event>,
    /// The deadline was told before the event that waits.
    told: bool,
}

impl Course {
    /// A prompt has arrived.
    pub fn open(now: Millis, opening: Opening, governor: &mut Governor) -> Self {
        let (turn, steps) = Turn::open(now, opening, governor);
        Self { turn, steps: steps.into(), heard: VecDeque::new(), told: false }
    }

    /// What is to be done now. Say how it [`went`](Self::went) before anything else.
    pub fn step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// A step was carried out, or was not.
    pub fn went(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::On => {}
            Outcome::Then(event) => self.heard.push_back(event),
            Outcome::Failed(event) => {
                // A record is no act under a hold: a turn that is over has it all the same.
                self.steps.retain(|step| matches!(step, Step::Close { .. }));
                self.heard.push_front(event);
            }
        }
    }

    /// What happened while steps were carried out, and is to be heard before anything else.
    pub fn pending(&mut self) -> Option<Event> {
        self.heard.pop_front()
    }

    /// When [`Event::Tick`] is due if nothing happens before.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<Millis> {
        self.turn.next_deadline()
    }

    /// Something happened. A deadline that has passed is told before whatever else did. `spent` is what the meter says now of
    /// the present hold; an event that had to wait is told with that. Returns whether a hold has ended: what is spent from
    /// here on is the next one's.
    pub fn hear(&mut self, now: Millis, event: Event, spent: Joules, governor: &mut Governor) -> bool {
        let ended = self.holds_ended();
        let overdue = !matches!(event, Event::Tick { .. }) && self.turn.next_deadline().is_some_and(|at| at <= now);
        let next = if overdue && !self.told {
            self.told = true;
            self.heard.push_front(event);
            Event::Tick { energy: spent }
        } else {
            self.told = false;
            event
        };
        self.steps.extend(self.turn.on(now, as_of_now(next, spent), governor));
        self.holds_ended() > ended
    }

    /// Holds that are settled or left open; one that is settled late was counted before.
    fn holds_ended(&self) -> usize {
        let record = self.turn.record();
        record.settlements.len() + record.left_open.len()
    }

    /// Whether the record is written and nothing is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.turn.is_over() && self.steps.is_empty()
    }

    /// The turn, as far as it goes.
    #[must_use]
    pub const fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// The event with what was spent until now.
fn as_of_now(event: Event, spent: Joules) -> Event {
    match event {
        Event::Tick { .. } => Event::Tick { energy: spent },
        Event::LedgerFailed { detail, .. } => Event::LedgerFailed { detail, energy: spent },
        Event::Observed(mut observation) => {
            observation.energy = spent;
            Event::Observed(observation)
        }
        Event::ObserveFailed { detail, .. } => Event::ObserveFailed { detail, energy: spent },
        Event::CloudAnswered(mut answer) => {
            answer.energy = spent;
            Event::CloudAnswered(answer)
        }
        Event::CloudRefused(mut refusal) => {
            refusal.energy = spent;
            Event::CloudRefused(refusal)
        }
        other => other,
    }
}
