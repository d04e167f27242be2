//! Power sensors of the kernel's industrial I/O interface: `in_power*` in milliwatts, or `in_voltage*` in millivolts times
//! `in_current*` in milliamperes, each `(raw + offset) * scale`.
//!
//! Source: the kernel's documentation of the IIO sysfs interface.

use std::path::{Path, PathBuf};

use trimtab_core::Watts;

use super::channel::{Board, Channel, ChannelChoice, Chip, Source, Value};
use super::files::{self, ValueFile};
use super::{MeterError, MeterKind, PowerSensor};

/// Channels of a device that are looked for: 0 to this.
const CHANNELS_MAX: usize = 16;
/// The key of the configuration that chooses channels.
const KEY: &str = "iio";

/// The board's draw by industrial I/O.
#[derive(Debug)]
pub struct Iio {
    root: PathBuf,
    wanted: Option<ChannelChoice>,
    name: String,
    /// None after a failure: the device may come back under another number.
    board: Option<Board>,
}

impl Iio {
    /// Looks under `root`, usually `/sys/bus/iio/devices`.
    pub fn open(root: &Path, wanted: Option<&ChannelChoice>) -> Result<Self, MeterError> {
        let board = find(root, wanted)?;
        Ok(Self { root: root.to_owned(), wanted: wanted.cloned(), name: board.name.clone(), board: Some(board) })
    }
}

impl PowerSensor for Iio {
    fn kind(&self) -> MeterKind {
        MeterKind::Iio
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn reads(&self) -> Vec<String> {
        self.board.as_ref().map(Board::files).unwrap_or_default()
    }

    fn power(&mut self) -> Result<Watts, MeterError> {
        let board = match self.board.take() {
            Some(board) => board,
            None => find(&self.root, self.wanted.as_ref())?,
        };
        let power = board.power()?;
        self.board = Some(board);
        Ok(power)
    }
}

fn find(root: &Path, wanted: Option<&ChannelChoice>) -> Result<Board, MeterError> {
    let mut chips = Vec::new();
    for folder in files::folders(root, "iio:device")? {
        // A device without a name is none that could be asked for.
        let Ok(name) = files::text(&folder.join("name")) else { continue };
        let channels = channels(&folder)?;
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        chips.push(Chip { name, folder, channels });
    }
    let absent = || MeterError::Absent { path: root.to_owned(), what: "power sensor of a board" };
    Board::choose(KEY, chips, wanted)?.ok_or_else(absent)
}

fn channels(folder: &Path) -> Result<Vec<Channel>, MeterError> {
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
