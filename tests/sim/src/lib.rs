//! Chaos in simulated time: the real governor and the real ledger under random faults, held to an account of true cost that is
//! kept outside of both.
//!
//! ```text
//!  world ── happenings, true cost ──▶ play ── events ──▶ Course, Governor ── steps ──▶ play ──▶ Store
//!    │                                  │                                                        │
//!    └── true cost ──▶ tally ◀──────────┘   compared after every turn and at every start ◀───────┘
//! ```
//!
//! A **true cost** is drawn without regard to any quote. What can be stopped stops within the guard: one sampling period and one
//! step. The runtime dies at any instant, with all that it had in memory; links, meters, offers, limits and the wall clock change
//! while turns go on. Nothing here decides anything that a device decides: the order of steps, what a start finds, how late
//! answers are settled is the product's own code.

#![warn(clippy::unwrap_used, clippy::expect_used)]

pub mod chance;
mod device;
mod play;
pub mod report;
pub mod tally;
mod world;

use anyhow::{Context, Result};

use device::{Crash, Sim};
pub use report::Report;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of all chance.
    pub seed: u64,
    /// Turns that are asked for.
    pub turns: u64,
}

/// Milliseconds between turns on average.
const PAUSE_MS: f64 = 55_000.0;
/// Share of turns, and of pauses, in which the runtime dies.
const DEATHS: f64 = 0.02;
/// When it does in a turn, after at most so many milliseconds.
const DEATH_WITHIN_MS: f64 = 900.0;

/// A folder in memory where there is one: a ledger that is written a million times needs no disk.
fn scratch() -> Result<tempfile::TempDir> {
    let shared = std::path::Path::new("/dev/shm");
    let builder = tempfile::Builder::new().prefix("trimtab-sim-").tempdir_in(shared);
    builder.or_else(|_| tempfile::tempdir()).context("no folder for the ledger")
}

/// Runs, telling after every turn how many there were. Fails only where the simulation itself cannot go on.
pub fn run(settings: Settings, mut on_turn: impl FnMut(u64)) -> Result<Report> {
    let folder = scratch()?;
    let mut sim = Sim::new(settings.seed, folder.path().join("ledger.sqlite"))?;
    for turn in 0..settings.turns {
        sim.report.turns += 1;
        if sim.world.chance.happens(DEATHS) {
            let after = sim.world.chance.wait(DEATH_WITHIN_MS);
            sim.world.dies_at = Some(sim.world.time + after);
        }
        live(&mut sim, Sim::turn)?;
        let mut pause = sim.world.chance.wait(PAUSE_MS);
        if sim.world.chance.happens(0.01) {
            pause *= 60;
        }
        live(&mut sim, |sim| sim.rest(pause))?;
        on_turn(turn + 1);
    }
    finish(sim)
}

/// Goes on with another runtime where one dies.
fn live(sim: &mut Sim, act: impl FnOnce(&mut Sim) -> Result<()>) -> Result<()> {
    match act(sim) {
        Ok(()) => Ok(()),
        Err(fault) if fault.is::<Crash>() => sim.restart(),
        Err(fault) => Err(fault),
    }
}

/// What is still without a record gets one at the next start, and that is all there is.
fn finish(mut sim: Sim) -> Result<Report> {
    sim.restart()?;
    let without = sim.unclosed.len() as u64;
    let mut report = sim.report;
    report.misrecorded += without + report.begun.abs_diff(report.records);
    report.overshoots = sim.tally.overshoots();
    for overshoot in sim.tally.told() {
        report.tell(overshoot.clone());
    }
    let (beside, of_file) = (sim.player.replayed(), trimtab_ledger::replay::replay(&sim.path)?);
    report.decided_again = beside.same;
    report.states = beside.states;
    for replayed in [beside, &of_file] {
        report.decided_otherwise += replayed.different + replayed.states_different;
        for difference in &replayed.differences {
            report.tell(format!("{difference:?}"));
        }
    }
    // Whatever was closed by its own runtime can be followed from its beginning.
    report.decided_otherwise += beside.unfollowed + (report.records - report.lost).abs_diff(beside.same);
    if of_file.same == 0 {
        report.tell("nothing of the file was decided again".to_owned());
    }
    report.active_hours = sim.world.now().get() / 3_600_000;
    report.wall_hours = (sim.world.time.cast_signed() + sim.world.wall_offset) / 3_600_000;
    Ok(report)
}
