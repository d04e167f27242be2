//! The battery's own gauge, as the kernel's `power_supply` interface shows it.
//!
//! While a battery discharges and nothing else feeds the board, what it gives is what the board draws; while it is charged
//! its gauge says nothing of that, and readings are refused. Drivers disagree about the sign of a discharging current, so its
//! amount is taken. `power_now` is in microwatts, `current_now` in microamperes, `voltage_now` in microvolts. A gauge with none
//! of them is followed by its charge (`energy_now` in microwatt-hours, `charge_now` in microampere-hours): the mean power
//! between two of its steps, which are coarse; that only where the configuration insists on the battery. Of several batteries
//! all that discharge add up.
//!
//! Source: the kernel's documentation of the `power_supply` class.

use std::path::{Path, PathBuf};
use std::time::Instant;

use trimtab_core::Watts;

use super::files::{self, ValueFile};
use super::{MeterError, MeterKind, PowerSensor};

/// Joules of a microwatt-hour.
const JOULES_PER_MICROWATT_HOUR: f64 = 3600.0 / 1e6;

/// The board's draw by its battery.
#[derive(Debug)]
pub struct Battery {
    root: PathBuf,
    wanted: Option<String>,
    coarse: bool,
    name: String,
    /// Empty after a failure: the device may come back.
    gauges: Vec<Gauge>,
}

#[derive(Debug)]
struct Gauge {
    name: String,
    status: ValueFile,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Power(ValueFile),
    Product { volts: ValueFile, amperes: ValueFile },
    Charge(Charge),
}

/// What is left, and how fast it went down between its last two steps.
#[derive(Debug)]
struct Charge {
    left: ValueFile,
    /// Where the charge is in ampere-hours.
    volts: Option<ValueFile>,
    step: Option<(Instant, f64)>,
    mean: Option<f64>,
}

impl Battery {
    /// Looks under `root`, usually `/sys/class/power_supply`, for the battery of that name, or all that feed the board.
    /// `coarse` accepts a gauge that tells only what is left.
    pub fn open(root: &Path, wanted: Option<&str>, coarse: bool) -> Result<Self, MeterError> {
        let gauges = find(root, wanted, coarse)?;
        let names: Vec<&str> = gauges.iter().map(|gauge| gauge.name.as_str()).collect();
        let name = format!("battery {}", names.join("+"));
        Ok(Self { root: root.to_owned(), wanted: wanted.map(str::to_owned), coarse, name, gauges })
    }
}

impl PowerSensor for Battery {
    fn kind(&self) -> MeterKind {
        MeterKind::Battery
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn reads(&self) -> Vec<String> {
        self.gauges.iter().flat_map(Gauge::files).map(|file| file.path().display().to_string()).collect()
    }

    fn power(&mut self) -> Result<Watts, MeterError> {
        if self.gauges.is_empty() {
            self.gauges = find(&self.root, self.wanted.as_deref(), self.coarse)?;
        }
        let (mut watts, mut idle) = (None, None);
        for gauge in &mut self.gauges {
            match gauge.watts() {
                Ok(more) => watts = Some(watts.unwrap_or(0.0) + more),
                // A battery that is being charged, or that waits for its turn, gives nothing.
                Err(fault @ MeterError::Charging { .. }) => idle = Some(fault),
                // One whose first step is awaited is still there.
                Err(fault @ MeterError::Waiting { .. }) => return Err(fault),
                Err(fault) => {
                    self.gauges.clear();
                    return Err(fault);
                }
            }
        }
        match (watts, idle) {
            (Some(watts), _) => Ok(Watts::from_micro((watts * 1e6).round() as u64)),
            (None, Some(fault)) => Err(fault),
            (None, None) => Err(absent(&self.root)),
        }
    }
}

impl Gauge {
    fn files(&self) -> Vec<&ValueFile> {
        let mut files = vec![&self.status];
        match &self.source {
            Source::Power(power) => files.push(power),
            Source::Product { volts, amperes } => files.extend([volts, amperes]),
            Source::Charge(charge) => files.extend([Some(&charge.left), charge.volts.as_ref()].into_iter().flatten()),
        }
        files
    }

    fn watts(&mut self) -> Result<f64, MeterError> {
        let status = self.status.text()?;
        if status != "Discharging" {
            return Err(MeterError::Charging { path: self.status.path().to_owned(), status });
        }
        match &mut self.source {
            Source::Power(power) => Ok(power.number::<i64>()?.unsigned_abs() as f64 * 1e-6),
            Source::Product { volts, amperes } => {
                let (volts, amperes): (i64, i64) = (volts.number()?, amperes.number()?);
                Ok(volts.unsigned_abs() as f64 * amperes.unsigned_abs() as f64 * 1e-12)
            }
            Source::Charge(charge) => charge.watts(),
        }
    }
}

impl Charge {
    fn watts(&mut self) -> Result<f64, MeterError> {
        let micro = self.left.number::<i64>()? as f64;
        let volts = match &self.volts {
            Some(volts) => volts.number::<i64>()? as f64 * 1e-6,
            None => 1.0,
        };
        let left = micro * volts * JOULES_PER_MICROWATT_HOUR;
        let now = Instant::now();
        match self.step {
            None => self.step = Some((now, left)),
            Some((at, before)) if left < before => {
                self.mean = Some((before - left) / now.duration_since(at).as_secs_f64());
                self.step = Some((now, left));
            }
            Some(_) => {}
        }
        self.mean.ok_or_else(|| MeterError::Waiting { path: self.left.path().to_owned() })
    }
}

fn find(root: &Path, wanted: Option<&str>, coarse: bool) -> Result<Vec<Gauge>, MeterError> {
    let (mut gauges, mut coarse_one) = (Vec::new(), None);
    for folder in files::folders(root, wanted.unwrap_or_default())? {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if wanted.is_some_and(|wanted| wanted != name) || !feeds_the_board(&folder) {
            continue;
        }
        let open = |file: &str| ValueFile::open(folder.join(file));
        let has = |file: &str| folder.join(file).exists();
        let source = if has("power_now") {
            Source::Power(open("power_now")?)
        } else if has("current_now") && has("voltage_now") {
            Source::Product { volts: open("voltage_now")?, amperes: open("current_now")? }
        } else if has("energy_now") {
            Source::Charge(Charge { left: open("energy_now")?, volts: None, step: None, mean: None })
        } else if has("charge_now") && has("voltage_now") {
            let volts = Some(open("voltage_now")?);
            Source::Charge(Charge { left: open("charge_now")?, volts, step: None, mean: None })
        } else {
            continue;
        };
        if matches!(source, Source::Charge(_)) && !coarse {
            coarse_one = Some(folder.clone());
            continue;
        }
        gauges.push(Gauge { name, status: open("status")?, source });
    }
    match (gauges.is_empty(), coarse_one) {
        (false, _) => Ok(gauges),
        (true, Some(path)) => Err(MeterError::Coarse { path }),
        (true, None) => Err(absent(root)),
    }
}

fn absent(root: &Path) -> MeterError {
    MeterError::Absent { path: root.to_owned(), what: "battery with a gauge" }
}

/// Batteries of mice and headsets have the scope of their device.
fn feeds_the_board(folder: &Path) -> bool {
    let says = |file: &str, text: &str| files::text(&folder.join(file)).is_ok_and(|said| said == text);
    says("type", "Battery") && !says("scope", "Device") && !says("present", "0")
}
