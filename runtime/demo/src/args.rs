//! The command line.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use trimtab_rig::choosing::Choosing;
use trimtab_rig::table;
use trimtab_rig::world::Settings;
use trimtab_scenes::{CAMERAS, TURNS_MAX};

/// Seed of generated conversations where only `--turns` is given.
pub(crate) const SEED: u64 = 1;
/// Turns of a generated conversation where only `--seed` is given.
pub(crate) const TURNS: usize = 10;

/// A robot's conversation, decided turn by turn: answer here or in the cloud, and with which camera views.
///
/// Without arguments: ten turns in real time, then the same turns against always-local and always-cloud on three networks
/// and by two price tables. Broker, bridge, stand-in cloud, device and recorded cameras all run in this process.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "trimtab-demo",
    version,
    after_help = "Examples:\n  cargo run --release\n  cargo run --release -- --seed 3 --turns 200\n  \
                  cargo run --release -- --serve\n  cargo run --release -- --turns 20 --json"
)]
pub(crate) struct Args {
    /// Generates another conversation in other scenes; its waiting is skipped, not slept.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Number of turns of the generated conversation.
    #[arg(long, value_parser = turns)]
    pub(crate) turns: Option<usize>,
    /// Which recorded camera each of the three cameras shows: 2,0,1 swaps them all.
    #[arg(long, value_name = "A,B,C", value_parser = permutation)]
    pub(crate) cameras_permute: Option<Permutation>,
    /// Greys every frame at the bridge, so that the cloud sees nothing.
    #[arg(long)]
    pub(crate) blind: bool,
    /// Another policy file than the shipped one.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Who decides.
    #[arg(long, value_enum, default_value_t = Chooser::Learned)]
    pub(crate) chooser: Chooser,
    /// Leaves out what it is compared with.
    #[arg(long)]
    pub(crate) alone: bool,
    /// Keeps everything running with the device's API open.
    #[arg(long, conflicts_with_all = ["json", "seed", "turns"])]
    pub(crate) serve: bool,
    /// Prints one JSON object for each turn, and one with the totals.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Seed and length of the generated conversation, if one is wanted.
    pub(crate) fn generated(&self) -> Option<(u64, usize)> {
        if self.seed.is_none() && self.turns.is_none() {
            return None;
        }
        Some((self.seed.unwrap_or(SEED), self.turns.unwrap_or(TURNS)))
    }
    /// Which recording each camera shows.
    pub(crate) fn cameras(&self) -> [usize; CAMERAS] {
        self.cameras_permute.as_ref().map_or([0, 1, 2], |permutation| permutation.0)
    }
    /// A chooser as the rig knows it; a table is fitted first, on training scenes.
    pub(crate) async fn choosing(&self, chooser: Chooser, settings: &Settings) -> Result<Choosing> {
        Ok(match chooser {
            Chooser::Learned => Choosing::Policy,
            Chooser::DefaultRule => Choosing::DefaultRule,
            Chooser::Local => Choosing::Local,
            Chooser::CloudAll => Choosing::BestCloudAllViews,
            Chooser::TaskTable => Choosing::Table(table::fit(settings).await?),
            Chooser::RandomWeights => Choosing::RandomWeights { seed: self.seed.unwrap_or(SEED) },
        })
    }
}

/// Who decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Chooser {
    /// The policy file.
    Learned,
    /// The documented default rule, which needs no policy.
    DefaultRule,
    /// Always the local model.
    Local,
    /// Always the best cloud node with every view.
    CloudAll,
    /// One fixed action for each task kind, fitted on training scenes.
    TaskTable,
    /// The policy's network with random weights.
    RandomWeights,
}

impl Chooser {
    /// Key in the summary.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::DefaultRule => "default_rule",
            Self::Local => "local",
            Self::CloudAll => "cloud_all",
            Self::TaskTable => "task_table",
            Self::RandomWeights => "random_weights",
        }
    }
    /// Name for people.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Learned => "learned policy",
            Self::DefaultRule => "default rule",
            Self::Local => "always local",
            Self::CloudAll => "always best cloud, all views",
            Self::TaskTable => "one action per task",
            Self::RandomWeights => "random weights",
        }
    }
    /// Name for a narrow column.
    pub(crate) const fn short(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::DefaultRule => "rule",
            Self::Local => "local",
            Self::CloudAll => "cloud",
            Self::TaskTable => "table",
            Self::RandomWeights => "random",
        }
    }
}

/// A permutation of the cameras.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Permutation([usize; CAMERAS]);

fn permutation(text: &str) -> Result<Permutation, String> {
    let wanted = || format!("{text:?} is no order of the cameras; write each of 0, 1 and 2 once, like 2,0,1");
    let mut cameras = [CAMERAS; CAMERAS];
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() != CAMERAS {
        return Err(wanted());
    }
    for (slot, part) in cameras.iter_mut().zip(parts) {
        *slot = part.trim().parse().map_err(|_| wanted())?;
    }
    if (0..CAMERAS).all(|camera| cameras.contains(&camera)) { Ok(Permutation(cameras)) } else { Err(wanted()) }
}

fn turns(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(turns) if (1..=TURNS_MAX).contains(&turns) => Ok(turns),
        _ => Err(format!("{text:?} is no number of turns; 1 to {TURNS_MAX} are possible")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_orders_of_all_cameras_are_taken() {
        assert_eq!(permutation("2,0,1"), Ok(Permutation([2, 0, 1])));
        for bad in ["0,1", "0,1,1", "0,1,3", "a,b,c", "0,1,2,2", ""] {
            assert!(permutation(bad).unwrap_err().contains("each of 0, 1 and 2 once"), "{bad}");
        }
        assert!(turns("0").is_err() && turns("10001").is_err() && turns("200") == Ok(200));
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
