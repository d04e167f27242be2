//! What the board itself tells: on a Jetson, whether it runs in the power mode that was asked for.

use std::process::Command;

use super::files::text;
use super::{Finding, Places};

/// NVIDIA's program that tells the power mode.
const NVPMODEL: &str = "nvpmodel";

pub(super) fn examine(places: &Places) -> Vec<Finding> {
    let Some(wanted) = text(&places.etc.join("nvpmodel.conf")).as_deref().and_then(requested) else {
        return Vec::new();
    };
    const PART: &str = "power mode";
    let asked = Command::new(NVPMODEL).arg("-q").output();
    let actual = asked.ok().and_then(|said| actual(&String::from_utf8_lossy(&said.stdout)));
    vec![match actual {
        Some((_, id)) if id == wanted => Finding::ok(PART, format!("mode {id}, as configured")),
        Some((name, id)) => Finding::warn(
            PART,
            format!(
                "mode {id} ({name}) is on, mode {wanted} is the configured one: quotes were calibrated in another; `nvpmodel -m {wanted}`, and start the board anew if it asks for that"
            ),
        ),
        None => Finding::warn(PART, format!("{NVPMODEL} does not tell it; run `{NVPMODEL} -q` as root to see why")),
    }]
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
