//! The environment against figures worked out by hand, and learners in it.

use super::*;
use crate::learner::{Constraint, Method, Recipe, train};

/// Costs of the published device and cloud.
const COSTS: [Amount; TMO1_ACTIONS] = [
    [0.011_428_571, 7.942_857e-9],
    [6.460_3, 0.000_49],
    [4.761_34, 0.005],
    [4.761_34, 0.005],
    [4.761_34, 0.005],
    [6.245_69, 0.009_45],
    [6.245_69, 0.009_45],
    [6.245_69, 0.009_45],
    [6.982_11, 0.013_68],
];

fn turn(task: TaskKind, logged: usize, scores: PerAction) -> TrainingTurn {
    TrainingTurn { task, logged, association: [0.2, 0.1, 0.3], scores }
}

/// Dialogues of four turns, one of each task, each better answered by the cloud, two of them much better.
fn dear_is_better() -> Vec<TrainingDialogue> {
    let turn = |task: TaskKind, logged: usize| {
        let gain = if matches!(task, TaskKind::Query | TaskKind::Recommendation) { 2.0 } else { 0.6 };
        turn(task, logged, std::array::from_fn(|action| if action == 0 { 0.2 } else { 0.2 + gain }))
    };
    let dialogue = |id| TrainingDialogue {
        id,
        turns: (0..4).map(|t| turn(TaskKind::KNOWN[(id as usize + t) % 4], (2 * id as usize + t) % 9)).collect(),
    };
    (0..8).map(dialogue).collect()
}

#[test]
fn a_turn_pays_score_and_a_third_of_association_less_time_and_cost() {
    let scores = std::array::from_fn(|action| action as f32);
    let dialogue = TrainingDialogue { id: 4, turns: vec![turn(TaskKind::Query, 3, scores); 2] };
    let mut published = Published::new(&[dialogue], COSTS, Regime::PLAIN, NextState::Logged).unwrap();
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
fn an_own_history_carries_the_action_and_asks_for_its_scores() {
    struct Echo;
    impl OwnScores for Echo {
        fn scores(&self, _: usize, turn: usize, earlier: &[usize]) -> PerAction {
            [10.0 * turn as f32 + earlier.iter().sum::<usize>() as f32; TMO1_ACTIONS]
        }
    }
    let dialogue = TrainingDialogue { id: 4, turns: vec![turn(TaskKind::Query, 3, [0.0; TMO1_ACTIONS]); 2] };
    let mut published = Published::new(&[dialogue], COSTS, Regime::PLAIN, NextState::Own(&Echo)).unwrap();
    published.reset(&mut Rng::new(0));
    published.step(7);
    assert_eq!(published.observation()[20..], [1.0, 0.0, 1.0, 1.0, 2.0]);
    assert_eq!(published.step(0).reward, 17.0);
}

#[test]
fn what_remains_is_shown_and_an_overdrawn_budget_pays_nothing() {
    let regime = Regime { budgets: Budgets::Fixed([10.0, 0.02]), shown: Some([1.0, 100.0]), zeroed: true };
    let dialogue = TrainingDialogue { id: 4, turns: vec![turn(TaskKind::Query, 3, [1.0; TMO1_ACTIONS]); 3] };
    let mut published = Published::new(&[dialogue], COSTS, regime, NextState::Logged).unwrap();
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
    let drawn: Vec<Amount> = (0..4_000).map(|_| Budgets::Drawn.draw(&COSTS, &mut rng)).collect();
    let mean = |j: usize| drawn.iter().map(|amount| amount[j]).sum::<f32>() / drawn.len() as f32;
    assert!((mean(0) - 17.48).abs() < 0.4 && (mean(1) - 0.0342).abs() < 0.001, "{} {}", mean(0), mean(1));
    assert!(drawn.iter().all(|[s, usd]| (0.057..34.92).contains(s) && (3.9e-8..0.0685).contains(usd)));
}

#[test]
fn a_fault_is_named_by_dialogue_turn_and_field() {
    let good = TrainingDialogue { id: 7, turns: vec![turn(TaskKind::Query, 3, [1.0; TMO1_ACTIONS]); 2] };
    let check = |dialogues: &[TrainingDialogue], expect: &str| {
        let error = Published::new(dialogues, COSTS, Regime::PLAIN, NextState::Logged).err().unwrap();
        assert!(error.to_string().starts_with(expect), "{error}");
    };
    check(&[], "there is no dialogue");
    check(&[TrainingDialogue { id: 5, turns: vec![] }], "dialogue 5: it has no turns");
    let with = |change: fn(&mut TrainingTurn)| {
        let mut dialogue = good.clone();
        change(&mut dialogue.turns[1]);
        [dialogue]
    };
    check(&with(|turn| turn.logged = 9), "dialogue 7, turn 1: action: 9");
    check(&with(|turn| turn.task = TaskKind::Unknown), "dialogue 7, turn 1: task: unknown");
    check(&with(|turn| turn.scores[4] = f32::NAN), "dialogue 7, turn 1: score: NaN");
    check(&with(|turn| turn.association[2] = f32::INFINITY), "dialogue 7, turn 1: association: inf");
    let mut costs = COSTS;
    costs[2][1] = 0.0;
    assert!(matches!(
        Published::new(&[good], costs, Regime::PLAIN, NextState::Logged),
        Err(EnvironmentError::Cost { action: 2, .. })
    ));
}

#[test]
fn unscaled_weights_read_amounts_as_they_are() {
    let regime = Regime { budgets: Budgets::Drawn, shown: Some([0.1, 50.0]), zeroed: true };
    let mut published = Published::new(&dear_is_better(), COSTS, regime, NextState::Logged).unwrap();
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
    let dialogues = dear_is_better();
    let mut published = Published::new(&dialogues, COSTS, regime, NextState::Logged).unwrap();
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
    let tight = Regime { budgets: Budgets::Fixed([10.0, 0.025]), shown: None, zeroed: false };
    for name in ["a2c", "ppo", "dqn"] {
        let recipe = Recipe { steps: 20_000, ..Recipe::published(Method::from_name(name).unwrap(), 1) };
        let (free, _) = over(&Recipe { constraint: Constraint::Penalty { lambda: 0.0 }, ..recipe }, tight);
        assert!(free > 0.9, "{name}: without a constraint {free} of the dialogues are over");
        for (constraint, shown) in [
            (Constraint::Penalty { lambda: 3.0 }, None),
            (Constraint::Dual { rate: 1e-4, gain: 20.0 }, None),
            (Constraint::None, Some([0.1, 50.0])),
        ] {
            let regime = Regime { shown, zeroed: shown.is_some(), ..tight };
            let (bound, reward) = over(&Recipe { constraint, ..recipe }, regime);
            assert!(bound < 0.75, "{name}, {constraint:?}, budgets shown {shown:?}: {bound} of the dialogues are over");
            assert!(reward > LOCAL + 0.5, "{name}, {constraint:?}, budgets shown {shown:?}: reward {reward}");
        }
    }
}
