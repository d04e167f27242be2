//! The stand-in cloud with its two models, at full speed, in this process.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use trimtab_standin::{RunningStandIn, ServedModel, ServerProfile, StandIn, StandInConfig, WallClock};

use crate::programs;
use crate::site::API_KEY;

/// Time before the first token: enough to be felt, short enough for a test.
const PAUSE: Duration = Duration::from_millis(5);

/// A running stand-in; it stops when dropped.
pub struct Cloud {
    standin: Option<RunningStandIn>,
    runtime: Runtime,
}

impl Cloud {
    /// Loads the shipped models and serves `good` and `cheap`.
    pub fn start() -> Result<Self> {
        let shipped = programs::root().join("models/shipped");
        let served = |name: &str| ServedModel {
            name: name.to_owned(),
            folder: shipped.join(format!("vlm-{name}")),
            profile: ServerProfile {
                first_token: PAUSE,
                per_image: Duration::ZERO,
                per_token: Duration::ZERO,
                images_max: 4,
                image_tokens: 85,
                context_tokens_max: 4096,
            },
        };
        let config = StandInConfig::on_loopback(API_KEY, vec![served("good"), served("cheap")], shipped.join("lm"));
        let runtime = Runtime::new()?;
        let standin = Some(runtime.block_on(StandIn::start(config, WallClock))?);
        Ok(Self { standin, runtime })
    }

    /// What a bridge takes as its base URL.
    pub fn base_url(&self) -> Result<String> {
        Ok(self.running()?.base_url())
    }

    /// Chat completions answered so far.
    pub fn completions(&self) -> Result<u64> {
        Ok(self.running()?.completions())
    }

    fn running(&self) -> Result<&RunningStandIn> {
        self.standin.as_ref().context("the stand-in has stopped")
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if let Some(standin) = self.standin.take() {
            self.runtime.block_on(standin.stop());
        }
    }
}
