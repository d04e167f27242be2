//! The wall clock. Budgets do not need it; certificates, expiries and people who read logs do.

use std::time::{Duration, SystemTime};

use super::files::entries;
use super::{Finding, Places};

const PART: &str = "clock";
const DAY: u64 = 86_400;
/// This program did not exist before: 2026-01-01.
const BORN: Duration = Duration::from_secs(20_454 * DAY);

pub(super) fn examine(places: &Places) -> Vec<Finding> {
    let now = (places.now)();
    let mut findings = vec![if now < SystemTime::UNIX_EPOCH + BORN {
        Finding::fail(
            PART,
            format!(
                "it says {}, which is past: certificates look as if they were not valid yet; set the clock, or let systemd-timesyncd or chrony set it",
                date(now)
            ),
        )
    } else if is_synchronised(places) {
        Finding::ok(PART, format!("{}, synchronised", date(now)))
    } else {
        Finding::warn(PART, format!("{}, not known to be synchronised; enable systemd-timesyncd or chrony", date(now)))
    }];
    if entries(&places.sys.join("class/rtc")).is_empty() {
        findings.push(Finding::warn(
            "real-time clock",
            "none: after a power cut the date is wrong until the network sets it, and certificates are judged by it; fit a battery-backed clock where the network may be away",
        ));
    }
    findings
}

fn is_synchronised(places: &Places) -> bool {
    ["systemd/timesync/synchronized", "chrony/chronyd.pid", "chrony/chronyd.sock"]
        .iter()
        .any(|mark| places.run.join(mark).exists())
}

/// Year, month and day in UTC of a time, as in ISO 8601.
pub(super) fn date(time: SystemTime) -> String {
    let days = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY);
    // Years begin in March here, so that the day of the leap is the last of a year; four centuries are one cycle.
    let shifted = days + 719_468;
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
            (47_541, "2100-03-01"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(days * DAY + 7)), expected);
        }
    }
}
