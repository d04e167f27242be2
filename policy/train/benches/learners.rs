//! How long 30,000 steps of every learner take, in CPU seconds of one thread: without constraint, and in each of the three
//! forms that keep to budgets.
//!
//! `cargo bench -p trimtab-train` prints the table. The dialogues are made up, as many and as long as the published ones of one
//! split: what is learnt does not change how long it takes.

use std::time::Instant;

use anyhow::{Result, ensure};
use trimtab_core::TaskKind;
use trimtab_scenes::Rng;
use trimtab_train::learner::published::{Budgets, NextState, Published, Regime, TrainingDialogue, TrainingTurn};
use trimtab_train::learner::{Constraint, Method, Recipe, train};

/// Dialogues of one split.
const DIALOGUES: u64 = 56;
/// The shortest of so many runs counts.
const RUNS: usize = 3;

fn dialogues() -> Vec<TrainingDialogue> {
    let mut rng = Rng::for_purpose(1, "bench dialogues");
    let mut turn = || TrainingTurn {
        task: *rng.pick(&TaskKind::KNOWN),
        logged: rng.below(9),
        association: std::array::from_fn(|_| rng.unit()),
        scores: std::array::from_fn(|_| rng.range(0.0, 2.0)),
    };
    (0..DIALOGUES).map(|id| TrainingDialogue { id, turns: (0..2 + id % 4).map(|_| turn()).collect() }).collect()
}

/// CPU seconds of this thread so far where the system counts them, else seconds since `begun`.
fn cpu_seconds(begun: Instant) -> f64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| begun.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
}

fn main() -> Result<()> {
    let costs = std::array::from_fn(|action| [0.1 + action as f32, 0.001 + 0.002 * action as f32]);
    let fixed = Regime { budgets: Budgets::Fixed([10.0, 0.01]), ..Regime::PLAIN };
    let forms = [
        ("none", Constraint::None, Regime::PLAIN),
        ("penalty", Constraint::Penalty { lambda: 1.0 }, fixed),
        ("shown", Constraint::None, Regime::CONSTRAINED),
        ("dual", Constraint::Dual { rate: 1e-3, gain: 5.0 }, fixed),
    ];
    println!("{:<8}{:>12}{:>12}{:>12}{:>12}", "", forms[0].0, forms[1].0, forms[2].0, forms[3].0);
    for name in ["a2c", "ppo", "dqn"] {
        let Some(method) = Method::from_name(name) else { continue };
        print!("{name:<8}");
        for (_, constraint, regime) in forms {
            let recipe = Recipe { constraint, ..Recipe::published(method, 1) };
            let mut shortest = f64::INFINITY;
            for _ in 0..RUNS {
                let mut environment = Published::new(&dialogues(), costs, regime, NextState::Logged)?;
                let wall = Instant::now();
                let begun = cpu_seconds(wall);
                let trained = train(&mut environment, &recipe, &mut |_| {});
                ensure!(trained.network.parameters().all(|weight| weight.is_finite()), "{name} has diverged");
                shortest = shortest.min(cpu_seconds(wall) - begun);
            }
            print!("{shortest:>10.2} s");
        }
        println!();
    }
    Ok(())
}
