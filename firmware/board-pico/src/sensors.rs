//! The sensors: power by an INA219, temperature by an LM75 or one of its kin (TMP75, TMP105), on one bus.

use ina219::SyncIna219;
use ina219::address::Address;
use ina219::calibration::UnCalibrated;
use lm75::Lm75;
use trimtab_app::{Reading, Sensors};
use trimtab_supervisor::wire::{Milliamps, Millicelsius, Millivolts};

use crate::bus::Bus;

const POWER: u8 = 0x40;
const THERMOMETER: u8 = 0x48;
/// What current flows through, mΩ: 10 mΩ for up to 32 A. Common modules carry 100 mΩ, for up to 3.2 A.
const SHUNT_MILLIOHM: i32 = 10;
/// The most that the sensor shows over the shunt, µV. Where it shows that, there may be any amount more.
const SHUNT_MAX_MICROVOLT: i32 = 320_000;

/// All sensors of the board.
pub(crate) struct OnBoard(pub(crate) Bus);

impl OnBoard {
    /// Volts and amperes. The sensor as it wakes up measures both all the time, up to 32 V and 320 mV.
    fn power(&mut self) -> Option<(Millivolts, Milliamps)> {
        let address = Address::from_byte(POWER).ok()?;
        let mut sensor = SyncIna219::new_unchecked(&mut self.0, address, UnCalibrated);
        let volts = sensor.bus_voltage().ok()?.voltage_mv();
        let shunt = sensor.shunt_voltage().ok()?.shunt_voltage_uv();
        let current = if shunt < SHUNT_MAX_MICROVOLT { shunt / SHUNT_MILLIOHM } else { i32::MAX };
        Some((Millivolts::new(i32::from(volts)), Milliamps::new(current)))
    }

    fn temperature(&mut self) -> Option<Millicelsius> {
        // It gives halves of a degree between −128 and 127.5 °C, which a float holds exactly.
        let degrees = Lm75::new(&mut self.0, THERMOMETER).read_temperature().ok()?;
        Some(Millicelsius::new((degrees * 1_000.0) as i32))
    }
}

impl Sensors for OnBoard {
    async fn read(&mut self) -> Reading {
        let power = self.power();
        Reading {
            current: power.map(|(_, current)| current),
            voltage: power.map(|(voltage, _)| voltage),
            temperature: self.temperature(),
        }
    }
}
