//! Power sensors of the kernel's industrial I/O interface: `in_power*` in milliwatts, or `in_voltage*` in millivolts times
//! `in_current*` in milliamperes, each `(raw + offset) * scale`.
//!
//! Source: the kernel's documentation of the IIO sysfs interface.

use std::path::Path;

use super::channel::{BoardSensor, Channel, ChannelChoice, Interface, Source, Value};
use super::files::{self, ValueFile};
use super::{MeterError, MeterKind};

/// Channels of a device that are looked for: 0 to this.
const CHANNELS_MAX: usize = 16;
/// The board's draw by industrial I/O.
static INTERFACE: Interface = Interface { kind: MeterKind::Iio, prefix: "iio:device", channels };

impl BoardSensor {
    /// By industrial I/O; looks under `root`, usually `/sys/bus/iio/devices`.
    pub fn iio(root: &Path, wanted: Option<&ChannelChoice>) -> Result<Self, MeterError> {
        Self::open(&INTERFACE, root, wanted)
    }
}

fn channels(folder: &Path, _chip: &str) -> Result<Vec<Channel>, MeterError> {
    let mut found = Vec::new();
    for number in 0..=CHANNELS_MAX {
        if let Some(power) = value(folder, "power", number)? {
            found.push(Channel { number, label: label(folder, "power", number), source: Source::Power(power) });
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    for number in 0..=CHANNELS_MAX {
        let (volts, amperes) = (value(folder, "voltage", number)?, value(folder, "current", number)?);
        if let (Some(volts), Some(amperes)) = (volts, amperes) {
            let label = label(folder, "voltage", number).or_else(|| label(folder, "current", number));
            found.push(Channel { number, label, source: Source::Product { volts, amperes } });
        }
    }
    Ok(found)
}

/// The channel's value in watts, volts or amperes: its own scale, else the one that all channels of its kind share.
fn value(folder: &Path, what: &str, number: usize) -> Result<Option<Value>, MeterError> {
    let place = |end: &str| folder.join(format!("in_{what}{number}_{end}"));
    if place("input").exists() {
        return Ok(Some(Value { file: ValueFile::open(place("input"))?, scale: 1e-3, offset: 0.0 }));
    }
    if !place("raw").exists() {
        return Ok(None);
    }
    let setting = |end: &str| match files::number_if_any::<f64>(&place(end))? {
        Some(own) => Ok(Some(own)),
        None => files::number_if_any(&folder.join(format!("in_{what}_{end}"))),
    };
    let (scale, offset) = (setting("scale")?.unwrap_or(1.0), setting("offset")?.unwrap_or(0.0));
    Ok(Some(Value { file: ValueFile::open(place("raw"))?, scale: scale * 1e-3, offset }))
}

fn label(folder: &Path, what: &str, number: usize) -> Option<String> {
    files::text(&folder.join(format!("in_{what}{number}_label"))).ok().filter(|label| !label.is_empty())
}
