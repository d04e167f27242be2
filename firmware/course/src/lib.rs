//! Courses: what happens to a board in simulated time, as data.
//!
//! The image that plays them reads its sensors' values here, and its host's words; the judge of what it traced reads the exact
//! energy here. Time counts from the board's start. Between two points, current and temperature are on a straight line; of two
//! points at the same time, the later holds from then on. Voltage is always [`MILLIVOLTS`].
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod table;

use trimtab_wire::mcu::Config;

pub use table::COURSES;

/// The supply of every course.
pub const MILLIVOLTS: i32 = 12_000;

/// What is so from an instant on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// µs since the board's start.
    pub at: u64,
    /// In mA; none where the sensor does not answer.
    pub current: Option<i32>,
    /// In m°C.
    pub heat: i32,
}

/// One course.
pub struct Course {
    /// Its name, for people.
    pub name: &'static str,
    /// How long it takes, ms.
    pub length_ms: u64,
    /// What the board's clock shows at the start, µs.
    pub clock: u64,
    /// What the board is configured with; the sampling period is [`PERIOD_MS`] where this does not change it.
    pub configure: fn(&mut Config),
    /// When the host greets, ms; from then on its heart beats twice a second.
    pub greets_ms: u64,
    /// From when on the host says nothing more, ms.
    pub silent_ms: u64,
    /// What happens, in order of time, from zero on.
    pub points: &'static [Point],
}

/// Between two samples, ms.
pub const PERIOD_MS: u64 = 20;

impl Course {
    /// What the sensors give at an instant: current in mA, if the sensor answers, and temperature in m°C.
    #[must_use]
    pub fn at(&self, instant: u64) -> (Option<i32>, i32) {
        let (before, after) = self.around(instant);
        let current = match (before.current, after.current) {
            (Some(from), Some(to)) => Some(between(before.at, after.at, instant, from, to)),
            (from, _) => from,
        };
        (current, between(before.at, after.at, instant, before.heat, after.heat))
    }

    /// The exact energy from the start to an instant, in µJ, of a course whose sensor answers always.
    #[must_use]
    pub fn energy(&self, instant: u64) -> f64 {
        let pieces = self.points.windows(2).map(|pair| match pair {
            [from, to] => area(from, to, instant),
            _ => 0.0,
        });
        let rest = self.points.last().map_or(0.0, |last| watts(last) * instant.saturating_sub(last.at) as f64);
        pieces.sum::<f64>() + rest
    }

    /// When the exact energy reaches an amount in µJ: the first whole µs at which it has; none within the course.
    #[must_use]
    pub fn when(&self, energy: f64) -> Option<u64> {
        let (mut early, mut late) = (0, self.length_ms * 1_000);
        if self.energy(late) < energy {
            return None;
        }
        while early < late {
            let middle = early + (late - early) / 2;
            if self.energy(middle) < energy { early = middle + 1 } else { late = middle }
        }
        Some(early)
    }

    fn around(&self, instant: u64) -> (Point, Point) {
        const NOTHING: Point = Point { at: 0, current: None, heat: 0 };
        let place = self.points.partition_point(|point| point.at <= instant);
        let before = self.points.get(place.saturating_sub(1)).copied().unwrap_or(NOTHING);
        (before, self.points.get(place).copied().unwrap_or(before))
    }
}

/// On the straight line from one value to another, to the nearest.
fn between(from: u64, to: u64, at: u64, first: i32, last: i32) -> i32 {
    let span = to.saturating_sub(from) as i64;
    if span == 0 {
        return first;
    }
    let way = i64::from(last) - i64::from(first);
    let gone = (way * at.saturating_sub(from) as i64 * 2 + span) / (2 * span);
    first + gone as i32
}

/// µJ between two points, up to an instant.
fn area(from: &Point, to: &Point, until: u64) -> f64 {
    let (whole, span) = (to.at - from.at, to.at.min(until).saturating_sub(from.at));
    if span == 0 {
        return 0.0;
    }
    let end = watts(from) + (watts(to) - watts(from)) * span as f64 / whole as f64;
    (watts(from) + end) / 2.0 * span as f64
}

/// In W, which is µJ/µs.
fn watts(point: &Point) -> f64 {
    f64::from(point.current.unwrap_or(0)) * f64::from(MILLIVOLTS) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_has_the_energy_of_its_triangle() {
        let ramp = COURSES.iter().find(|it| it.name == "ramp").unwrap();
        // 0 to 4 A within 30 s at 12 V.
        assert!((ramp.energy(30_000_000) - 720e6).abs() < 1.0);
        assert_eq!(ramp.at(15_000_000).0, Some(2_000));
        assert_eq!(ramp.when(720e6), Some(30_000_000));
    }

    #[test]
    fn every_course_begins_at_zero_and_goes_on_in_order() {
        for course in COURSES {
            assert_eq!(course.points.first().map(|point| point.at), Some(0), "{}", course.name);
            assert!(course.points.is_sorted_by_key(|point| point.at), "{}", course.name);
        }
    }
}
