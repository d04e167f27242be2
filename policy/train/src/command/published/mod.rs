//! What the commands that work in the published environment have in common, and `train --env published`.

mod train;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use trimtab_train::published::{Budget, Costs, DEVICES, Episode, LocalTime, NEIGHBOURS, NETWORKS, Response};

pub(super) use train::{Learning, train};

/// How long a local answer takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Local {
    /// By the published formula: as long as two tokens.
    Published,
    /// Two operations for each parameter and each of 1,024 tokens, at the device's peak.
    Corrected,
}

/// The published environment's own settings.
#[derive(Args, Debug)]
pub(super) struct Setting {
    /// Published environment: frozen responses to use in place of fitted ones, the path without its ending (.json, .f32).
    #[arg(long)]
    pub(super) tables: Option<PathBuf>,
    /// Published environment: seconds of a conversation.
    #[arg(long, default_value_t = Budget::default().seconds)]
    latency_budget: f64,
    /// Published environment: USD of a conversation.
    #[arg(long, default_value_t = Budget::default().usd)]
    usage_budget: f64,
    /// Published environment: every action goes through the device's shield.
    #[arg(long)]
    pub(super) shield: bool,
    /// Published environment: the local device, as in the paper.
    #[arg(long, default_value = "Jetson TX2")]
    device: String,
    /// Published environment: the network, as in the paper.
    #[arg(long, default_value = "Wired")]
    network: String,
    /// Published environment: how long a local answer takes.
    #[arg(long, value_enum, default_value_t = Local::Published)]
    local_time: Local,
    /// Published environment: neighbours of the response.
    #[arg(long, default_value_t = NEIGHBOURS)]
    neighbours: usize,
}

impl Setting {
    /// What actions cost.
    pub(super) fn costs(&self) -> anyhow::Result<Costs> {
        let device = DEVICES.iter().find(|device| device.name == self.device).with_context(|| {
            format!("--device {:?}: one of {}", self.device, DEVICES.map(|device| device.name).join(", "))
        })?;
        let network = NETWORKS.iter().find(|network| network.name == self.network).with_context(|| {
            format!("--network {:?}: one of {}", self.network, NETWORKS.map(|network| network.name).join(", "))
        })?;
        let time = match self.local_time {
            Local::Published => LocalTime::Published,
            Local::Corrected => LocalTime::Corrected,
        };
        Ok(Costs::with(device, network, time))
    }

    /// What a conversation may take.
    pub(super) fn budget(&self) -> anyhow::Result<Budget> {
        for (name, value) in [("--latency-budget", self.latency_budget), ("--usage-budget", self.usage_budget)] {
            ensure!(value.is_finite() && value >= 0.0, "{name} {value}: give a number of 0 or more");
        }
        Ok(Budget { seconds: self.latency_budget, usd: self.usage_budget })
    }

    /// The estimate of the response, fitted.
    pub(super) fn response(&self, train: &[Episode]) -> Response {
        Response::with_neighbours(train, self.neighbours)
    }
}
