//! The way to the cloud: certificates and key, the broker, and the packets that it takes.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use trimtab_mqtt::{Connect, Link, LinkState, TlsFiles, Validity};
use trimtab_wire::limits::PACKET_BYTES_MAX;

use super::time::date;
use super::{Finding, Places};
use crate::config::{Config, MqttConfig};

const PART: &str = "broker";
/// How long the broker may take to accept the connection.
const UP_WITHIN: Duration = Duration::from_secs(10);
/// How long the goodbye may take.
const DOWN_WITHIN: Duration = Duration::from_secs(2);
/// A certificate that ends within this should be renewed now.
const RENEW: Duration = Duration::from_secs(30 * 86_400);
/// Rights of others than the owner on a key's file.
const OTHERS: u32 = 0o077;
/// The right of everybody to read it.
const EVERYBODY: u32 = 0o004;

pub(super) async fn examine(config: &Config, running: Option<&Value>, places: &Places) -> Vec<Finding> {
    let Some(mqtt) = &config.mqtt else {
        return vec![Finding::ok(PART, "none configured: everything is answered here")];
    };
    let mut findings = Vec::new();
    if let Some(tls) = &mqtt.tls {
        findings.extend(certificates(tls, (places.now)()));
    }
    findings.push(match running {
        // A second connection by the same name would end the runtime's own.
        Some(status) => told(mqtt, status),
        None => tried(config, mqtt).await,
    });
    findings
}

fn certificates(tls: &TlsFiles, now: SystemTime) -> Vec<Finding> {
    let mut findings = match tls.validity() {
        Ok(found) => found.iter().map(|certificate| valid(certificate, now)).collect(),
        Err(fault) => vec![Finding::fault("certificate", &fault)],
    };
    if let Some((_, key)) = &tls.identity {
        findings.extend(exposed(key));
    }
    findings
}

fn valid(certificate: &Validity, now: SystemTime) -> Finding {
    const PART: &str = "certificate";
    let (place, to) = (certificate.path.display(), date(certificate.to));
    if now > certificate.to {
        Finding::fail(
            PART,
            format!("{place}: expired on {to}; have it renewed by whoever issues the fleet's certificates"),
        )
    } else if now < certificate.from {
        let from = date(certificate.from);
        Finding::fail(
            PART,
            format!("{place}: not valid before {from}, and the clock says {}; set the clock", date(now)),
        )
    } else if now + RENEW > certificate.to {
        Finding::warn(PART, format!("{place}: expires on {to}; have it renewed"))
    } else {
        Finding::ok(PART, format!("{place}: valid until {to}"))
    }
}

/// A key that more than its owner may read.
fn exposed(key: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(key).ok()?.mode();
    let place = key.display();
    if mode & EVERYBODY != 0 {
        Some(Finding::fail(
            "key",
            format!(
                "{place}: everybody may read it; `chmod 600 {place}`, and have the certificate replaced if others use this board"
            ),
        ))
    } else if mode & OTHERS != 0 {
        Some(Finding::warn(
            "key",
            format!("{place}: its group has rights on it; `chmod 600 {place}` unless that is meant"),
        ))
    } else {
        None
    }
}

fn told(mqtt: &MqttConfig, status: &Value) -> Finding {
    let (host, port, link) = (&mqtt.host, mqtt.port, &status["link"]);
    if link["up"] == true {
        return Finding::ok(PART, format!("{host}:{port} is connected, {} ms round trip", link["round_trip_ms"]));
    }
    let why = link["why"].as_str().unwrap_or("the runtime does not say why");
    Finding::fail(
        PART,
        format!(
            "{host}:{port}: not connected ({why}); the runtime goes on trying: check network, certificates and the broker's log"
        ),
    )
}

async fn tried(config: &Config, mqtt: &MqttConfig) -> Finding {
    let (host, port) = (&mqtt.host, mqtt.port);
    let mut connect = Connect::new(config.id.as_str(), host, port);
    connect.tls.clone_from(&mqtt.tls);
    connect.allow_plaintext = mqtt.allow_plaintext;
    let link = match Link::start(&connect, &[]) {
        // Nothing is subscribed to, so nothing comes.
        Ok((link, _)) => link,
        Err(fault) => return Finding::fault(PART, &fault),
    };
    let state = link.up_within(UP_WITHIN).await;
    link.disconnect(DOWN_WITHIN).await;
    match state {
        LinkState::Up { max_packet, .. } if max_packet < PACKET_BYTES_MAX => Finding::fail(
            PART,
            format!(
                "{host}:{port}: takes packets of {max_packet} bytes, and views are sent in packets of up to {PACKET_BYTES_MAX}; raise the broker's limit (mosquitto: max_packet_size)"
            ),
        ),
        LinkState::Up { max_packet, .. } => {
            Finding::ok(PART, format!("{host}:{port} answers and takes packets of {max_packet} bytes"))
        }
        LinkState::Down { reason, .. } => Finding::fail(
            PART,
            format!(
                "{host}:{port}: no connection within {} s ({reason}); check host, port, network and certificates",
                UP_WITHIN.as_secs()
            ),
        ),
        LinkState::Ended => Finding::fail(PART, format!("{host}:{port}: the connection ended; try again")),
    }
}
