//! Acting in an environment, and what is seen of it: the learning curve.

use serde::{Deserialize, Serialize};
use trimtab_scenes::Rng;

use super::constraint::Multipliers;
use super::{Environment, RESOURCES, Recipe, Step, Use};

/// Steps between two points of a curve.
const POINT_STEPS: usize = 1_000;

/// The episodes that ended since the point before, with the actions tried for learning.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps so far.
    pub step: usize,
    /// Episodes that the means are over.
    pub episodes: usize,
    /// Mean over the episodes of the mean reward of their steps.
    pub reward: f32,
    /// Mean use of an episode; 1 is the whole budget.
    pub used: Use,
    /// Share of the episodes that used more than their budget.
    pub over: Use,
    /// The multipliers, now.
    pub multipliers: Use,
}

/// Sums over one episode.
#[derive(Clone, Copy, Default)]
struct Episode {
    steps: usize,
    reward: f32,
    used: Use,
}

/// Sums over the episodes of one point.
#[derive(Clone, Copy, Default)]
struct Sums {
    episodes: usize,
    reward: f32,
    used: Use,
    over: Use,
}

/// An environment in which steps are taken one after another, with the prices of uses and the curve.
pub(super) struct Walk<'a> {
    environment: &'a mut dyn Environment,
    watch: &'a mut dyn FnMut(&CurvePoint),
    rng: Rng,
    multipliers: Multipliers,
    steps: usize,
    episode: Episode,
    sums: Sums,
    curve: Vec<CurvePoint>,
}

impl<'a> Walk<'a> {
    /// Starts the first episode.
    pub(super) fn new(
        environment: &'a mut dyn Environment,
        recipe: &Recipe,
        watch: &'a mut dyn FnMut(&CurvePoint),
    ) -> Self {
        let mut rng = Rng::for_purpose(recipe.seed, "episodes");
        environment.reset(&mut rng);
        Self {
            environment,
            watch,
            rng,
            multipliers: Multipliers::new(&recipe.constraint),
            steps: 0,
            episode: Episode::default(),
            sums: Sums::default(),
            curve: Vec::new(),
        }
    }
    /// Where the next step is taken.
    pub(super) fn environment(&self) -> &dyn Environment {
        self.environment
    }
    /// Steps taken.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }
    /// The prices.
    pub(super) fn multipliers(&self) -> Use {
        self.multipliers.value()
    }
    /// Takes a step and moves the prices. The reward is the environment's own, without the price. After a step that is done,
    /// [`Walk::reset`] must follow.
    pub(super) fn step(&mut self, action: usize) -> Step {
        let share = self.environment.share();
        let step = self.environment.step(action);
        self.multipliers.ascend(step.used, share);
        self.steps += 1;
        self.episode.steps += 1;
        self.episode.reward += step.reward;
        self.episode.used.iter_mut().zip(step.used).for_each(|(sum, used)| *sum += used);
        if step.done {
            self.sums.add(&self.episode);
            self.episode = Episode::default();
        }
        if self.steps.is_multiple_of(POINT_STEPS) {
            let point = self.sums.point(self.steps, self.multipliers.value());
            self.sums = Sums::default();
            (self.watch)(&point);
            self.curve.push(point);
        }
        step
    }
    /// Starts the next episode after a step that was done.
    pub(super) fn reset(&mut self) {
        self.environment.reset(&mut self.rng);
    }
    /// Ends.
    pub(super) fn into_curve(self) -> Vec<CurvePoint> {
        self.curve
    }
}

impl Sums {
    fn add(&mut self, episode: &Episode) {
        self.episodes += 1;
        self.reward += episode.reward / episode.steps as f32;
        for j in 0..RESOURCES {
            self.used[j] += episode.used[j];
            self.over[j] += f32::from(u8::from(episode.used[j] > 1.0));
        }
    }
    fn point(&self, step: usize, multipliers: Use) -> CurvePoint {
        let mean = |sum: f32| sum / self.episodes.max(1) as f32;
        CurvePoint {
            step,
            episodes: self.episodes,
            reward: mean(self.reward),
            used: self.used.map(mean),
            over: self.over.map(mean),
            multipliers,
        }
    }
}
