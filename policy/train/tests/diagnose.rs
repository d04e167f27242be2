//! Policies that fail in a known way, made by hand, and one that does not: each is told for what it is.

use trimtab_core::observation::Layout;
use trimtab_train::diagnose::{Diagnosis, Signature, Trial, diagnose, seed_variance};
use trimtab_train::export::Weights;
use trimtab_train::network::{Activation, Dense, Mlp};
use trimtab_train::published::{
    ACTIONS, Chooser, Costs, Episode, FileChooser, NAMED_BUDGETS, PublishedPolicy, ResponseModel, State, TASKS,
};

/// Number in the layout of where the previous turn was answered.
const PLACE: usize = 20;
/// Of this turn's task.
const TASK: usize = 24;
/// Of the seconds that remain.
const SECONDS: usize = 25;
const LOCAL: usize = 0;
const ONE_VIEW: usize = 2;
const ALL_VIEWS: usize = 8;

/// Scores that are straight lines over the layout: bias of each action, and slopes by place and action.
fn policy(bias: &[(usize, f32)], slopes: &[(usize, usize, f32)]) -> PublishedPolicy {
    let layout = Layout::Tmo1Rc;
    let mut layer = Dense {
        inputs: layout.width(),
        outputs: ACTIONS,
        weight: vec![0.0; layout.width() * ACTIONS],
        bias: vec![-100.0; ACTIONS],
    };
    bias.iter().for_each(|(action, bias)| layer.bias[*action] = *bias);
    slopes.iter().for_each(|(place, action, slope)| layer.weight[place * ACTIONS + action] = *slope);
    PublishedPolicy::new(layout, Vec::new(), Mlp { layers: vec![layer], activation: Activation::Tanh })
}

fn always_local() -> PublishedPolicy {
    policy(&[(LOCAL, 1.0)], &[])
}

/// Local in the first turn, all views in every other one, whatever the task.
fn all_views() -> PublishedPolicy {
    policy(&[(LOCAL, 0.0), (ALL_VIEWS, 0.5)], &[(PLACE, ALL_VIEWS, 1.0)])
}

/// One view for every task but the first two, whatever remains.
fn spendthrift() -> PublishedPolicy {
    policy(&[(LOCAL, 0.0), (ONE_VIEW, -1.5)], &[(TASK, ONE_VIEW, 1.0)])
}

/// One view for the last two tasks at first, for the last one as long as a call still fits, then local.
fn sound() -> PublishedPolicy {
    policy(&[(LOCAL, 0.0), (ONE_VIEW, -3.51)], &[(TASK, ONE_VIEW, 1.0), (SECONDS, ONE_VIEW, 0.1)])
}

/// A view answers the last two tasks well, the device the others.
struct ByTask;

impl ResponseModel for ByTask {
    fn responses(&self, _episode: usize, _turn: usize, state: State) -> [f64; ACTIONS] {
        std::array::from_fn(|action| if (state.task() > 1) == (action > LOCAL) { 1.5 } else { 0.2 })
    }
}

/// Dialogues of four turns, one of each task.
fn episodes() -> Vec<Episode> {
    let episode = |id: usize| Episode {
        id: id as u64,
        tasks: (0..4).map(|turn| ((id + turn) % TASKS) as u8).collect(),
        association: vec![[0.3, 0.2, 0.1]; 4],
        logged: vec![0; 4],
        scores: vec![1.0; 4],
    };
    (0..16).map(episode).collect()
}

fn examine(chooser: &mut dyn Chooser, shield: bool) -> Diagnosis {
    let (episodes, costs) = (episodes(), Costs::default());
    let trial = Trial { episodes: &episodes, responses: &ByTask, costs: &costs, budgets: &NAMED_BUDGETS, shield };
    diagnose(&trial, chooser).unwrap()
}

fn signatures(found: &Diagnosis) -> Vec<Signature> {
    found.findings.iter().map(|finding| finding.signature).collect()
}

#[test]
fn a_sound_policy_has_no_finding() {
    let found = examine(&mut sound(), false);
    assert_eq!(found.findings, [], "{found:?}");
}

#[test]
fn a_policy_that_is_always_local_is_caught() {
    let found = examine(&mut always_local(), false);
    assert_eq!(signatures(&found), [Signature::AlwaysLocal]);
    assert_eq!(found.findings[0].evidence, "action 0 in 64 of 64 decisions");
}

#[test]
fn a_policy_that_uploads_everything_is_caught() {
    let found = examine(&mut all_views(), true);
    assert_eq!(signatures(&found), [Signature::BlindToTask, Signature::AllViews]);
    assert_eq!(found.findings[0].evidence, "another task would change 0 of 64 decisions");
    assert_eq!(found.findings[1].evidence, "48 of 48 cloud calls carry every view, in each of 4 tasks");
    let constant = examine(&mut policy(&[(ALL_VIEWS, 1.0)], &[]), true);
    assert_eq!(signatures(&constant), [Signature::AlwaysTheSame, Signature::AllViews]);
}

#[test]
fn a_policy_that_breaks_budgets_is_caught_and_the_shield_holds_it() {
    let found = examine(&mut spendthrift(), false);
    assert_eq!(signatures(&found), [Signature::OverBudget]);
    let evidence = &found.findings[0].evidence;
    assert!(evidence.contains("7 s, 0.006 USD: 100 % over in time, 100 % in cost"), "{evidence}");
    assert!(evidence.ends_with("it plays alike under every budget"), "{evidence}");
    assert_eq!(examine(&mut spendthrift(), true).findings, []);
}

#[test]
fn policies_that_hang_on_their_seed_are_caught() {
    let rewards = [sound(), always_local(), sound()].map(|mut policy| examine(&mut policy, true).reward);
    let found = seed_variance(&rewards).unwrap();
    assert_eq!(found.signature, Signature::SeedVariance);
    assert!(found.evidence.starts_with("rewards of 3 policies from "), "{}", found.evidence);
    assert_eq!(seed_variance(&rewards[..1]), None);
    assert_eq!(seed_variance(&[rewards[0], rewards[2]]), None);
}

/// What a file is found to be is what its policy was found to be.
#[test]
fn a_file_is_told_as_its_policy_is() {
    let folder = tempfile::tempdir().unwrap();
    for (number, mut policy) in [always_local(), all_views(), spendthrift(), sound()].into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.onnx"));
        policy.write(Weights::Int8, &path).unwrap();
        let file = examine(&mut FileChooser::load(&path).unwrap(), false);
        assert_eq!(file.findings, examine(&mut policy, false).findings);
    }
}
