//! The device of a world: its configuration, and its API.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use trimtab_core::Millis;
use trimtab_core::observation::LinkEstimate;
use trimtab_device::api::{Api, ApiError};
use trimtab_device::camera::{CameraConfig, CameraSource};
use trimtab_device::config::{ApiConfig, Config, LinkConfig, ModelsConfig, MqttConfig, TurnConfig};
use trimtab_device::local::LocalOptions;
use trimtab_device::meter::EnergyConfig;
use trimtab_device::shell::Device;
use trimtab_scenes::CAMERA_NAMES;
use trimtab_wire::{DeviceId, FleetId, ViewName};

use crate::pace::Pace;
use crate::recording::Recording;
use crate::world::{SERVE_PORT, Settings, WorldError};

/// The policy in the folder of the models.
const POLICY: &str = "policy/policy.onnx";

/// What the device of a world is configured with.
pub(crate) fn config(
    settings: &Settings,
    recording: &Recording,
    broker: SocketAddr,
    state: &Path,
    energy: EnergyConfig,
    fleet: FleetId,
    id: DeviceId,
) -> Result<Config, WorldError> {
    let network = settings.profile.network(&settings.network)?;
    let standard = Config::standard();
    let camera = |(name, shown): (&str, &usize)| {
        let source = CameraSource::Dir { path: recording.frames(*shown) };
        Ok::<_, WorldError>(CameraConfig::new(ViewName::new(name)?, source).stepped())
    };
    let cameras = CAMERA_NAMES.into_iter().zip(&settings.cameras).map(camera);
    let keeps_views = !settings.choosing.drops_views();
    let policy = settings.policy.clone().unwrap_or_else(|| settings.models.join(POLICY));
    Ok(Config {
        id,
        fleet,
        state_dir: state.join("device"),
        api: ApiConfig {
            listen: settings.serve.then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, SERVE_PORT))),
            socket: state.join("trimtab.sock"),
            explore: settings.explore,
        },
        cameras: cameras.collect::<Result<_, WorldError>>()?,
        models: ModelsConfig {
            encoder: settings.models.join("encoder"),
            lm: Some(settings.models.join("lm").into()),
            lm_options: LocalOptions::default(),
            policy: settings.choosing.policy(policy),
            measure: true,
        },
        energy,
        budgets: settings.budgets.clone(),
        preference: settings.preference,
        link: LinkConfig {
            prior: LinkEstimate {
                up: false,
                round_trip: network.round_trip(),
                uplink_bits_per_s: network.up_bits_per_s,
            },
            // What skipping leaves to be measured says nothing about the link.
            measure: settings.pace == Pace::Real,
        },
        mqtt: Some(MqttConfig {
            host: broker.ip().to_string(),
            port: broker.port(),
            tls: None,
            allow_plaintext: false,
            keep_alive: Millis::new(60_000),
            session_expiry: Millis::new(3_600_000),
            report_prompts: true,
        }),
        turn: TurnConfig { view_threshold: settings.view_threshold.or(keeps_views.then_some(0.0)), ..standard.turn },
        ..standard
    })
}

/// At the usual port of the API if it is free, else at any.
pub(crate) async fn serve(device: &Device, config: ApiConfig) -> Result<Api, ApiError> {
    match Api::start(device.clone(), &config).await {
        Err(ApiError::Listen { .. }) => {
            let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            Api::start(device.clone(), &ApiConfig { listen, ..config }).await
        }
        started => started,
    }
}
