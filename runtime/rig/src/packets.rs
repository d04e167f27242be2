//! MQTT packets as a shaped link needs them: where one ends, and whether a turn waits for it.

use bytes::{Buf, Bytes, BytesMut};

/// Largest packet that passes, bytes; more than any broker here accepts.
pub(crate) const LINK_PACKET_BYTES_MAX: usize = 2 << 20;

/// A stream that is not MQTT, or a packet longer than [`LINK_PACKET_BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no MQTT packet of at most {LINK_PACKET_BYTES_MAX} bytes: close the connection")]
pub(crate) struct NotMqtt;

/// What a packet means to the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A request, a part of one, or a reply: a turn waits for it.
    Data,
    /// Everything else: handshakes, acknowledgements, telemetry, operator topics.
    Control,
}

const PUBLISH: u8 = 3;

/// One whole packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    /// As it was read.
    pub(crate) bytes: Bytes,
    /// What it means.
    pub(crate) kind: Kind,
}

/// Takes the first whole packet off `buffer`; none if more bytes are needed.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Packet>, NotMqtt> {
    let Some((header, length)) = fixed_header(buffer)? else { return Ok(None) };
    let total = header + length;
    if total > LINK_PACKET_BYTES_MAX {
        return Err(NotMqtt);
    }
    if buffer.len() < total {
        buffer.reserve(total - buffer.len());
        return Ok(None);
    }
    let bytes = buffer.split_to(total).freeze();
    let kind = if bytes[0] >> 4 == PUBLISH { kind_of(&bytes[header..]) } else { Kind::Control };
    Ok(Some(Packet { bytes, kind }))
}

/// Length of the fixed header and of what follows it.
fn fixed_header(buffer: &[u8]) -> Result<Option<(usize, usize)>, NotMqtt> {
    const LENGTH_BYTES_MAX: usize = 4;
    let mut length = 0;
    for index in 0..LENGTH_BYTES_MAX {
        let Some(&byte) = buffer.get(1 + index) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + index, length)));
        }
    }
    Err(NotMqtt)
}

/// By the topic, the first field of a publication: `trimtab/v1/<fleet>/<device>/req…` or `…/res/…`.
fn kind_of(mut body: &[u8]) -> Kind {
    if body.len() < 2 {
        return Kind::Control;
    }
    let length = usize::from(body.get_u16());
    let topic = body.get(..length).unwrap_or_default();
    match topic.split(|byte| *byte == b'/').nth(4) {
        Some(b"req" | b"res") => Kind::Data,
        _ => Kind::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn publish(topic: &str, payload: usize) -> Vec<u8> {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic.as_bytes());
        body.resize(body.len() + 1 + payload, 7);
        let mut packet = vec![0x30];
        let mut rest = body.len();
        loop {
            let digit = (rest % 128) as u8;
            rest /= 128;
            packet.push(if rest > 0 { digit | 0x80 } else { digit });
            if rest == 0 {
                break;
            }
        }
        packet.extend(body);
        packet
    }

    #[test]
    fn a_turn_waits_for_requests_and_replies_only() {
        let cases = [
            ("trimtab/v1/home/robot/req", Kind::Data),
            ("trimtab/v1/home/robot/req/00/3", Kind::Data),
            ("trimtab/v1/home/robot/res/00", Kind::Data),
            ("trimtab/v1/home/robot/tele/decision", Kind::Control),
            ("trimtab/v1/home/_bridge/b/offers", Kind::Control),
        ];
        for (topic, kind) in cases {
            let mut buffer = BytesMut::from(&publish(topic, 300)[..]);
            assert_eq!(take(&mut buffer).unwrap().unwrap().kind, kind, "{topic}");
        }
    }

    proptest! {
        /// However the stream is cut, the same packets come out, byte for byte.
        #[test]
        fn cuts_do_not_matter(sizes in prop::collection::vec(0_usize..40_000, 1..5), cut in 1_usize..5000) {
            let stream: Vec<u8> = sizes.iter().flat_map(|size| publish("trimtab/v1/f/d/req", *size)).collect();
            let (mut buffer, mut out, mut packets) = (BytesMut::new(), Vec::new(), 0);
            for piece in stream.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(packet) = take(&mut buffer).unwrap() {
                    out.extend_from_slice(&packet.bytes);
                    packets += 1;
                }
            }
            prop_assert_eq!(packets, sizes.len());
            prop_assert_eq!(out, stream);
        }

        /// Garbage is refused or waited for, never a panic.
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take(&mut buffer) {}
        }
    }
}
