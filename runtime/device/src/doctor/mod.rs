//! What a robot needs to work, looked at part by part: `trimtab doctor`.
//!
//! Every [`Finding`] is one line: what was looked at, whether it is well, and, where it is not, what to do. A runtime that is
//! running is asked for what only it can know (its cameras, its memory, its link), since looking from beside it would disturb
//! it or see something else; without one the parts are tried as a start would try them. Nothing is changed.

mod board;
mod broker;
mod camera;
mod disk;
mod energy;
mod files;
mod memory;
mod model;
mod supervisor;
mod time;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::client::Client;
use crate::config::{Config, ConfigError};
use crate::memory::MemorySources;

/// How long a running runtime may take to tell its state.
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// How a part is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// It works.
    Ok,
    /// It works, or nothing needs it, but somebody should know.
    Warn,
    /// It does not work.
    Fail,
}

impl State {
    /// `ok`, `warn` or `fail`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One line of the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at.
    pub part: String,
    /// How it is.
    pub state: State,
    /// What was found and, unless all is well, what to do.
    pub says: String,
}

impl Finding {
    fn new(part: impl Into<String>, state: State, says: impl Into<String>) -> Self {
        Self { part: part.into(), state, says: says.into() }
    }

    fn ok(part: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(part, State::Ok, says)
    }

    fn warn(part: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(part, State::Warn, says)
    }

    fn fail(part: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(part, State::Fail, says)
    }

    fn fault(part: impl Into<String>, fault: &dyn std::error::Error) -> Self {
        Self::fail(part, crate::fault_text(fault))
    }
}

/// Where the system tells of itself; other places are for tests.
#[derive(Clone, Debug)]
pub struct Places {
    /// Memory of the process and of its control group.
    pub memory: MemorySources,
    /// Usually `/sys`.
    pub sys: PathBuf,
    /// Usually `/dev`.
    pub dev: PathBuf,
    /// Usually `/run`.
    pub run: PathBuf,
    /// Usually `/etc`.
    pub etc: PathBuf,
    /// The wall clock.
    pub now: fn() -> SystemTime,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            memory: MemorySources::default(),
            sys: PathBuf::from("/sys"),
            dev: PathBuf::from("/dev"),
            run: PathBuf::from("/run"),
            etc: PathBuf::from("/etc"),
            now: SystemTime::now,
        }
    }
}

/// Looks at everything and tells each finding as it is made.
pub async fn examine(config: Result<Config, ConfigError>, places: &Places, tell: &mut (dyn FnMut(Finding) + Send)) {
    let config = match config {
        Ok(config) => {
            let named = config.budgets.len();
            tell(Finding::ok("configuration", format!("device {}/{}, {named} budget(s)", config.fleet, config.id)));
            config
        }
        Err(fault) => {
            tell(Finding::fault("configuration", &fault));
            tell(Finding::warn("configuration", "what follows is looked at with the defaults"));
            Config::standard()
        }
    };
    let running = status(&config).await;
    tell(match &running {
        Some(status) => Finding::ok("runtime", format!("runs, boot {}, {} turns", status["boot"], status["turns"])),
        None => Finding::ok("runtime", "does not run; its parts are tried here"),
    });
    for finding in disk::examine(&config, running.is_some(), places) {
        tell(finding);
    }
    for finding in model::examine(&config).await {
        tell(finding);
    }
    for finding in camera::examine(&config, running.as_ref(), places).await {
        tell(finding);
    }
    for finding in supervisor::examine(&config, running.as_ref()) {
        tell(finding);
    }
    for finding in energy::examine(&config, running.as_ref()) {
        tell(finding);
    }
    for finding in memory::examine(&config, running.as_ref(), places) {
        tell(finding);
    }
    for finding in time::examine(places) {
        tell(finding);
    }
    for finding in broker::examine(&config, running.as_ref(), places).await {
        tell(finding);
    }
    for finding in board::examine(&config, places) {
        tell(finding);
    }
}

/// What a running runtime says of itself.
async fn status(config: &Config) -> Option<Value> {
    let client = Client::on_socket(config.api.socket.clone());
    tokio::time::timeout(STATUS_WITHIN, client.get("/v1/trimtab/status")).await.ok()?.ok()
}
