//! Pressure stall information of memory, as the kernel tells it for a control group or for the machine.

use std::path::Path;

use super::read;

/// Shares of the last ten seconds in which work stood still for want of memory, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stall {
    /// In which some of it did.
    pub some: u32,
    /// In which all of it did.
    pub full: u32,
}

impl Stall {
    /// From the text of a `memory.pressure` file; none where it is something else. A group without the line of all work
    /// counts it as zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let share = |kind: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
            let figure = line.split_ascii_whitespace().find_map(|field| field.strip_prefix("avg10="))?;
            let percent: f64 = figure.parse().ok()?;
            (0.0..=100.0).contains(&percent).then(|| (percent * 10.0).round() as u32)
        };
        Some(Self { some: share("some")?, full: share("full").unwrap_or(0) })
    }

    /// Of the machine as a whole; none on a kernel that does not keep it.
    #[must_use]
    pub fn of_machine(proc: &Path) -> Option<Self> {
        Self::parse(&read(&proc.join("pressure/memory"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shares_are_read() {
        let text = "some avg10=3.14 avg60=1.00 avg300=0.10 total=9\nfull avg10=0.26 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(Stall::parse(text), Some(Stall { some: 31, full: 3 }));
        for text in
            ["", "some", "some avg10=", "some avg10=NaN avg60=0", "some avg10=-1", "some avg10=101", "full avg10=1"]
        {
            assert_eq!(Stall::parse(text), None, "{text}");
        }
    }
}
