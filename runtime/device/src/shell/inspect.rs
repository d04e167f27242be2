//! What a start would find, without starting: for `trimtab config check`.

use std::sync::Arc;

use trimtab_core::Millis;

use crate::camera::{Camera, CameraSource};
use crate::clock::ActiveClock;
use crate::config::{Config, ModelsConfig};
use crate::memory::{Accounting, Memory, MemorySources};
use crate::meter::{MeterSources, probe};
use crate::operator::source_name;

use super::Chooser;
use super::chooser::Scorer;
use super::start::Models;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The models that load.
    pub models: Vec<String>,
    /// The meter, labelled as measured or estimated; none: energy is unknown.
    pub meter: Option<String>,
    /// Everything that is wrong, each with its remedy.
    pub faults: Vec<String>,
}

/// Loads models and policy as a start would; what there is and what is wrong. Blocks.
#[must_use]
pub fn inspect_models(config: &Config) -> Inspection {
    let mut found = Inspection::default();
    let memory = match Memory::new(config.memory_ceiling, Accounting::Process, MemorySources::default()) {
        Ok(memory) => memory,
        Err(fault) => {
            found.faults.push(crate::fault_text(&fault));
            return found;
        }
    };
    // A check says whether the models load; how fast they are is measured by the runtime that uses them.
    let unmeasured = ModelsConfig { measure: false, ..config.models.clone() };
    let models = Models::load(&unmeasured, config.cameras.len(), &memory);
    if let Some(encoder) = &models.encoder {
        found.models.push(format!("encoder {}", encoder.fingerprint()));
    }
    if models.lm.is_some() && models.lm_away.is_none() {
        found.models.push("lm".to_owned());
    }
    let (scorer, fault) = Scorer::ready(Chooser::Configured, config.models.policy.as_deref(), models.encoder.as_ref());
    if let Some(policy) = scorer.policy() {
        found.models.push(format!("policy {} ({})", policy.fingerprint(), policy.layout().name()));
    }
    found.faults.extend(models.faults);
    found.faults.extend(models.lm_away);
    found.faults.extend(fault);
    found
}

/// Loads models and policy, opens cameras and probes the meter, as a start would; writes nothing. Blocks.
#[must_use]
pub fn inspect(config: &Config) -> Inspection {
    let mut found = inspect_models(config);
    for camera in &config.cameras {
        // What comes by itself needs time for its first frame: `trimtab cameras test` waits for it, `trimtab status` shows it.
        if camera.source().is_live() {
            if let CameraSource::Device { path } = camera.source()
                && let Err(fault) = trimtab_v4l2::Device::open(path)
            {
                found.faults.push(format!("camera {}: {}", camera.name(), crate::fault_text(&fault)));
            }
            continue;
        }
        let clock = Arc::new(ActiveClock::new(Millis::ZERO));
        let frame = Camera::open(camera.clone(), clock).and_then(|camera| camera.latest());
        if let Err(fault) = frame {
            found.faults.push(crate::fault_text(&fault));
        }
    }
    match probe(&config.energy, &MeterSources::looking(config)) {
        Ok(probed) => found.meter = probed.meter.map(|meter| source_name(&meter.source())),
        Err(fault) => found.faults.push(crate::fault_text(&fault)),
    }
    let wants_energy = config.budgets.iter().any(|budget| budget.resource() == trimtab_core::Resource::Energy);
    if wants_energy && found.meter.is_none() {
        found.faults.push(
            "an energy budget without a meter refuses every turn: set [energy] meter to \"auto\", or remove the budget"
                .to_owned(),
        );
    }
    found
}
