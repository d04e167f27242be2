//! Steps kept to be learnt from again.

use super::{Environment, Use};

/// The last so many steps; the oldest is overwritten.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    width: usize,
    actions: usize,
    capacity: usize,
    /// Where the next step goes once it is full.
    next: usize,
    /// `[steps, width]`, before the step.
    before: Vec<f32>,
    /// `[steps, width]`, after it.
    after: Vec<f32>,
    /// `[steps, actions]`.
    uses: Vec<Use>,
    outcomes: Vec<Outcome>,
}

/// What is kept of one step besides what was seen.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Outcome {
    pub(super) action: usize,
    /// Without prices: those of the time of learning apply.
    pub(super) reward: f32,
    pub(super) used: Use,
    pub(super) done: bool,
    pub(super) share: f32,
}

impl Replay {
    /// Empty.
    pub(super) fn new(environment: &dyn Environment, capacity: usize) -> Self {
        Self {
            width: environment.width(),
            actions: environment.actions(),
            capacity: capacity.max(1),
            next: 0,
            before: Vec::new(),
            after: Vec::new(),
            uses: Vec::new(),
            outcomes: Vec::new(),
        }
    }
    /// Steps kept.
    pub(super) fn len(&self) -> usize {
        self.outcomes.len()
    }
    /// Keeps a step: what was seen before it, the uses of every action there, what it brought, what was seen after it.
    pub(super) fn push(&mut self, before: &[f32], uses: &[Use], outcome: Outcome, after: &[f32]) {
        if self.len() < self.capacity {
            self.before.extend_from_slice(before);
            self.after.extend_from_slice(after);
            self.uses.extend_from_slice(uses);
            self.outcomes.push(outcome);
        } else {
            let at = self.next;
            self.before[at * self.width..(at + 1) * self.width].copy_from_slice(before);
            self.after[at * self.width..(at + 1) * self.width].copy_from_slice(after);
            self.uses[at * self.actions..(at + 1) * self.actions].copy_from_slice(uses);
            self.outcomes[at] = outcome;
            self.next = (at + 1) % self.capacity;
        }
    }
    /// What was seen before a step.
    pub(super) fn before(&self, index: usize) -> &[f32] {
        &self.before[index * self.width..(index + 1) * self.width]
    }
    /// What was seen after it.
    pub(super) fn after(&self, index: usize) -> &[f32] {
        &self.after[index * self.width..(index + 1) * self.width]
    }
    /// The uses of every action before it.
    pub(super) fn uses(&self, index: usize) -> &[Use] {
        &self.uses[index * self.actions..(index + 1) * self.actions]
    }
    /// What it brought.
    pub(super) fn outcome(&self, index: usize) -> &Outcome {
        &self.outcomes[index]
    }
}
