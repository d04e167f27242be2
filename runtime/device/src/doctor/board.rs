//! What the board itself tells: whether heat or a weak supply slows it, and on a Jetson whether it runs in the power mode that
//! was asked for.

use std::process::Command;

use super::files::text;
use super::{Finding, Places};
use crate::config::Config;
use crate::meter::{Counters, MeterSources};
use crate::thermal::{Condition, ThermalState};

/// NVIDIA's program that tells the power mode.
const NVPMODEL: &str = "nvpmodel";

pub(super) fn examine(config: &Config, places: &Places) -> Vec<Finding> {
    let heat = heat(&Condition::look(&MeterSources::of(&config.energy, Counters::default()).paths));
    std::iter::once(heat).chain(power_mode(places)).collect()
}

fn heat(found: &Condition) -> Finding {
    const PART: &str = "heat and supply";
    let source = &found.source;
    match (found.state, found.hottest) {
        (ThermalState::Cool, Some(heat)) => Finding::ok(PART, format!("{} °C at the hottest", heat / 1000)),
        (ThermalState::Cool, None) => Finding::ok(PART, "nothing slows the board, as far as it tells"),
        (ThermalState::Warm, _) => {
            Finding::warn(PART, format!("{source}: the board is about to slow down; cool it better"))
        }
        (ThermalState::Throttled, _) => {
            Finding::fail(PART, format!("{source}: the board is slowed, and quotes are twice as high; cool it better"))
        }
        (ThermalState::Undervoltage, _) => {
            Finding::fail(PART, format!("{source}: the supply is too weak; use a stronger one and a shorter cable"))
        }
    }
}

fn power_mode(places: &Places) -> Option<Finding> {
    const PART: &str = "power mode";
    let wanted = text(&places.etc.join("nvpmodel.conf")).as_deref().and_then(requested)?;
    let asked = Command::new(NVPMODEL).arg("-q").output();
    let actual = asked.ok().and_then(|said| actual(&String::from_utf8_lossy(&said.stdout)));
    Some(match actual {
        Some((_, id)) if id == wanted => Finding::ok(PART, format!("mode {id}, as configured")),
        Some((name, id)) => Finding::warn(
            PART,
            format!(
                "mode {id} ({name}) is on, mode {wanted} is the configured one: quotes were calibrated in another; `nvpmodel -m {wanted}`, and start the board anew if it asks for that"
            ),
        ),
        None => Finding::warn(PART, format!("{NVPMODEL} does not tell it; run `{NVPMODEL} -q` as root to see why")),
    })
}

/// The mode that the configuration names: `< PM_CONFIG DEFAULT=2 >`.
fn requested(configuration: &str) -> Option<u32> {
    let line = configuration.lines().find(|line| line.contains("PM_CONFIG") && !line.trim_start().starts_with('#'))?;
    line.split_once("DEFAULT=")?.1.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok()
}

/// Name and number of the mode that is on: `NV Power Mode: 15W`, and its number on the next line.
fn actual(said: &str) -> Option<(String, u32)> {
    let mut lines = said.lines().skip_while(|line| !line.contains("NV Power Mode:"));
    let name = lines.next()?.split_once("Mode:")?.1.trim().to_owned();
    Some((name, lines.next()?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_from_what_jetsons_say() {
        assert_eq!(requested("# PM_CONFIG DEFAULT=1\n< PM_CONFIG DEFAULT=2 >\n"), Some(2));
        assert_eq!(requested("< POWER_MODEL ID=0 NAME=MAXN >\n"), None);
        assert_eq!(actual("NV Power Mode: MODE_15W\n2\n"), Some(("MODE_15W".to_owned(), 2)));
        assert_eq!(actual("permission denied\n"), None);
    }
}
