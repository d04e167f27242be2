//! What the demo promises, over five held-out conversations of two hundred turns: the learned policy against its
//! baselines, swapped cameras, blinded clouds, a task → action table and random weights.

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use trimtab_core::Preference;
use trimtab_scenes::{CAMERA_NAMES, Conversation, Split, Turn};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const TURNS: usize = 200;
/// Which recording each camera shows in the swapped runs.
const SWAPPED: [usize; 3] = [2, 0, 1];
/// Runs at a time: each has threads of its own.
const AT_A_TIME: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Learned,
    Swapped,
    Blind,
    Table,
    Random,
}

const KINDS: [Kind; 5] = [Kind::Learned, Kind::Swapped, Kind::Blind, Kind::Table, Kind::Random];

struct Run {
    turns: Vec<Value>,
    last: Value,
}

fn demo(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab-demo")).arg("--json").args(arguments).output().unwrap();
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?} ended with {}:\n{log}", output.status);
    let mut turns: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = turns.pop().unwrap();
    Run { turns, last }
}

fn start(seed: u64, kind: Kind) -> Run {
    let (seed, turns) = (seed.to_string(), TURNS.to_string());
    let mut arguments = vec!["--seed", &seed, "--turns", &turns];
    arguments.extend(match kind {
        Kind::Learned => &[][..],
        Kind::Swapped => &["--alone", "--cameras-permute", "2,0,1"],
        Kind::Blind => &["--alone", "--blind"],
        Kind::Table => &["--chooser", "task-table"],
        Kind::Random => &["--chooser", "random-weights"],
    });
    demo(&arguments)
}

/// Every run once, for all tests of this file.
fn runs() -> &'static [(u64, Kind, Run)] {
    static RUNS: OnceLock<Vec<(u64, Kind, Run)>> = OnceLock::new();
    RUNS.get_or_init(|| {
        let jobs: Vec<(u64, Kind)> = SEEDS.iter().flat_map(|seed| KINDS.map(|kind| (*seed, kind))).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    while let Some((seed, kind)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let run = start(*seed, *kind);
                        done.lock().unwrap().push((*seed, *kind, run));
                    }
                });
            }
        });
        done.into_inner().unwrap()
    })
}

fn of(kind: Kind) -> impl Iterator<Item = (u64, &'static Run)> {
    SEEDS.into_iter().map(move |seed| {
        let found = runs().iter().find(|(s, k, _)| (*s, *k) == (seed, kind));
        (seed, found.map(|(_, _, run)| run).unwrap())
    })
}

fn scenes(seed: u64) -> Vec<Turn> {
    Conversation::generate(seed, Split::HeldOut, TURNS).turns
}

/// A figure of the summary, summed over the seeds.
fn total(chooser: &str, figure: &str) -> f64 {
    of(Kind::Learned).map(|(_, run)| run.last["summary"][chooser][figure].as_f64().unwrap()).sum()
}

fn views(turn: &Value) -> BTreeSet<usize> {
    let names = turn["views"].as_array().unwrap().iter();
    names.map(|name| CAMERA_NAMES.iter().position(|camera| name == camera).unwrap()).collect()
}

/// What a turn was worth by the usual weights.
fn value(turn: &Value) -> f64 {
    let of = |figure: &str| turn[figure].as_f64().unwrap();
    let [quality, _, latency, cost, energy] = Preference::default().weights().map(f64::from);
    let right = if turn["right"].as_bool().unwrap() { quality } else { 0.0 };
    right - latency * of("latency_ms") / 1e4 - cost * of("money_uusd") / 1e3 - energy * of("energy_uj") / 1e7
}

/// Mean and lower end of the 95 % interval of paired differences.
fn paired(differences: &[f64]) -> (f64, f64) {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, mean - 1.96 * (variance / n).sqrt())
}

#[test]
fn the_learned_policy_beats_local_and_nearly_reaches_the_cloud_at_a_fraction_of_its_cost() {
    let turns = total("learned", "turns");
    assert_eq!(turns, (SEEDS.len() * TURNS) as f64);
    let [learned, local, cloud] = ["learned", "local", "cloud_all"].map(|chooser| total(chooser, "right") / turns);
    println!("right: learned {learned:.3}, local {local:.3}, cloud with all views {cloud:.3}");
    for figure in ["money_uusd", "bytes_up", "latency_ms"] {
        let share = total("learned", figure) / total("cloud_all", figure);
        println!("{figure}: {share:.3} of the cloud's");
        assert!(share <= 0.60, "{figure} is {share:.3} of always-cloud");
    }
    assert!(learned > local, "{learned} against {local}");
    assert!(learned >= cloud - 0.05, "{learned} against {cloud}");
}

#[test]
fn each_cloud_node_is_chosen_and_every_budget_kept() {
    let mut nodes = BTreeSet::new();
    for (seed, run) in of(Kind::Learned) {
        nodes.extend(run.turns.iter().filter(|turn| turn["placement"] == "cloud").map(|turn| turn["node"].to_string()));
        let spent = |figure: &str| run.turns.iter().map(|turn| turn[figure].as_f64().unwrap()).sum::<f64>();
        let largest = |figure: &str| run.turns.iter().map(|turn| turn[figure].as_f64().unwrap()).fold(0.0, f64::max);
        for budget in run.last["budgets"].as_array().unwrap() {
            let (figure, unit) = match budget["resource"].as_str().unwrap() {
                "energy" => ("energy_uj", 1.0),
                "money" => ("money_uusd", 1e3),
                "bytes" => ("bytes_up", 1.0),
                "latency" => ("latency_ms", 1.0),
                other => panic!("no resource: {other}"),
            };
            let used = if budget["window"] == "turn" { largest(figure) } else { spent(figure) } * unit;
            let limit = budget["limit"].as_f64().unwrap();
            assert!(used <= limit, "seed {seed}: {used} of {budget}");
        }
        let refused = run.turns.iter().filter(|turn| turn["placement"] == "refused").count();
        assert_eq!(refused, 0, "seed {seed}: refused turns");
    }
    assert_eq!(nodes.len(), 2, "{nodes:?}");
}

#[test]
fn swapped_cameras_swap_the_chosen_views() {
    let (mut same, mut all) = (0, 0);
    for ((seed, plain), (_, swapped)) in of(Kind::Learned).zip(of(Kind::Swapped)) {
        for ((said, plain), swapped) in scenes(seed).iter().zip(&plain.turns).zip(&swapped.turns) {
            if said.prompt.needs_views {
                let shown: BTreeSet<usize> = views(swapped).into_iter().map(|camera| SWAPPED[camera]).collect();
                all += 1;
                same += usize::from(views(plain) == shown);
            }
        }
    }
    let share = f64::from(same as u32) / f64::from(all as u32);
    println!("the same pictures are chosen in {share:.3} of {all} turns");
    assert!(share >= 0.80, "{same} of {all}");
}

#[test]
fn a_blind_cloud_answers_by_chance() {
    let (mut right, mut chance, mut all, mut sighted) = (0.0, 0.0, 0.0, 0.0);
    for ((seed, blind), (_, plain)) in of(Kind::Blind).zip(of(Kind::Learned)) {
        for ((said, blind), plain) in scenes(seed).iter().zip(&blind.turns).zip(&plain.turns) {
            if said.prompt.needs_views {
                all += 1.0;
                chance += 1.0 / said.prompt.topic.vocabulary().len() as f64;
                right += f64::from(u8::from(blind["right"].as_bool().unwrap()));
                sighted += f64::from(u8::from(plain["right"].as_bool().unwrap()));
            }
        }
    }
    let [right, chance, sighted] = [right, chance, sighted].map(|count| count / all);
    println!("view-dependent and right: blind {right:.3}, guessing {chance:.3}, sighted {sighted:.3}");
    // Guessing knows the question, so it may favour the commoner answers.
    assert!(right <= chance + 0.10, "{right} against {chance}");
    assert!(sighted >= right + 0.30, "{sighted} against {right}");
}

#[test]
fn a_table_and_random_weights_do_measurably_worse() {
    for kind in [Kind::Table, Kind::Random] {
        let differences: Vec<f64> = of(Kind::Learned)
            .zip(of(kind))
            .flat_map(|((_, learned), (_, other))| {
                learned.turns.iter().zip(&other.turns).map(|(learned, other)| value(learned) - value(other))
            })
            .collect();
        let (mean, lower) = paired(&differences);
        println!("a turn is worth {mean:.3} more than with {kind:?}, at least {lower:.3}");
        assert!(lower > 0.0, "{kind:?}: mean {mean}, interval from {lower}");
    }
}
