//! Amounts as people write them: a decimal number and a unit, read exactly, without floating point.

use trimtab_core::{Bytes, Joules, Millis, Usd, Watts};

/// Why a text is no amount.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    /// No number in front.
    #[error("{text:?} does not begin with a number; write for example {example:?}")]
    Number {
        /// What was written.
        text: String,
        /// How it could look.
        example: &'static str,
    },
    /// A unit that this kind of amount does not have.
    #[error("{text:?} has the unit {unit:?}; this amount is given in {known}, for example {example:?}")]
    Unit {
        /// What was written.
        text: String,
        /// The unit found.
        unit: String,
        /// Units that would do.
        known: String,
        /// How it could look.
        example: &'static str,
    },
    /// More than fits 64 bits of the smallest unit.
    #[error("{text:?} is too large")]
    Large {
        /// What was written.
        text: String,
    },
}

/// A unit and how many of the smallest one it is.
type Units = &'static [(&'static str, u64)];

const JOULES: Units =
    &[("uJ", 1), ("µJ", 1), ("mJ", 1_000), ("J", 1_000_000), ("kJ", 1_000_000_000), ("Wh", 3_600_000_000)];
const USD: Units = &[("nUSD", 1), ("uUSD", 1_000), ("µUSD", 1_000), ("mUSD", 1_000_000), ("USD", 1_000_000_000)];
const BYTES: Units = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
const MILLIS: Units = &[("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000)];
const WATTS: Units = &[("uW", 1), ("mW", 1_000), ("W", 1_000_000)];
const RATE: Units = &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];

/// Energy: `uJ`, `mJ`, `J`, `kJ`, `Wh`.
pub fn joules(text: &str) -> Result<Joules, QuantityError> {
    read(text, JOULES, "500 J").map(Joules::from_micro)
}
/// Money: `nUSD`, `uUSD`, `mUSD`, `USD`.
pub fn usd(text: &str) -> Result<Usd, QuantityError> {
    read(text, USD, "0.05 USD").map(Usd::from_nano)
}
/// Data: `B`, `kB`, `KiB`, `MB`, `MiB`, `GB`, `GiB`.
pub fn bytes(text: &str) -> Result<Bytes, QuantityError> {
    read(text, BYTES, "20 MB").map(Bytes::new)
}
/// Time: `ms`, `s`, `min`, `h`.
pub fn millis(text: &str) -> Result<Millis, QuantityError> {
    read(text, MILLIS, "8 s").map(Millis::new)
}
/// Power: `uW`, `mW`, `W`.
pub fn watts(text: &str) -> Result<Watts, QuantityError> {
    read(text, WATTS, "4.5 W").map(Watts::from_micro)
}
/// Bits a second: `bit/s`, `kbit/s`, `Mbit/s`, `Gbit/s`.
pub fn bits_per_s(text: &str) -> Result<u64, QuantityError> {
    read(text, RATE, "5 Mbit/s")
}

/// Whole smallest units; a fraction of one is rounded down, so that a limit never grows by being read.
fn read(text: &str, units: Units, example: &'static str) -> Result<u64, QuantityError> {
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim();
    let not_a_number = || QuantityError::Number { text: text.to_owned(), example };
    let large = || QuantityError::Large { text: text.to_owned() };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.chars().filter(|c| *c != '_').collect::<String>();
    let (whole, fraction) = (digits(whole), digits(fraction));
    if whole.is_empty() || fraction.contains('.') {
        return Err(not_a_number());
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        return Err(QuantityError::Unit {
            text: text.to_owned(),
            unit: unit.to_owned(),
            known: known.join(", "),
            example,
        });
    };
    let whole: u64 = whole.parse().map_err(|_| large())?;
    let mut total = whole.checked_mul(*scale).ok_or_else(large)?;
    // Each digit behind the point is worth a tenth of the one before it.
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in fraction.bytes().take(FRACTION_DIGITS_MAX) {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    let part = numerator * u128::from(*scale) / denominator;
    total = u64::try_from(part).ok().and_then(|part| total.checked_add(part)).ok_or_else(large)?;
    Ok(total)
}

/// Digits behind the point that count; further ones are below the smallest unit of every amount.
const FRACTION_DIGITS_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly() {
        assert_eq!(joules("500 J"), Ok(Joules::from_micro(500_000_000)));
        assert_eq!(usd("0.05 USD"), Ok(Usd::from_nano(50_000_000)));
        assert_eq!(bytes("20MB"), Ok(Bytes::new(20_000_000)));
        assert_eq!(millis(" 8 s "), Ok(Millis::new(8000)));
        assert_eq!(bits_per_s("1.5 Mbit/s"), Ok(1_500_000));
        assert_eq!(usd("0.0000000019 USD"), Ok(Usd::from_nano(1)));
    }

    #[test]
    fn what_is_no_amount_says_why() {
        let text = |result: Result<Joules, QuantityError>| result.unwrap_err().to_string();
        assert!(text(joules("J")).contains("does not begin with a number"));
        assert!(text(joules("5 cal")).contains("given in uJ, µJ, mJ, J, kJ, Wh"));
        assert!(text(joules("99999999999999999999 J")).contains("too large"));
        assert!(text(joules("5")).contains("unit \"\""));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = joules(&text);
            let _ = bits_per_s(&text);
        }

        #[test]
        fn whole_numbers_survive(n in 0_u64..1_000_000_000) {
            prop_assert_eq!(millis(&format!("{n} s")), Ok(Millis::new(n * 1000)));
        }
    }
}
