//! `trimtab-sim`: many turns under random faults, and whether everything held.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trimtab_sim::{Report, Settings, run};

/// Turns between two looks at the bar.
const SHOWN_EVERY: u64 = 256;

/// Plays turns in simulated time under random faults, and holds them to an account of true cost kept outside the ledger.
#[derive(Parser)]
#[command(
    name = "trimtab-sim",
    version,
    after_help = "Example:\n  trimtab-sim --turns 1000000 --seed 7\n\nExit codes: 0 everything held, 1 something did not."
)]
struct Arguments {
    /// Turns to play
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    turns: u64,
    /// Seed of all chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let Arguments { turns, seed, json } = Arguments::parse();
    let bar = ProgressBar::new(turns);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} turns, {eta} left")?);
    let began = std::time::Instant::now();
    let report = run(Settings { seed, turns }, |turn| {
        if turn.is_multiple_of(SHOWN_EVERY) {
            bar.set_position(turn);
        }
    })?;
    bar.finish_and_clear();
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        show(&mut out, &report, began.elapsed().as_secs_f64())?;
    }
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(out: &mut impl std::io::Write, report: &Report, seconds: f64) -> Result<()> {
    let Report { seed, turns, records, cloud, local, refused, lost, .. } = report;
    writeln!(out, "seed {seed}: {turns} turns, {records} records in {seconds:.1} s")?;
    writeln!(out, "  {cloud} by a node, {local} on the device, {refused} refused, {lost} lost with their runtime")?;
    let Report { energy_cuts, time_cuts, fallbacks, late, duplicates, views_cut, above_quote, .. } = report;
    writeln!(
        out,
        "  {above_quote} above their quote, {energy_cuts} cut by joules, {time_cuts} by time, {views_cut} views not encoded"
    )?;
    writeln!(out, "  {fallbacks} fallbacks, {late} late answers, {duplicates} answers twice")?;
    let Report {
        crashes,
        link_losses,
        meter_losses,
        bridge_refusals,
        ledger_faults,
        operator_changes,
        clock_leaps,
        ..
    } = report;
    writeln!(
        out,
        "  {crashes} crashes, {link_losses} links lost, {meter_losses} meters, {bridge_refusals} refusals of bridges, {ledger_faults} ledger faults, {operator_changes} wishes, {clock_leaps} leaps of the wall clock"
    )?;
    let Report { decided_again, states, event_bytes, active_hours, .. } = report;
    writeln!(out, "  {decided_again} verdicts decided again, {states} states compared, {event_bytes} bytes recorded")?;
    writeln!(out, "  {active_hours} hours of active time")?;
    let Report {
        overshoots,
        clamped,
        overruns,
        misrecorded,
        forgotten,
        too_much_left,
        misclocked,
        decided_otherwise,
        ..
    } = report;
    writeln!(
        out,
        "  overshoots {overshoots}, clamped {clamped}, overruns {overruns}, misrecorded {misrecorded}, forgotten {forgotten}, too much left {too_much_left}, misclocked {misclocked}, decided otherwise {decided_otherwise}"
    )?;
    for fault in &report.faults {
        writeln!(out, "  fault: {fault}")?;
    }
    Ok(())
}
