//! The demo: a robot's conversation, decided turn by turn, with broker, bridge, stand-in cloud, device and recorded cameras
//! in one process.

mod args;
mod compare;
mod print;
mod report;
mod serve;
mod story;

use crate::args::{Args, Chooser};
use crate::compare::{COMPARED, Score, progress, replay};
use crate::print::Style;
use crate::report::{TurnLine, overruns, summary};
use crate::story::{StoryTurn, play, ten_turns};
use anyhow::{Context, Result};
use clap::Parser;
use indicatif::ProgressBar;
use std::io::Write;
use std::sync::Arc;
use trimtab_rig::pace::Pace;
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::{Settings, TurnOutcome, World};
use trimtab_scenes::{Conversation, Split};

fn main() -> Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(args))
}

async fn run(args: Args) -> Result<()> {
    let style = Style::detect();
    let base = Settings {
        cameras: args.cameras(),
        blind: args.blind,
        policy: args.policy.clone(),
        serve: args.serve,
        ..Settings::shipped()?
    };
    let (story, pace) = match args.generated() {
        Some((seed, turns)) => (generated(seed, turns), Pace::Skipped),
        None => (ten_turns()?, Pace::Real),
    };
    let recording = record(&story)?;
    let choosing = args.choosing(args.chooser, &base).await?;
    let shown = Settings { pace, choosing, ..base.clone() };
    let mut world = Box::pin(World::start(shown.clone(), Arc::clone(&recording))).await?;
    if !args.json {
        print::opening(style, &world);
    }
    let bar = match pace {
        Pace::Skipped => progress(story.len(), "turns"),
        Pace::Real => ProgressBar::hidden(),
    };
    let outcomes = play(&mut world, &story, |turn, outcome| {
        bar.inc(1);
        bar.suspend(|| show(&args, style, turn, outcome));
    })
    .await;
    bar.finish_and_clear();
    let left = world.left();
    if args.serve {
        serve::until_interrupted(style, &world, &outcomes?).await?;
        world.stop().await;
        return Ok(());
    }
    world.stop().await;
    let outcomes = outcomes?;
    let base = Settings { serve: false, ..base };
    let score = Score::of(&shown, &outcomes);
    let mut scores = vec![(args.chooser, score)];
    let compared = args.chooser == Chooser::Learned && !args.alone;
    if compared {
        scores.extend(others(&args, &base, &recording, &story).await?);
    }
    if args.json {
        let totals: Vec<_> = scores.iter().map(|(chooser, score)| (chooser.key(), score.totals)).collect();
        let line = summary(&totals, &left, overruns(&outcomes));
        return writeln!(std::io::stdout().lock(), "{line}").context("the summary cannot be printed");
    }
    conclude(style, &shown, &scores);
    if args.generated().is_none() && compared {
        println!();
        print::heading(style, "The same turns on three networks and by two price tables, waiting skipped");
        compare::print(style, &compare::everywhere(&args, &base, &recording, &story).await?);
    }
    Ok(())
}

/// A held-out conversation around which nothing happens.
fn generated(seed: u64, turns: usize) -> Vec<StoryTurn> {
    let turns = Conversation::generate(seed, Split::HeldOut, turns).turns;
    turns.into_iter().map(|turn| StoryTurn { turn, before: Vec::new() }).collect()
}

fn record(story: &[StoryTurn]) -> Result<Arc<Recording>> {
    let turns: Vec<_> = story.iter().map(|turn| turn.turn.clone()).collect();
    let bar = progress(turns.len(), "recording the cameras");
    let recording = Recording::of(turns, FrameSize::default(), &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(Arc::new(recording))
}

fn show(args: &Args, style: Style, turn: &StoryTurn, outcome: &TurnOutcome) {
    if !args.json {
        print::turn(style, &turn.before, outcome);
        return;
    }
    match serde_json::to_string(&TurnLine::of(outcome)) {
        Ok(line) => println!("{line}"),
        // Every field of a line is a number or a text; an association that is no number becomes null.
        Err(fault) => eprintln!("turn {} cannot be printed: {fault}", outcome.index + 1),
    }
}

/// The baselines on the shown network at the shown prices, with the same happenings.
async fn others(
    args: &Args,
    base: &Settings,
    recording: &Arc<Recording>,
    story: &[StoryTurn],
) -> Result<Vec<(Chooser, Score)>> {
    let others = COMPARED.into_iter().filter(|chooser| *chooser != args.chooser);
    let bar = progress(story.len() * others.clone().count(), "the same turns, decided by others");
    let mut scores = Vec::new();
    for chooser in others {
        let settings = Settings { choosing: args.choosing(chooser, base).await?, ..base.clone() };
        scores.push((chooser, Box::pin(replay(settings, recording, story, &bar)).await?.0));
    }
    bar.finish_and_clear();
    Ok(scores)
}

fn conclude(style: Style, shown: &Settings, scores: &[(Chooser, Score)]) {
    let text = format!("In sum, on {} at prices {}", shown.network, shown.prices);
    print::heading(style, &text);
    let mut head = vec!["who decides"];
    head.extend(print::TOTALS_HEAD);
    let rows: Vec<Vec<String>> = scores
        .iter()
        .map(|(chooser, score)| {
            let mut row = vec![chooser.title().to_owned()];
            row.extend(print::totals_cells(&score.totals, score.value));
            row
        })
        .collect();
    print::table(style, &head, &rows);
    let weights = shown.preference;
    println!(
        "  value: {} for a right answer, less {} for ten seconds, {} for a milli-USD, {} for ten joules",
        weights.quality, weights.latency, weights.cost, weights.energy
    );
}
