//! The board's sensors: power by an ADM1272, temperature by a TMP105, which an LM75's driver reads.

use embedded_hal::i2c::I2c;
use lm75::Lm75;
use trimtab_app::{Reading, Sensors};
use trimtab_supervisor::wire::{Milliamps, Millicelsius, Millivolts};

use crate::adm1272;
use crate::i2c::Bus;

/// Where the thermometer answers.
const THERMOMETER: u8 = 0x48;

/// All sensors of the board, on one bus.
pub(crate) struct OnBoard(Bus);

impl OnBoard {
    pub(crate) fn new(bus: Bus) -> Self {
        Self(bus)
    }
}

impl Sensors for OnBoard {
    async fn read(&mut self) -> Reading {
        let power = adm1272::read(&mut self.0).ok();
        Reading {
            current: power.map(|it| Milliamps::new(it.milliamps)),
            voltage: power.map(|it| Millivolts::new(i32::try_from(it.millivolts).unwrap_or(i32::MAX))),
            temperature: temperature(&mut self.0),
        }
    }
}

fn temperature(bus: &mut impl I2c) -> Option<Millicelsius> {
    // It gives halves of a degree between −128 and 127.5 °C, which a float holds exactly.
    let degrees = Lm75::new(bus, THERMOMETER).read_temperature().ok()?;
    Some(Millicelsius::new((degrees * 1_000.0) as i32))
}
