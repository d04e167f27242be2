//! The whole comparison on a small table whose truth is known, and what is refused.

mod published;
mod synthetic;

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use trimtab_train::dataset::Dialogue;
use trimtab_train::experiment::{Args, study};
use trimtab_train::published::{Budget, Costs, DEVICES, Episode, NETWORKS, Plan, Response, State};
use trimtab_train::report::{charts, page};

/// Turns of a dialogue: a plan of as many takes no time.
const TURNS: usize = 3;
const DIALOGUES: u64 = 24;
/// The first ones are judged on.
const JUDGED: u64 = 6;

fn dialogues() -> Vec<Dialogue> {
    let mut all = published::dialogues(DIALOGUES, 0.3, published::evenly);
    for dialogue in &mut all {
        dialogue.interactions.truncate(TURNS);
        dialogue.association_score.truncate(TURNS);
    }
    all
}

/// A table, and a file of one split of it.
fn files(test: &[u64], train: &[u64]) -> (TempDir, PathBuf, PathBuf) {
    let (folder, data) = published::write(&dialogues());
    let ids = folder.path().join("ids.json");
    let split = json!({"test_ids": {"0": test}, "train_ids": {"0": train}});
    std::fs::write(&ids, split.to_string()).unwrap();
    (folder, data, ids)
}

fn args(data: &Path, ids: &Path) -> Args {
    Args { data: data.into(), ids: ids.into(), training_seeds: 1, steps: 2_000, own: None, own_held_out: None }
}

#[test]
fn the_page_has_every_section_and_chart() {
    let (test, train): (Vec<u64>, Vec<u64>) = ((0..JUDGED).collect(), (JUDGED..DIALOGUES).collect());
    let (folder, data, ids) = files(&test, &train);
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    synthetic::write(&own, 1..21, 4);
    let args = Args { own: Some(own), ..args(&data, &ids) };
    let mut study = study(&args, &|_| ()).unwrap();

    assert_eq!(study.profiles.len(), 4 * DEVICES.len() * NETWORKS.len());
    assert_eq!(study.curves.len(), 6);
    assert!(study.curves.iter().all(|curve| !curve.points.is_empty()), "{:?}", study.curves);
    let contenders = study.rows.iter().filter(|row| row.budget == Budget::PUBLISHED && !row.shielded);
    assert_eq!(study.judged.len(), contenders.count(), "every contender is judged by both");
    let judged = |method: &str| study.judged.iter().find(|judged| judged.method == method).unwrap();
    assert_eq!(judged("local").logged.dialogues, test.len());
    // Judged as the choice of its class is: the log does not tell which view.
    assert_eq!(judged("constant 2").logged.snips, judged("constant 8").logged.snips);
    let transfer = study.transfer.as_ref().unwrap();
    assert_eq!((transfer.fitted, transfer.judged), (64, 16));
    let right = |policy: &str| transfer.on_own.iter().find(|row| row.policy == policy).unwrap().right.value;
    assert!(
        right("best class in hindsight") >= right("always the best view")
            && right("always the best view") > right("always text")
    );

    let drawn = charts(&study).unwrap();
    let text = page(&study, &drawn);
    for heading in ["Verdicts", "Both yardsticks", "By the logged scores", "Devices and networks", "Ablations"] {
        assert!(text.contains(&format!("<h2>{heading}</h2>")), "no {heading}");
    }
    for ablation in ["history", "penalty", "views", "association", "prompt", "neighbours", "estimate", "coverage"] {
        assert!(text.contains(&format!("<h3>{ablation}</h3>")), "no {ablation}");
    }
    for name in ["front-latency", "learning-curves", "over-budget-learners", "profiles", "own-joules", "yardsticks"] {
        assert!(drawn.iter().any(|chart| chart.name == name), "no {name}");
    }
    for chart in &drawn {
        assert!(
            chart.svg.starts_with("<svg") && text.contains(&format!("<figure id={}>", chart.name)),
            "{}",
            chart.name
        );
        assert_eq!(drawn.iter().filter(|other| other.name == chart.name).count(), 1, "{}", chart.name);
    }
    let stored = serde_json::to_value(&study).unwrap();
    assert_eq!(stored["args"]["steps"], 2_000);
    assert_eq!(stored["args"]["own"], args.own.as_ref().unwrap().display().to_string());

    study.transfer = None;
    assert!(page(&study, &charts(&study).unwrap()).contains("trimtab-lab collect"), "says how to make a table");
}

#[test]
fn what_cannot_be_split_is_refused() {
    let check = |test: &[u64], train: &[u64], expect: &str| {
        let (_folder, data, ids) = files(test, train);
        let error = study(&args(&data, &ids), &|_| ()).unwrap_err().to_string();
        assert!(error.contains("ids.json") && error.contains(expect), "{error:?} does not say {expect:?}");
    };
    check(&[0, 99], &[1, 2], "split 0: dialogue 99 is not in");
    check(&[0], &[1, 2, 0], "split 0: dialogue 0 is there twice");
    check(&[0], &[], "split 0: a part without dialogues");
}

#[test]
fn a_table_of_single_actions_is_no_table_of_our_own() {
    let (_folder, data, ids) = files(&[0], &[1, 2]);
    let args = Args { own: Some(data.clone()), ..args(&data, &ids) };
    let error = study(&args, &|_| ()).unwrap_err().to_string();
    assert!(error.contains("trimtab: is missing") && error.contains("trimtab-lab collect"), "{error}");
}

#[test]
fn a_plan_at_other_costs_is_the_one_made_for_them() {
    let episodes = Episode::all(&published::table(&dialogues())).unwrap();
    let response = Response::fit(&episodes);
    let elsewhere = Costs::of(&DEVICES[0], &NETWORKS[3]);
    let moved = Plan::new(&episodes, &response, &Costs::default()).at(&elsewhere);
    let made = Plan::new(&episodes, &response, &elsewhere);
    let budget = Budget { seconds: 30.0, usd: 0.01 };
    let (moved, made) = (moved.within(budget), made.within(budget));
    for state in [State::first(0), State::first(0).then(0, 2), State::first(2).then(1, 0).then(0, 2)] {
        for (a, b) in moved.worth(&response, state).into_iter().zip(made.worth(&response, state)) {
            assert!(a == b || (a - b).abs() < 1e-3, "{state:?}: {a}, not {b}");
        }
    }
}
