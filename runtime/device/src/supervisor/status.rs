//! What is known of the microcontroller, as JSON for people and programs.

use serde::Serialize;
use serde_json::{Value, json};
use trimtab_wire::mcu::{Event, Plausibility, Trip, Verdict, Versions};

use super::mirror::{Counts, Mirror, News};
use super::shared::{Link, Seen};
use crate::lock::hex;

/// Everything.
pub(super) fn status(port: &str, seen: &Seen, is_away: bool) -> Value {
    let (link, trouble) = match &seen.link {
        Link::Closed(trouble) => ("closed", Some(trouble.clone())),
        Link::Silent => ("silent", Some("it does not answer; check wiring, speed and its power".to_owned())),
        Link::Refused(refusal) => ("refused", Some(refusal.to_string())),
        Link::Open if is_away => ("silent", Some("it has stopped answering; check wiring and its power".to_owned())),
        Link::Open => ("open", None),
    };
    let board = seen.hello.as_ref().map(|hello| {
        json!({
            "name": hello.name.as_str(),
            "firmware": format!("{}.{}.{}", hello.firmware.major, hello.firmware.minor, hello.firmware.patch),
            "boot": hello.boot.0,
            "versions": hello.versions.to_string(),
        })
    });
    let telemetry = seen.telemetry.as_ref().map(|(heard, telemetry)| {
        json!({
            "age_ms": u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX),
            "state": telemetry.state.name(),
            "cause": telemetry.cause.map(|cause| cause.name()),
            "host": word(&telemetry.host),
            "energy_uj": telemetry.energy.micro(),
            "widened_uj": telemetry.widened.micro(),
            "power_uw": telemetry.power.micro(),
            "current_ma": telemetry.current.get(),
            "voltage_mv": telemetry.voltage.get(),
            "temperature_millicelsius": telemetry.temperature.get(),
            "doubted": doubted(telemetry.plausibility),
            "remaining_uj": telemetry.remaining.map(trimtab_core::Joules::micro),
            "dropped": telemetry.dropped,
        })
    });
    let refused: Vec<String> =
        seen.refused.iter().map(|(window, reason)| format!("budget of the {}: {reason}", word(window))).collect();
    json!({
        "port": port,
        "link": link,
        "trouble": trouble,
        "speaks": Versions::SPOKEN.to_string(),
        "board": board,
        "telemetry": telemetry,
        "telemetry_missing": seen.missing,
        "challenge": seen.challenge.map(|challenge| json!({
            "nonce": hex(&challenge.nonce.0),
            "trip": challenge.trip.map(|trip| trip_json(&trip)),
            "has_key": challenge.has_key,
        })),
        "refused": refused,
        "frames": {
            "garbage_bytes": seen.losses.frames.garbage_bytes,
            "bad": seen.losses.frames.malformed.saturating_add(seen.losses.frames.bad_crc),
            "oversized": seen.losses.frames.oversized,
            "unknown": seen.losses.frames.unknown_version.saturating_add(seen.losses.frames.undecodable),
            "missing": seen.losses.missing,
            "repeated": seen.losses.repeated,
            "late": seen.losses.late,
            "unsent": seen.losses.unsent,
        },
    })
}

/// How far the board's log was told on.
pub(super) fn log(mirror: &Mirror) -> Value {
    let Counts { told, lost, damaged, unordered, failed, anew } = *mirror.counts();
    json!({
        "level": mirror.is_level(),
        "waiting": mirror.waiting(),
        "told": told,
        "lost": lost,
        "damaged": damaged,
        "unordered": unordered,
        "failed": failed,
        "anew": anew,
    })
}

/// Sensors that are not believed, and why.
fn doubted(plausibility: Plausibility) -> Vec<String> {
    let Plausibility { current, voltage, temperature } = plausibility;
    [("current", current), ("voltage", voltage), ("temperature", temperature)]
        .into_iter()
        .filter(|(_, verdict)| *verdict != Verdict::Good)
        .map(|(name, verdict)| format!("{name}: {}", word(&verdict)))
        .collect()
}

/// One event as operators see it. `at_unix_ms`: when it was heard.
pub(crate) fn event(at_unix_ms: u64, news: &News) -> Value {
    let News { board, entry, missed, lost_before, anew, .. } = news;
    let mut told = match &entry.event {
        Event::Started(cause) => json!({"event": "started", "cause": word(cause)}),
        Event::Tripped(trip) => json!({"event": "tripped", "trip": trip_json(trip)}),
        Event::Released { trip, to } => json!({"event": "released", "trip": trip.0, "state": to.name()}),
        Event::SealRefused => json!({"event": "seal-refused"}),
        Event::Host(stage) => json!({"event": "host", "stage": word(stage)}),
        Event::Sensor { channel, verdict } => {
            json!({"event": "sensor", "channel": word(channel), "verdict": word(verdict)})
        }
        Event::ConfigChanged => json!({"event": "config-changed"}),
        Event::Store(fault) => json!({"event": "store", "fault": word(fault)}),
    };
    told["at_unix_ms"] = json!(at_unix_ms);
    told["number"] = json!(entry.number);
    told["boot"] = json!(entry.stamp.boot.0);
    told["at_us"] = json!(entry.stamp.at.get());
    told["board"] = json!(board.as_str());
    told["missed"] = json!(missed);
    // The exceptions.
    if *lost_before > 0 {
        told["lost_before"] = json!(lost_before);
    }
    if *anew {
        told["anew"] = json!(true);
    }
    told
}

fn trip_json(trip: &Trip) -> Value {
    json!({"id": trip.id.0, "state": trip.state.name(), "cause": trip.cause.name()})
}

/// The name of a variant in lower case, its words joined by hyphens.
pub(super) fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let name = match &value {
        Value::String(name) => name.as_str(),
        Value::Object(fields) => fields.keys().next().map_or("", String::as_str),
        _ => "",
    };
    let mut text = String::with_capacity(name.len() + 2);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// Text as so many bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.trim().as_bytes();
    if digits.len() != N * 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use trimtab_wire::mcu::{BootNumber, Cause, HostStage, LogEntry, Micros, Name, Stamp, State, TripId};

    #[test]
    fn events_are_told_in_words() {
        let stamp = Stamp { boot: BootNumber(3), at: Micros::new(1_500_000) };
        let trip = Trip { id: TripId(7), state: State::CutAccelerator, cause: Cause::OverCurrent };
        let news = |number, event| News {
            board: Name::try_from("bench").unwrap(),
            heard: Duration::ZERO,
            entry: LogEntry { number, stamp, event },
            missed: number == 0,
            lost_before: number / 4,
            anew: number == 0,
        };
        let told = event(9, &news(12, Event::Tripped(trip)));
        let expected = json!({
            "event": "tripped", "trip": {"id": 7, "state": "cut-accelerator", "cause": "over-current"},
            "at_unix_ms": 9, "number": 12, "boot": 3, "at_us": 1_500_000, "board": "bench", "missed": false, "lost_before": 3,
        });
        assert_eq!(told, expected);
        let host = event(0, &news(0, Event::Host(HostStage::HoldOff)));
        assert_eq!((&host["stage"], &host["missed"], &host["anew"]), (&json!("hold-off"), &json!(true), &json!(true)));
        assert_eq!(host.get("lost_before"), None);
    }

    #[test]
    fn hex_goes_there_and_back_and_refuses_the_rest() {
        let bytes = [0x00, 0x7f, 0xff];
        assert_eq!(unhex::<3>(&hex(&bytes)), Some(bytes));
        assert_eq!((unhex::<3>("00ff"), unhex::<2>("+0ff"), unhex::<2>("é0f")), (None, None, None));
    }
}
