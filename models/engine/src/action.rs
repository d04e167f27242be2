//! What a reply does, next to what it says.
//!
//! A model whose configuration names an `action_token_id` may end its reply with that token and a list of actions in a compact form:
//!
//! ```text
//! actions = action { "; " action }                at most 8, in at most 512 bytes
//! action  = "switch" ( "on" | "off" ) WHAT        {"do":"switch","what":"kitchen lamp","to":"on"}
//!         | ( "open" | "close" ) WHAT             {"do":"open","what":"bedroom window"}
//!         | "set" WHAT NUMBER                     {"do":"set","what":"hall heater","degrees":21}
//!         | "bring" WHAT "from" WHERE             {"do":"bring","what":"towel","from":"attic"}
//!         | "timer" NUMBER                        {"do":"timer","minutes":5}
//! ```
//!
//! `WHAT` and `WHERE` are words of the prompt, one space between them; a number is 0 to 65535. What is not of this form is no
//! action: nothing is guessed, and nothing is done by halves.

use serde::{Deserialize, Serialize};

/// Most actions of one reply.
pub const ACTIONS_MAX: usize = 8;
/// Most bytes of the compact form.
pub const ACTION_BYTES_MAX: usize = 512;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Switch a device on or off.
    Switch {
        /// The device.
        what: String,
        /// The state it is to have.
        to: Switched,
    },
    /// Open something.
    Open {
        /// What.
        what: String,
    },
    /// Close something.
    Close {
        /// What.
        what: String,
    },
    /// Bring something to a temperature.
    Set {
        /// The device.
        what: String,
        /// The temperature, in degrees of the scale that the household uses.
        degrees: u16,
    },
    /// Fetch a thing.
    Bring {
        /// The thing.
        what: String,
        /// Where it is.
        from: String,
    },
    /// Give a sign after a while.
    Timer {
        /// After so many minutes.
        minutes: u16,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switched {
    /// On.
    On,
    /// Off.
    Off,
}

impl Action {
    /// Reads the compact form; `None` when any part of it is not of that form.
    #[must_use]
    pub fn parse_all(compact: &str) -> Option<Vec<Self>> {
        if compact.len() > ACTION_BYTES_MAX {
            return None;
        }
        let actions: Option<Vec<Self>> = compact.split(';').take(ACTIONS_MAX + 1).map(Self::parse).collect();
        actions.filter(|actions| actions.len() <= ACTIONS_MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let some = |words: &[&str]| (!words.is_empty()).then(|| words.join(" "));
        Some(match words[..] {
            ["switch", "on", ref what @ ..] => Self::Switch { what: some(what)?, to: Switched::On },
            ["switch", "off", ref what @ ..] => Self::Switch { what: some(what)?, to: Switched::Off },
            ["open", ref what @ ..] => Self::Open { what: some(what)? },
            ["close", ref what @ ..] => Self::Close { what: some(what)? },
            ["set", ref what @ .., degrees] => Self::Set { what: some(what)?, degrees: number(degrees)? },
            ["bring", ref rest @ ..] => {
                let at = rest.iter().position(|word| *word == "from")?;
                Self::Bring { what: some(&rest[..at])?, from: some(&rest[at + 1..])? }
            }
            ["timer", minutes] => Self::Timer { minutes: number(minutes)? },
            _ => return None,
        })
    }
}

/// Digits only: a sign or a fraction is no number here.
fn number(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS_MAX, Action};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    fn json(compact: &str) -> Option<String> {
        Action::parse_all(compact).map(|actions| serde_json::to_string(&actions).unwrap())
    }

    #[test]
    fn every_form_becomes_json() {
        let all = " switch off kitchen lamp; open bedroom window; close gate; set hall heater 21; bring tea towel from attic; timer 5";
        let expected = concat!(
            r#"[{"do":"switch","what":"kitchen lamp","to":"off"},{"do":"open","what":"bedroom window"},"#,
            r#"{"do":"close","what":"gate"},{"do":"set","what":"hall heater","degrees":21},"#,
            r#"{"do":"bring","what":"tea towel","from":"attic"},{"do":"timer","minutes":5}]"#
        );
        assert_eq!(json(all).as_deref(), Some(expected));
    }

    #[test]
    fn one_bad_part_spoils_the_whole() {
        let many = ["timer 1"; ACTIONS_MAX + 1].join("; ");
        let long = format!("open {}", "x".repeat(600));
        for bad in [
            "",
            ";",
            "timer",
            "timer -1",
            "timer 70000",
            "timer 5 6",
            "switch lamp on",
            "switch on",
            "set heater",
            "set 5",
            "bring towel",
            "bring from attic",
            "bring towel from",
            "open",
            "jump",
            "timer 5;",
            "timer 5; open",
            &many,
            &long,
        ] {
            assert_eq!(json(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let read = Action::parse_all(&text);
            let json = serde_json::to_string(&read).unwrap();
            prop_assert_eq!(serde_json::from_str::<Option<Vec<Action>>>(&json).unwrap(), read);
        }
    }
}
