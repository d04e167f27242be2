//! The `[energy]` section: which meter, and the figures an estimate is made of.

use std::path::PathBuf;

use serde::Deserialize;
use trimtab_core::{Joules, Millis, Watts};

use super::{ChannelChoice, MeterKind};
use crate::config::quantity::{self, QuantityError};

/// Power of one busy core of a small board above its idle draw, in watts; a Raspberry Pi 5 is near it.
pub const WATTS_PER_CORE: f64 = 1.5;
/// Share of the board's idle draw that is charged to whatever is going on, in watts.
pub const IDLE_WATTS: f64 = 0.5;
/// Energy of sending one byte over Wi-Fi, in microjoules. Source: Huang et al., "A close examination of performance and
/// power characteristics of 4G LTE networks" (2012), 283 mW per Mbit/s of upload.
pub const UPLINK_UJ_PER_BYTE: f64 = 2.3;
/// The most that any power in this section may be, in watts.
pub const WATTS_MAX: f64 = 10_000.0;
/// Where the kernel shows its sensors.
pub const SYSFS: &str = "/sys";
/// Sensors are read at most so often.
pub const PERIOD_MIN: Millis = Millis::new(10);
/// And at least so often.
pub const PERIOD_MAX: Millis = Millis::new(10_000);
/// The most that a byte may cost, in microjoules.
const UJ_PER_BYTE_MAX: f64 = 1e6;

/// `[energy]` as written.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEnergy {
    /// `auto`, `none`, or one kind of meter.
    pub meter: Option<String>,
    /// Chip and channels that make up the board's draw, as in `ina3221/VDD_IN`.
    pub hwmon: Option<String>,
    /// The same for industrial I/O.
    pub iio: Option<String>,
    /// The battery's name.
    pub battery: Option<String>,
    /// How often a sensor is read, as in `50 ms`.
    pub period: Option<String>,
    /// Where the kernel shows its sensors.
    pub sysfs: Option<PathBuf>,
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
    /// This kind or nothing.
    Only(MeterKind),
    /// None: energy is unknown, and an energy budget refuses every turn.
    None,
}

/// `[energy]`, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnergyConfig {
    pub(super) meter: MeterChoice,
    pub(super) hwmon: Option<ChannelChoice>,
    pub(super) iio: Option<ChannelChoice>,
    pub(super) battery: Option<String>,
    /// None: what suits the kind of sensor.
    pub(super) period: Option<Millis>,
    pub(super) sysfs: PathBuf,
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
            hwmon: None,
            iio: None,
            battery: None,
            period: None,
            sysfs: PathBuf::from(SYSFS),
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
    #[error(
        "[energy] meter = {given:?}: write \"auto\", \"supervisor\", \"hwmon\", \"iio\", \"pmic\", \"powercap\", \"battery\", \"estimate\" or \"none\""
    )]
    Meter {
        /// What was written.
        given: String,
    },
    /// No choice of channels.
    #[error(
        "[energy] {key} = {given:?}: write a chip, or chip/channel, as in \"ina3221/VDD_IN\" or \"ina3221/1+2\"; `trimtab meter list` shows what there is"
    )]
    Choice {
        /// Which key.
        key: &'static str,
        /// What was written.
        given: String,
    },
    /// No battery's name.
    #[error("[energy] battery = {given:?}: write the name of a folder of /sys/class/power_supply")]
    Battery {
        /// What was written.
        given: String,
    },
    /// No time.
    #[error("[energy] period: {0}")]
    Time(#[from] QuantityError),
    /// A time that cannot be.
    #[error("[energy] period = {given}: write a time from {least} to {most}")]
    Period {
        /// What was written.
        given: Millis,
        /// The shortest allowed.
        least: Millis,
        /// The longest allowed.
        most: Millis,
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

fn within(key: &'static str, given: Option<f64>, max: f64) -> Result<Option<f64>, EnergyConfigError> {
    match given {
        Some(given) if !(0.0..=max).contains(&given) => Err(EnergyConfigError::Range { key, given, max }),
        given => Ok(given),
    }
}

impl EnergyConfig {
    /// This with what is written put in force; what is not written stays.
    pub fn with(&self, raw: &RawEnergy) -> Result<Self, EnergyConfigError> {
        let mut config = self.clone();
        if let Some(name) = raw.meter.as_deref() {
            config.meter = match name {
                "auto" => MeterChoice::Auto,
                "none" => MeterChoice::None,
                name => MeterKind::ORDER
                    .into_iter()
                    .find(|kind| kind.name() == name)
                    .map(MeterChoice::Only)
                    .ok_or_else(|| EnergyConfigError::Meter { given: name.to_owned() })?,
            };
        }
        for (key, given, place) in [("hwmon", &raw.hwmon, &mut config.hwmon), ("iio", &raw.iio, &mut config.iio)] {
            if let Some(given) = given {
                let choice = ChannelChoice::parse(given);
                *place = Some(choice.ok_or_else(|| EnergyConfigError::Choice { key, given: given.clone() })?);
            }
        }
        if let Some(battery) = &raw.battery {
            if battery.is_empty() || battery.contains('/') {
                return Err(EnergyConfigError::Battery { given: battery.clone() });
            }
            config.battery = Some(battery.clone());
        }
        if let Some(period) = &raw.period {
            let given = quantity::millis(period)?;
            if !(PERIOD_MIN..=PERIOD_MAX).contains(&given) {
                return Err(EnergyConfigError::Period { given, least: PERIOD_MIN, most: PERIOD_MAX });
            }
            config.period = Some(given);
        }
        if let Some(sysfs) = &raw.sysfs {
            config.sysfs.clone_from(sysfs);
        }
        let watts = |key, given, place: &mut Watts| {
            if let Some(watts) = within(key, given, WATTS_MAX)? {
                *place = micro(watts);
            }
            Ok::<(), EnergyConfigError>(())
        };
        watts("watts_per_core", raw.watts_per_core, &mut config.per_core)?;
        watts("idle_watts", raw.idle_watts, &mut config.idle)?;
        if let Some(per_byte) = within("uplink_uj_per_byte", raw.uplink_uj_per_byte, UJ_PER_BYTE_MAX)? {
            config.per_byte = (per_byte * 1e3).ceil() as u64;
        }
        if let Some(peak) = within("peak_watts", raw.peak_watts, WATTS_MAX)? {
            config.peak = Some(micro(peak));
        }
        Ok(config)
    }
}

impl TryFrom<RawEnergy> for EnergyConfig {
    type Error = EnergyConfigError;

    fn try_from(raw: RawEnergy) -> Result<Self, EnergyConfigError> {
        Self::default().with(&raw)
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

    #[test]
    fn every_key_says_what_to_write_instead() {
        let said = |raw: RawEnergy| EnergyConfig::try_from(raw).unwrap_err().to_string();
        let text = |text: &str| Some(text.to_owned());
        let hwmon = said(RawEnergy { hwmon: text("ina3221/"), ..RawEnergy::default() });
        assert!(hwmon.contains("[energy] hwmon = \"ina3221/\": write a chip") && hwmon.contains("VDD_IN"), "{hwmon}");
        assert!(said(RawEnergy { iio: text("/2"), ..RawEnergy::default() }).contains("[energy] iio"));
        assert!(said(RawEnergy { battery: text("../BAT0"), ..RawEnergy::default() }).contains("power_supply"));
        let period = said(RawEnergy { period: text("5 ms"), ..RawEnergy::default() });
        assert!(period.starts_with("[energy] period = ") && period.contains("from "), "{period}");
        assert!(
            said(RawEnergy { period: text("often"), ..RawEnergy::default() }).contains("does not begin with a number")
        );
    }

    #[test]
    fn a_second_file_changes_only_what_it_says() {
        let first = RawEnergy {
            meter: Some("hwmon".to_owned()),
            hwmon: Some("ina3221/1+2".to_owned()),
            ..RawEnergy::default()
        };
        let first = EnergyConfig::try_from(first).unwrap();
        let second = first.with(&RawEnergy { idle_watts: Some(2.7), ..RawEnergy::default() }).unwrap();
        assert_eq!(second.meter, MeterChoice::Only(MeterKind::Hwmon));
        assert_eq!(second.hwmon.as_ref().map(ToString::to_string).as_deref(), Some("ina3221/1+2"));
        assert_eq!((second.idle(), first.idle()), (Watts::from_milli(2_700), Watts::from_milli(500)));
    }
}
