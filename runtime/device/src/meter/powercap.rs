//! The processor's own energy counter, as the kernel's powercap interface shows it (RAPL on x86).
//!
//! Each package is a zone `intel-rapl:N` with `energy_uj`, a counter that starts anew after `max_energy_range_uj`. A zone
//! named `psys` counts the whole board and, where there is one, is taken instead of the packages. Sub-zones are parts of
//! their package and would count twice.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use trimtab_core::{Joules, Millis, Watts};
use trimtab_turn::EnergySource;

use super::files::{self, number, text};
use super::{Meter, MeterError};

/// Most zones that are added up: packages of one machine.
pub const ZONES_MAX: usize = 16;
/// The counter is refreshed about every millisecond.
const PERIOD: Millis = Millis::new(1);
/// Power assumed for a package that does not tell its limit.
const PACKAGE_PEAK: Watts = Watts::from_milli(250_000);
/// How the folder of a package begins; its number follows.
const PACKAGE: &str = "intel-rapl:";
/// Constraints of a zone that are looked at for a limit.
const CONSTRAINTS_MAX: usize = 4;

#[derive(Debug)]
struct Zone {
    counter: PathBuf,
    range: u64,
    last: u64,
}

/// Joules of the processor packages, measured.
#[derive(Debug)]
pub struct Powercap {
    name: String,
    peak: Watts,
    state: Mutex<(Vec<Zone>, Joules)>,
}

impl Powercap {
    /// Opens all packages under `root`; `peak` overrides what the zones say of their limits. Fails if there are none or one
    /// cannot be read.
    pub fn open(root: &Path, peak: Option<Watts>) -> Result<Self, MeterError> {
        let found = zones(root)?;
        let whole_board: Vec<_> = found.iter().filter(|(_, name)| name == "psys").cloned().collect();
        let chosen = if whole_board.is_empty() { found } else { whole_board };
        let mut zones = Vec::new();
        let mut limits = Watts::ZERO;
        for (folder, _) in &chosen {
            let counter = folder.join("energy_uj");
            zones.push(Zone { range: number(&folder.join("max_energy_range_uj"))?, last: number(&counter)?, counter });
            limits = limits.plus(limit(folder));
        }
        let names: Vec<_> = chosen.iter().map(|(_, name)| name.as_str()).collect();
        Ok(Self {
            name: format!("powercap {}", names.join("+")),
            peak: peak.unwrap_or(limits),
            state: Mutex::new((zones, Joules::ZERO)),
        })
    }
}

impl Meter for Powercap {
    fn source(&self) -> EnergySource {
        EnergySource::Measured(self.name.clone())
    }

    /// A counter that has started anew since the last reading is seen as such once; read more often than it wraps, which
    /// takes minutes at the least.
    fn energy(&self) -> Result<Joules, MeterError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (zones, total) = &mut *state;
        // All are read before any is booked, so a failing zone leaves the account consistent.
        let readings: Vec<u64> = zones.iter().map(|zone| number(&zone.counter)).collect::<Result<_, _>>()?;
        for (zone, now) in zones.iter_mut().zip(readings) {
            let since = if now >= zone.last {
                now - zone.last
            } else {
                zone.range.saturating_sub(zone.last).saturating_add(now)
            };
            zone.last = now;
            *total = total.plus(Joules::from_micro(since));
        }
        Ok(*total)
    }

    fn peak(&self) -> Watts {
        self.peak
    }

    fn period(&self) -> Millis {
        PERIOD
    }
}

/// Folders and names of the top-level zones, in the order of their folders.
fn zones(root: &Path) -> Result<Vec<(PathBuf, String)>, MeterError> {
    let absent = || MeterError::Absent { path: root.to_path_buf(), what: "energy counter" };
    let mut folders = files::folders(root, PACKAGE)?;
    folders.retain(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(PACKAGE));
        name.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    });
    folders.truncate(ZONES_MAX);
    if folders.is_empty() {
        return Err(absent());
    }
    folders
        .into_iter()
        .map(|folder| {
            let name = text(&folder.join("name"))?;
            Ok((folder, name))
        })
        .collect()
}

/// The highest power limit that a zone tells.
fn limit(zone: &Path) -> Watts {
    (0..CONSTRAINTS_MAX)
        .flat_map(|index| {
            ["max_power_uw", "power_limit_uw"].map(|file| zone.join(format!("constraint_{index}_{file}")))
        })
        .filter_map(|path| number(&path).ok())
        .max()
        .filter(|limit| *limit > 0)
        .map_or(PACKAGE_PEAK, Watts::from_micro)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn zone(root: &Path, folder: &str, name: &str, energy: &str) {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("energy_uj"), energy).unwrap();
        fs::write(folder.join("max_energy_range_uj"), "1000000\n").unwrap();
    }

    fn set(root: &Path, folder: &str, energy: u64) {
        fs::write(root.join(folder).join("energy_uj"), format!("{energy}\n")).unwrap();
    }

    #[test]
    fn packages_add_up_parts_do_not_and_a_wrap_is_seen() {
        let root = tempfile::tempdir().unwrap();
        zone(root.path(), "intel-rapl:0", "package-0", "999000\n");
        zone(root.path(), "intel-rapl:0:0", "core", "5\n");
        zone(root.path(), "intel-rapl:1", "package-1", "10\n");
        zone(root.path(), "intel-rapl-mmio:0", "package-0", "999000\n");
        fs::write(root.path().join("intel-rapl:0/constraint_0_max_power_uw"), "35000000\n").unwrap();
        let meter = Powercap::open(root.path(), None).unwrap();
        assert_eq!(meter.energy().unwrap(), Joules::ZERO);
        set(root.path(), "intel-rapl:0", 500);
        set(root.path(), "intel-rapl:0:0", 700_000);
        set(root.path(), "intel-rapl:1", 40);
        assert_eq!(meter.energy().unwrap(), Joules::from_micro(1_000 + 500 + 30));
        assert_eq!(meter.source(), EnergySource::Measured("powercap package-0+package-1".to_owned()));
        assert_eq!(meter.peak(), Watts::from_milli(35_000).plus(PACKAGE_PEAK));
    }

    #[test]
    fn a_counter_that_goes_away_is_an_error_and_no_energy_is_lost() {
        let root = tempfile::tempdir().unwrap();
        zone(root.path(), "intel-rapl:0", "package-0", "100\n");
        let meter = Powercap::open(root.path(), None).unwrap();
        fs::write(root.path().join("intel-rapl:0/energy_uj"), "busy\n").unwrap();
        let error = meter.energy().unwrap_err().to_string();
        assert!(error.contains("energy_uj: \"busy\" is no number"), "{error}");
        set(root.path(), "intel-rapl:0", 350);
        assert_eq!(meter.energy().unwrap(), Joules::from_micro(250));
    }
}
