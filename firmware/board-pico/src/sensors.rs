//! The sensors: power by an INA219, temperature by an LM75 or one of its kin (TMP75, TMP105), on one bus.

use embassy_rp::Peri;
use embassy_rp::i2c::{Blocking, Config, I2c};
use embassy_rp::peripherals::{I2C0, PIN_4, PIN_5};
use ina219::SyncIna219;
use ina219::address::Address;
use ina219::calibration::UnCalibrated;
use lm75::Lm75;
use trimtab_app::{Reading, Sensors};
use trimtab_supervisor::wire::{Milliamps, Millicelsius, Millivolts};

const BUS_HZ: u32 = 400_000;
const POWER: u8 = 0x40;
const THERMOMETER: u8 = 0x48;
/// What current flows through, mΩ: 10 mΩ for up to 32 A. Common modules carry 100 mΩ, for up to 3.2 A.
const SHUNT_MILLIOHM: i32 = 10;

/// All sensors of the board.
pub(crate) struct OnBoard(I2c<'static, I2C0, Blocking>);

impl OnBoard {
    pub(crate) fn new(bus: Peri<'static, I2C0>, clock: Peri<'static, PIN_5>, data: Peri<'static, PIN_4>) -> Self {
        let mut config = Config::default();
        config.frequency = BUS_HZ;
        Self(I2c::new_blocking(bus, clock, data, config))
    }

    /// Volts and amperes. The sensor as it wakes up measures both all the time, up to 32 V and 320 mV.
    fn power(&mut self) -> Option<(Millivolts, Milliamps)> {
        let address = Address::from_byte(POWER).ok()?;
        let mut sensor = SyncIna219::new_unchecked(&mut self.0, address, UnCalibrated);
        let volts = sensor.bus_voltage().ok()?.voltage_mv();
        let shunt = sensor.shunt_voltage().ok()?.shunt_voltage_uv();
        Some((Millivolts::new(i32::from(volts)), Milliamps::new(shunt / SHUNT_MILLIOHM)))
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
