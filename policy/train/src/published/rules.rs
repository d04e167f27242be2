//! Ways to choose that need no training.

use trimtab_engine::PolicyError;
use trimtab_scenes::Rng;

use super::evaluation::{Chooser, Scene, value};
use super::{ACTIONS, Costs, Episode};

/// Always the same action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Constant(pub usize);

impl Chooser for Constant {
    fn scores(&mut self, _scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(one_hot(self.0))
    }
}

/// Draws an action every turn: local half of the time, else a cloud action; or always a cloud action (the paper's baselines
/// *random* and *cloud*).
#[derive(Clone, Debug)]
pub struct Drawn {
    rng: Rng,
    local: f32,
}

impl Drawn {
    /// The paper's *random*.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        Self { rng: Rng::for_purpose(seed, "random"), local: 0.5 }
    }
    /// The paper's *cloud*.
    #[must_use]
    pub fn cloud(seed: u64) -> Self {
        Self { rng: Rng::for_purpose(seed, "cloud"), local: 0.0 }
    }
}

impl Chooser for Drawn {
    fn scores(&mut self, _scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(one_hot(if self.rng.chance(self.local) { 0 } else { 1 + self.rng.below(ACTIONS - 1) }))
    }
}

/// Turn by turn the action whose estimated reward is highest, with the mean association of the training turns: no training,
/// no look ahead.
#[derive(Clone, PartialEq, Debug)]
pub struct Greedy {
    costs: Costs,
    gain: [f64; ACTIONS],
}

impl Greedy {
    /// On these costs, with the association of these episodes.
    #[must_use]
    pub fn fit(episodes: &[Episode], costs: &Costs) -> Self {
        let turns = episodes.iter().map(Episode::turns).sum::<usize>().max(1) as f64;
        let mut gain = [0.0; ACTIONS];
        for episode in episodes {
            for turn in 0..episode.turns() {
                let seen = episode.normalised_gain(turn);
                gain.iter_mut().zip(seen).for_each(|(sum, gain)| *sum += gain / turns);
            }
        }
        Self { costs: *costs, gain }
    }
}

impl Chooser for Greedy {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(std::array::from_fn(|action| value(scene.responses, &self.gain, &self.costs, action)))
    }
}

/// Known actions, episode by episode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scripted(pub Vec<Vec<usize>>);

impl Chooser for Scripted {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(one_hot(self.0[scene.episode][scene.turn]))
    }
}

/// Another way to choose, among some of the actions of each turn.
pub struct Restricted<'a> {
    /// Scores.
    pub chooser: &'a mut dyn Chooser,
    /// Episode by episode, turn by turn: whether an action may be taken.
    pub allowed: Vec<Vec<[bool; ACTIONS]>>,
}

impl Chooser for Restricted<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        let (scores, allowed) = (self.chooser.scores(scene)?, &self.allowed[scene.episode][scene.turn]);
        Ok(std::array::from_fn(|action| if allowed[action] { scores[action] } else { f64::NEG_INFINITY }))
    }
}

/// Another way to choose that sees only the last turns of the state.
pub struct LookingBack<'a> {
    /// Scores.
    pub chooser: &'a mut dyn Chooser,
    /// Turns.
    pub turns: usize,
}

impl Chooser for LookingBack<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        self.chooser.scores(&Scene { state: scene.state.last(self.turns), ..*scene })
    }
}

fn one_hot(chosen: usize) -> [f64; ACTIONS] {
    std::array::from_fn(|action| if action == chosen { 1.0 } else { 0.0 })
}
