//! Steps taken in a row with the policy that took them, and the advantages that follow from them.

use super::actor_critic::Lesson;
use super::constraint::Uses;
use super::{Environment, Use};

/// Steps in the order in which they were taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Rollout {
    width: usize,
    /// `[steps, width]`.
    observations: Vec<f32>,
    /// `[steps, actions]`.
    uses: Vec<Use>,
    shares: Vec<f32>,
    rewards: Vec<f32>,
    done: Vec<bool>,
    values: Vec<f32>,
    lessons: Vec<Lesson>,
}

/// One step taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Taken {
    pub(super) action: usize,
    pub(super) log_probability: f32,
    /// What the critic said before.
    pub(super) value: f32,
    /// With prices taken off.
    pub(super) reward: f32,
    pub(super) done: bool,
}

impl Rollout {
    /// Empty.
    pub(super) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }
    /// Forgets every step.
    pub(super) fn clear(&mut self) {
        self.observations.clear();
        self.uses.clear();
        self.shares.clear();
        self.rewards.clear();
        self.done.clear();
        self.values.clear();
        self.lessons.clear();
    }
    /// Keeps what is seen before a step; [`Rollout::took`] must follow.
    pub(super) fn saw(&mut self, environment: &dyn Environment) {
        self.observations.extend_from_slice(environment.observation());
        self.uses.extend_from_slice(environment.uses());
        self.shares.push(environment.share());
    }
    /// Keeps a step.
    pub(super) fn took(&mut self, taken: Taken) {
        let Taken { action, log_probability, value, reward, done } = taken;
        self.rewards.push(reward);
        self.done.push(done);
        self.values.push(value);
        self.lessons.push(Lesson { action, log_probability, advantage: 0.0, target: 0.0 });
    }
    /// Fills in advantages and targets from the last step to the first. `after` is the value of the state after the last step.
    /// Source: Schulman et al. 2016, generalised advantage estimation.
    pub(super) fn judge(&mut self, after: f32, discount: f32, decay: f32) {
        let (mut next, mut advantage) = (after, 0.0);
        for index in (0..self.lessons.len()).rev() {
            let goes_on = if self.done[index] { 0.0 } else { 1.0 };
            let surprise = self.rewards[index] + discount * goes_on * next - self.values[index];
            advantage = surprise + discount * decay * goes_on * advantage;
            next = self.values[index];
            self.lessons[index].advantage = advantage;
            self.lessons[index].target = advantage + self.values[index];
        }
    }
    /// What is learnt from each step.
    pub(super) fn lessons(&self) -> &[Lesson] {
        &self.lessons
    }
    /// The observation of a step.
    pub(super) fn observation(&self, index: usize) -> &[f32] {
        &self.observations[index * self.width..(index + 1) * self.width]
    }
    /// The uses of every action in every step.
    pub(super) fn uses(&self) -> Uses<'_> {
        Uses { of_actions: &self.uses, shares: &self.shares }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advantages_stop_at_the_end_of_an_episode() {
        let mut rollout = Rollout::new(0);
        let taken = |reward, value, done| Taken { action: 0, log_probability: 0.0, value, reward, done };
        for taken in [taken(1.0, 0.5, false), taken(2.0, 0.25, true), taken(4.0, 1.0, false)] {
            rollout.took(taken);
        }
        rollout.judge(10.0, 0.5, 1.0);
        let targets: Vec<f32> = rollout.lessons().iter().map(|lesson| lesson.target).collect();
        // With a decay of 1 a target is the discounted sum of rewards, closed by the critic where the episode goes on.
        assert_eq!(targets, [1.0 + 0.5 * 2.0, 2.0, 4.0 + 0.5 * 10.0]);
        rollout.judge(10.0, 0.5, 0.0);
        assert_eq!(rollout.lessons()[0].advantage, 1.0 + 0.5 * 0.25 - 0.5);
    }
}
