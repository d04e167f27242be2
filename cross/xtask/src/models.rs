//! Every shipped model from its seed, in one command: encoder with task head, local model and stand-ins, then turns that are really run
//! with these, and the policy that is fitted to the turns. Beside the shipped ones, so that both can be compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::clock::{Clock, must};
use crate::dist;

/// What is shipped beside models.
const CLOUD_PROFILE: &str = "models/shipped/cloud-profile.toml";
/// Dialogues to learn from and to be scored on: options of `trimtab-lab collect`, and the seeds of two halves that are played side by
/// side.
const TURNS: [(&str, &str, [&str; 2]); 2] = [
    ("table", "--turns 30", ["1..21", "21..41"]),
    ("held-out", "--scenes held-out --turns 4", ["3001..3251", "3251..3501"]),
];

/// Where to.
#[derive(Args)]
#[command(
    after_help = "Example:\n  cargo xtask models --out target/retrained\n  diff -r target/retrained/models/shipped models/shipped"
)]
pub(crate) struct Arguments {
    /// A folder that gets models/shipped, the same in float, and the tables of turns; what it has of these is replaced
    #[arg(long, default_value = "target/retrained")]
    out: PathBuf,
}

/// Trains and scores all of them.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let mut clock = Clock::start();
    let outcome = all(root, &root.join(&arguments.out), &mut clock);
    println!("{}", clock.table());
    outcome
}

fn all(root: &Path, out: &Path, clock: &mut Clock) -> Result<()> {
    clock.step("programs", || {
        let words = ["build", "--release", "--locked", "--workspace", "--bin", "trimtab-zoo", "--bin", "trimtab-lab"];
        must(Command::new("cargo").current_dir(root).args(words))
    })?;
    let programs = dist::target(root).join("release");
    // Both find the shipped models from where they are started.
    let started = |program: &str| {
        let mut command = Command::new(programs.join(program));
        command.current_dir(out);
        command
    };
    for (table, ..) in TURNS {
        // Turns of other models would be kept.
        match fs::remove_dir_all(out.join(table)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", out.join(table).display()));
            }
            _ => {}
        }
    }
    fs::create_dir_all(out.join("models/shipped/policy"))?;
    fs::copy(root.join(CLOUD_PROFILE), out.join(CLOUD_PROFILE)).context("cannot copy the cloud's profile")?;
    clock.step("encoder, local model, stand-ins", || {
        must(started("trimtab-zoo").args(["all", "--float", "models/float"]))
    })?;
    for (table, options, halves) in TURNS {
        let collect = |seeds: &str| {
            let words = ["collect", "--out", table, "--seeds", seeds].into_iter().chain(options.split(' '));
            must(started("trimtab-lab").args(words))
        };
        clock.step(table, || {
            thread::scope(|scope| {
                let halves = halves.map(|seeds| scope.spawn(move || collect(seeds)));
                halves.into_iter().try_for_each(|half| half.join().unwrap_or_else(|_| bail!("a half broke off")))
            })
        })?;
    }
    clock.step("policy", || {
        let words = "train --data table --held-out held-out --out models/shipped/policy/policy.onnx \
                     --card models/shipped/policy/card.json";
        must(started("trimtab-lab").args(words.split_whitespace()))
    })
}
