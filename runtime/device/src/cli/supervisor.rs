//! `trimtab supervisor`: how the microcontroller beside the board is, and the release of its trips.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use trimtab_wire::mcu::{Key, Nonce, TripId};

use super::{Common, Failure, client, on_runtime, show};
use crate::lock::hex;
use crate::supervisor::status::unhex;

#[derive(Subcommand)]
pub(super) enum SupervisorCommand {
    /// Show what the microcontroller measures, and whether it has stepped in
    #[command(after_help = "Example:\n  trimtab supervisor status --json")]
    Status,
    /// Take back its last trip, sealed with the board's key
    #[command(
        after_help = "Example:\n  trimtab supervisor release --key-file /media/key/board.key\n\nThe file holds 64 digits of hexadecimal. Keep it elsewhere than on the robot: whoever has it can loosen the microcontroller's grip."
    )]
    Release(Release),
}

#[derive(Args)]
pub(super) struct Release {
    /// The board's key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
}

pub(super) fn execute(common: &Common, command: SupervisorCommand) -> Result<(), Failure> {
    on_runtime(async {
        let client = client(common)?;
        let status = client.get("/v1/trimtab/status").await?;
        let supervisor = &status["supervisor"];
        if supervisor.is_null() {
            return Err(Failure::Failed("no supervisor is configured: write [supervisor] port".to_owned()));
        }
        let SupervisorCommand::Release(Release { key_file }) = command else {
            show::supervisor(supervisor, common.json);
            return Ok(());
        };
        let (trip, nonce) = challenge(supervisor)?;
        let tag = key(&key_file)?.release(&nonce, trip);
        let body = json!({"trip": trip.0, "tag": hex(&tag.0)});
        let released = client.post("/v1/trimtab/supervisor/release", &[], &body).await?;
        show::line(&if common.json { released.body.to_string() } else { format!("{trip} is released") });
        Ok(())
    })
}

/// The last trip, and what its release is sealed over.
fn challenge(supervisor: &Value) -> Result<(TripId, Nonce), Failure> {
    let challenge = &supervisor["challenge"];
    let nonce = challenge["nonce"].as_str().and_then(unhex).map(Nonce);
    let nonce = nonce.ok_or_else(|| {
        Failure::Failed(
            "the supervisor has not said what to seal; `trimtab supervisor status` shows its link".to_owned(),
        )
    })?;
    let trip = challenge["trip"]["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    let trip = trip.ok_or_else(|| Failure::Failed("the supervisor has not tripped; nothing to release".to_owned()))?;
    Ok((TripId(trip), nonce))
}

fn key(path: &Path) -> Result<Key, Failure> {
    const BYTES_MAX: u64 = 256;
    let failed = |what: &str| Failure::Failed(format!("{}: {what}", path.display()));
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    read.map_err(|fault| failed(&format!("cannot read the key ({fault})")))?;
    unhex(&text).map(Key::new).ok_or_else(|| failed("no key; it is 64 digits of hexadecimal"))
}
