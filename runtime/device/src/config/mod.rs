//! The configuration: `/etc/trimtab/trimtab.toml`, then every `*.toml` of the folder `config.d` beside it in the order of
//! their names; what a later file says replaces what an earlier one said, cameras and budgets by name. An unknown key is an
//! error. Every default is a constant of this module, so that an empty file is a complete configuration.

mod camera;
mod check;
pub mod quantity;
mod raw;
mod source;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use trimtab_core::observation::LinkEstimate;
use trimtab_core::{Budget, Bytes, Millis, Preference};
use trimtab_mqtt::TlsFiles;
use trimtab_wire::{DeviceId, FleetId};

pub use source::{CONFIG_BYTES_MAX, ConfigError};

use crate::camera::CameraConfig;
use crate::local::{LocalOptions, LocalSource};
use crate::meter::EnergyConfig;
use crate::supervisor::SupervisorConfig;
use source::Source;
use trimtab_ledger::Retention;

/// Where the configuration is, unless `--config` names another file.
pub const CONFIG_PATH: &str = "/etc/trimtab/trimtab.toml";
/// The device's name where none is configured.
pub const DEVICE_ID: &str = "robot-1";
/// The fleet's name where none is configured.
pub const FLEET_ID: &str = "home";
/// Where state is kept by an installed service; without the right to write there, `~/.local/state/trimtab`.
pub const STATE_DIR: &str = "/var/lib/trimtab";
/// The camera of a device without any: a test picture.
pub const TEST_CAMERA: &str = "test";
/// The local API.
pub const API_LISTEN: &str = "127.0.0.1:8088";
/// The local API's socket, in the state folder.
pub const API_SOCKET: &str = "trimtab.sock";
/// Where models are looked for, in this order; relative ones from the working directory.
pub const MODEL_FOLDERS: [&str; 3] = ["/var/lib/trimtab/models", "/usr/share/trimtab/models", "models/shipped"];
/// Folder of the encoder within a model folder.
pub const ENCODER_FOLDER: &str = "encoder";
/// Folder of the local language model within a model folder.
pub const LM_FOLDER: &str = "lm";
/// The policy within a model folder.
pub const POLICY_FILE: &str = "policy/policy.onnx";
/// Most threads that the local model may be given.
pub const LM_THREADS_MAX: u32 = 64;
/// How long a turn may take.
pub const TURN_TIME: Millis = Millis::new(15_000);
/// Longest time a turn can be given.
pub const TURN_TIME_MAX: Millis = Millis::new(600_000);
/// Longest answer, in tokens, where the application names none.
pub const MAX_TOKENS: u32 = 96;
/// Views less likely than this to show what the prompt asks about are not uploaded, where the policy names no threshold.
pub const VIEW_THRESHOLD: f32 = 0.02;
/// The link until something is known of it: a modest mobile uplink.
pub const LINK_ROUND_TRIP: Millis = Millis::new(80);
/// The uplink until something is known of it, bits a second.
pub const LINK_UPLINK: u64 = 5_000_000;
/// How long the broker keeps what comes for the device while it is away.
pub const SESSION_EXPIRY: Millis = Millis::new(3_600_000);
/// Port of MQTT, and of MQTT over TLS.
pub const MQTT_PORTS: (u16, u16) = (1883, 8883);
/// Files of `config.d` that are read.
pub const CONFIG_FILES_MAX: usize = 64;

/// A complete, checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// This device: its certificate's common name and MQTT client id.
    pub id: DeviceId,
    /// Its fleet.
    pub fleet: FleetId,
    /// Ledger and socket.
    pub state_dir: PathBuf,
    /// The local API.
    pub api: ApiConfig,
    /// Cameras, in the order of the views.
    pub cameras: Vec<CameraConfig>,
    /// Models and policy.
    pub models: ModelsConfig,
    /// Meter.
    pub energy: EnergyConfig,
    /// The microcontroller beside the board; none: there is none.
    pub supervisor: Option<SupervisorConfig>,
    /// Ceiling of the whole runtime's memory; none: what the control group or the machine has.
    pub memory_ceiling: Option<Bytes>,
    /// Budgets, until the operator sets others.
    pub budgets: Vec<Budget>,
    /// Weights, until the operator sets others.
    pub preference: Preference,
    /// The link.
    pub link: LinkConfig,
    /// The broker; none: no cloud.
    pub mqtt: Option<MqttConfig>,
    /// Bounds of a turn.
    pub turn: TurnConfig,
    /// How much of the past is kept.
    pub ledger: Retention,
}

/// Where the local API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// TCP, on loopback only: the API asks nobody who they are.
    pub listen: Option<SocketAddr>,
    /// Unix socket; its file permissions say who may.
    pub socket: PathBuf,
    /// Whether a request may name the actions that its turn may take, for collecting data. The shield judges them all the same.
    pub explore: bool,
}

/// Which models run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelsConfig {
    /// The dual encoder's folder.
    pub encoder: PathBuf,
    /// The local language model; none: nothing is answered here.
    pub lm: Option<LocalSource>,
    /// How it is run.
    pub lm_options: LocalOptions,
    /// The policy file; none: the default rule decides.
    pub policy: Option<PathBuf>,
    /// Whether the local model answers once at the start, so that the first quotes know its pace here.
    pub measure: bool,
}

/// What is believed of the link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// Until something was measured.
    pub prior: LinkEstimate,
    /// Whether traffic refines it.
    pub measure: bool,
}

/// The broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttConfig {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub tls: Option<TlsFiles>,
    /// Allows plain TCP to a host that is not loopback.
    pub allow_plaintext: bool,
    /// Silence after which the connection counts as lost.
    pub keep_alive: Millis,
    /// How long the broker keeps what comes while the device is away.
    pub session_expiry: Millis,
    /// Whether prompts appear in telemetry.
    pub report_prompts: bool,
}

/// Bounds of a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnConfig {
    /// How long it may take.
    pub time: Millis,
    /// Longest answer, in tokens, where the application names none.
    pub max_tokens: u32,
    /// Views less likely than this to show what is asked are not uploaded; none: what the policy's metadata says, else
    /// [`VIEW_THRESHOLD`].
    pub view_threshold: Option<f32>,
}

impl Config {
    /// What holds where nothing is configured: one test picture as camera, the shipped models, no broker.
    #[must_use]
    pub fn standard() -> Self {
        let state_dir = default_state_dir();
        Self {
            // Both constants are names; a test holds them to it.
            id: DeviceId::new(DEVICE_ID).expect("the default device id is a name"),
            fleet: FleetId::new(FLEET_ID).expect("the default fleet is a name"),
            api: ApiConfig { listen: API_LISTEN.parse().ok(), socket: state_dir.join(API_SOCKET), explore: false },
            state_dir,
            cameras: Vec::new(),
            models: ModelsConfig::found(),
            energy: EnergyConfig::default(),
            supervisor: None,
            memory_ceiling: None,
            budgets: Vec::new(),
            preference: Preference::default(),
            link: LinkConfig {
                prior: LinkEstimate { up: false, round_trip: LINK_ROUND_TRIP, uplink_bits_per_s: LINK_UPLINK },
                measure: true,
            },
            mqtt: None,
            turn: TurnConfig { time: TURN_TIME, max_tokens: MAX_TOKENS, view_threshold: None },
            ledger: Retention::default(),
        }
    }

    /// Reads `path`, or [`CONFIG_PATH`] where it exists, and the files of `config.d` beside it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let main = path.unwrap_or(Path::new(CONFIG_PATH));
        let mut files = Vec::new();
        // The file that is named must be there; the installed one may be missing.
        if path.is_some() || main.exists() {
            files.push(main.to_owned());
        }
        let folder = main.with_file_name("config.d");
        if folder.is_dir() {
            let fault = |cause| ConfigError::Read { path: folder.clone(), cause };
            let mut extra = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(fault)?.take(CONFIG_FILES_MAX) {
                let path = entry.map_err(fault)?.path();
                if path.extension().is_some_and(|end| end == "toml") {
                    extra.push(path);
                }
            }
            extra.sort();
            files.extend(extra);
        }
        let mut config = Self::standard();
        for file in files {
            let source = Source::read(&file)?;
            config.apply(source.parse()?, &source)?;
        }
        config.finish()
    }
}

impl ModelsConfig {
    /// Cores that are busy while the local model answers; one where there is none.
    #[must_use]
    pub fn lm_cores(&self) -> u32 {
        self.lm.as_ref().map_or(1, |source| source.cores(&self.lm_options))
    }

    /// The same, where they work in another process than this.
    #[must_use]
    pub fn lm_cores_elsewhere(&self) -> Option<u32> {
        matches!(self.lm, Some(LocalSource::Server(_))).then(|| self.lm_cores())
    }

    /// The first of [`MODEL_FOLDERS`] that has an encoder, else the first of them, so that an error names an installed path.
    fn found() -> Self {
        let folders = MODEL_FOLDERS.map(Path::new);
        let folder = folders.into_iter().find(|folder| folder.join(ENCODER_FOLDER).is_dir()).unwrap_or(folders[0]);
        let there = |path: PathBuf| path.exists().then_some(path);
        Self {
            encoder: folder.join(ENCODER_FOLDER),
            lm: there(folder.join(LM_FOLDER)).map(LocalSource::Folder),
            lm_options: LocalOptions::default(),
            policy: there(folder.join(POLICY_FILE)),
            measure: true,
        }
    }
}

fn default_state_dir() -> PathBuf {
    let installed = Path::new(STATE_DIR);
    let writable = std::fs::metadata(installed).is_ok_and(|found| found.is_dir() && !found.permissions().readonly());
    if writable {
        return installed.to_owned();
    }
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")));
    base.map_or_else(|| installed.to_owned(), |base| base.join("trimtab"))
}
