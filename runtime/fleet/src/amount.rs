//! Limits as people type them: `energy:day=500J`, `money:turn=0.5mUSD`, `bytes:hour=20MB`, `latency:turn=8s`.

use std::str::FromStr;

use trimtab_core::{Resource, Window};
use trimtab_wire::operator::Limit;

/// Digits after the point that are read.
pub const DECIMALS_MAX: u32 = 9;

/// Why a text is no limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no limit: {fault}; write it like energy:day=500J, money:turn=0.5mUSD, bytes:hour=20MB, latency:turn=8s"
)]
pub struct LimitError {
    text: String,
    fault: String,
}

/// A limit read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitArgument(pub Limit);

impl FromStr for LimitArgument {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        read(text).map(Self).map_err(|fault| LimitError { text: text.to_owned(), fault })
    }
}

/// Units of a resource, each with its size in the base unit.
pub const fn units(resource: Resource) -> &'static [(&'static str, u64)] {
    match resource {
        Resource::Energy => &[("uJ", 1), ("mJ", 1_000), ("J", 1_000_000), ("kJ", 1_000_000_000), ("Wh", 3_600_000_000)],
        Resource::Money => &[("nUSD", 1), ("uUSD", 1_000), ("mUSD", 1_000_000), ("USD", 1_000_000_000)],
        Resource::Bytes => &[
            ("B", 1),
            ("kB", 1_000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ],
        Resource::Latency => &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000)],
    }
}

fn read(text: &str) -> Result<Limit, String> {
    let (resource, rest) = text.split_once(':').ok_or("there is no ':'")?;
    let (window, amount) = rest.split_once('=').ok_or("there is no '='")?;
    let resource = Resource::ALL
        .into_iter()
        .find(|known| known.name() == resource)
        .ok_or_else(|| format!("{resource:?} is none of energy, money, bytes, latency"))?;
    let window = Window::ALL
        .into_iter()
        .find(|known| known.name() == window)
        .ok_or_else(|| format!("{window:?} is none of turn, conversation, hour, day"))?;
    let split = amount.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(amount.len());
    let (number, unit) = amount.split_at(split);
    let known = units(resource);
    let size = known.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        format!("unit {unit:?} is none of {}", names.join(", "))
    })?;
    let limit = scaled(number, size).ok_or_else(|| format!("{number:?} is no amount that fits"))?;
    Ok(Limit { resource, window, limit })
}

/// A decimal number times `size`, exact, rounded down: a limit is never read as more than was typed.
fn scaled(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let decimals = u32::try_from(fraction.len()).ok().filter(|decimals| *decimals <= DECIMALS_MAX)?;
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = digits.checked_mul(size.into())? / 10_u128.pow(decimals);
    u64::try_from(scaled).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_are_read_exactly() {
        for (text, resource, window, limit) in [
            ("energy:day=500J", Resource::Energy, Window::Day, 500_000_000),
            ("energy:hour=0.5Wh", Resource::Energy, Window::Hour, 1_800_000_000),
            ("money:turn=0.000000001USD", Resource::Money, Window::Turn, 1),
            ("bytes:conversation=1.5MiB", Resource::Bytes, Window::Conversation, 1_572_864),
            ("latency:turn=8s", Resource::Latency, Window::Turn, 8_000),
        ] {
            assert_eq!(text.parse(), Ok(LimitArgument(Limit { resource, window, limit })));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expect) in [
            ("energy", "no ':'"),
            ("energy:day", "no '='"),
            ("power:day=5J", "energy, money, bytes, latency"),
            ("energy:week=5J", "turn, conversation, hour, day"),
            ("energy:day=5", "unit \"\" is none of uJ"),
            ("energy:day=-5J", "none of uJ"),
            ("energy:day=5.J.", "none of uJ"),
            ("energy:day=1.2.3J", "no amount"),
            ("energy:day=99999999999999999999J", "no amount"),
        ] {
            let fault = text.parse::<LimitArgument>().unwrap_err().to_string();
            assert!(fault.contains(expect), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(energy|money|bytes|latency)?:?[a-z]{0,6}=?[0-9.]{0,25}[a-zA-Z]{0,4}") {
            let _ = text.parse::<LimitArgument>();
        }

        #[test]
        fn whole_numbers_of_every_unit_come_back(n in 0_u64..1_000_000) {
            for resource in Resource::ALL {
                for (unit, size) in units(resource) {
                    let text = format!("{}:day={n}{unit}", resource.name());
                    prop_assert_eq!(text.parse::<LimitArgument>().unwrap().0.limit, n * size);
                }
            }
        }
    }
}
