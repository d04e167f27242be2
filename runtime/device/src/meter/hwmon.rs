//! Power sensors of the kernel's hwmon interface: `power*_input` in microwatts, or `in*_input` in millivolts times
//! `curr*_input` in milliamperes of the same channel.
//!
//! Source: the kernel's documentation of the hwmon sysfs interface, and of the drivers ina3221, ina2xx and ina238.

use std::path::{Path, PathBuf};

use super::channel::{BoardSensor, Channel, ChannelChoice, Interface, Source, Value};
use super::files::{self, ValueFile};
use super::{MeterError, MeterKind};

/// Channels of a chip that are looked for: 0 to this.
const CHANNELS_MAX: usize = 16;
/// The ina3221 has three; what is numbered higher are its shunts and their sum.
const INA3221_CHANNELS: usize = 3;
/// The board's draw by hwmon.
static INTERFACE: Interface = Interface { kind: MeterKind::Hwmon, prefix: "hwmon", channels };

impl BoardSensor {
    /// By hwmon; looks under `root`, usually `/sys/class/hwmon`.
    pub fn hwmon(root: &Path, wanted: Option<&ChannelChoice>) -> Result<Self, MeterError> {
        Self::open(&INTERFACE, root, wanted)
    }
}

/// The channels that are switched on. Where a chip tells power itself, that is taken.
fn channels(folder: &Path, chip: &str) -> Result<Vec<Channel>, MeterError> {
    let last = if chip == "ina3221" { INA3221_CHANNELS } else { CHANNELS_MAX };
    let mut found = Vec::new();
    for number in 0..=last {
        let file = ["input", "average"].map(|what| folder.join(format!("power{number}_{what}")));
        if let Some(path) = file.into_iter().find(|path| path.exists()) {
            let source = Source::Power(value(path, 1e-6)?);
            found.extend(usable(Channel { number, label: label(folder, "power", number), source })?);
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    for number in 0..=last {
        let volts = folder.join(format!("in{number}_input"));
        let amperes = folder.join(format!("curr{number}_input"));
        if !volts.exists() || !amperes.exists() || is_off(folder, number) {
            continue;
        }
        let source = Source::Product { volts: value(volts, 1e-3)?, amperes: value(amperes, 1e-3)? };
        let label = label(folder, "in", number).or_else(|| label(folder, "curr", number));
        found.extend(usable(Channel { number, label, source })?);
    }
    Ok(found)
}

fn value(path: PathBuf, scale: f64) -> Result<Value, MeterError> {
    Ok(Value { file: ValueFile::open(path)?, scale, offset: 0.0 })
}

fn is_off(folder: &Path, number: usize) -> bool {
    files::text(&folder.join(format!("in{number}_enable"))).is_ok_and(|text| text == "0")
}

fn label(folder: &Path, what: &str, number: usize) -> Option<String> {
    files::text(&folder.join(format!("{what}{number}_label"))).ok().filter(|label| !label.is_empty())
}

/// A channel that says it has no data is switched off.
fn usable(channel: Channel) -> Result<Option<Channel>, MeterError> {
    let no_data = rustix::io::Errno::NODATA.raw_os_error();
    match channel.microwatts(INTERFACE.kind.name()) {
        Err(MeterError::Read { source, .. }) if source.raw_os_error() == Some(no_data) => Ok(None),
        // What is wrong with a reading is said when it counts, not while looking round.
        Ok(_) | Err(_) => Ok(Some(channel)),
    }
}
