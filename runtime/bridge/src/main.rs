//! `trimtab-bridge`: runs a bridge, or checks its configuration.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use trimtab_bridge::{Bridge, BridgeConfig};

/// Exit code for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;

/// Takes requests of devices over MQTT and has OpenAI-compatible upstreams answer them.
#[derive(Parser)]
#[command(version, after_help = "Example: trimtab-bridge run --config /etc/trimtab/bridge.toml")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs until SIGTERM or Ctrl-C; requests in flight are finished first.
    Run(Configuration),
    /// Reads the configuration and says what is wrong with it.
    Check(Configuration),
}

#[derive(clap::Args)]
struct Configuration {
    /// The configuration file.
    #[arg(long, default_value = "/etc/trimtab/bridge.toml")]
    config: PathBuf,
}

impl Configuration {
    fn load(&self) -> Result<BridgeConfig, ExitCode> {
        BridgeConfig::load(&self.config, |name| std::env::var(name).ok()).map_err(|fault| {
            eprintln!("trimtab-bridge: {fault}");
            ExitCode::from(EXIT_CONFIG)
        })
    }
}

fn main() -> ExitCode {
    let loaded = match Arguments::parse().command {
        Command::Check(configuration) => configuration.load().map(|config| {
            let nodes: Vec<_> = config.upstreams.iter().map(|upstream| upstream.node.as_str()).collect();
            println!("bridge {} of fleet {}: nodes {}", config.bridge, config.fleet, nodes.join(", "));
            None
        }),
        Command::Run(configuration) => configuration.load().map(Some),
    };
    match loaded {
        Err(code) => code,
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(config)) => match run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                eprintln!("trimtab-bridge: {fault:#}");
                ExitCode::FAILURE
            }
        },
    }
}

#[tokio::main]
async fn run(config: BridgeConfig) -> anyhow::Result<()> {
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(ansi).init();
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("no handler for SIGTERM")?;
    let (fleet, bridge) = (config.fleet.clone(), config.bridge.clone());
    let running = Bridge::start(config).await?;
    tracing::info!(%fleet, %bridge, "bridge started");
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("no handler for Ctrl-C")?,
        _ = terminate.recv() => {}
    }
    let counts = running.stop().await;
    tracing::info!(?counts, "bridge stopped");
    Ok(())
}
