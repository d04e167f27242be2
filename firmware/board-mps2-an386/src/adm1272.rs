//! The power sensor: an Analog Devices ADM1272, spoken to over PMBus (data sheet rev. C, "Direct format conversion").
//!
//! A code `y` stands for the value `x` with `y = (m·x + b)·10^R`. The sensor drops what is below a code: currents come in steps of
//! 50.5 mA through the board's shunt of 300 µΩ, voltages in steps of 24.6 mV.

use embedded_hal::i2c::I2c;

/// Where the board's sensor answers.
pub(crate) const ADDRESS: u8 = 0x10;

const READ_VIN: u8 = 0x88;
const READ_IOUT: u8 = 0x8c;

/// Range of 100 V: m = 4062, b = 0, R = −2 for volts.
const VOLTAGE_M: u64 = 4_062;
/// Sense range of 30 mV: m = 663 for volts over the shunt's milliohm, b = 20480, R = −1. With 300 µΩ that is 198.9 for amperes; the
/// emulated sensor counts with whole numbers, and so do we.
const CURRENT_M: i64 = 663 * SHUNT_MICROOHM / 1_000;
const CURRENT_B: i64 = 20_480;
const SHUNT_MICROOHM: i64 = 300;

/// What the sensor says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Power {
    /// At the input, in mV.
    pub(crate) millivolts: u32,
    /// To the load, in mA; negative is towards the supply.
    pub(crate) milliamps: i32,
}

/// Reads voltage and current.
pub(crate) fn read<B: I2c>(bus: &mut B) -> Result<Power, B::Error> {
    let voltage = read_word(bus, READ_VIN)?;
    let current = read_word(bus, READ_IOUT)?;
    Ok(Power { millivolts: millivolts(voltage), milliamps: milliamps(current) })
}

fn read_word<B: I2c>(bus: &mut B, command: u8) -> Result<u16, B::Error> {
    let mut word = [0; 2];
    bus.write_read(ADDRESS, &[command], &mut word)?;
    Ok(u16::from_le_bytes(word))
}

/// x = y·10² / m volts, rounded down: at most 1.62 kV.
fn millivolts(code: u16) -> u32 {
    (u64::from(code) * 100_000 / VOLTAGE_M) as u32
}

/// x = (y·10 − b) / m amperes, rounded towards zero: between −103 and 3207 A.
fn milliamps(code: u16) -> i32 {
    ((i64::from(code) * 10 - CURRENT_B) * 1_000 / CURRENT_M) as i32
}
