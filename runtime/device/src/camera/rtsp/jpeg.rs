//! Puts pictures together again that came in packets without their heads (RFC 3550, section 5.1; RFC 2435, section 3).
//!
//! Packets come in their order, because one connection carries them. A picture of which a part is missing is dropped and
//! counted: a server leaves parts out when it is short of time.

use std::collections::BTreeMap;

use super::super::darkroom::FRAME_BYTES_MAX;
use super::tables;

/// Qualities from here on say that a packet brings its steps along.
const OWN_STEPS: u8 = 128;
/// A quality whose steps change with every picture.
const CHANGING_STEPS: u8 = 255;
/// Kinds from here on have restart marks.
const RESTARTS: u8 = 64;
/// Most bytes of two tables of steps.
const STEPS_BYTES_MAX: usize = 256;

/// Why a stream is not read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum JpegError {
    #[error("sends JPEG of kind {0}, which RFC 2435 does not describe; switch its format to 4:2:0 or 4:2:2")]
    Kind(u8),
    #[error("sends pictures of more than 2040 pixels a side, which RTP cannot tell; lower their resolution")]
    Size,
}

/// One packet.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Packet<'a> {
    pub(super) payload_type: u8,
    /// Whether it is the last one of its picture.
    is_last: bool,
    /// Of the picture that it belongs to.
    stamp: u32,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Nothing if it is none.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let [first, second, _, _, a, b, c, d, _, _, _, _, rest @ ..] = bytes else { return None };
        if first >> 6 != 2 {
            return None;
        }
        let mut payload = rest.get(4 * usize::from(first & 0x0f)..)?;
        if first & 0x10 != 0 {
            let [_, _, high, low, rest @ ..] = payload else { return None };
            payload = rest.get(4 * usize::from(u16::from_be_bytes([*high, *low]))..)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Self {
            payload_type: second & 0x7f,
            is_last: second & 0x80 != 0,
            stamp: u32::from_be_bytes([*a, *b, *c, *d]),
            payload,
        })
    }
}

/// Steps of brightness and of colour, as they stand in a picture.
#[derive(Clone)]
struct Steps {
    /// Bit 0 and bit 1: whether those of brightness and of colour have two bytes each.
    wide: u8,
    bytes: Vec<u8>,
}

impl Steps {
    /// The segments that hold them; false if bytes are missing.
    fn write(&self, picture: &mut Vec<u8>) -> bool {
        let mut rest = self.bytes.as_slice();
        for table in 0..2_u8 {
            let is_wide = self.wide >> table & 1;
            let length = 64 << is_wide;
            // Where there is one table, it is for both.
            let source = if rest.is_empty() { self.bytes.as_slice() } else { rest };
            let Some((steps, later)) = source.split_at_checked(length) else { return false };
            picture.extend_from_slice(&[0xff, 0xdb, 0, length as u8 + 3, is_wide << 4 | table]);
            picture.extend_from_slice(steps);
            rest = later;
        }
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// No picture has begun yet: one joins in the middle of one.
    Joining,
    /// Between two pictures.
    Between,
    /// In a picture whose head has so many bytes.
    Inside { stamp: u32, head: usize },
    /// In a picture that lacks something.
    Lacking { stamp: u32 },
}

/// Puts pictures together. Holds at most [`FRAME_BYTES_MAX`], and a kilobyte of steps for each of 127 qualities.
pub(super) struct Assembler {
    state: State,
    picture: Vec<u8>,
    steps: BTreeMap<u8, Steps>,
    dropped: u64,
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self { state: State::Joining, picture: Vec::new(), steps: BTreeMap::new(), dropped: 0 }
    }

    /// Pictures that lacked something.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes a packet, and hands out the picture that it completes.
    pub(super) fn push(&mut self, packet: &Packet<'_>) -> Result<Option<Vec<u8>>, JpegError> {
        let [_, a, b, c, kind, quality, width, height, rest @ ..] = packet.payload else {
            self.lack(packet.stamp);
            return Ok(None);
        };
        let offset = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((restart, rest)) = restart(*kind, rest) else {
            self.lack(packet.stamp);
            return Ok(None);
        };
        if offset == 0 {
            let is_cut = matches!(self.state, State::Inside { .. });
            self.dropped += u64::from(is_cut);
            self.begin(packet.stamp, *kind, *quality, (*width, *height), restart, rest)?;
        } else {
            self.go_on(packet.stamp, offset, rest);
        }
        Ok(if packet.is_last { self.end() } else { None })
    }

    /// The first packet of a picture.
    fn begin(
        &mut self,
        stamp: u32,
        kind: u8,
        quality: u8,
        size: (u8, u8),
        restart: u16,
        rest: &[u8],
    ) -> Result<(), JpegError> {
        let sampling = match kind % RESTARTS {
            0 if kind < 2 * RESTARTS => 0x21,
            1 if kind < 2 * RESTARTS => 0x22,
            _ => return Err(JpegError::Kind(kind)),
        };
        if size.0 == 0 || size.1 == 0 {
            return Err(JpegError::Size);
        }
        self.state = State::Between;
        let Some((steps, scan)) = self.steps_of(quality, rest) else {
            self.lack(stamp);
            return Ok(());
        };
        self.picture.clear();
        // Beginning, and the mark of an ordinary file (JFIF 1.1).
        self.picture.extend_from_slice(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        if !steps.write(&mut self.picture) {
            self.lack(stamp);
            return Ok(());
        }
        if restart > 0 {
            let [high, low] = restart.to_be_bytes();
            self.picture.extend_from_slice(&[0xff, 0xdd, 0, 4, high, low]);
        }
        let [[top, high], [wide, low]] = [size.1, size.0].map(|side| (u16::from(side) * 8).to_be_bytes());
        self.picture.extend_from_slice(&[0xff, 0xc0, 0, 17, 8, top, high, wide, low, 3]);
        self.picture.extend_from_slice(&[1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1]);
        tables::write_codes(&mut self.picture);
        self.picture.extend_from_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
        self.state = State::Inside { stamp, head: self.picture.len() };
        self.go_on(stamp, 0, scan);
        Ok(())
    }

    /// A part that begins so many bytes after the head.
    fn go_on(&mut self, stamp: u32, offset: usize, bytes: &[u8]) {
        match self.state {
            State::Inside { stamp: known, head }
                if known == stamp
                    && self.picture.len() == head + offset
                    && self.picture.len() + bytes.len() + 2 <= FRAME_BYTES_MAX =>
            {
                self.picture.extend_from_slice(bytes);
            }
            State::Joining => {}
            State::Lacking { stamp: known } if known == stamp => {}
            State::Inside { .. } | State::Between | State::Lacking { .. } => self.lack(stamp),
        }
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        match self.state {
            State::Joining => None,
            State::Between | State::Lacking { .. } => {
                self.state = State::Between;
                None
            }
            State::Inside { .. } => {
                self.state = State::Between;
                let mut picture = std::mem::take(&mut self.picture);
                if !picture.ends_with(&[0xff, 0xd9]) {
                    picture.extend_from_slice(&[0xff, 0xd9]);
                }
                Some(picture)
            }
        }
    }

    /// A picture lacks something; what came of it is dropped.
    fn lack(&mut self, stamp: u32) {
        if self.state == State::Joining {
            return;
        }
        self.dropped += 1;
        self.picture.clear();
        self.state = State::Lacking { stamp };
    }

    /// The steps of a picture, and what follows them in its first packet.
    fn steps_of<'a>(&mut self, quality: u8, rest: &'a [u8]) -> Option<(Steps, &'a [u8])> {
        if quality < OWN_STEPS {
            return Some((Steps { wide: 0, bytes: tables::steps(quality).to_vec() }, rest));
        }
        let [_, wide, high, low, rest @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 {
            // As in an earlier picture.
            return Some((self.steps.get(&quality)?.clone(), rest));
        }
        let (bytes, scan) = rest.split_at_checked(length)?;
        let steps = Steps { wide: *wide, bytes: bytes.get(..length.min(STEPS_BYTES_MAX))?.to_vec() };
        if quality != CHANGING_STEPS {
            self.steps.insert(quality, steps.clone());
        }
        Some((steps, scan))
    }
}

/// How many blocks lie between two restart marks, none if there are none, and what follows. Nothing if bytes are missing.
fn restart(kind: u8, rest: &[u8]) -> Option<(u16, &[u8])> {
    if kind < RESTARTS {
        return Some((0, rest));
    }
    let [high, low, _, _, rest @ ..] = rest else { return None };
    Some((u16::from_be_bytes([*high, *low]), rest))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;
    use trimtab_engine::RgbFrame;

    use super::*;

    /// The packets of a picture of 32 by 16 whose first part brings no steps, as RFC 2435 shows them.
    fn packets(stamp: u32, kind: u8, quality: u8, scan: &[u8], part: usize) -> Vec<Vec<u8>> {
        let count = scan.chunks(part).count();
        let packet = |(at, bytes): (usize, &[u8])| {
            let mut packet = vec![0x80, 26 | u8::from(at + 1 == count) << 7, 0, at as u8];
            packet.extend_from_slice(&stamp.to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 7]);
            packet.extend_from_slice(&(part as u32 * at as u32).to_be_bytes());
            packet.extend_from_slice(&[kind, quality, 4, 2]);
            packet.extend_from_slice(bytes);
            packet
        };
        scan.chunks(part).enumerate().map(packet).collect()
    }

    fn push(assembler: &mut Assembler, packets: &[Vec<u8>], range: Range<usize>) -> Option<Vec<u8>> {
        let mut pictures = Vec::new();
        for packet in &packets[range] {
            pictures.extend(assembler.push(&Packet::read(packet).unwrap()).unwrap());
        }
        assert!(pictures.len() <= 1);
        pictures.pop()
    }

    /// Grey all over: every block has no difference to the one before, and nothing else. Two codes of brightness, `00` and
    /// `1010`, and two of colour, `00` and `00` (tables K.3 to K.6); four of the former and one of each of the latter in a group.
    fn grey() -> Vec<u8> {
        let group = ["001010"; 4].concat() + &["0000"; 2].concat();
        let mut bits = group.repeat(2);
        while bits.len() % 8 != 0 {
            bits.push('1');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    #[test]
    fn a_picture_is_put_together_and_can_be_decoded() {
        let mut assembler = Assembler::new();
        let parts = packets(1, 1, 50, &grey(), 3);
        assert!(parts.len() > 2);
        let picture = push(&mut assembler, &parts, 0..parts.len()).unwrap();
        let pixels = RgbFrame::decode(&picture, "packets").unwrap();
        assert_eq!((pixels.width(), pixels.height()), (32, 16));
        assert!(pixels.pixels().iter().all(|number| number.abs_diff(128) <= 1), "{:?}", &pixels.pixels()[..12]);
    }

    #[test]
    fn what_lacks_a_part_is_dropped_and_the_next_one_is_shown() {
        let mut assembler = Assembler::new();
        let [one, two, three] = [1, 2, 3].map(|stamp| packets(stamp, 1, 50, &grey(), 3));
        let whole = one.len();
        // One joins in the middle of a picture, which is no loss.
        assert_eq!((push(&mut assembler, &one, 1..whole), assembler.dropped()), (None, 0));
        // The end is missing, then the middle, then the beginning.
        assert_eq!(push(&mut assembler, &one, 0..whole - 1), None);
        assert!(push(&mut assembler, &two, 0..whole).is_some());
        assert_eq!(assembler.dropped(), 1);
        push(&mut assembler, &three, 0..1);
        assert_eq!((push(&mut assembler, &three, 2..whole), assembler.dropped()), (None, 2));
        assert_eq!((push(&mut assembler, &one, 1..whole), assembler.dropped()), (None, 3));
        assert!(push(&mut assembler, &two, 0..whole).is_some());
    }

    #[test]
    fn steps_come_along_once_or_every_time() {
        let mut assembler = Assembler::new();
        let along = [&[0, 0, 0, 128][..], &tables::steps(50), &grey()].concat();
        let before = [&[0, 0, 0, 0][..], &grey()].concat();
        let show = |assembler: &mut Assembler, quality, scan: &[u8]| {
            push(assembler, &packets(1, 1, quality, scan, 1_000), 0..1)
        };
        let plain = show(&mut assembler, 50, &grey()).unwrap();
        assert_eq!(show(&mut assembler, 200, &before), None, "there are none yet");
        assert_eq!(show(&mut assembler, 200, &along).unwrap(), plain);
        assert_eq!(show(&mut assembler, 200, &before).unwrap(), plain);
        assert_eq!(show(&mut assembler, 255, &along).unwrap(), plain);
        assert_eq!(show(&mut assembler, 255, &before), None);
        assert_eq!(show(&mut assembler, 201, &along[..100]), None, "they are cut off");
    }

    #[test]
    fn what_cannot_be_shown_is_told() {
        let told = |at: usize, value: u8| {
            let mut packet = packets(1, 1, 50, &grey(), 1_000).remove(0);
            packet[at] = value;
            Assembler::new().push(&Packet::read(&packet).unwrap()).unwrap_err().to_string()
        };
        assert!(told(16, 5).starts_with("sends JPEG of kind 5"));
        assert!(told(18, 0).contains("2040 pixels a side"));
        assert_eq!(Packet::read(b"\x80\x1a\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(Packet::read(&[0x40; 20]), None);
    }

    #[test]
    fn an_endless_picture_is_bounded() {
        let mut assembler = Assembler::new();
        let mut packet = packets(1, 1, 50, &[0; 65_000], 65_000).remove(0);
        packet[1] = 26;
        for at in 0..200_u32 {
            packet[12..16].copy_from_slice(&(at * 65_000).to_be_bytes());
            assert_eq!(assembler.push(&Packet::read(&packet).unwrap()), Ok(None));
            assert!(assembler.picture.len() <= FRAME_BYTES_MAX);
        }
        assert_eq!(assembler.dropped(), 1);
    }

    proptest! {
        #[test]
        fn any_packets_are_survived(
            junk in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0_u8..4, any::<bool>()), 0..40),
        ) {
            let mut assembler = Assembler::new();
            for (bytes, kind, is_first) in junk {
                let mut packet = packets(1, kind, 250, &bytes, 1_000).pop().unwrap_or_default();
                if let Some(byte) = packet.get_mut(15) {
                    *byte = u8::from(!is_first);
                }
                if let Some(packet) = Packet::read(&packet) {
                    let _ = assembler.push(&packet);
                }
                if let Some(packet) = Packet::read(&bytes) {
                    let _ = assembler.push(&packet);
                }
            }
        }
    }
}
