//! What a sensor costs to read: the sampling thread does so twenty times a second.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use trimtab_device::meter::{BoardSensor, PowerSensor};

use super::{Row, Work, whole};

pub(crate) const ROWS: [Row; 1] = [Row { name: "meter: one reading of an ina3221, without its bus", ready: reading }];

/// A board in a folder: the kernel's own files cost more by the bus that they wait for.
fn reading(_: &Path) -> Result<Work> {
    let board = tempfile::tempdir()?;
    let chip = board.path().join("hwmon0");
    fs::create_dir(&chip)?;
    fs::write(chip.join("name"), "ina3221\n")?;
    for channel in 1..=3 {
        fs::write(chip.join(format!("in{channel}_input")), "5000\n")?;
        fs::write(chip.join(format!("curr{channel}_input")), "700\n")?;
    }
    let mut sensor = BoardSensor::hwmon(board.path(), None).context("the board's sensor")?;
    whole(move || {
        // The folder goes with the last reading.
        let _board = &board;
        Ok(sensor.power()?)
    })
}
