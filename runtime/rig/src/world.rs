//! Everything in one process: broker, shaped link, cloud, bridge, device, recorded cameras and an operator.

use crate::broker::{Broker, BrokerError};
use crate::choosing::Choosing;
use crate::cloud::{Cloud, CloudError, CloudSettings};
use crate::device::{config, serve};
use crate::link::ShapedLink;
use crate::meter::ShapedMeter;
use crate::operator::{Operator, OperatorError};
use crate::pace::{Pace, ShapedClock};
use crate::profile::{CloudProfile, ProfileError};
use crate::recording::{Recording, RecordingError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trimtab_core::{
    Account, Action, Budget, Bytes, ConversationId, Cost, Joules, Millis, Placement, Preference, Resource, Usd, Window,
};
use trimtab_device::api::{Api, ApiError};
use trimtab_device::clock::Clock;
use trimtab_device::memory::{Accounting, MemorySources};
use trimtab_device::meter::{EnergyConfig, EnergyConfigError, MeterError, RawEnergy};
use trimtab_device::shell::{Ask, AskError, Device, Parts, StartError, view_names};
use trimtab_mqtt::LinkState;
use trimtab_scenes::{CAMERAS, grade};
use trimtab_turn::{EnergySource, TurnRecord};
use trimtab_wire::operator::Limit;
use trimtab_wire::{DeviceId, FleetId, NameError};

/// The fleet's name.
pub const FLEET_ID: &str = "home";
/// The device's name.
pub const DEVICE_ID: &str = "robot-1";
/// The conversation's name.
pub const CONVERSATION: &str = "demo";
/// Where the device's API listens when it is served; port 0 where that is taken.
pub const SERVE_PORT: u16 = 8088;
/// Longest wait until broker, bridge and device know each other.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(20);
/// What the runtime itself takes of the memory ceiling, models apart.
const RUNTIME_MEMORY: Bytes = Bytes::new(12 << 20);
/// Files here are kept in memory.
const SHARED_MEMORY: &str = "/dev/shm";
/// The folder of the shipped models, from the root of the repository.
const SHIPPED: &str = "models/shipped";
/// The profile in that folder.
const PROFILE: &str = "cloud-profile.toml";

/// How a world starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of models, policy and profile.
    pub models: PathBuf,
    /// The declared clouds and networks.
    pub profile: CloudProfile,
    /// Name of the network.
    pub network: String,
    /// Name of the price table.
    pub prices: String,
    /// Whether declared waiting is slept or skipped.
    pub pace: Pace,
    /// Who decides.
    pub choosing: Choosing,
    /// Another policy than the shipped one.
    pub policy: Option<PathBuf>,
    /// Which recording each camera shows.
    pub cameras: [usize; CAMERAS],
    /// Grey frames for the cloud.
    pub blind: bool,
    /// The device's budgets until an operator sets others.
    pub budgets: Vec<Budget>,
    /// The owner's weights.
    pub preference: Preference,
    /// Views less likely than this to show what is asked are dropped; none: as the policy says, and never for other rules.
    pub view_threshold: Option<f32>,
    /// Opens the device's API.
    pub serve: bool,
    /// The API takes turns that name the actions which may be taken.
    pub explore: bool,
}

impl Settings {
    /// The shipped models and profile, in skipped time, with the budgets of [`usual_budgets`].
    ///
    /// # Errors
    /// The profile cannot be used.
    pub fn shipped() -> Result<Self, ProfileError> {
        let models = shipped_models();
        let profile = CloudProfile::load(&models.join(PROFILE))?;
        Ok(Self {
            network: profile.primary_network().to_owned(),
            prices: profile.primary_prices().to_owned(),
            models,
            profile,
            pace: Pace::Skipped,
            choosing: Choosing::Policy,
            policy: None,
            cameras: std::array::from_fn(|camera| camera),
            blind: false,
            budgets: usual_budgets(),
            preference: Preference::default(),
            view_threshold: None,
            serve: false,
            explore: false,
        })
    }
}

/// What a robot may spend where nobody says otherwise: 20 J and 20 mUSD for a turn, 2 kJ, 5 USD and 200 MB for a day.
#[must_use]
pub fn usual_budgets() -> Vec<Budget> {
    vec![
        Budget::energy(Window::Turn, Joules::from_micro(20_000_000)),
        Budget::money(Window::Turn, Usd::from_nano(20_000_000)),
        Budget::energy(Window::Day, Joules::from_micro(2_000_000_000)),
        Budget::money(Window::Day, Usd::from_nano(5_000_000_000)),
        Budget::bytes(Window::Day, Bytes::new(200_000_000)),
    ]
}

/// Where ledger and answers of a run are kept until it ends. Where waiting is skipped, waiting for a disk would be most of
/// what is left, and nothing survives the run anyway: memory does.
fn state_folder(pace: Pace) -> io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    let named = builder.prefix("trimtab-rig-");
    match pace {
        Pace::Skipped => named.tempdir_in(SHARED_MEMORY).or_else(|_| named.tempdir()),
        Pace::Real => named.tempdir(),
    }
}

/// The shipped models: beside the working directory, or where this program was built.
fn shipped_models() -> PathBuf {
    let here = PathBuf::from(SHIPPED);
    if here.join(PROFILE).exists() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(SHIPPED) }
}

/// Why a world did not start or a turn was not played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// The frames.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The link.
    #[error("shaped link: no port of 127.0.0.1 is free: {0}; close some programs and start again")]
    Link(io::Error),
    /// The folder of a run's state.
    #[error("state of the run cannot be kept in the temporary folder: {0}; make room, or set TMPDIR to another place")]
    State(io::Error),
    /// The cloud.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The energy model's settings.
    #[error(transparent)]
    Energy(#[from] EnergyConfigError),
    /// The meter.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// A name that topics cannot carry.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The device.
    #[error(transparent)]
    Device(#[from] StartError),
    /// The device's API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something of the device does not work.
    #[error("device starts without a part that it needs: {0}")]
    Faults(String),
    /// They did not find each other.
    #[error("device and bridge did not meet within {READY_WAIT_MAX:?}: the machine may be too busy; start again")]
    NotReady,
    /// The operator.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// A turn was not taken.
    #[error("turn {turn} was not taken: {cause}")]
    Ask {
        /// Which, from 1.
        turn: usize,
        /// Why.
        cause: AskError,
    },
    /// There is no such turn.
    #[error("turn {turn} is not in the recording, which has {turns}")]
    NoTurn {
        /// Which, from 1.
        turn: usize,
        /// How many there are.
        turns: usize,
    },
    /// The device stopped in the middle of a turn.
    #[error("device stopped in turn {turn}: see its log")]
    Stopped {
        /// Which, from 1.
        turn: usize,
    },
}

impl Clock for ShapedClock {
    fn now(&self) -> Millis {
        self.millis()
    }
}

/// What is left of a budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// Of what.
    pub resource: Resource,
    /// For how long.
    pub window: Window,
    /// How much in all, in the resource's unit.
    pub limit: u64,
    /// How much is left after the turn.
    pub left: u64,
}

/// A turn that is over.
#[derive(Clone, PartialEq, Debug)]
pub struct TurnOutcome {
    /// Its place in the recording, from 0.
    pub index: usize,
    /// Its record, as the ledger keeps it.
    pub record: TurnRecord,
    /// Whether the answer is right.
    pub right: bool,
    /// Where prices come from.
    pub price_source: String,
    /// What is left of every budget.
    pub left: Vec<Left>,
}

impl TurnOutcome {
    /// Names of the views that were uploaded.
    #[must_use]
    pub fn views(&self) -> Vec<String> {
        view_names(&self.record, self.record.views_used)
    }
    /// `shaped` where part of the time was declared by the profile, `measured` where all of it was this machine's.
    #[must_use]
    pub const fn latency_source(&self) -> &'static str {
        if matches!(self.record.placement, Placement::Cloud) || self.record.fallback.is_some() {
            "shaped"
        } else {
            "measured"
        }
    }
    /// `measured`, `estimated` or `unknown`.
    #[must_use]
    pub const fn energy_kind(&self) -> &'static str {
        match self.record.energy_source {
            EnergySource::Measured(_) => "measured",
            EnergySource::Estimated(_) => "estimated",
            EnergySource::Unknown => "unknown",
        }
    }
    /// The same with the sensor or the model behind it.
    #[must_use]
    pub fn energy_source(&self) -> String {
        match &self.record.energy_source {
            EnergySource::Measured(by) | EnergySource::Estimated(by) => format!("{}: {by}", self.energy_kind()),
            EnergySource::Unknown => "unknown".to_owned(),
        }
    }
}

/// Everything, running.
pub struct World {
    settings: Settings,
    recording: Arc<Recording>,
    clock: ShapedClock,
    broker: Broker,
    cloud: Cloud,
    link: ShapedLink,
    device: Device,
    api: Option<Api>,
    operator: Operator,
    announced: Duration,
    // Deleted last, after everything that writes to it has stopped.
    _state: tempfile::TempDir,
}

impl World {
    /// Starts everything and waits until device and bridge know each other.
    ///
    /// # Errors
    /// A part does not start; the message names it.
    pub async fn start(settings: Settings, recording: Arc<Recording>) -> Result<Self, WorldError> {
        let network = settings.profile.network(&settings.network)?;
        let clock = ShapedClock::start(settings.pace);
        let state = state_folder(settings.pace).map_err(WorldError::State)?;
        let (fleet, device_id) = (FleetId::new(FLEET_ID)?, DeviceId::new(DEVICE_ID)?);
        let broker = Broker::start().await?;
        let cloud = CloudSettings {
            profile: &settings.profile,
            prices: &settings.prices,
            models: &settings.models,
            broker: broker.address(),
            fleet: fleet.clone(),
            state: &state.path().join("bridge"),
            blind: settings.blind,
        };
        let cloud = Box::pin(Cloud::start(cloud, clock.clone())).await?;
        let link = ShapedLink::start(broker.address(), network, clock.clone()).await.map_err(WorldError::Link)?;
        let operator = Operator::connect(broker.address(), fleet.clone(), device_id.clone())?;
        let raw = RawEnergy { meter: Some("estimate".to_owned()), ..RawEnergy::default() };
        let energy = EnergyConfig::try_from(raw)?;
        let (meter, counters) = ShapedMeter::new(&energy, clock.clone())?;
        let parts = Parts {
            clock: Some(Arc::new(clock.clone())),
            meter: Some(meter),
            memory: MemorySources::default(),
            counters,
            accounting: Accounting::Admitted { runtime: RUNTIME_MEMORY },
            chooser: settings.choosing.chooser(),
        };
        let config = config(&settings, &recording, link.address(), state.path(), energy, fleet, device_id)?;
        let api_config = config.api.clone();
        let device = Box::pin(Device::start(config, parts)).await?;
        check_faults(&settings.models, &device)?;
        let api = if settings.serve { Some(serve(&device, api_config).await?) } else { None };
        let mut world = Self {
            settings,
            recording,
            clock,
            broker,
            cloud,
            link,
            device,
            api,
            operator,
            announced: Duration::ZERO,
            _state: state,
        };
        world.met().await?;
        Ok(world)
    }

    /// Plays a turn of the recording: its frames, its prompt, whatever the chooser decides.
    ///
    /// # Errors
    /// There is no such turn, or the device does not take it. A refused turn is an outcome, no error.
    pub async fn turn(&mut self, index: usize) -> Result<TurnOutcome, WorldError> {
        self.ask(index, self.settings.choosing.only()).await
    }

    /// Plays a turn with one action alone allowed: how data is collected.
    ///
    /// # Errors
    /// As [`Self::turn`].
    pub async fn turn_only(&mut self, index: usize, action: Action) -> Result<TurnOutcome, WorldError> {
        self.ask(index, Some(action)).await
    }

    async fn ask(&mut self, index: usize, only: Option<Action>) -> Result<TurnOutcome, WorldError> {
        let turn = index + 1;
        let recording = Arc::clone(&self.recording);
        let turns = recording.turns();
        let said = turns.get(index).ok_or(WorldError::NoTurn { turn, turns: turns.len() })?;
        self.step_cameras(index);
        self.keep_offers();
        let ask = Ask {
            conversation: CONVERSATION.to_owned(),
            prompt: said.prompt.text.clone(),
            turns_before: Some(u16::try_from(index).unwrap_or(u16::MAX)),
            only: only.into_iter().collect(),
            ..Ask::default()
        };
        let news = self.device.ask(ask).map_err(|cause| WorldError::Ask { turn, cause })?;
        let record = news.record().await.ok_or(WorldError::Stopped { turn })?;
        Ok(TurnOutcome {
            index,
            right: grade(&said.prompt, &record.answer),
            price_source: format!("simulated: {}", self.settings.prices),
            left: self.left(),
            record,
        })
    }

    /// Lets every camera show its frame of a turn.
    pub fn step_cameras(&self, index: usize) {
        for camera in self.device.cameras() {
            camera.step_to(index as u64);
        }
    }

    /// Offers hold for a time that skipping would use up without the bridge noticing; turns that come over the API do not see
    /// to that themselves.
    pub fn keep_offers(&mut self) {
        const ANNOUNCE_EVERY: Duration = Duration::from_secs(15);
        let skipped = self.clock.skipped();
        if skipped.saturating_sub(self.announced) >= ANNOUNCE_EVERY {
            self.announced = skipped;
            self.cloud.bridge.announce();
        }
    }

    /// What is left of every budget.
    #[must_use]
    pub fn left(&self) -> Vec<Left> {
        self.device.with_governor(|governor| {
            let budgets = governor.budgets();
            let account = Account::new(ConversationId::of(CONVERSATION));
            let left = |budget: &Budget| Left {
                resource: budget.resource(),
                window: budget.window(),
                limit: budget.limit(),
                left: budgets.left(budget, &account),
            };
            budgets.limits().iter().map(left).collect()
        })
    }

    /// Every action that a turn can take, in the order of their numbers.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let nodes = 1 + self.device.with_governor(|governor| governor.nodes().len());
        Action::all(nodes, self.device.cameras().len()).collect()
    }

    /// Has an operator publish limits on `budget/desired`, and waits until the device reports them.
    ///
    /// # Errors
    /// The device refuses them or does not answer.
    pub async fn wish_budgets(&mut self, limits: &[Limit]) -> Result<(), WorldError> {
        self.operator.wish_budgets(limits).await?;
        Ok(())
    }

    /// What deciding is quoted at and the least with which a local answer begins.
    #[must_use]
    pub fn least_needs(&self) -> (Joules, Joules) {
        self.device.with_governor(|governor| {
            (governor.decision_cost().energy, governor.least_local().unwrap_or(Cost::ZERO).energy)
        })
    }

    /// Lowers the memory ceiling until this much is left under it; none lifts it.
    pub async fn leave_memory(&self, left: Option<Bytes>) {
        let used = self.device.status().await.pointer("/memory/used_bytes").and_then(serde_json::Value::as_u64);
        let ceiling = left.map(|left| left.plus(Bytes::new(used.unwrap_or(RUNTIME_MEMORY.get()))));
        self.device.set_memory_ceiling(ceiling);
    }

    /// The way between device and broker.
    #[must_use]
    pub const fn link(&self) -> &ShapedLink {
        &self.link
    }
    /// Lets the broker be reached again, and waits until device and bridge know each other.
    ///
    /// # Errors
    /// They do not meet in time.
    pub async fn restore_link(&mut self) -> Result<(), WorldError> {
        self.link.restore();
        self.met().await
    }

    async fn met(&mut self) -> Result<(), WorldError> {
        let nodes = self.settings.profile.nodes().count();
        let bridge = matches!(self.cloud.bridge.up_within(READY_WAIT_MAX).await, LinkState::Up { .. });
        self.cloud.bridge.announce();
        if bridge && self.device.ready_within(nodes, READY_WAIT_MAX).await { Ok(()) } else { Err(WorldError::NotReady) }
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }
    /// The device's API, where it is served.
    #[must_use]
    pub fn api(&self) -> Option<SocketAddr> {
        self.api.as_ref().and_then(Api::address)
    }
    /// Where the broker listens; clients there are not shaped.
    #[must_use]
    pub const fn broker(&self) -> SocketAddr {
        self.broker.address()
    }
    /// Answers that the cloud's models have given.
    #[must_use]
    pub fn completions(&self) -> u64 {
        self.cloud.completions()
    }
    /// How the world was started.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops everything, the device first.
    pub async fn stop(self) {
        if let Some(api) = self.api {
            api.stop().await;
        }
        self.device.stop().await;
        self.operator.stop().await;
        self.cloud.stop().await;
        drop(self.link);
        self.broker.stop().await;
    }
}

/// A device that lacks a part would still run, but not show what it is here for.
fn check_faults(models: &Path, device: &Device) -> Result<(), WorldError> {
    if device.faults().is_empty() {
        return Ok(());
    }
    Err(WorldError::Faults(format!("{} (models in {})", device.faults().join("; "), models.display())))
}
