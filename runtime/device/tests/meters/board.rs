//! A board's sensors as the kernel shows them, in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use trimtab_device::meter::{Counters, EnergyConfig, MeterPaths, MeterSources, RawEnergy};

/// What `vcgencmd pmic_read_adc` says on a Raspberry Pi 5 at rest: 2.68 W over the rails.
pub(crate) const PMIC: &str = "     3V7_WL_SW_A current(0)=0.06000000A
       3V3_SYS_A current(1)=0.06000000A
       1V8_SYS_A current(2)=0.15000000A
      VDD_CORE_A current(7)=2.50000000A
     3V7_WL_SW_V volt(8)=3.70000000V
       3V3_SYS_V volt(9)=3.30000000V
       1V8_SYS_V volt(10)=1.80000000V
      VDD_CORE_V volt(15)=0.80000000V
         EXT5V_V volt(24)=5.10000000V
          BATT_V volt(25)=0.00000000V";

pub(crate) struct Board(tempfile::TempDir);

impl Board {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn set(&self, file: &str, text: impl ToString) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{}\n", text.to_string())).unwrap();
    }

    pub(crate) fn set_all(&self, folder: &str, files: &[(&str, &str)]) {
        for (file, text) in files {
            self.set(&format!("{folder}/{file}"), text);
        }
    }

    pub(crate) fn remove(&self, folder: &str) {
        fs::remove_dir_all(self.root().join(folder)).unwrap();
    }

    /// An ina3221 with one wire in use, as the driver shows it on a board without a device tree.
    pub(crate) fn ina3221(&self, folder: &str, millivolts: i64, milliamperes: i64) {
        let folder = format!("class/hwmon/{folder}");
        self.set(&format!("{folder}/name"), "ina3221");
        for (channel, volts, amperes) in [(1, millivolts, milliamperes), (2, 0, 0), (3, 0, 0)] {
            self.set(&format!("{folder}/in{channel}_input"), volts);
            self.set(&format!("{folder}/curr{channel}_input"), amperes);
            self.set(&format!("{folder}/in{channel}_enable"), 1);
        }
        // The shunts, which are no supply.
        self.set(&format!("{folder}/in4_input"), 8);
        self.set(&format!("{folder}/curr4_input"), 9_999);
    }

    pub(crate) fn battery(&self, files: &[(&str, &str)]) {
        let folder = "class/power_supply/test_battery";
        self.set_all(folder, &[("type", "Battery"), ("present", "1"), ("status", "Discharging")]);
        self.set_all(folder, files);
    }

    /// A program in a folder of its own, to be found first by whoever looks in that.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.root().join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// What meters are made from here; without a power chip.
    pub(crate) fn sources(&self) -> MeterSources {
        let paths = MeterPaths {
            sys: self.root().to_owned(),
            vcgencmd: self.root().join("bin/vcgencmd"),
            ..MeterPaths::default()
        };
        MeterSources { counters: Counters::default(), paths, supervisor: None }
    }
}

pub(crate) fn energy(toml: &str) -> EnergyConfig {
    let raw: RawEnergy = toml::from_str(toml).unwrap();
    EnergyConfig::try_from(raw).unwrap()
}
