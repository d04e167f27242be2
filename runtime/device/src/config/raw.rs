//! The file as it is written. Amounts are text with a unit; every key may be left out.

use serde::Deserialize;
use toml::Spanned;

use crate::meter::RawEnergy;

type Text = Option<Spanned<String>>;

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) device: RawDevice,
    pub(super) api: RawApi,
    pub(super) camera: Vec<RawCamera>,
    pub(super) models: RawModels,
    pub(super) energy: Option<Spanned<RawEnergy>>,
    pub(super) supervisor: Option<RawSupervisor>,
    pub(super) memory: RawMemory,
    pub(super) budget: Vec<RawBudget>,
    pub(super) preference: RawPreference,
    pub(super) link: RawLink,
    pub(super) mqtt: Option<RawMqtt>,
    pub(super) turn: RawTurn,
    pub(super) ledger: RawLedger,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSupervisor {
    pub(super) port: Spanned<String>,
    #[serde(default)]
    pub(super) baud: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) hour: Text,
    #[serde(default)]
    pub(super) day: Text,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLedger {
    pub(super) turns: Option<Spanned<u32>>,
    pub(super) bytes: Text,
    pub(super) days: Option<Spanned<u32>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDevice {
    pub(super) id: Text,
    pub(super) fleet: Text,
    pub(super) state_dir: Text,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApi {
    pub(super) listen: Text,
    pub(super) socket: Text,
    pub(super) explore: Option<bool>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCamera {
    pub(super) name: Spanned<String>,
    pub(super) source: Spanned<String>,
    #[serde(default)]
    pub(super) freshness: Text,
    #[serde(default)]
    pub(super) fps: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) format: Text,
    #[serde(default)]
    pub(super) size: Text,
    #[serde(default)]
    pub(super) credential_env: Text,
    #[serde(default)]
    pub(super) credential_file: Text,
    #[serde(default)]
    pub(super) noise: Option<Spanned<u8>>,
    #[serde(default)]
    pub(super) upload: Text,
    #[serde(default)]
    pub(super) upload_width: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) upload_quality: Option<Spanned<u8>>,
    #[serde(default)]
    pub(super) mask: Vec<Spanned<Vec<[f32; 2]>>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawModels {
    pub(super) encoder: Text,
    pub(super) lm: Text,
    pub(super) lm_model: Text,
    pub(super) lm_threads: Option<Spanned<u32>>,
    pub(super) policy: Text,
    pub(super) measure: Option<bool>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMemory {
    pub(super) ceiling: Text,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBudget {
    pub(super) resource: Spanned<String>,
    pub(super) window: Spanned<String>,
    pub(super) limit: Spanned<String>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPreference {
    pub(super) quality: Option<Spanned<f32>>,
    pub(super) association: Option<Spanned<f32>>,
    pub(super) latency: Option<Spanned<f32>>,
    pub(super) cost: Option<Spanned<f32>>,
    pub(super) energy: Option<Spanned<f32>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLink {
    pub(super) round_trip: Text,
    pub(super) uplink: Text,
    pub(super) measure: Option<Spanned<bool>>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMqtt {
    pub(super) host: Spanned<String>,
    #[serde(default)]
    pub(super) port: Option<Spanned<u16>>,
    #[serde(default)]
    pub(super) tls: Option<RawTls>,
    #[serde(default)]
    pub(super) allow_plaintext: bool,
    #[serde(default)]
    pub(super) keep_alive: Text,
    #[serde(default)]
    pub(super) session_expiry: Text,
    #[serde(default)]
    pub(super) report_prompts: Option<bool>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub(super) ca: Spanned<String>,
    #[serde(default)]
    pub(super) cert: Text,
    #[serde(default)]
    pub(super) key: Text,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTurn {
    pub(super) time: Text,
    pub(super) max_tokens: Option<Spanned<u32>>,
    pub(super) view_threshold: Option<Spanned<f32>>,
}
