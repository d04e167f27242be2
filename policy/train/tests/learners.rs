//! Every learner in an environment whose best policy is known, and the same training twice.

use trimtab_scenes::Rng;
use trimtab_train::learner::{Constraint, Environment, Method, Recipe, Step, Trained, Use, train};

/// Two steps. The first shows one of two signs: the action with its number pays nothing and leads to the rich place, any
/// other pays a little and leads to the poor one. The last action pays most in the rich place, the first a little in the poor
/// one. So the best policy gives up the first reward, and uses most.
struct TwoSteps {
    place: usize,
    seen: [f32; PLACES],
    uses: [Use; ACTIONS],
}

const ACTIONS: usize = 3;
const PLACES: usize = 4;
const RICH: usize = 2;
const POOR: usize = 3;

impl TwoSteps {
    fn new() -> Self {
        Self { place: 0, seen: [0.0; PLACES], uses: [[0.0, 0.1], [0.5, 0.1], [0.9, 0.1]] }
    }
    fn go(&mut self, place: usize) {
        self.place = place;
        self.seen = [0.0; PLACES];
        self.seen[place] = 1.0;
    }
}

impl Environment for TwoSteps {
    fn width(&self) -> usize {
        PLACES
    }
    fn actions(&self) -> usize {
        ACTIONS
    }
    fn reset(&mut self, rng: &mut Rng) {
        self.go(rng.below(2));
    }
    fn observation(&self) -> &[f32] {
        &self.seen
    }
    fn uses(&self) -> &[Use] {
        &self.uses
    }
    fn share(&self) -> f32 {
        0.5
    }
    fn step(&mut self, action: usize) -> Step {
        let (reward, next) = match self.place {
            RICH => (if action == 2 { 1.0 } else { 0.0 }, None),
            POOR => (if action == 0 { 0.1 } else { 0.0 }, None),
            sign if action == sign => (0.0, Some(RICH)),
            _ => (0.2, Some(POOR)),
        };
        if let Some(next) = next {
            self.go(next);
        }
        Step { reward, used: self.uses[action], done: next.is_none() }
    }
}

fn recipe(name: &str, constraint: Constraint) -> Recipe {
    Recipe { constraint, ..Recipe::published(Method::from_name(name).unwrap(), 3) }
}

fn learn(recipe: &Recipe) -> Trained {
    train(&mut TwoSteps::new(), recipe, &mut |_| {})
}

fn choices(trained: &Trained) -> [usize; PLACES] {
    std::array::from_fn(|place| {
        let mut environment = TwoSteps::new();
        environment.go(place);
        trained.choose(environment.observation())
    })
}

#[test]
fn each_learner_finds_the_best_policy() {
    for name in ["a2c", "ppo", "dqn"] {
        let trained = learn(&recipe(name, Constraint::None));
        assert_eq!(choices(&trained)[..3], [0, 1, 2], "{name}");
        assert!(trained.curve.iter().map(|point| point.step).eq((1..=trained.curve.len()).map(|n| 1_000 * n)));
        let reward = trained.curve.last().map_or(0.0, |point| point.reward);
        assert!(reward > 0.4, "{name}: {reward} of 0.5 a step at the end");
    }
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    for name in ["a2c", "ppo", "dqn"] {
        for constraint in
            [Constraint::None, Constraint::Penalty { lambda: 1.0 }, Constraint::Dual { rate: 1e-3, gain: 5.0 }]
        {
            let recipe = Recipe { steps: 3_000, ..recipe(name, constraint) };
            let first = learn(&recipe);
            assert_eq!(first, learn(&recipe), "{name}");
            assert_ne!(first.network, learn(&Recipe { seed: 4, ..recipe }).network, "{name}");
        }
    }
}

#[test]
fn a_weight_of_zero_switches_the_penalty_off() {
    for name in ["a2c", "ppo", "dqn"] {
        let train = |constraint| learn(&Recipe { steps: 3_000, ..recipe(name, constraint) });
        assert_eq!(train(Constraint::None), train(Constraint::Penalty { lambda: 0.0 }), "{name}");
    }
}
