//! How a device starts: ledger first, then what a crash left behind, then models, then the link.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{Semaphore, mpsc, watch};
use trimtab_core::budget::TooManyBudgets;
use trimtab_core::{Bytes, Joules, Millis, Shield, Watts};
use trimtab_engine::{Card, Encoder};
use trimtab_mqtt::{Connect, ConnectError, LastWill, Link, Qos};
use trimtab_turn::{EnergySource, Governor, LocalEngine, MeterFacts, Setup};
use trimtab_wire::operator::{Payload, Status};
use trimtab_wire::{Topic, filters};

use super::chooser::Scorer;
use super::energy::{self, EnergyReader};
use super::observe::Eyes;
use super::pace::{self, Pace};
use super::presence::{self, Presence};
use super::seat::{LocalSeat, Seated};
use super::{Chooser, Device, Inner, heat, inbox, overseer, strain, turn};
use crate::camera::CameraError;
use crate::clock::{ActiveClock, Clock};
use crate::config::{Config, ModelsConfig, MqttConfig};
use crate::local::weight_bytes;
use crate::memory::{Accounting, Admission, Memory, MemoryError, MemorySources};
use crate::meter::{Counters, Meter, MeterError, MeterKind, MeterSources, probe};
use crate::offload::{LATE_MAX, Offload, Way};
use crate::operator::{self, OperatorBook};
use crate::supervisor::{FIRST_WORD, Supervisor};
use trimtab_ledger::{Ledger, LedgerError, RestoreError, Retention};

/// The ledger's file in the state folder.
pub const LEDGER_FILE: &str = "ledger.sqlite";
/// The encoder's peak as a multiple of its weights' bytes, where its card has no measured figure.
const PEAK_OF_WEIGHTS: u64 = 2;

/// What a device is made of that a configuration cannot say. The default is what an installed device uses.
pub struct Parts {
    /// Active time; none: the ledger's time and the system's monotonic clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// The meter; none: what the configuration finds.
    pub meter: Option<Arc<dyn Meter>>,
    /// What an estimating meter counts.
    pub counters: Counters,
    /// What counts against the memory ceiling.
    pub accounting: Accounting,
    /// Who tells of memory.
    pub memory: MemorySources,
    /// Who scores the candidates.
    pub chooser: Chooser,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: None,
            meter: None,
            counters: Counters::default(),
            accounting: Accounting::Process,
            memory: MemorySources::default(),
            chooser: Chooser::Configured,
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({:?})", self.chooser)
    }
}

/// Why a device does not start. Missing models are no reason: it starts, says so and refuses what it cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The state folder cannot be made.
    #[error("{}: cannot make the state folder; set [device] state_dir to one that the runtime's user may write", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The memory account.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The meter that the configuration insists on.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// No thread for the microcontroller's link.
    #[error("[supervisor] no thread to talk to it; raise the limit of threads")]
    Supervisor(#[from] std::io::Error),
    /// A camera.
    #[error(transparent)]
    Camera(#[from] CameraError),
    /// The broker's settings.
    #[error("[mqtt] {0}")]
    Mqtt(#[from] ConnectError),
    /// Too many budgets.
    #[error("[[budget]] {0}")]
    Budgets(TooManyBudgets),
    /// A thread of the start broke off.
    #[error("the start broke off: {0}; please report this")]
    Broke(#[from] tokio::task::JoinError),
}

/// The models as far as they loaded, and what is wrong with the rest.
pub(super) struct Models {
    pub(super) encoder: Option<Encoder>,
    pub(super) lm: Option<Seated>,
    /// Why the local model, which runs in another process, is not there now.
    pub(super) lm_away: Option<String>,
    /// What the local model takes here, if that was measured.
    pub(super) pace: Option<Pace>,
    /// How long encoding the prompt and all views may take.
    pub(super) decision_time: Millis,
    /// What the encoder takes.
    pub(super) admitted: Option<Admission>,
    pub(super) faults: Vec<String>,
}

impl Models {
    /// Loads and admits what is configured. Blocks.
    pub(super) fn load(config: &ModelsConfig, cameras: usize, memory: &Memory) -> Self {
        let mut models = Self {
            encoder: None,
            lm: None,
            lm_away: None,
            pace: None,
            decision_time: pace::DECISION_PRIOR,
            admitted: None,
            faults: Vec::new(),
        };
        if let Err(fault) = models.load_encoder(config, cameras, memory) {
            models.faults.push(crate::fault_text(&*fault));
        }
        match Seated::load(config, memory) {
            Ok(seated) => {
                models.lm_away = seated.model.ready().err().map(|fault| crate::fault_text(&fault));
                if config.measure && models.lm_away.is_none() {
                    models.pace = Pace::measure(&*seated.model);
                }
                models.lm = Some(seated);
            }
            Err(fault) => models.faults.push(crate::fault_text(&fault)),
        }
        models
    }

    /// Admits the encoder by its card before it is loaded.
    fn load_encoder(&mut self, config: &ModelsConfig, cameras: usize, memory: &Memory) -> Result<(), Box<dyn Error>> {
        let declared = Card::read(&config.encoder)?.peak_bytes();
        let peak = declared.unwrap_or_else(|| PEAK_OF_WEIGHTS * weight_bytes(&config.encoder));
        let admission = memory.admit("the encoder", Bytes::new(peak))?;
        let encoder = Encoder::load(&config.encoder)?;
        let measured = if config.measure { pace::decision(&encoder, cameras) } else { None };
        self.decision_time = measured.unwrap_or(pace::DECISION_PRIOR);
        (self.admitted, self.encoder) = (Some(admission), Some(encoder));
        Ok(())
    }
}

impl Device {
    /// Starts a device. Turns that a crash left open are closed as lost, their holds stay counted, and answers to them are
    /// still awaited.
    pub async fn start(config: Config, parts: Parts) -> Result<Self, StartError> {
        let ledger = {
            let (folder, retention) = (config.state_dir.clone(), config.ledger);
            tokio::task::spawn_blocking(move || open_ledger(&folder, retention)).await??
        };
        let clock: Arc<dyn Clock> = match parts.clock {
            Some(clock) => clock,
            None => Arc::new(ActiveClock::new(ledger.base())),
        };
        let memory = Memory::new(config.memory_ceiling, parts.accounting, parts.memory)?;
        let (uplink, cpu) = (parts.counters.uplink.clone(), parts.counters.cpu.clone());
        let mut faults = Vec::new();
        let supervisor = match &config.supervisor {
            Some(supervisor) => Some(Arc::new(Supervisor::start(supervisor, ledger.boot())?)),
            None => None,
        };
        let energy = match parts.meter {
            Some(meter) => EnergyReader::new(Some(meter), Vec::new()),
            None => {
                let sources =
                    MeterSources { supervisor: supervisor.clone(), ..MeterSources::of(&config.energy, parts.counters) };
                // Sensors are opened and read, a program may be asked, and the microcontroller's first word is waited for.
                let settings = config.energy.clone();
                let probing = move || {
                    if let Some(supervisor) = &sources.supervisor {
                        // A silent one is told, and may speak later.
                        let _ = supervisor.speaks_within(FIRST_WORD);
                    }
                    probe(&settings, &sources)
                };
                let probed = tokio::task::spawn_blocking(probing).await??;
                EnergyReader::new(probed.meter, passed_over(&probed.passed_over))
            }
        };
        if !energy.is_known() && config.budgets.iter().any(|budget| budget.resource() == trimtab_core::Resource::Energy)
        {
            faults.push("an energy budget without a meter refuses every turn: set [energy] meter to \"auto\", or remove the budget".to_owned());
        }
        let (models, scorer) = {
            let (config, cameras, memory) = (config.clone(), config.cameras.len(), memory.clone());
            let load = move || {
                let mut models = Models::load(&config.models, cameras, &memory);
                let (scorer, fault) =
                    Scorer::ready(parts.chooser, config.models.policy.as_deref(), models.encoder.as_ref());
                models.faults.extend(fault);
                (models, scorer)
            };
            tokio::task::spawn_blocking(load).await?
        };
        faults.extend(models.faults);
        for fault in &faults {
            tracing::error!("{fault}");
        }
        let eyes = Eyes::open(&config.cameras, models.encoder, &clock)?;
        let local = models
            .lm
            .as_ref()
            .map(|seated| pace::engine(&*seated.model, models.pace, busy(&config, &energy, config.models.lm_cores())));
        let governor =
            governor(&config, &ledger, clock.as_ref(), &energy, local, models.decision_time, &scorer).await?;
        let (link, inbox) = match &config.mqtt {
            None => (None, None),
            Some(mqtt) => {
                let (link, inbox) = connect(&config, mqtt, ledger.boot())?;
                (Some(link), Some(inbox))
            }
        };
        let inner = Arc::new(Inner {
            operator: OperatorBook::default(),
            memory,
            governor: Mutex::new(governor),
            energy,
            supervisor,
            condition: Mutex::default(),
            cpu,
            uplink,
            eyes,
            scorer,
            lm: LocalSeat::new(models.lm),
            rung: AtomicU8::new(0),
            presence: Presence::default(),
            _admitted: models.admitted,
            faults,
            link,
            offload: OnceLock::new(),
            no_link: watch::Sender::new(turn::no_link()),
            turns: AtomicU32::new(0),
            conversations: AtomicU64::new(0),
            overruns: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            one_turn: Semaphore::new(1),
            stopping: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
            clock,
            ledger,
            config,
        });
        inner.note_presence(models.lm_away);
        close_lost_turns(&inner).await?;
        operator::restore(&inner).await?;
        let mut tasks = vec![
            tokio::spawn(inbox::keep_time(Arc::clone(&inner))),
            tokio::spawn(energy::follow(Arc::clone(&inner))),
            tokio::spawn(heat::follow(Arc::clone(&inner))),
            tokio::spawn(overseer::live(Arc::clone(&inner))),
            tokio::spawn(overseer::tell(Arc::clone(&inner))),
            tokio::spawn(presence::follow(Arc::clone(&inner))),
            tokio::spawn(strain::watch(Arc::clone(&inner))),
        ];
        if let (Some(link), Some(inbox)) = (&inner.link, inbox) {
            let (late, settle) = mpsc::channel(LATE_MAX);
            let offload = Offload::new(Way {
                link: link.clone(),
                fleet: inner.config.fleet.clone(),
                device: inner.config.id.clone(),
                ledger: inner.ledger.clone(),
                uplink: inner.uplink.clone(),
                prior: inner.config.link.prior,
                measure: inner.config.link.measure,
                late,
            });
            let awaited = offload.resume().await?;
            if awaited > 0 {
                tracing::info!(awaited, "requests of an earlier runtime are still awaited");
            }
            // Nobody else sets it.
            let _ = inner.offload.set(offload);
            tasks.push(tokio::spawn(inbox::settle(Arc::clone(&inner), settle)));
            tasks.push(tokio::spawn(inbox::follow_link(Arc::clone(&inner), link.watch())));
            tasks.push(tokio::spawn(inbox::dispatch(Arc::clone(&inner), inbox)));
        }
        super::lock(&inner.tasks).extend(tasks);
        Ok(Self(inner))
    }
}

fn open_ledger(folder: &Path, retention: Retention) -> Result<Ledger, StartError> {
    let fault = |cause| StartError::StateDir { path: folder.to_owned(), cause };
    std::fs::create_dir_all(folder).map_err(fault)?;
    Ok(Ledger::open(&folder.join(LEDGER_FILE), retention)?)
}

/// Meters that are there and do not work; those that are not there are no news.
fn passed_over(faults: &[(MeterKind, MeterError)]) -> Vec<String> {
    let there = faults.iter().filter(|(_, fault)| !fault.is_absent());
    let texts = there.map(|(kind, fault)| format!("{}: {}", kind.name(), crate::fault_text(fault)));
    texts.inspect(|fault| tracing::warn!(%fault, "a better meter was passed over")).collect()
}

/// What is drawn is, or may become, whatever the whole board draws; a microcontroller that is silent now may speak later.
fn is_measured(config: &Config, energy: &EnergyReader) -> bool {
    config.supervisor.is_some() || matches!(energy.source(), EnergySource::Measured(_))
}

/// Power while a model runs on so many cores. A sensor sees whatever the board draws, so its peak bounds every phase; an estimate knows what
/// it charges for.
fn busy(config: &Config, energy: &EnergyReader, cores: u32) -> Watts {
    if is_measured(config, energy) { energy.peak() } else { config.energy.busy(cores) }
}

async fn governor(
    config: &Config,
    ledger: &Ledger,
    clock: &dyn Clock,
    energy: &EnergyReader,
    local: Option<LocalEngine>,
    decision_time: Millis,
    scorer: &Scorer,
) -> Result<Governor, StartError> {
    let now = clock.now();
    let limits = config.budgets.clone();
    // Too many of them are no fault of the file.
    let budgets = ledger.with(move |store| match store.budgets(now, &limits) {
        Ok(budgets) => Ok(Ok(budgets)),
        Err(RestoreError::Ledger(fault)) => Err(fault),
        Err(RestoreError::Budgets(fault)) => Ok(Err(fault)),
    });
    let budgets = budgets.await?.map_err(StartError::Budgets)?;
    let learnt = ledger.with(|store| store.learnt()).await.unwrap_or_else(|fault| {
        tracing::warn!(fault = %crate::fault_text(&fault), "latency and energy are learnt anew");
        Vec::new()
    });
    let measured = is_measured(config, energy);
    // While a microcontroller is silent, an estimate may count, which charges for bytes.
    let radio =
        if measured && config.supervisor.is_none() { Joules::ZERO } else { config.energy.uplink_per_mebibyte() };
    let waiting = if measured { energy.peak() } else { config.energy.idle() };
    let meter = MeterFacts {
        known: energy.is_known(),
        peak: energy.peak(),
        period: energy.period(),
        step: local.as_ref().map_or(Millis::ZERO, |local| local.profile.token_time),
        look: decision_time.scaled_up(1, config.cameras.len() as u64 + 1),
        radio_per_mebibyte: radio,
        waiting,
        decision: Joules::of(busy(config, energy, 1), decision_time),
    };
    let threshold =
        scorer.policy().and_then(|policy| policy.metadata("view_threshold")).and_then(|text| text.parse().ok());
    let view_threshold = config.turn.view_threshold.or(threshold).unwrap_or(crate::config::VIEW_THRESHOLD);
    let mut governor = Governor::new(Setup {
        budgets,
        shield: Shield { view_threshold },
        preference: config.preference,
        local,
        meter,
        link: config.link.prior,
        decision_time,
    });
    if !learnt.is_empty() && !governor.recall(&learnt) {
        tracing::warn!("what an earlier version learnt of latency and energy cannot be read; it is learnt anew");
    }
    governor.record_events();
    Ok(governor)
}

fn connect(config: &Config, mqtt: &MqttConfig, boot: u32) -> Result<(Link, trimtab_mqtt::Inbox), ConnectError> {
    let (fleet, id) = (&config.fleet, &config.id);
    let mut connect = Connect::new(id.as_str(), &mqtt.host, mqtt.port);
    connect.tls.clone_from(&mqtt.tls);
    connect.allow_plaintext = mqtt.allow_plaintext;
    connect.keep_alive = mqtt.keep_alive.duration();
    connect.session_expiry = mqtt.session_expiry.duration();
    let will = Status::gone(boot).encode().unwrap_or_default();
    connect.last_will =
        Some(LastWill { topic: Topic::Status(fleet.clone(), id.clone()).to_string(), payload: will, retain: true });
    let filters = [
        (filters::offers(fleet), Qos::AtLeastOnce),
        (filters::responses(fleet, id), Qos::AtLeastOnce),
        (filters::desired(fleet, id), Qos::AtLeastOnce),
        (filters::commands(fleet, id), Qos::AtLeastOnce),
        (filters::commands_all(fleet), Qos::AtLeastOnce),
    ];
    Link::start(&connect, &filters)
}

async fn close_lost_turns(inner: &Inner) -> Result<(), LedgerError> {
    let now = inner.clock.now();
    for lost in inner.ledger.with(move |store| store.close_lost(now)).await? {
        tracing::warn!(turn = %lost.turn, holds = lost.holds, "a turn was lost when the runtime died; its holds stay counted");
    }
    Ok(())
}
