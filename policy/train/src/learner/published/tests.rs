//! The environment against figures worked out by hand, and learners in it.

use super::*;
use crate::learner::{Constraint, Method, Recipe, train};

/// Place of a query among the tasks.
const QUERY: u8 = 2;

/// Scores that follow from the state alone.
struct Model(fn(State) -> [f64; ACTIONS]);

impl ResponseModel for Model {
    fn responses(&self, _episode: usize, _turn: usize, state: State) -> [f64; ACTIONS] {
        (self.0)(state)
    }
}

const ALIKE: Model = Model(|_| [1.0; ACTIONS]);
/// Every task is better answered by the cloud, two of them much better.
const CLOUD_PAYS: Model = Model(|state| {
    let gain = if state.task() >= QUERY { 2.0 } else { 0.6 };
    std::array::from_fn(|action| if action == 0 { 0.2 } else { 0.2 + gain })
});

fn episode(id: u64, tasks: Vec<u8>, logged: Vec<u8>) -> Episode {
    let turns = tasks.len();
    Episode { id, tasks, logged, association: vec![[0.2, 0.1, 0.3]; turns], scores: vec![1.0; turns] }
}

/// A dialogue of queries, all answered with view 1.
fn queries(turns: usize) -> Episode {
    episode(4, vec![QUERY; turns], vec![3; turns])
}

/// Dialogues of four turns, one of each task.
fn every_task() -> Vec<Episode> {
    let dialogue =
        |id: u8| episode(id.into(), (0..4).map(|t| (id + t) % 4).collect(), (0..4).map(|t| (2 * id + t) % 9).collect());
    (0..8).map(dialogue).collect()
}

fn published<'a>(
    episodes: &[Episode],
    model: &'a Model,
    regime: Regime,
    next: NextState,
) -> Result<Published<'a>, EnvironmentError> {
    Published::new(episodes, model, &Costs::default(), regime, next)
}

#[test]
fn a_turn_pays_score_and_a_third_of_association_less_time_and_cost() {
    let by_number = Model(|_| std::array::from_fn(|action| action as f64));
    let mut published = published(&[queries(2)], &by_number, Regime::PLAIN, NextState::Logged).unwrap();
    published.reset(&mut Rng::new(0));
    assert_eq!(published.observation()[20..], [-1.0, 0.0, 0.0, 0.0, 2.0]);
    let step = published.step(6);
    // Views 0 and 2 of association .2, .1, .3: .5 of .6.
    let expect = 6.0 + (0.5 / 0.6 - 0.894_354_66 - 0.690_789_3) / 3.0;
    assert!((step.reward - expect).abs() < 1e-5, "{} {expect}", step.reward);
    assert!((step.used[0] - 6.245_69 / 30.0).abs() < 1e-6 && (step.used[1] - 0.009_45 / 0.05).abs() < 1e-6);
    assert!(!step.done);
    // The logged action 3 is in the next state, not the 6 that was taken.
    assert_eq!(published.observation()[15..], [-1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 1.0, 0.0, 2.0]);
    assert!(published.step(0).done);
}

#[test]
fn an_own_history_carries_the_action_and_is_scored_as_it_is() {
    let echo = Model(|state| [10.0 * state.actions().count() as f64 + state.actions().sum::<usize>() as f64; ACTIONS]);
    let mut published = published(&[queries(2)], &echo, Regime::PLAIN, NextState::Own).unwrap();
    published.reset(&mut Rng::new(0));
    published.step(7);
    assert_eq!(published.observation()[20..], [1.0, 0.0, 1.0, 1.0, 2.0]);
    assert_eq!(published.step(0).reward, 17.0);
}

#[test]
fn what_remains_is_shown_and_an_overdrawn_budget_pays_nothing() {
    let budgets = Budgets::Fixed(Budget { seconds: 10.0, usd: 0.02 });
    let regime = Regime { budgets, shown: Some([1.0, 100.0]), zeroed: true };
    let mut published = published(&[queries(3)], &ALIKE, regime, NextState::Logged).unwrap();
    published.reset(&mut Rng::new(0));
    assert_eq!(published.observation()[25..], [10.0, 2.0]);
    assert!(published.step(8).reward > 0.0);
    assert!(
        (published.observation()[25] - 3.017_89).abs() < 1e-4 && (published.observation()[26] - 0.632).abs() < 1e-4
    );
    assert_eq!(published.step(8).reward, 0.0);
    assert_eq!(published.step(0).reward, 0.0);
}

#[test]
fn drawn_budgets_stay_in_their_range_about_its_middle() {
    let mut rng = Rng::for_purpose(1, "budgets");
    let drawn: Vec<Budget> = (0..4_000).map(|_| Budgets::Drawn.draw(&Costs::default(), &mut rng)).collect();
    let mean = |of: fn(&Budget) -> f64| drawn.iter().map(of).sum::<f64>() / drawn.len() as f64;
    let (seconds, usd) = (mean(|budget| budget.seconds), mean(|budget| budget.usd));
    assert!((seconds - 17.48).abs() < 0.4 && (usd - 0.0342).abs() < 0.001, "{seconds} {usd}");
    let inside = |budget: &Budget| (0.057..34.92).contains(&budget.seconds) && (3.9e-8..0.0685).contains(&budget.usd);
    assert!(drawn.iter().all(inside));
}

#[test]
fn a_fault_is_named_by_dialogue_turn_and_field() {
    let check = |episodes: &[Episode], expect: &str| {
        let error = published(episodes, &ALIKE, Regime::PLAIN, NextState::Logged).err().unwrap();
        assert!(error.to_string().starts_with(expect), "{error}");
    };
    check(&[], "there is no dialogue");
    check(&[queries(0)], "dialogue 4: it has no turns");
    let with = |change: fn(&mut Episode)| {
        let mut dialogue = queries(2);
        change(&mut dialogue);
        [dialogue]
    };
    check(&with(|of| of.logged[1] = 9), "dialogue 4, turn 1: action: 9");
    check(&with(|of| of.tasks[1] = 4), "dialogue 4, turn 1: task: 4");
    check(&with(|of| of.scores[1] = f64::NAN), "dialogue 4, turn 1: score: NaN");
    check(&with(|of| of.association[1][2] = f64::INFINITY), "dialogue 4, turn 1: association: inf");
    let mut costs = Costs::default();
    costs.usd[2] = 0.0;
    let error = Published::new(&[queries(2)], &ALIKE, &costs, Regime::PLAIN, NextState::Logged).err();
    assert!(matches!(error, Some(EnvironmentError::Cost { class: 2, .. })));
}

#[test]
fn unscaled_weights_read_amounts_as_they_are() {
    let regime = Regime { budgets: Budgets::Drawn, shown: Some([0.1, 50.0]), zeroed: true };
    let mut published = published(&every_task(), &CLOUD_PAYS, regime, NextState::Logged).unwrap();
    let recipe = Recipe { steps: 500, ..Recipe::published(Method::from_name("a2c").unwrap(), 1) };
    let trained = train(&mut published, &recipe, &mut |_| {});
    let mut shown = vec![-1.0; 27];
    (shown[25], shown[26]) = (1.2, 0.8);
    let before = trained.network.trace(&shown).outputs().to_vec();
    let unscaled = published.unscale(trained);
    (shown[25], shown[26]) = (12.0, 0.016);
    let after = unscaled.network.trace(&shown).outputs().to_vec();
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4), "{before:?} {after:?}");
}

/// Share of the dialogues over a budget, and mean reward, of what a recipe learns under a regime.
fn over(recipe: &Recipe, regime: Regime) -> (f32, f32) {
    let mut published = published(&every_task(), &CLOUD_PAYS, regime, NextState::Logged).unwrap();
    let trained = train(&mut published, recipe, &mut |_| {});
    let (mut over, mut reward, mut steps, mut rng) = (0.0, 0.0, 0.0, Rng::for_purpose(2, "judging"));
    const EPISODES: usize = 200;
    for _ in 0..EPISODES {
        published.reset(&mut rng);
        let mut used = [0.0; RESOURCES];
        loop {
            let step = published.step(trained.choose(published.observation()));
            used.iter_mut().zip(step.used).for_each(|(sum, used)| *sum += used);
            reward += step.reward;
            steps += 1.0;
            if step.done {
                break;
            }
        }
        over += f32::from(u8::from(used.iter().any(|used| *used > 1.0)));
    }
    (over / EPISODES as f32, reward / steps)
}

/// Under a budget for half of the calls that pay, every form of every learner breaks it in fewer dialogues than the
/// learner without one, and still earns much more than the local action does.
#[test]
fn every_form_of_constraint_lowers_violations() {
    const LOCAL: f32 = 0.2;
    let budgets = Budgets::Fixed(Budget { seconds: 10.0, usd: 0.025 });
    let tight = Regime { budgets, shown: None, zeroed: false };
    let check = move |name: &str| {
        let recipe = Recipe { steps: 12_000, ..Recipe::published(Method::from_name(name).unwrap(), 1) };
        let (free, _) = over(&Recipe { constraint: Constraint::Penalty { lambda: 0.0 }, ..recipe }, tight);
        assert!(free > 0.9, "{name}: without a constraint {free} of the dialogues are over");
        for (constraint, shown) in [
            (Constraint::Penalty { lambda: Constraint::PENALTY_LAMBDA }, None),
            (Constraint::DUAL, None),
            (Constraint::None, Some([0.1, 50.0])),
        ] {
            let regime = Regime { shown, zeroed: shown.is_some(), ..tight };
            let (bound, reward) = over(&Recipe { constraint, ..recipe }, regime);
            assert!(bound < 0.75, "{name}, {constraint:?}, budgets shown {shown:?}: {bound} of the dialogues are over");
            assert!(reward > LOCAL + 0.4, "{name}, {constraint:?}, budgets shown {shown:?}: reward {reward}");
        }
    };
    std::thread::scope(|scope| {
        for name in ["a2c", "ppo", "dqn"] {
            scope.spawn(move || check(name));
        }
    });
}
