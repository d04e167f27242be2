//! The simulated cloud: two real models behind an OpenAI-compatible server, and the bridge in front of them.

use crate::pace::ShapedClock;
use crate::profile::{CloudProfile, NodeSpeed, ProfileError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trimtab_bridge::config::{SILENCE_MAX, TIMEOUT};
use trimtab_bridge::{ApiKey, Bridge, BridgeConfig, BridgeError, RunningBridge, UpstreamConfig};
use trimtab_core::Millis;
use trimtab_mqtt::Connect;
use trimtab_standin::{Pacer, RunningStandIn, ServedModel, ServerProfile, StandIn, StandInConfig, StandInError};
use trimtab_wire::price::Prices;
use trimtab_wire::{BridgeId, FleetId, NameError, NodeName};

/// Key between bridge and stand-in; both are in this process, on loopback.
const API_KEY: &str = "stand-in";
/// The bridge's name.
pub const BRIDGE_ID: &str = "bridge-1";
/// Pictures of a request that the declared median and 95th percentile of a node are about.
const IMAGES_P50: usize = 1;
const IMAGES_P95: usize = 3;

/// Why the cloud did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A node of the profile has a name that topics cannot carry.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The server.
    #[error(transparent)]
    StandIn(#[from] StandInError),
    /// The bridge.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
}

impl Pacer for ShapedClock {
    async fn pause(&self, span: Duration) {
        self.pass(span).await;
    }
}

/// What a cloud is made of.
#[derive(Debug)]
pub(crate) struct CloudSettings<'a> {
    pub(crate) profile: &'a CloudProfile,
    /// Which price table.
    pub(crate) prices: &'a str,
    /// Folder with the models.
    pub(crate) models: &'a Path,
    pub(crate) broker: SocketAddr,
    pub(crate) fleet: FleetId,
    /// Where the bridge keeps its answers.
    pub(crate) state: &'a Path,
    /// Grey frames for the upstreams.
    pub(crate) blind: bool,
}

/// Server and bridge, running.
pub(crate) struct Cloud {
    standin: RunningStandIn,
    pub(crate) bridge: RunningBridge,
}

impl Cloud {
    pub(crate) async fn start(settings: CloudSettings<'_>, clock: ShapedClock) -> Result<Self, CloudError> {
        let standin = StandIn::start(served(&settings), clock.clone()).await?;
        let shaped = clock;
        let upstreams = upstreams(&settings, &standin.base_url())?;
        let broker = Connect::new(BRIDGE_ID, &settings.broker.ip().to_string(), settings.broker.port());
        let config = BridgeConfig {
            fleet: settings.fleet,
            bridge: BridgeId::new(BRIDGE_ID)?,
            broker,
            state_dir: settings.state.to_path_buf(),
            upstreams,
            blind: settings.blind,
        };
        let bridge = Bridge::start_by(config, Arc::new(move || Instant::now() + shaped.skipped())).await?;
        Ok(Self { standin, bridge })
    }

    /// Chat completions that the models have answered.
    pub(crate) fn completions(&self) -> u64 {
        self.standin.completions()
    }

    pub(crate) async fn stop(self) {
        self.bridge.stop().await;
        self.standin.stop().await;
    }
}

fn served(settings: &CloudSettings<'_>) -> StandInConfig {
    let models = settings.profile.nodes().map(|(_, node)| ServedModel {
        name: node.model.clone(),
        folder: settings.models.join(format!("vlm-{}", node.model)),
        profile: ServerProfile {
            first_token: Duration::from_secs_f64(node.first_token_s),
            per_image: Duration::from_secs_f64(node.per_image_s),
            per_token: node.per_token(),
            images_max: usize::from(node.images_max),
            image_tokens: u64::from(node.image_tokens),
            context_tokens_max: u64::from(node.context_tokens_max),
        },
    });
    StandInConfig::on_loopback(API_KEY, models.collect(), settings.models.join("lm"))
}

fn upstreams(settings: &CloudSettings<'_>, base_url: &str) -> Result<Vec<UpstreamConfig>, CloudError> {
    let upstream = |(name, node): (&str, &NodeSpeed)| -> Result<UpstreamConfig, CloudError> {
        let price = settings.profile.price(settings.prices, name)?;
        Ok(UpstreamConfig {
            node: NodeName::new(name)?,
            base_url: base_url.to_owned(),
            model: node.model.clone(),
            api_key: Some(ApiKey(API_KEY.to_owned())),
            ca: None,
            prices: Prices { prompt: price.prompt(), completion: price.completion(), image: price.image() },
            images_max: node.images_max,
            image_tokens: node.image_tokens,
            context_tokens_max: node.context_tokens_max,
            quality: node.quality,
            latency_p50: Millis::from_duration(node.first_token(IMAGES_P50)),
            latency_p95: Millis::from_duration(node.first_token(IMAGES_P95)),
            token_time: Millis::from_duration(node.per_token()),
            timeout: TIMEOUT,
            silence_max: SILENCE_MAX,
        })
    };
    settings.profile.nodes().map(upstream).collect()
}
