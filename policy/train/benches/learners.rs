//! How long 30,000 steps of every learner take, in CPU seconds of one thread: without constraint, and in each of the three
//! forms that keep to budgets.
//!
//! `cargo bench -p trimtab-train` prints the table. The dialogues are made up, as many and as long as the published ones of one
//! split: what is learnt does not change how long it takes.

use std::time::Instant;

use anyhow::{Result, ensure};
use trimtab_scenes::Rng;
use trimtab_train::learner::published::{Budgets, NextState, Published, Regime};
use trimtab_train::learner::{Constraint, Method, Recipe, train};
use trimtab_train::published::{ACTIONS, Budget, Costs, Episode, Response, TASKS};

/// Dialogues of one split.
const DIALOGUES: u64 = 56;
/// The shortest of so many runs counts.
const RUNS: usize = 3;

fn dialogues() -> Vec<Episode> {
    let mut rng = Rng::for_purpose(1, "bench dialogues");
    let mut dialogue = |id: u64| {
        let turns = 2 + id as usize % 4;
        Episode {
            id,
            tasks: (0..turns).map(|_| rng.below(TASKS) as u8).collect(),
            association: (0..turns).map(|_| std::array::from_fn(|_| rng.unit().into())).collect(),
            logged: (0..turns).map(|_| rng.below(ACTIONS) as u8).collect(),
            scores: (0..turns).map(|_| rng.range(0.0, 2.0).into()).collect(),
        }
    };
    (0..DIALOGUES).map(&mut dialogue).collect()
}

/// CPU seconds of this thread so far where the system counts them, else seconds since `begun`.
fn cpu_seconds(begun: Instant) -> f64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| begun.elapsed().as_secs_f64(), |nanoseconds| nanoseconds * 1e-9)
}

fn main() -> Result<()> {
    let (episodes, costs) = (dialogues(), Costs::default());
    let response = Response::fit(&episodes);
    let fixed = Regime { budgets: Budgets::Fixed(Budget { seconds: 10.0, usd: 0.01 }), ..Regime::PLAIN };
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
                let mut environment = Published::new(&episodes, &response, &costs, regime, NextState::Logged)?;
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
