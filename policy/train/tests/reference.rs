//! The published environment against the reference: frozen responses and the results of the authors' own code, where they lie
//! beside the workspace; and what must hold of any data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use trimtab_core::observation::Layout;
use trimtab_scenes::Rng;
use trimtab_train::experiment::{Split, splits};
use trimtab_train::export::Weights;
use trimtab_train::published::{
    ACTIONS, Budget, Chooser, Constant, Costs, DistilRecipe, Drawn, Episode, Evaluation, FileChooser, FrozenTables,
    Greedy, NAMED_BUDGETS, Plan, PublishedPolicy, Response, ResponseModel, State, distil, evaluate, oracle,
};

/// The reference and its splits, or none, with a line that says so.
fn reference() -> Option<(PathBuf, Vec<Split>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/m4a1");
    if !root.exists() {
        println!("not run: {} is not there", root.display());
        return None;
    }
    let folder = root.join("reference");
    let (splits, _) = splits(&root.join("M4A1-dev.json"), &folder.join("results.json")).unwrap();
    Some((folder, splits))
}

/// A budget's name in the reference.
const BUDGETS: [(&str, usize); 4] = [("30/0.05", 0), ("15/0.025", 1), ("10/0.01", 2), ("7/0.006", 3)];
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Results {
    methods: BTreeMap<String, Method>,
}

#[derive(Deserialize)]
struct Method {
    budgets: BTreeMap<String, Runs>,
}

#[derive(Deserialize)]
struct Runs {
    per_seed: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    seed: u64,
    reward: f64,
    response: f64,
    association: f64,
    latency_s: f64,
    usage_usd: f64,
    over_latency: f64,
    over_usage: f64,
}

fn same(found: &Evaluation, expected: &Expected, what: &str) {
    for (name, a, b) in [
        ("reward", found.reward, expected.reward),
        ("response", found.response, expected.response),
        ("association", found.association, expected.association),
        ("latency_s", found.latency_s, expected.latency_s),
        ("usage_usd", found.usage_usd, expected.usage_usd),
        ("over_latency", found.over_latency, expected.over_latency),
        ("over_usage", found.over_usage, expected.over_usage),
    ] {
        assert!((a - b).abs() < TOLERANCE, "{what}: {name} is {a}, not {b}");
    }
}

/// Every state of every test dialogue: the fitted response is the frozen one, ties included.
#[test]
fn the_response_is_the_frozen_one_to_the_last_tie() {
    let Some((folder, splits)) = reference() else { return };
    for split in &splits {
        let frozen = FrozenTables::read(&folder.join(format!("seed{}", split.seed)), &split.test).unwrap();
        let response = Response::fit(&split.train);
        for (number, episode) in split.test.iter().enumerate() {
            let mut states = vec![State::first(episode.tasks[0])];
            for turn in 0..episode.turns() {
                for state in &states {
                    let (own, other) = (response.of(*state), frozen.responses(number, turn, *state));
                    let near = own.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-6);
                    assert!(near, "split {}, dialogue {}: {state:?}: {own:?}, not {other:?}", split.seed, episode.id);
                }
                if let Some(next) = episode.tasks.get(turn + 1) {
                    states = states.iter().flat_map(|s| (0..ACTIONS).map(|action| s.then(action, *next))).collect();
                }
            }
        }
    }
}

/// Local, every constant, the greedy and the oracle of each budget, from frozen tables and from the environment's own response.
#[test]
fn rules_and_oracle_are_those_of_the_reference() {
    let Some((folder, splits)) = reference() else { return };
    let text = std::fs::read(folder.join("results.json")).unwrap();
    let results: Results = serde_json::from_slice(&text).unwrap();
    let costs = Costs::default();
    let mut compared = 0;
    for split in &splits {
        let frozen = FrozenTables::read(&folder.join(format!("seed{}", split.seed)), &split.test).unwrap();
        let own = Response::fit(&split.train);
        for model in [&frozen as &dyn ResponseModel, &own] {
            for (name, budget) in BUDGETS {
                let budget = NAMED_BUDGETS[budget];
                let mut check = |method: &str, chooser: &mut dyn Chooser| {
                    let Some(runs) = results.methods.get(method).and_then(|method| method.budgets.get(name)) else {
                        return;
                    };
                    let expected = runs.per_seed.iter().find(|run| run.seed == split.seed).unwrap();
                    let found = evaluate(&split.test, model, &costs, budget, false, chooser).unwrap();
                    same(&found, expected, &format!("{method}, split {}, {name}", split.seed));
                    compared += 1;
                };
                check("Local", &mut Constant(0));
                for action in 0..ACTIONS {
                    check(&format!("Constant {action}"), &mut Constant(action));
                }
                check("Greedy", &mut Greedy::fit(&split.train, &costs));
                check("Oracle", &mut oracle(&split.test, model, &costs, Some(budget)).unwrap());
            }
        }
    }
    // Two models, four budgets, five splits; local, eight or nine constants, greedy, oracle.
    assert!(compared >= 2 * 4 * 5 * 11, "{compared} figures were there to compare");
}

/// One int8 file, run by the engine, on one split: it beats the greedy, keeps every budget and stays near the oracle.
#[test]
fn a_plan_in_a_network_keeps_every_budget() {
    let Some((_, splits)) = reference() else { return };
    let split = &splits[1];
    let (costs, response) = (Costs::default(), Response::fit(&split.train));
    let plan = Plan::new(&split.train, &response, &costs);
    let (ramps, network) = distil(&plan, &response, &costs, &DistilRecipe::default(), &mut |_| ());
    let policy = PublishedPolicy::new(Layout::Tmo1Rc, ramps, network);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.onnx");
    policy.write(Weights::Int8, &path).unwrap();
    let mut file = FileChooser::load(&path).unwrap();
    for budget in NAMED_BUDGETS {
        let play = |chooser: &mut dyn Chooser, shield| {
            evaluate(&split.test, &response, &costs, budget, shield, chooser).unwrap()
        };
        let own = play(&mut file, true);
        let greedy = play(&mut Greedy::fit(&split.train, &costs), true);
        let best = play(&mut oracle(&split.test, &response, &costs, Some(budget)).unwrap(), false);
        assert_eq!((own.over_latency, own.over_usage), (0.0, 0.0), "{budget:?}");
        assert!(own.reward >= greedy.reward, "{budget:?}: {} and the greedy {}", own.reward, greedy.reward);
        assert!(own.reward >= 0.95 * best.reward, "{budget:?}: {} of {}", own.reward, best.reward);
    }
}

/// Dialogues of two to five turns with anything in them.
fn episodes(count: u64, rng: &mut Rng) -> Vec<Episode> {
    (0..count)
        .map(|id| {
            let turns = 2 + rng.below(4);
            Episode {
                id,
                tasks: (0..turns).map(|_| rng.below(4) as u8).collect(),
                association: (0..turns).map(|_| std::array::from_fn(|_| f64::from(rng.unit()))).collect(),
                logged: (0..turns).map(|_| rng.below(ACTIONS) as u8).collect(),
                scores: (0..turns).map(|_| f64::from(rng.range(0.0, 3.0))).collect(),
            }
        })
        .collect()
}

/// Whatever a chooser wants and whatever the budget is, no conversation is over it under the shield.
#[test]
fn the_shield_keeps_any_budget_that_local_answers_fit_into() {
    let mut rng = Rng::for_purpose(11, "shield");
    let (data, costs) = (episodes(40, &mut rng), Costs::default());
    let response = Response::fit(&data);
    for case in 0..60 {
        let budget = Budget { seconds: f64::from(rng.range(0.07, 36.0)), usd: f64::from(rng.range(5e-8, 0.07)) };
        let found = evaluate(&data, &response, &costs, budget, true, &mut Drawn::cloud(case)).unwrap();
        assert_eq!((found.over_latency, found.over_usage), (0.0, 0.0), "case {case}: {budget:?}");
    }
}
