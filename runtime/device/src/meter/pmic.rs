//! The power chip of a Raspberry Pi 5, as `vcgencmd pmic_read_adc` tells it: current and voltage of each rail behind it.
//!
//! The sum over the rails is less than what comes in at 5 V: the chip's own loss, and what USB devices, fan and hats draw, is
//! not in it. Where that matters, put an INA219 or the like into the supply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use trimtab_core::Watts;

use super::{MeterError, MeterKind, PowerSensor};
use crate::program::{ProgramFault, run};

/// The program answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// What it is told.
const QUESTION: &str = "pmic_read_adc";
/// What is shown of an answer that tells no rail.
const SHOWN_MAX: usize = 120;

/// The sum of the rails of a Raspberry Pi 5.
#[derive(Debug)]
pub struct Pmic {
    program: PathBuf,
}

impl Pmic {
    /// Asks by this program, usually `vcgencmd`.
    pub fn open(program: &Path) -> Result<Self, MeterError> {
        let mut pmic = Self { program: program.to_owned() };
        pmic.power().map(|_| pmic)
    }
}

impl PowerSensor for Pmic {
    fn kind(&self) -> MeterKind {
        MeterKind::Pmic
    }

    fn name(&self) -> String {
        "pmic rails of the board, without losses and what hangs on 5 V".to_owned()
    }

    fn reads(&self) -> Vec<String> {
        vec![format!("{} {QUESTION}", self.program.display())]
    }

    fn power(&mut self) -> Result<Watts, MeterError> {
        let said = run(&self.program, &[QUESTION], ANSWER_WITHIN).map_err(|fault| match fault {
            ProgramFault::Missing => {
                MeterError::Absent { path: self.program.clone(), what: "program of the Raspberry Pi's power chip" }
            }
            other => MeterError::Program { program: self.program.clone(), trouble: other.to_string() },
        })?;
        rails(&said).ok_or_else(|| MeterError::Program {
            program: self.program.clone(),
            trouble: format!("tells no rail: {:?}", said.trim().chars().take(SHOWN_MAX).collect::<String>()),
        })
    }
}

/// The sum over all rails with both a current and a voltage; none without any.
fn rails(said: &str) -> Option<Watts> {
    let mut rails: BTreeMap<&str, [Option<f64>; 2]> = BTreeMap::new();
    for line in said.lines() {
        let Some((name, value)) = line.trim().split_once(' ').zip(line.split_once('=')).map(|(l, r)| (l.0, r.1)) else {
            continue;
        };
        let reading = [("_A", 'A'), ("_V", 'V')].into_iter().enumerate().find_map(|(place, (end, unit))| {
            let value: f64 = value.trim().strip_suffix(unit)?.parse().ok()?;
            Some((place, name.strip_suffix(end)?, value)).filter(|(.., value)| value.is_finite() && *value >= 0.0)
        });
        if let Some((place, rail, value)) = reading
            && let Some(slot) = rails.entry(rail).or_default().get_mut(place)
        {
            *slot = Some(value);
        }
    }
    let powers: Vec<f64> =
        rails.values().filter_map(|[amperes, volts]| Some(amperes.as_ref()? * volts.as_ref()?)).collect();
    let microwatts = (powers.iter().sum::<f64>() * 1e6).round() as u64;
    (!powers.is_empty()).then_some(Watts::from_micro(microwatts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_with_both_readings_add_up() {
        let said = "     3V3_SYS_A current(1)=0.10000000A\n  VDD_CORE_A current(7)=2.00000000A\n   \
                    3V3_SYS_V volt(9)=3.30000000V\n  VDD_CORE_V volt(15)=0.80000000V\n  EXT5V_V volt(24)=5.10000000V\n\
                    BATT_V volt(25)=nanV\nhalf a line\n";
        assert_eq!(rails(said), Some(Watts::from_micro(1_930_000)));
        assert_eq!(rails("error=1 error_msg=\"Command not registered\"\n"), None);
        assert_eq!(rails(""), None);
    }
}
