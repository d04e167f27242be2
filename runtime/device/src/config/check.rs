//! Turns what is written into what holds, key by key, naming file, line and remedy where it cannot.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;
use trimtab_core::limits::{BUDGETS_MAX, VIEWS_MAX};
use trimtab_core::{Budget, Resource, Window};
use trimtab_mqtt::TlsFiles;
use trimtab_wire::limits::TOKENS_MAX;
use trimtab_wire::{DeviceId, FleetId, ViewName};

use super::camera::camera;
use super::raw::{RawBudget, RawCamera, RawConfig, RawMqtt, RawPreference, RawSupervisor};
use super::source::Source;
use super::{
    API_SOCKET, Config, ConfigError, LM_THREADS_MAX, MQTT_PORTS, MqttConfig, SESSION_EXPIRY, TEST_CAMERA,
    TURN_TIME_MAX, quantity,
};
use crate::camera::{CameraConfig, CameraSource};
use crate::local::LocalSource;
use crate::supervisor::{BAUD, BAUD_RANGE, PortAddress, SupervisorConfig};

impl Config {
    /// Puts one file's keys in force on top of what holds already.
    pub(super) fn apply(&mut self, raw: RawConfig, source: &Source) -> Result<(), ConfigError> {
        let RawConfig {
            device,
            api,
            camera,
            models,
            energy,
            supervisor,
            memory,
            budget,
            preference,
            link,
            mqtt,
            turn,
            ledger,
        } = raw;
        if let Some(id) = &device.id {
            self.id = source.checked("device.id", id, |id| DeviceId::new(id))?;
        }
        if let Some(fleet) = &device.fleet {
            self.fleet = source.checked("device.fleet", fleet, |fleet| FleetId::new(fleet))?;
        }
        if let Some(folder) = &device.state_dir {
            self.state_dir = path(source, "device.state_dir", folder)?;
            self.api.socket = self.state_dir.join(API_SOCKET);
        }
        if let Some(listen) = &api.listen {
            self.api.listen = source.checked("api.listen", listen, |listen| address(listen))?;
        }
        if let Some(socket) = &api.socket {
            self.api.socket = path(source, "api.socket", socket)?;
        }
        self.api.explore = api.explore.unwrap_or(self.api.explore);
        for camera in camera {
            self.camera(&camera, source)?;
        }
        if let Some(folder) = &models.encoder {
            self.models.encoder = path(source, "models.encoder", folder)?;
        }
        if let Some(lm) = &models.lm {
            let parse = |text: &String| LocalSource::parse(text, |path| source.beside(path));
            self.models.lm = Some(source.checked("models.lm", lm, parse)?).filter(|_| lm.get_ref() != NONE);
        }
        if let Some(name) = &models.lm_model {
            self.models.lm_options.model = source.checked("models.lm_model", name, |name| match name.trim() {
                "" => Err("the name is empty; write one that the server lists, or leave the key out"),
                name => Ok(Some(name.to_owned())),
            })?;
        }
        if let Some(threads) = &models.lm_threads {
            self.models.lm_options.threads = Some(within(source, "models.lm_threads", threads, 1..=LM_THREADS_MAX)?);
        }
        self.models.measure = models.measure.unwrap_or(self.models.measure);
        if let Some(file) = &models.policy {
            self.models.policy = Some(path(source, "models.policy", file)?).filter(|_| file.get_ref() != NONE);
        }
        if let Some(energy) = energy {
            self.energy = source.checked("energy", &energy, |raw| self.energy.with(raw))?;
        }
        if let Some(raw) = supervisor {
            self.supervisor = Some(microcontroller(&raw, source)?);
        }
        if let Some(ceiling) = &memory.ceiling {
            self.memory_ceiling = Some(source.checked("memory.ceiling", ceiling, |text| quantity::bytes(text))?);
        }
        if let Some(turns) = &ledger.turns {
            self.ledger.turns = within(source, "ledger.turns", turns, 1..=u32::MAX)?;
        }
        if let Some(bytes) = &ledger.bytes {
            self.ledger.bytes = source.checked("ledger.bytes", bytes, |text| quantity::bytes(text))?;
        }
        if let Some(days) = &ledger.days {
            self.ledger.days = within(source, "ledger.days", days, 1..=u32::MAX)?;
        }
        for budget in budget {
            self.budget(&budget, source)?;
        }
        self.prefer(&preference, source)?;
        if let Some(round_trip) = &link.round_trip {
            self.link.prior.round_trip =
                source.checked("link.round_trip", round_trip, |text| quantity::millis(text))?;
        }
        if let Some(uplink) = &link.uplink {
            self.link.prior.uplink_bits_per_s =
                source.checked("link.uplink", uplink, |text| quantity::bits_per_s(text))?;
        }
        if let Some(measure) = link.measure {
            self.link.measure = measure.into_inner();
        }
        if let Some(raw) = mqtt {
            self.mqtt = Some(broker(&raw, source)?);
        }
        if let Some(time) = &turn.time {
            self.turn.time = source.checked("turn.time", time, |text| match quantity::millis(text) {
                Ok(time) if !time.is_zero() && time <= TURN_TIME_MAX => Ok(time),
                Ok(time) => Err(format!("{time} is not within 1 ms and {TURN_TIME_MAX}")),
                Err(fault) => Err(fault.to_string()),
            })?;
        }
        if let Some(tokens) = &turn.max_tokens {
            self.turn.max_tokens = within(source, "turn.max_tokens", tokens, 1..=TOKENS_MAX)?;
        }
        if let Some(threshold) = &turn.view_threshold {
            self.turn.view_threshold = Some(within(source, "turn.view_threshold", threshold, 0.0..=1.0)?);
        }
        Ok(())
    }

    /// What can only be said of the whole.
    pub(super) fn finish(mut self) -> Result<Self, ConfigError> {
        if self.cameras.is_empty() {
            let name = ViewName::new(TEST_CAMERA)
                .map_err(|fault| ConfigError::Whole { key: "camera", problem: fault.to_string() })?;
            self.cameras.push(CameraConfig::new(name, CameraSource::Pattern));
        }
        if self.cameras.len() > VIEWS_MAX {
            let problem = format!("{} cameras; at most {VIEWS_MAX} are taken", self.cameras.len());
            return Err(ConfigError::Whole { key: "camera", problem });
        }
        if self.budgets.len() > BUDGETS_MAX {
            let problem = format!("{} budgets; at most {BUDGETS_MAX} are taken", self.budgets.len());
            return Err(ConfigError::Whole { key: "budget", problem });
        }
        Ok(self)
    }

    /// A camera of a name that is known replaces it.
    fn camera(&mut self, raw: &RawCamera, source: &Source) -> Result<(), ConfigError> {
        let camera = camera(raw, source)?;
        match self.cameras.iter_mut().find(|known| known.name() == camera.name()) {
            Some(known) => *known = camera,
            None => self.cameras.push(camera),
        }
        Ok(())
    }

    /// A budget on a resource and window that has one replaces it.
    fn budget(&mut self, raw: &RawBudget, source: &Source) -> Result<(), ConfigError> {
        let resource = source.checked("budget.resource", &raw.resource, |name| {
            Resource::ALL.into_iter().find(|known| known.name() == name).ok_or("use energy, money, bytes or latency")
        })?;
        let window = source.checked("budget.window", &raw.window, |name| {
            Window::ALL.into_iter().find(|known| known.name() == name).ok_or("use turn, conversation, hour or day")
        })?;
        let budget = source.checked("budget.limit", &raw.limit, |text| match resource {
            Resource::Energy => quantity::joules(text).map(|limit| Budget::energy(window, limit)),
            Resource::Money => quantity::usd(text).map(|limit| Budget::money(window, limit)),
            Resource::Bytes => quantity::bytes(text).map(|limit| Budget::bytes(window, limit)),
            Resource::Latency => quantity::millis(text).map(|limit| Budget::latency(window, limit)),
        })?;
        self.budgets.retain(|known| (known.resource(), known.window()) != (resource, window));
        self.budgets.push(budget);
        Ok(())
    }

    fn prefer(&mut self, raw: &RawPreference, source: &Source) -> Result<(), ConfigError> {
        let weights = [
            ("preference.quality", &raw.quality, &mut self.preference.quality),
            ("preference.association", &raw.association, &mut self.preference.association),
            ("preference.latency", &raw.latency, &mut self.preference.latency),
            ("preference.cost", &raw.cost, &mut self.preference.cost),
            ("preference.energy", &raw.energy, &mut self.preference.energy),
        ];
        for (key, raw, weight) in weights {
            if let Some(raw) = raw {
                *weight = within(source, key, raw, 0.0..=1.0)?;
            }
        }
        Ok(())
    }
}

/// Written in place of a path: there is none.
const NONE: &str = "none";

pub(super) fn path(source: &Source, key: &str, raw: &Spanned<String>) -> Result<PathBuf, ConfigError> {
    source.checked(key, raw, |text| match text.trim() {
        "" => Err("the path is empty; write one, relative to this file or absolute"),
        text => Ok(source.beside(text)),
    })
}

fn within<T>(source: &Source, key: &str, raw: &Spanned<T>, range: RangeInclusive<T>) -> Result<T, ConfigError>
where
    T: PartialOrd + Copy + std::fmt::Display,
{
    source.checked(key, raw, |value| {
        let fault = || format!("{value} is not within {} and {}", range.start(), range.end());
        range.contains(value).then_some(*value).ok_or_else(fault)
    })
}

/// An address on loopback, or none for `none`.
fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == NONE {
        return Ok(None);
    }
    let address: SocketAddr =
        text.parse().map_err(|_| format!("{text:?} is no address and port; write 127.0.0.1:8088 or none"))?;
    if address.ip().is_loopback() {
        Ok(Some(address))
    } else {
        Err(format!(
            "{address} is not on loopback, and the API asks nobody who they are; use 127.0.0.1, and MQTT from elsewhere"
        ))
    }
}

fn microcontroller(raw: &RawSupervisor, source: &Source) -> Result<SupervisorConfig, ConfigError> {
    let port = source.checked("supervisor.port", &raw.port, |text| {
        PortAddress::parse(text)
            .ok_or("write a serial device, as in \"/dev/ttyACM0\", or \"unix:\" and the path of a socket")
    })?;
    let baud = match &raw.baud {
        Some(baud) => within(source, "supervisor.baud", baud, BAUD_RANGE)?,
        None => BAUD,
    };
    let limit = |key, raw: &Option<Spanned<String>>| {
        let parse = |text: &String| match quantity::joules(text) {
            Ok(limit) if limit.is_zero() => {
                Err("nothing may flow at all; write an amount, or leave the key out".to_owned())
            }
            Ok(limit) => Ok(limit),
            Err(fault) => Err(fault.to_string()),
        };
        raw.as_ref().map(|raw| source.checked(key, raw, parse)).transpose()
    };
    let (hour, day) = (limit("supervisor.hour", &raw.hour)?, limit("supervisor.day", &raw.day)?);
    Ok(SupervisorConfig { port, baud, hour, day })
}

fn broker(raw: &RawMqtt, source: &Source) -> Result<MqttConfig, ConfigError> {
    let host = source.checked("mqtt.host", &raw.host, |host| {
        if host.trim().is_empty() {
            Err("the host is empty; write the broker's name or address")
        } else {
            Ok(host.trim().to_owned())
        }
    })?;
    let tls = match &raw.tls {
        None => None,
        Some(tls) => {
            let optional =
                |key, raw: &Option<Spanned<String>>| raw.as_ref().map(|raw| path(source, key, raw)).transpose();
            let identity = match (optional("mqtt.tls.cert", &tls.cert)?, optional("mqtt.tls.key", &tls.key)?) {
                (Some(cert), Some(key)) => Some((cert, key)),
                (None, None) => None,
                _ => {
                    return Err(source.fault(
                        "mqtt.tls",
                        &tls.ca.span(),
                        "cert and key go together; write both or neither",
                    ));
                }
            };
            Some(TlsFiles { ca: path(source, "mqtt.tls.ca", &tls.ca)?, identity })
        }
    };
    let millis = |key, raw: &Option<Spanned<String>>, default| match raw {
        Some(raw) => source.checked(key, raw, |text| quantity::millis(text)),
        None => Ok(default),
    };
    let keep_alive = trimtab_core::Millis::from_duration(trimtab_mqtt::Connect::KEEP_ALIVE);
    Ok(MqttConfig {
        port: raw.port.as_ref().map_or(if tls.is_some() { MQTT_PORTS.1 } else { MQTT_PORTS.0 }, |port| *port.get_ref()),
        host,
        tls,
        allow_plaintext: raw.allow_plaintext,
        keep_alive: millis("mqtt.keep_alive", &raw.keep_alive, keep_alive)?,
        session_expiry: millis("mqtt.session_expiry", &raw.session_expiry, SESSION_EXPIRY)?,
        report_prompts: raw.report_prompts.unwrap_or(true),
    })
}
