//! Cuts a stream of JPEG pictures into pictures, within bounds.
//!
//! A picture is followed marker by marker: segments are skipped by their length, so a thumbnail inside a picture is not
//! taken for one. Whatever does not begin like a picture is skipped; whatever does not go on like one is dropped and
//! counted, and the next beginning is looked for.

use super::darkroom::FRAME_BYTES_MAX;

const MARKER: u8 = 0xff;
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before a picture.
    Outside,
    /// Where a marker must stand.
    Marker,
    /// In entropy-coded data, up to the next marker that ends it.
    Scan,
}

/// What the next step of the walk found.
enum Found {
    More,
    Nothing,
    Picture,
    Broken,
}

/// Splits a stream. Holds at most [`FRAME_BYTES_MAX`] bytes.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: Vec<u8>,
    /// Where the current picture begins.
    start: usize,
    /// What is looked at next.
    at: usize,
    state: State,
    limit: usize,
    dropped: u64,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self::with_limit(FRAME_BYTES_MAX)
    }

    fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, at: 0, state: State::Outside, limit, dropped: 0 }
    }

    /// Pictures that were broken or too large.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes what was read and hands out every picture it completes.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut picture: impl FnMut(Vec<u8>)) {
        while !bytes.is_empty() {
            let room = self.limit - self.buffer.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.buffer.extend_from_slice(now);
            bytes = later;
            loop {
                match self.advance() {
                    Found::More => {}
                    Found::Nothing => break,
                    Found::Picture => {
                        picture(self.buffer[self.start..self.at].to_vec());
                        self.start = self.at;
                        self.state = State::Outside;
                    }
                    Found::Broken => {
                        self.dropped += 1;
                        self.start = self.at;
                        self.state = State::Outside;
                    }
                }
            }
            self.compact();
        }
    }

    /// Frees what is done with, and gives up on a picture that fills the buffer.
    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.at -= self.start;
            self.start = 0;
        }
        if self.buffer.len() >= self.limit {
            self.dropped += 1;
            // The last byte may be the first half of the next beginning.
            let last = self.buffer.pop().filter(|byte| *byte == MARKER);
            self.buffer.clear();
            self.buffer.extend(last);
            self.at = 0;
            self.state = State::Outside;
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.buffer.get(at).copied()
    }

    fn advance(&mut self) -> Found {
        match self.state {
            State::Outside => self.seek_start(),
            State::Marker => self.read_marker(),
            State::Scan => self.skip_scan(),
        }
    }

    fn seek_start(&mut self) -> Found {
        let rest = &self.buffer[self.at..];
        if let Some(offset) = rest.windows(2).position(|pair| pair == [MARKER, START]) {
            self.start = self.at + offset;
            self.at = self.start + 2;
            self.state = State::Marker;
            return Found::More;
        }
        let half = usize::from(rest.last() == Some(&MARKER));
        self.at = self.buffer.len() - half;
        self.start = self.at;
        Found::Nothing
    }

    fn read_marker(&mut self) -> Found {
        let (Some(first), Some(kind)) = (self.byte(self.at), self.byte(self.at + 1)) else {
            return Found::Nothing;
        };
        match (first, kind) {
            (MARKER, MARKER) => {
                self.at += 1;
                Found::More
            }
            (MARKER, END) => {
                self.at += 2;
                Found::Picture
            }
            // A second beginning: the first one came to no end. Not skipped, it begins the next picture.
            (MARKER, START) => Found::Broken,
            (MARKER, 0x01 | 0xd0..=0xd7) => {
                self.at += 2;
                Found::More
            }
            (MARKER, 0x02..) => {
                let (Some(high), Some(low)) = (self.byte(self.at + 2), self.byte(self.at + 3)) else {
                    return Found::Nothing;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                if length < 2 {
                    self.at += 2;
                    return Found::Broken;
                }
                if self.buffer.len() < self.at + 2 + length {
                    return Found::Nothing;
                }
                self.at += 2 + length;
                self.state = if kind == SCAN { State::Scan } else { State::Marker };
                Found::More
            }
            _ => {
                self.at += 1;
                Found::Broken
            }
        }
    }

    fn skip_scan(&mut self) -> Found {
        let rest = &self.buffer[self.at..];
        let ends = |pair: &[u8]| pair[0] == MARKER && !matches!(pair[1], 0x00 | MARKER | 0xd0..=0xd7);
        if let Some(offset) = rest.windows(2).position(ends) {
            self.at += offset;
            self.state = State::Marker;
            return Found::More;
        }
        let half = usize::from(rest.last() == Some(&MARKER));
        self.at = self.buffer.len() - half;
        Found::Nothing
    }
}

/// Where a picture that begins with these bytes ends; none if it does not begin here, or does not end.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(&[MARKER, START]) {
        return None;
    }
    let mut splitter = Splitter::with_limit(bytes.len() + 1);
    let mut first = None;
    splitter.push(bytes, |picture| {
        first.get_or_insert(picture.len());
    });
    // A picture further on is none of this one's.
    first.filter(|_| splitter.dropped() == 0)
}

/// What stands before the scan of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether it brings its Huffman tables. Many cameras leave them out, and not every decoder knows them by heart.
    pub(super) has_tables: bool,
}

/// The head of a picture; none where it is damaged, or has no pixels.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let (mut at, mut size, mut has_tables) = (2, None, false);
    loop {
        let four = *bytes.get(at..)?.first_chunk::<4>()?;
        match four {
            [MARKER, MARKER, ..] => {
                at += 1;
                continue;
            }
            [MARKER, 0x01 | 0xd0..=0xd7, ..] => {
                at += 2;
                continue;
            }
            [MARKER, SCAN, ..] => {
                let (height, width) = size?;
                return Some(Head { width, height, has_tables });
            }
            [MARKER, 0xc4, ..] => has_tables = true,
            // A coding with arithmetic, which has no Huffman tables, is decoded by hardly anybody either.
            [MARKER, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, ..] => {
                let [high, low, wide, narrow] = *bytes.get(at + 5..)?.first_chunk::<4>()?;
                let figures = (u16::from_be_bytes([high, low]), u16::from_be_bytes([wide, narrow]));
                size = Some((u32::from(figures.0), u32::from(figures.1))).filter(|size| size.0 > 0 && size.1 > 0);
            }
            [MARKER, ..] => {}
            _ => return None,
        }
        at += 2 + usize::from(u16::from_be_bytes([four[2], four[3]])).max(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_engine::RgbFrame;

    fn picture(side: u32, shade: u8) -> Vec<u8> {
        let pixels = (0..side * side * 3).map(|i| (i as u8).wrapping_mul(shade)).collect();
        RgbFrame::new(side, side, pixels).unwrap().to_jpeg(80).unwrap()
    }

    fn split(stream: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, u64) {
        let (mut splitter, mut pictures, mut rest) = (Splitter::new(), Vec::new(), stream);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            splitter.push(now, |picture| pictures.push(picture));
            rest = later;
        }
        (pictures, splitter.dropped())
    }

    #[test]
    fn header_and_end_are_read() {
        let jpeg = picture(40, 7);
        let expected = Head { width: 40, height: 40, has_tables: true };
        assert_eq!((head(&jpeg), end(&jpeg)), (Some(expected), Some(jpeg.len())));
        assert_eq!(end(&jpeg[..jpeg.len() - 2]), None);
        let with_tail = [&jpeg[..], b"\0\0junk"].concat();
        assert_eq!(end(&with_tail), Some(jpeg.len()));
    }

    #[test]
    fn a_picture_inside_a_segment_is_not_taken_for_one() {
        let (inner, outer) = (picture(8, 3), picture(24, 5));
        let length = u16::try_from(inner.len() + 2).unwrap().to_be_bytes();
        let with_thumbnail = [&[0xff, 0xd8, 0xff, 0xe1], &length[..], &inner, &outer[2..]].concat();
        assert_eq!(split(&with_thumbnail, &[usize::MAX]), (vec![with_thumbnail.clone()], 0));
    }

    #[test]
    fn one_cut_off_is_dropped_and_the_next_is_found() {
        let (cut, whole) = (picture(24, 5), picture(16, 9));
        let stream = [&cut[..cut.len() - 20], &whole].concat();
        assert_eq!(split(&stream, &[7]), (vec![whole], 1));
    }

    #[test]
    fn an_endless_picture_is_bounded() {
        let mut splitter = Splitter::with_limit(1_000);
        let mut seen = 0;
        splitter.push(&[0xff, 0xd8, 0xff, 0xda, 0, 2], |_| seen += 1);
        (0..100).for_each(|_| splitter.push(&[0x11; 99], |_| seen += 1));
        assert!(splitter.buffer.len() <= 1_000 && splitter.dropped() == 1);
        let jpeg = picture(8, 3);
        splitter.push(&jpeg, |_| seen += 1);
        assert_eq!(seen, 1);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            shades in prop::collection::vec((1_u32..30, any::<u8>()), 1..5),
            junk in prop::collection::vec(0_u8..0xff, 0..40),
            sizes in prop::collection::vec(1_usize..900, 1..6),
        ) {
            let pictures: Vec<_> = shades.iter().map(|(side, shade)| picture(*side, *shade)).collect();
            let stream: Vec<u8> = pictures.iter().flat_map(|p| [&junk[..], p].concat()).collect();
            prop_assert_eq!(split(&stream, &sizes), (pictures, 0));
        }

        #[test]
        fn any_bytes_are_survived(
            bytes in prop::collection::vec(prop_oneof![Just(0xff_u8), Just(0xd8), Just(0xd9), Just(0xda), any::<u8>()], 0..600),
            sizes in prop::collection::vec(1_usize..50, 1..4),
        ) {
            let (pieces, dropped) = split(&bytes, &sizes);
            prop_assert_eq!((pieces, dropped), split(&bytes, &[usize::MAX]));
            end(&bytes);
            head(&bytes);
        }
    }
}
