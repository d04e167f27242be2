//! The command line of `trimtab`, and its exit codes, which are stable:
//!
//! | Code | Means |
//! |---|---|
//! | 0 | done |
//! | 1 | failed; standard error says what and what to do |
//! | 2 | the command line itself is wrong |
//! | 3 | no runtime answers on the socket or URL |
//! | 4 | the turn was refused |
//! | 5 | no such turn |
//! | 78 | the configuration is wrong |

mod cameras;
mod doctor;
mod explain;
mod meter;
mod models;
mod run;
mod show;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use trimtab_core::TurnId;

use crate::client::{Client, ClientError};
use crate::config::{Config, ConfigError};

/// Why a command did not succeed, and its exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Failed(String),
    /// What is wrong was already said in the command's own report.
    #[error("{0}")]
    Reported(String),
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    NotFound(String),
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Reported(_) => 1,
            Self::Unreachable(_) => 3,
            Self::Refused(_) => 4,
            Self::NotFound(_) => 5,
            Self::Config(_) => 78,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(fault: ClientError) -> Self {
        match &fault {
            ClientError::Unreachable { .. } => Self::Unreachable(fault.to_string()),
            ClientError::Status { code: Some(code), .. } if code == "turn_not_found" => {
                Self::NotFound(fault.to_string())
            }
            ClientError::Status { status: 429 | 503 | 504, code: Some(_), .. } => Self::Refused(fault.to_string()),
            ClientError::Url { .. } | ClientError::Broken { .. } | ClientError::Large | ClientError::Status { .. } => {
                Self::Failed(fault.to_string())
            }
        }
    }
}

/// Decides for every turn where to answer and which camera views to upload.
#[derive(Parser)]
#[command(
    name = "trimtab",
    version,
    after_help = "Example:\n  trimtab run &\n  trimtab ask \"Is the stove on?\"\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 no runtime, 4 turn refused, 5 no such turn, 78 wrong configuration."
)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// Configuration file [default: /etc/trimtab/trimtab.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Runtime to talk to, instead of the configured socket, as in http://127.0.0.1:8088
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the runtime until it is told to stop
    #[command(after_help = "Example:\n  trimtab run --config robot.toml")]
    Run,
    /// Ask the running runtime
    #[command(after_help = "Example:\n  trimtab ask --conversation kitchen \"Is the stove on?\"")]
    Ask {
        /// What to ask
        prompt: String,
        /// The conversation this belongs to
        #[arg(long, value_name = "NAME")]
        conversation: Option<String>,
        /// Longest answer, in tokens
        #[arg(long, value_name = "N")]
        max_tokens: Option<u32>,
    },
    /// Show the runtime's present state
    #[command(after_help = "Example:\n  trimtab status --json")]
    Status,
    /// Show why a turn was decided as it was
    #[command(after_help = "Example:\n  trimtab explain 3-17")]
    Explain {
        /// The turn, as boot-number
        turn: TurnId,
    },
    /// Score a turn's answer
    #[command(after_help = "Example:\n  trimtab feedback 3-17 0.9")]
    Feedback {
        /// The turn, as boot-number
        turn: TurnId,
        /// From 0, wrong, to 1, right
        score: f32,
    },
    /// Show what is left of every budget
    #[command(after_help = "Example:\n  trimtab budget")]
    Budget,
    /// List cameras and try them
    #[command(subcommand)]
    Cameras(cameras::CamerasCommand),
    /// Look at everything the robot needs, and say what is wrong and what to do
    #[command(after_help = "Example:\n  trimtab doctor --json\n\nThe exit code is 1 if a line says fail.")]
    Doctor,
    /// Decide again what a ledger recorded, and compare every verdict byte for byte
    #[command(after_help = "Example:\n  trimtab replay /var/lib/trimtab/ledger.sqlite")]
    Replay {
        /// The ledger
        ledger: PathBuf,
    },
    /// Work on model folders
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Look at energy meters
    #[command(subcommand)]
    Meter(meter::MeterCommand),
    /// Look at the microcontroller beside the board, and release its trips
    #[command(subcommand)]
    Supervisor(supervisor::SupervisorCommand),
    /// Work on the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the configuration and its models without running anything
    #[command(after_help = "Example:\n  trimtab config check --config robot.toml")]
    Check,
}

/// Parses the command line, does what it says and returns the exit code.
pub fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    match execute(&common, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if common.json {
                // One JSON document a command.
                if matches!(failure, Failure::Reported(_)) {
                    return ExitCode::from(failure.code());
                }
                show::line(&json!({"error": failure.to_string(), "exit_code": failure.code()}).to_string());
            } else {
                show::complain(&failure.to_string());
            }
            ExitCode::from(failure.code())
        }
    }
}

fn execute(common: &Common, command: Command) -> Result<(), Failure> {
    match command {
        Command::Run => {
            crate::log::start();
            run::run(Config::load(common.config.as_deref())?)
        }
        Command::Config(ConfigCommand::Check) => check(common),
        Command::Cameras(command) => cameras::execute(common, &command),
        Command::Doctor => doctor::execute(common),
        Command::Meter(command) => meter::execute(common, command),
        Command::Supervisor(command) => supervisor::execute(common, command),
        Command::Models(command) => models::execute(common, command),
        Command::Replay { ledger } => {
            let replayed =
                trimtab_ledger::replay::replay(&ledger).map_err(|fault| Failure::Failed(crate::fault_text(&fault)))?;
            show::replayed(&replayed, common.json);
            if replayed.is_same() {
                Ok(())
            } else {
                Err(Failure::Reported("what was recorded is not decided again".to_owned()))
            }
        }
        Command::Ask { prompt, conversation, max_tokens } => on_runtime(async {
            let mut body = json!({"model": crate::api::MODEL, "messages": [{"role": "user", "content": prompt}]});
            if let Some(tokens) = max_tokens {
                body["max_tokens"] = json!(tokens);
            }
            ask(&client(common)?, common.json, conversation.as_deref(), &body).await
        }),
        Command::Status => on_runtime(async {
            let status = client(common)?.get("/v1/trimtab/status").await?;
            show::status(&status, common.json);
            Ok(())
        }),
        Command::Budget => on_runtime(async {
            let status = client(common)?.get("/v1/trimtab/status").await?;
            show::budgets(&status, common.json);
            Ok(())
        }),
        Command::Explain { turn } => on_runtime(async {
            let record = client(common)?.get(&format!("/v1/trimtab/explain/{turn}")).await?;
            if common.json {
                show::line(&record.to_string());
            } else {
                explain::lines(&record).iter().for_each(|text| show::line(text));
            }
            Ok(())
        }),
        Command::Feedback { turn, score } => on_runtime(async {
            let body = json!({"turn": turn.to_string(), "score": score});
            let kept = client(common)?.post("/v1/trimtab/feedback", &[], &body).await?;
            show::line(&if common.json { kept.body.to_string() } else { format!("turn {turn} scored {score}") });
            Ok(())
        }),
    }
}

/// Commands that talk to the runtime need no second thread.
fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|fault| Failure::Failed(format!("no event loop: {fault}")))?.block_on(work)
}

fn client(common: &Common) -> Result<Client, Failure> {
    Ok(match &common.url {
        Some(url) => Client::at(url)?,
        None => Client::on_socket(Config::load(common.config.as_deref())?.api.socket),
    })
}

async fn ask(client: &Client, json: bool, conversation: Option<&str>, body: &Value) -> Result<(), Failure> {
    let named: Vec<(&str, &str)> = conversation.map(|name| ("x-trimtab-conversation", name)).into_iter().collect();
    let answer = client.post("/v1/chat/completions", &named, body).await?;
    show::answer(&answer, json);
    Ok(())
}

/// What the runtime would refuse to start with, or complain of, said without starting it.
fn check(common: &Common) -> Result<(), Failure> {
    let config = Config::load(common.config.as_deref())?;
    let report = crate::shell::inspect(&config);
    show::inspection(&config, &report, common.json);
    if report.faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{} fault(s) found", report.faults.len())))
    }
}
