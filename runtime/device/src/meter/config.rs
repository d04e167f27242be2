//! The `[energy]` section: which meter, and the figures an estimate is made of.

use serde::Deserialize;
use trimtab_core::{Joules, Watts};

/// Power of one busy core of a small board above its idle draw, in watts; a Raspberry Pi 5 is near it.
pub const WATTS_PER_CORE: f64 = 1.5;
/// Share of the board's idle draw that is charged to whatever is going on, in watts.
pub const IDLE_WATTS: f64 = 0.5;
/// Energy of sending one byte over Wi-Fi, in microjoules. Source: Huang et al., "A close examination of performance and
/// power characteristics of 4G LTE networks" (2012), 283 mW per Mbit/s of upload.
pub const UPLINK_UJ_PER_BYTE: f64 = 2.3;
/// The most that any power in this section may be, in watts.
pub const WATTS_MAX: f64 = 10_000.0;
/// The most that a byte may cost, in microjoules.
const UJ_PER_BYTE_MAX: f64 = 1e6;

/// `[energy]` as written.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEnergy {
    /// `auto`, `powercap`, `estimate` or `none`.
    pub meter: Option<String>,
    /// Watts of one busy core, for the estimate.
    pub watts_per_core: Option<f64>,
    /// Watts charged while time passes, for the estimate.
    pub idle_watts: Option<f64>,
    /// Microjoules of sending a byte, for the estimate.
    pub uplink_uj_per_byte: Option<f64>,
    /// The most the board can draw, in watts; the default is made from the cores, or from the counter's own limit.
    pub peak_watts: Option<f64>,
}

/// Which meter to take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MeterChoice {
    /// The best there is.
    #[default]
    Auto,
    /// The processor's counter or nothing.
    Powercap,
    /// The model, even where there is a counter.
    Estimate,
    /// None: energy is unknown, and an energy budget refuses every turn.
    None,
}

/// `[energy]`, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnergyConfig {
    pub(super) meter: MeterChoice,
    pub(super) per_core: Watts,
    pub(super) idle: Watts,
    /// Nanojoules.
    pub(super) per_byte: u64,
    pub(super) peak: Option<Watts>,
}

impl EnergyConfig {
    /// Which meter is wanted.
    #[must_use]
    pub const fn meter(&self) -> MeterChoice {
        self.meter
    }
    /// Power while so many cores compute, as the estimate charges it.
    #[must_use]
    pub const fn busy(&self, cores: u32) -> Watts {
        let computing = self.per_core.micro().saturating_mul(cores as u64);
        Watts::from_micro(computing.saturating_add(self.idle.micro()))
    }
    /// Power while nothing is computed, as the estimate charges it.
    #[must_use]
    pub const fn idle(&self) -> Watts {
        self.idle
    }
    /// Energy of sending a mebibyte, as the estimate charges it.
    #[must_use]
    pub const fn uplink_per_mebibyte(&self) -> Joules {
        Joules::from_micro(self.per_byte.saturating_mul(1 << 20).div_ceil(1000))
    }
}

impl Default for EnergyConfig {
    fn default() -> Self {
        Self {
            meter: MeterChoice::Auto,
            per_core: micro(WATTS_PER_CORE),
            idle: micro(IDLE_WATTS),
            per_byte: (UPLINK_UJ_PER_BYTE * 1e3) as u64,
            peak: None,
        }
    }
}

/// Why the section cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnergyConfigError {
    /// No such meter.
    #[error("[energy] meter = {given:?}: write \"auto\", \"powercap\", \"estimate\" or \"none\"")]
    Meter {
        /// What was written.
        given: String,
    },
    /// A figure that cannot be.
    #[error("[energy] {key} = {given}: write a number from 0 to {max}")]
    Range {
        /// Which key.
        key: &'static str,
        /// What was written.
        given: f64,
        /// The largest allowed.
        max: f64,
    },
}

fn micro(watts: f64) -> Watts {
    Watts::from_micro((watts * 1e6).ceil() as u64)
}

fn within(key: &'static str, given: Option<f64>, default: f64, max: f64) -> Result<f64, EnergyConfigError> {
    let value = given.unwrap_or(default);
    if (0.0..=max).contains(&value) { Ok(value) } else { Err(EnergyConfigError::Range { key, given: value, max }) }
}

impl TryFrom<RawEnergy> for EnergyConfig {
    type Error = EnergyConfigError;

    fn try_from(raw: RawEnergy) -> Result<Self, EnergyConfigError> {
        let meter = match raw.meter.as_deref() {
            None | Some("auto") => MeterChoice::Auto,
            Some("powercap") => MeterChoice::Powercap,
            Some("estimate") => MeterChoice::Estimate,
            Some("none") => MeterChoice::None,
            Some(other) => {
                return Err(EnergyConfigError::Meter { given: other.to_owned() });
            }
        };
        let watts = |key, given, default| within(key, given, default, WATTS_MAX).map(micro);
        let per_byte = within("uplink_uj_per_byte", raw.uplink_uj_per_byte, UPLINK_UJ_PER_BYTE, UJ_PER_BYTE_MAX)?;
        Ok(Self {
            meter,
            per_core: watts("watts_per_core", raw.watts_per_core, WATTS_PER_CORE)?,
            idle: watts("idle_watts", raw.idle_watts, IDLE_WATTS)?,
            per_byte: (per_byte * 1e3).ceil() as u64,
            peak: raw.peak_watts.map(|given| watts("peak_watts", Some(given), given)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_figure_is_named_with_its_range() {
        let energy = |raw: RawEnergy| EnergyConfig::try_from(raw);
        assert_eq!(energy(RawEnergy::default()), Ok(EnergyConfig::default()));
        let negative = RawEnergy { idle_watts: Some(-1.0), ..RawEnergy::default() };
        assert_eq!(
            energy(negative).unwrap_err().to_string(),
            "[energy] idle_watts = -1: write a number from 0 to 10000"
        );
        let no_number = RawEnergy { peak_watts: Some(f64::NAN), ..RawEnergy::default() };
        assert!(energy(no_number).is_err());
        let no_meter = RawEnergy { meter: Some("guess".to_owned()), ..RawEnergy::default() };
        assert!(energy(no_meter).unwrap_err().to_string().contains("\"estimate\""));
    }
}
