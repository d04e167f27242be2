//! `trimtab models`: works on model folders without a running runtime.
//!
//! Whatever loads a model here is bound by the memory ceiling of the configuration, as the runtime is.

mod bench;
mod card;
mod embed;
mod generate;
mod list;

mod measure;
mod pull;
mod verify;

use std::path::Path;

use clap::Subcommand;
use trimtab_core::Bytes;
use trimtab_engine::Card;

use super::{Common, Failure};
use crate::config::Config;
use crate::local::weight_bytes;
use crate::memory::{Accounting, Memory, MemorySources};

#[derive(Subcommand)]
pub(super) enum ModelsCommand {
    /// List the model folders of a folder
    #[command(after_help = "Example:\n  trimtab models list /var/lib/trimtab/models")]
    List(list::Arguments),
    /// Fetch a model in Hugging Face's layout, checked and pinned
    #[command(
        after_help = "Example:\n  trimtab models pull someone/tiny-clip@main --out models/tiny-clip\n\nFetches configuration, tokenizer and ONNX files, checks each sha256 that the server states, and writes trimtab-lock.json, which `trimtab models verify` checks later. A pull that broke off goes on with the file where it stopped."
    )]
    Pull(pull::Arguments),
    /// Load a model, run it once and check its files against trimtab-lock.json
    #[command(after_help = "Example:\n  trimtab models verify models/tiny-clip")]
    Verify(verify::Arguments),
    /// Measure time, peak memory and load time of each tower, each in a process of its own
    #[command(after_help = "Example:\n  trimtab models bench models/tiny-clip --json")]
    Bench(bench::Arguments),
    /// Show what a model's card says
    #[command(after_help = "Example:\n  trimtab models card models/tiny-clip")]
    Card(card::Arguments),
    /// Encode pictures and texts; without --json, show how much they have to do with each other
    #[command(
        after_help = "Example:\n  trimtab models embed models/tiny-clip --image stove.jpg --text \"a stove\" --text \"a cat\""
    )]
    Embed(embed::Arguments),
    /// Let a language model go on from a prompt
    #[command(
        after_help = "Example:\n  trimtab models generate models/lm --prompt \"Please turn off the lamp.\" --max-tokens 32 --greedy"
    )]
    Generate(generate::Arguments),
}

pub(super) fn execute(common: &Common, command: ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::List(arguments) => list::execute(common, &arguments),
        ModelsCommand::Pull(arguments) => pull::execute(common, &arguments),
        ModelsCommand::Verify(arguments) => verify::execute(common, &arguments),
        ModelsCommand::Bench(arguments) => bench::execute(common, &arguments),
        ModelsCommand::Card(arguments) => card::execute(common, &arguments),
        ModelsCommand::Embed(arguments) => embed::execute(common, &arguments),
        ModelsCommand::Generate(arguments) => generate::execute(common, &arguments),
    }
}

/// A fault with its causes, as a failure.
fn failed(fault: &dyn std::error::Error) -> Failure {
    Failure::Failed(crate::fault_text(fault))
}

/// Says before anything is loaded whether a folder's models fit under the memory ceiling: the peak that its card gives, or
/// the bytes of its weights, whichever is more.
fn admit(common: &Common, folder: &Path) -> Result<(), Failure> {
    let memory = Config::load(common.config.as_deref())?.memory_ceiling;
    let memory = Memory::new(memory, Accounting::Process, MemorySources::default()).map_err(|fault| failed(&fault))?;
    let peak = Card::read(folder).map_err(|fault| failed(&fault))?.peak_bytes().unwrap_or(0).max(weight_bytes(folder));
    // Given back at once: this process loads one model and ends.
    memory.admit(&folder.display().to_string(), Bytes::new(peak)).map(drop).map_err(|fault| failed(&fault))
}

/// Bytes for people.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
