//! The scenarios: what must be so on a board where the package is installed. Each is a script in `cross/qemu/scenarios`, run on
//! the board after the functions of `cross/qemu/lib.sh`; it fails where a command in it fails, and skips with code 77 and a
//! reason. They run in order, because the first installs the package and the last takes it off.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::agent::Agent;
use super::machine::{Disks, Machine};
use super::{Ready, system};
use crate::dist;

/// A scenario and the time after which it counts as hung: ten times what it takes where nothing else runs.
struct Scenario {
    name: &'static str,
    limit: Duration,
}

const fn scenario(name: &'static str, seconds: u64) -> Scenario {
    Scenario { name, limit: Duration::from_secs(seconds) }
}

const SCENARIOS: [Scenario; 8] = [
    scenario("install", 300),
    scenario("service", 300),
    scenario("turn", 180),
    scenario("cameras", 600),
    scenario("sensors", 300),
    scenario("battery", 300),
    scenario("memory", 900),
    scenario("purge", 120),
];
/// How a script says that it was skipped.
const SKIPPED: i32 = 77;
/// What the board tells after a failure.
const FACTS: &str = "journalctl --no-pager -q -o short-monotonic -n 60; systemctl --no-pager --failed; free -k";

/// Which scenarios, and whether for a person.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these, after `install`; all where none is named
    scenarios: Vec<String>,
    /// Start the board with a shell on this terminal instead; `poweroff -f` ends it
    #[arg(long, conflicts_with = "scenarios")]
    console: bool,
}

impl Arguments {
    /// Every scenario.
    pub(crate) fn all() -> Self {
        Self { scenarios: Vec::new(), console: false }
    }
}

/// What became of a scenario.
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// Makes the board ready, runs the scenarios and prints the report; fails unless every one of them ran and passed.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let chosen = chosen(&arguments.scenarios)?;
    let place = dist::target(root).join("qemu");
    fs::create_dir_all(&place)?;
    let Ready { kernel, system } = Ready::new(root)?;
    let payload = system::payload(root, &place)?;
    let disks = Disks { system: &system, payload: &payload, more: &[] };

    let mut machine = Machine::start(&kernel, &disks, &place, arguments.console)?;
    if arguments.console {
        println!("`dpkg -i /run/board/trimtab.deb` installs the package, `poweroff -f` ends the board");
        return machine.wait();
    }
    let begun = Instant::now();
    let outcomes = machine.agent().and_then(|mut agent| {
        println!("  {:<10} {:>6.1} s", "boot", begun.elapsed().as_secs_f64());
        play(root, &chosen, &mut agent)
    });
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(fault) => {
            println!("the board's console ended with\n{}", machine.last_lines());
            return Err(fault);
        }
    };
    report(&chosen, &outcomes)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    for name in names {
        let known: Vec<&str> = SCENARIOS.iter().map(|it| it.name).collect();
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    Ok(SCENARIOS.iter().filter(|it| it.name == SCENARIOS[0].name || names.iter().any(|name| name == it.name)).collect())
}

fn play(root: &Path, chosen: &[&Scenario], agent: &mut Agent) -> Result<Vec<Outcome>> {
    let files = root.join("cross/qemu");
    let functions = fs::read_to_string(files.join("lib.sh")).context("no lib.sh")?;
    let mut outcomes = Vec::new();
    for scenario in chosen {
        let file = files.join("scenarios").join(format!("{}.sh", scenario.name));
        let script = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
        let begun = Instant::now();
        let reply = agent.run(&format!("{functions}\n{script}"), scenario.limit)?;
        let seconds = begun.elapsed().as_secs_f64();
        let (outcome, word) = match reply.code {
            0 => (Outcome::Passed, "ok"),
            SKIPPED => (Outcome::Skipped, "SKIPPED"),
            _ => (Outcome::Failed, "FAILED"),
        };
        println!("  {:<10} {seconds:>6.1} s  {word}", scenario.name);
        for line in reply.output.lines().filter(|line| matches!(outcome, Outcome::Failed) || line.starts_with("note: "))
        {
            println!("      {line}");
        }
        if let Outcome::Failed = outcome {
            println!("      ended with {}; the board's journal:", reply.code);
            for line in agent.run(FACTS, Duration::from_secs(60))?.output.lines() {
                println!("      {line}");
            }
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn report(chosen: &[&Scenario], outcomes: &[Outcome]) -> Result<()> {
    let of = |wanted: fn(&Outcome) -> bool| -> Vec<&str> {
        chosen.iter().zip(outcomes).filter(|(_, outcome)| wanted(outcome)).map(|(it, _)| it.name).collect()
    };
    let passed = of(|outcome| matches!(outcome, Outcome::Passed));
    let skipped = of(|outcome| matches!(outcome, Outcome::Skipped));
    let quoted: Vec<String> = skipped.iter().map(|name| format!("\"{name}\"")).collect();
    println!("{{\"scenarios\": {}, \"passed\": {}, \"skipped\": [{}]}}", chosen.len(), passed.len(), quoted.join(", "));
    let failed = of(|outcome| matches!(outcome, Outcome::Failed));
    ensure!(failed.is_empty(), "failed on the board: {}", failed.join(", "));
    ensure!(skipped.is_empty(), "not run on the board: {}", skipped.join(", "));
    Ok(())
}
