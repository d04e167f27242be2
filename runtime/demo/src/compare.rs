//! The same turns, decided by others, on other networks and at other prices.

use crate::args::{Args, Chooser};
use crate::print::{self, Style};
use crate::report::Totals;
use crate::story::{StoryTurn, play};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use trimtab_rig::pace::Pace;
use trimtab_rig::recording::Recording;
use trimtab_rig::value::value;
use trimtab_rig::world::{Settings, TurnOutcome, World};

/// Who is compared.
pub(crate) const COMPARED: [Chooser; 3] = [Chooser::Learned, Chooser::Local, Chooser::CloudAll];

/// What one chooser's turns came to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Score {
    pub(crate) totals: Totals,
    /// Mean value of a turn to its owner.
    pub(crate) value: f64,
}

impl Score {
    /// Of turns that were decided under `settings`.
    pub(crate) fn of(settings: &Settings, outcomes: &[TurnOutcome]) -> Self {
        let values = outcomes.iter().map(|outcome| value(&settings.preference, outcome.right, &outcome.record));
        Self { totals: Totals::of(outcomes), value: values.sum::<f64>() / outcomes.len().max(1) as f64 }
    }
}

/// A bar on standard error, on a terminal only.
pub(crate) fn progress(length: usize, what: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
    let bar = ProgressBar::new(length as u64).with_message(what.to_owned());
    // The template is fixed; if it were wrong, the default would do.
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Plays the story once with waiting skipped.
pub(crate) async fn replay(
    settings: Settings,
    recording: &Arc<Recording>,
    story: &[StoryTurn],
    bar: &ProgressBar,
) -> Result<(Score, Vec<TurnOutcome>)> {
    let settings = Settings { pace: Pace::Skipped, ..settings };
    let mut world = World::start(settings.clone(), Arc::clone(recording)).await?;
    let outcomes = play(&mut world, story, |_, _| bar.inc(1)).await;
    world.stop().await;
    let outcomes = outcomes?;
    Ok((Score::of(&settings, &outcomes), outcomes))
}

/// One network and one price table.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Setting {
    pub(crate) network: String,
    pub(crate) prices: String,
    /// In the order of [`COMPARED`].
    pub(crate) scores: Vec<Score>,
}

impl Setting {
    /// How much more a turn is worth with the learned policy than with the better of the others.
    fn lead(&self) -> f64 {
        let best = self.scores.iter().skip(1).map(|score| score.value).fold(f64::NEG_INFINITY, f64::max);
        self.scores.first().map_or(0.0, |learned| learned.value) - best
    }
}

/// Every chooser on every network at every price.
pub(crate) async fn everywhere(
    args: &Args,
    base: &Settings,
    recording: &Arc<Recording>,
    story: &[StoryTurn],
) -> Result<Vec<Setting>> {
    let networks: Vec<String> = base.profile.network_names().into_iter().map(str::to_owned).collect();
    let prices: Vec<String> = base.profile.price_names().into_iter().map(str::to_owned).collect();
    let bar = progress(networks.len() * prices.len() * COMPARED.len() * story.len(), "the same turns elsewhere");
    let mut settings = Vec::new();
    for network in &networks {
        for prices in &prices {
            let mut scores = Vec::new();
            for chooser in COMPARED {
                let choosing = args.choosing(chooser, base).await?;
                let one = Settings { network: network.clone(), prices: prices.clone(), choosing, ..base.clone() };
                scores.push(replay(one, recording, story, &bar).await?.0);
            }
            settings.push(Setting { network: network.clone(), prices: prices.clone(), scores });
        }
    }
    bar.finish_and_clear();
    Ok(settings)
}

/// Prints the comparison and names the worst case.
pub(crate) fn print(style: Style, settings: &[Setting]) {
    let mut head = vec!["network · prices · who decides"];
    head.extend(print::TOTALS_HEAD);
    let mut rows = Vec::new();
    for setting in settings {
        for (chooser, score) in COMPARED.iter().zip(&setting.scores) {
            let mut row = vec![format!("{} · {} · {}", setting.network, setting.prices, chooser.short())];
            row.extend(print::totals_cells(&score.totals, score.value));
            rows.push(row);
        }
    }
    print::table(style, &head, &rows);
    if let Some(worst) = settings.iter().min_by(|a, b| a.lead().total_cmp(&b.lead())) {
        println!();
        println!(
            "  Worst case: {} at prices {}, where a turn is worth {:+.3} more than with the better of the others.",
            worst.network,
            worst.prices,
            worst.lead()
        );
    }
}
