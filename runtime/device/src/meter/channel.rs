//! Channels of power sensors on the board, and which of them make up the board's draw.
//!
//! A chip has channels: wires that it measures. Without a choice by the configuration the best-known kind of chip that is
//! there counts. If one of its channels is labelled as the board's input, that one is the draw; otherwise the draw is the
//! sum of all channels of all chips of that kind that are switched on.

use std::path::{Path, PathBuf};

use trimtab_core::Watts;

use super::files::{self, ValueFile};
use super::{MeterError, MeterKind, PowerSensor};

/// Chips that are put on boards to measure the board's own supply, the most telling first.
const BOARD_CHIPS: [&str; 21] = [
    "ina3221",
    "ina226",
    "ina219",
    "ina220",
    "ina230",
    "ina231",
    "ina232",
    "ina233",
    "ina237",
    "ina238",
    "ina228",
    "ina260",
    "ina209",
    "ina700",
    "ina780",
    "ltc2945",
    "ltc2947",
    "ltc4151",
    "pac1921",
    "pac1934",
    "power_meter",
];
/// Labels of a channel that carries all that the board draws.
const INPUT_LABELS: [&str; 5] = ["VDD_IN", "POM_5V_IN", "VIN", "5V_IN", "TOTAL"];
/// A channel without load may read so far below zero, in microwatts: the sensor's own offset.
const OFFSET_MICROWATTS: i64 = 20_000;

/// How the kernel shows sensors of one kind.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) kind: MeterKind,
    /// How the folders of its chips begin; their numbers follow.
    pub(super) prefix: &'static str,
    /// The channels of the chip of that name in that folder that are switched on.
    pub(super) channels: fn(&Path, &str) -> Result<Vec<Channel>, MeterError>,
}

/// The board's draw by the sensors that are on it.
#[derive(Debug)]
pub struct BoardSensor {
    interface: &'static Interface,
    root: PathBuf,
    wanted: Option<ChannelChoice>,
    name: String,
    /// None after a failure: the device may come back under another number.
    board: Option<Board>,
}

impl BoardSensor {
    pub(super) fn open(
        interface: &'static Interface,
        root: &Path,
        wanted: Option<&ChannelChoice>,
    ) -> Result<Self, MeterError> {
        let board = find(interface, root, wanted)?;
        let name = board.name.clone();
        Ok(Self { interface, root: root.to_owned(), wanted: wanted.cloned(), name, board: Some(board) })
    }
}

impl PowerSensor for BoardSensor {
    fn kind(&self) -> MeterKind {
        self.interface.kind
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
            None => find(self.interface, &self.root, self.wanted.as_ref())?,
        };
        let power = board.power()?;
        self.board = Some(board);
        Ok(power)
    }
}

fn find(interface: &Interface, root: &Path, wanted: Option<&ChannelChoice>) -> Result<Board, MeterError> {
    let mut chips = Vec::new();
    for folder in files::folders(root, interface.prefix)? {
        // A chip without a name is none that could be asked for.
        let Ok(name) = files::text(&folder.join("name")) else { continue };
        let channels = (interface.channels)(&folder, &name)?;
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        chips.push(Chip { name, folder, channels });
    }
    let absent = || MeterError::Absent { path: root.to_owned(), what: "power sensor of a board" };
    Board::choose(interface.kind.name(), chips, wanted)?.ok_or_else(absent)
}

/// A value of the kernel with its unit: `(number + offset) * scale`, in volts, amperes or watts.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) file: ValueFile,
    pub(super) scale: f64,
    pub(super) offset: f64,
}

impl Value {
    fn read(&self) -> Result<f64, MeterError> {
        // The kernel writes whole numbers here; a driver that writes decimals is understood too.
        let number: f64 = self.file.number()?;
        let value = (number + self.offset) * self.scale;
        if value.is_finite() {
            return Ok(value);
        }
        Err(MeterError::Form { path: self.file.path().to_owned(), text: number.to_string() })
    }
}

/// What a channel's power is made of.
#[derive(Debug)]
pub(super) enum Source {
    Power(Value),
    Product { volts: Value, amperes: Value },
}

/// One wire that a chip measures.
#[derive(Debug)]
pub(super) struct Channel {
    /// Its number, as in the names of its files.
    pub(super) number: usize,
    /// As the board names it.
    pub(super) label: Option<String>,
    pub(super) source: Source,
}

impl Channel {
    fn name(&self) -> String {
        self.label.clone().unwrap_or_else(|| self.number.to_string())
    }

    fn is(&self, wanted: &str) -> bool {
        self.label.as_deref() == Some(wanted) || wanted.parse() == Ok(self.number)
    }

    /// Microwatts now. A current that flows backwards is a fault of the wiring and never a gain.
    pub(super) fn microwatts(&self, key: &'static str) -> Result<u64, MeterError> {
        let (watts, file) = match &self.source {
            Source::Power(power) => (power.read()?, &power.file),
            Source::Product { volts, amperes } => (volts.read()? * amperes.read()?, &amperes.file),
        };
        let microwatts = (watts * 1e6).round() as i64;
        if microwatts < -OFFSET_MICROWATTS {
            return Err(MeterError::Negative { path: file.path().to_owned(), watts, key });
        }
        Ok(u64::try_from(microwatts).unwrap_or(0))
    }

    pub(super) fn files(&self) -> Vec<String> {
        let files = match &self.source {
            Source::Power(power) => vec![&power.file],
            Source::Product { volts, amperes } => vec![&volts.file, &amperes.file],
        };
        files.into_iter().map(|file| file.path().display().to_string()).collect()
    }
}

/// A chip with the channels that are switched on.
#[derive(Debug)]
struct Chip {
    name: String,
    /// The folder's own name.
    folder: String,
    channels: Vec<Channel>,
}

/// Which channels the configuration wants: `ina3221`, `ina3221/VDD_IN`, `ina3221/1+2`, or a folder's name instead of the chip's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelChoice {
    pub(super) chip: String,
    pub(super) channels: Vec<String>,
}

impl ChannelChoice {
    /// None where a name is missing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (chip, channels) = text.split_once('/').map_or((text, None), |(chip, channels)| (chip, Some(channels)));
        let channels: Vec<String> = channels.iter().flat_map(|list| list.split('+')).map(str::to_owned).collect();
        let whole = !chip.is_empty() && channels.iter().all(|channel| !channel.is_empty());
        whole.then(|| Self { chip: chip.to_owned(), channels })
    }
}

impl std::fmt::Display for ChannelChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.chip)?;
        for (place, channel) in self.channels.iter().enumerate() {
            write!(f, "{}{channel}", if place == 0 { '/' } else { '+' })?;
        }
        Ok(())
    }
}

/// The channels whose sum is the board's draw.
#[derive(Debug)]
struct Board {
    name: String,
    channels: Vec<Channel>,
    key: &'static str,
}

impl Board {
    /// Picks from what was found; `key` is the key of the configuration that chooses otherwise.
    fn choose(key: &'static str, chips: Vec<Chip>, wanted: Option<&ChannelChoice>) -> Result<Option<Self>, MeterError> {
        match wanted {
            Some(wanted) => Self::wanted(key, chips, wanted).map(Some),
            None => Self::best(key, chips),
        }
    }

    fn wanted(key: &'static str, chips: Vec<Chip>, wanted: &ChannelChoice) -> Result<Self, MeterError> {
        let there: Vec<String> = chips.iter().flat_map(names).collect();
        let missing = || MeterError::Channel { key, wanted: wanted.to_string(), there: there.join(", ") };
        let mut channels: Vec<Channel> = chips
            .into_iter()
            .filter(|chip| chip.name == wanted.chip || chip.folder == wanted.chip)
            .flat_map(|chip| chip.channels)
            .collect();
        if !wanted.channels.is_empty() {
            let all_there = wanted.channels.iter().all(|name| channels.iter().any(|channel| channel.is(name)));
            if !all_there {
                return Err(missing());
            }
            channels.retain(|channel| wanted.channels.iter().any(|name| channel.is(name)));
        }
        if channels.is_empty() { Err(missing()) } else { Ok(Self::of(key, &wanted.chip, channels)) }
    }

    fn best(key: &'static str, mut chips: Vec<Chip>) -> Result<Option<Self>, MeterError> {
        chips.retain(|chip| !chip.channels.is_empty());
        let Some(kind) = BOARD_CHIPS.into_iter().find(|kind| chips.iter().any(|chip| chip.name == *kind)) else {
            let Some(other) = chips.first() else { return Ok(None) };
            return Err(MeterError::Part { key, chip: other.name.clone() });
        };
        let mut channels: Vec<Channel> =
            chips.into_iter().filter(|chip| chip.name == kind).flat_map(|chip| chip.channels).collect();
        let is_input = |channel: &Channel| channel.label.as_deref().is_some_and(|label| INPUT_LABELS.contains(&label));
        if let Some(input) = channels.iter().position(is_input) {
            channels = vec![channels.swap_remove(input)];
        }
        Ok(Some(Self::of(key, kind, channels)))
    }

    fn of(key: &'static str, chip: &str, channels: Vec<Channel>) -> Self {
        let names: Vec<String> = channels.iter().map(Channel::name).collect();
        Self { name: format!("{key} {chip}/{}", names.join("+")), channels, key }
    }

    fn power(&self) -> Result<Watts, MeterError> {
        let sum = self.channels.iter().map(|channel| channel.microwatts(self.key)).sum::<Result<u64, _>>()?;
        Ok(Watts::from_micro(sum))
    }

    fn files(&self) -> Vec<String> {
        self.channels.iter().flat_map(Channel::files).collect()
    }
}

fn names(chip: &Chip) -> Vec<String> {
    chip.channels.iter().map(|channel| format!("{}/{}", chip.name, channel.name())).collect()
}
