//! Heat and undervoltage: whether the board slows down, or is about to.
//!
//! | State | Means |
//! |---|---|
//! | cool | nothing |
//! | warm | a zone is within [`WARM_MARGIN`] of the point where the kernel begins to slow the processor, or a Raspberry Pi is at its soft limit |
//! | throttled | the processor is being slowed, by the kernel or by the firmware |
//! | undervoltage | the supply is too weak; the firmware slows the board, and writes may be lost next |
//!
//! Read from `class/thermal` (zones with their trip points, cooling devices), from the `rpi_volt` alarm in hwmon, and from
//! `vcgencmd get_throttled` where that is installed. What cannot be read tells nothing: this only widens quotes and warns.

use std::path::Path;
use std::time::Duration;

use crate::meter::{MeterPaths, files};
use crate::program::run;

/// How near to its trip point a zone is warm, in thousandths of a degree Celsius.
pub const WARM_MARGIN: i64 = 5_000;
/// Trip points of a zone that are looked at.
const TRIPS_MAX: usize = 12;
/// Temperatures outside are no readings, in thousandths of a degree.
const SENSIBLE: std::ops::RangeInclusive<i64> = -60_000..=200_000;
/// The program answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How the board is, from well to worse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum ThermalState {
    /// Nothing slows it.
    #[default]
    Cool,
    /// It is about to slow down.
    Warm,
    /// It is slowed.
    Throttled,
    /// Its supply is too weak.
    Undervoltage,
}

impl ThermalState {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cool => "cool",
            Self::Warm => "warm",
            Self::Throttled => "throttled",
            Self::Undervoltage => "undervoltage",
        }
    }

    /// By how much latency and energy of what is computed here are to be quoted higher, in percent of the ordinary quote. A
    /// Raspberry Pi that is throttled or undervolted runs at no less than half its clock.
    #[must_use]
    pub const fn widening_percent(self) -> u64 {
        match self {
            Self::Cool => 100,
            Self::Warm => 125,
            Self::Throttled | Self::Undervoltage => 200,
        }
    }
}

/// How the board is, and who says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// The worst that anybody says.
    pub state: ThermalState,
    /// Who says it; empty where nothing is wrong.
    pub source: String,
    /// The hottest zone, in thousandths of a degree Celsius.
    pub hottest: Option<i64>,
}

impl Condition {
    /// Looks everywhere. Blocks for milliseconds, and for seconds where the firmware's program hangs.
    #[must_use]
    pub fn look(paths: &MeterPaths) -> Self {
        let mut found = Self::default();
        found.zones(&paths.sys.join("class/thermal"));
        found.supply(&paths.hwmon());
        if let Ok(said) = run(&paths.vcgencmd, &["get_throttled"], ANSWER_WITHIN)
            && let Some(flags) = throttle_flags(&said)
        {
            found.firmware(flags);
        }
        found
    }

    fn note(&mut self, state: ThermalState, source: impl FnOnce() -> String) {
        if state > self.state {
            (self.state, self.source) = (state, source());
        }
    }

    fn zones(&mut self, root: &Path) {
        for zone in files::folders(root, "thermal_zone").unwrap_or_default() {
            let Ok(heat) = files::number::<i64>(&zone.join("temp")) else { continue };
            if !SENSIBLE.contains(&heat) {
                continue;
            }
            self.hottest = Some(self.hottest.map_or(heat, |hottest| hottest.max(heat)));
            let name = files::text(&zone.join("type")).unwrap_or_default();
            let Some(trip) = slowing_point(&zone) else { continue };
            let state = match heat {
                heat if heat >= trip => ThermalState::Throttled,
                heat if heat >= trip - WARM_MARGIN => ThermalState::Warm,
                _ => ThermalState::Cool,
            };
            let told = |point: i64| format!("{}.{}", point / 1000, (point % 1000).abs() / 100);
            self.note(state, || format!("zone {name} at {} °C, slows at {} °C", told(heat), told(trip)));
        }
        for device in files::folders(root, "cooling_device").unwrap_or_default() {
            let Ok(name) = files::text(&device.join("type")) else { continue };
            let slows = name == "Processor" || name.contains("cpufreq");
            if slows && files::number::<u64>(&device.join("cur_state")).is_ok_and(|state| state > 0) {
                self.note(ThermalState::Throttled, || format!("cooling device {name} is at work"));
            }
        }
    }

    fn supply(&mut self, root: &Path) {
        for chip in files::folders(root, "hwmon").unwrap_or_default() {
            let alarm = || files::text(&chip.join("in0_lcrit_alarm")).is_ok_and(|alarm| alarm == "1");
            if files::text(&chip.join("name")).is_ok_and(|name| name == "rpi_volt") && alarm() {
                self.note(ThermalState::Undervoltage, || {
                    "the supply's alarm (rpi_volt): use a stronger one".to_owned()
                });
            }
        }
    }

    /// Bits of what is so now; higher ones are of what was so since the start.
    fn firmware(&mut self, flags: u64) {
        let told = || format!("get_throttled says 0x{flags:x}");
        let bits = [
            (0, ThermalState::Undervoltage),
            (1, ThermalState::Throttled),
            (2, ThermalState::Throttled),
            (3, ThermalState::Warm),
        ];
        for (bit, state) in bits {
            if flags >> bit & 1 == 1 {
                self.note(state, told);
            }
        }
    }
}

/// Where the kernel begins to slow the processor: the lowest passive trip point, else the lowest hot or critical one.
fn slowing_point(zone: &Path) -> Option<i64> {
    let trips: Vec<(String, i64)> = (0..TRIPS_MAX)
        .map_while(|trip| {
            let kind = files::text(&zone.join(format!("trip_point_{trip}_type"))).ok()?;
            let heat = files::number(&zone.join(format!("trip_point_{trip}_temp"))).ok()?;
            Some((kind, heat))
        })
        .filter(|(_, heat)| *heat > 0 && SENSIBLE.contains(heat))
        .collect();
    let lowest =
        |kinds: &[&str]| trips.iter().filter(|(kind, _)| kinds.contains(&kind.as_str())).map(|trip| trip.1).min();
    lowest(&["passive"]).or_else(|| lowest(&["hot", "critical"]))
}

fn throttle_flags(said: &str) -> Option<u64> {
    u64::from_str_radix(said.trim().strip_prefix("throttled=0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    struct Board(tempfile::TempDir);

    impl Board {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn set(&self, file: &str, text: &str) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        /// As seen with a firmware that says this.
        fn look(&self, firmware: Option<&str>) -> Condition {
            let program = match firmware {
                None => PathBuf::from("no-such-program-here"),
                Some(said) => {
                    let path = self.0.path().join("vcgencmd");
                    self.set("vcgencmd", &format!("#!/bin/sh\n[ $1 = get_throttled ] && echo '{said}'\n"));
                    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
                    path
                }
            };
            Condition::look(&MeterPaths { sys: self.0.path().to_owned(), vcgencmd: program, ..MeterPaths::default() })
        }
    }

    #[test]
    fn zones_are_judged_by_where_the_kernel_slows_the_processor() {
        let board = Board::new();
        assert_eq!(board.look(None), Condition::default());
        let zone = "class/thermal/thermal_zone0/";
        for (file, text) in [
            ("type", "cpu-thermal"),
            ("trip_point_0_type", "critical"),
            ("trip_point_0_temp", "110000"),
            ("trip_point_1_type", "passive"),
            ("trip_point_1_temp", "80000"),
        ] {
            board.set(&format!("{zone}{file}"), text);
        }
        board.set("class/thermal/thermal_zone1/temp", "-274000");
        for (heat, state) in [
            ("61500", ThermalState::Cool),
            ("75000", ThermalState::Warm),
            ("80000", ThermalState::Throttled),
            ("hot", ThermalState::Cool),
        ] {
            board.set(&format!("{zone}temp"), heat);
            assert_eq!(board.look(None).state, state, "{heat}");
        }
        board.set(&format!("{zone}temp"), "81250\n");
        let hot = board.look(None);
        assert_eq!((hot.source.as_str(), hot.hottest), ("zone cpu-thermal at 81.2 °C, slows at 80.0 °C", Some(81_250)));
        board.set(&format!("{zone}temp"), "40000");
        board.set("class/thermal/cooling_device0/type", "cpufreq-cpu0");
        board.set("class/thermal/cooling_device0/cur_state", "2");
        assert_eq!(board.look(None).source, "cooling device cpufreq-cpu0 is at work");
    }

    #[test]
    fn a_weak_supply_and_the_firmware_are_heard() {
        let board = Board::new();
        // What was so before is no state.
        assert_eq!(board.look(Some("throttled=0x50000")).state, ThermalState::Cool);
        assert_eq!(board.look(Some("throttled=0x8")).state, ThermalState::Warm);
        assert_eq!(board.look(Some("throttled=0x50004")).state, ThermalState::Throttled);
        let weak = board.look(Some("throttled=0x50005"));
        assert_eq!((weak.state, weak.source.as_str()), (ThermalState::Undervoltage, "get_throttled says 0x50005"));
        assert_eq!(board.look(Some("error=1 error_msg=\"Command not registered\"")).state, ThermalState::Cool);
        board.set("class/hwmon/hwmon0/name", "rpi_volt\n");
        board.set("class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
        let weak = board.look(None);
        assert!(weak.source.contains("use a stronger one"), "{}", weak.source);
        assert!(weak.state.widening_percent() > ThermalState::Warm.widening_percent());
    }
}
