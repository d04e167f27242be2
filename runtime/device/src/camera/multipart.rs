//! Takes an endless multipart answer apart: a delimiter, the head of a part, its picture, and so on.
//!
//! A part whose head states its length is taken as it is. Where one does not, the rest of the answer is cut by the pictures' own
//! ends: so a picture is there as soon as its last byte, and not when the next one begins.

use super::darkroom::FRAME_BYTES_MAX;
use super::mjpeg::Splitter;

/// Longest head of a part, bytes.
pub(super) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Most that may stand between two parts, bytes.
pub(super) const GAP_BYTES_MAX: usize = 64 * 1024;
/// Longest delimiter, bytes; the standard allows 70.
const DELIMITER_BYTES_MAX: usize = 256;

/// Why an answer is not read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum MultipartError {
    #[error("sends a part whose head has no end within {HEAD_BYTES_MAX} bytes")]
    Head,
    #[error("sends more than {GAP_BYTES_MAX} bytes without the delimiter that it announced")]
    Gap,
    #[error("announces a picture of {0} bytes, above the limit of {FRAME_BYTES_MAX}; lower its resolution or quality")]
    Length(u64),
    #[error("ended its answer")]
    End,
}

enum State {
    /// Before a delimiter, after so many bytes of something else.
    Gap { skipped: usize },
    /// In the head of a part, looked at up to here.
    Head { seen: usize },
    /// In a picture of so many bytes.
    Picture { length: usize },
    /// Pictures are cut by their own ends.
    Stream(Splitter),
}

/// Takes an answer apart. Holds at most [`FRAME_BYTES_MAX`] and what was pushed last.
pub(super) struct Multipart {
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    state: State,
}

impl Multipart {
    /// Of an answer with this type, if it is one of pictures.
    pub(super) fn of_type(content_type: &str) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let state = match kind.trim().to_ascii_lowercase().as_str() {
            "multipart/x-mixed-replace" | "multipart/mixed" => State::Gap { skipped: 0 },
            // What servers call pictures one after the other without anything between.
            "video/x-motion-jpeg" | "video/x-jpeg" | "video/mjpeg" | "application/octet-stream" => {
                State::Stream(Splitter::new())
            }
            _ => return None,
        };
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
        });
        // Many servers write the two dashes before a delimiter also into its name.
        let name = boundary.unwrap_or_default().trim_start_matches('-');
        let unnamed = name.is_empty() || name.len() > DELIMITER_BYTES_MAX;
        let state = if unnamed { State::Stream(Splitter::new()) } else { state };
        Some(Self { delimiter: format!("--{name}").into_bytes(), buffer: Vec::new(), state })
    }

    /// Pictures that broke off.
    pub(super) const fn dropped(&self) -> u64 {
        match &self.state {
            State::Stream(splitter) => splitter.dropped(),
            State::Gap { .. } | State::Head { .. } | State::Picture { .. } => 0,
        }
    }

    /// Takes what was read and hands out every picture it completes.
    pub(super) fn push(&mut self, bytes: &[u8], mut picture: impl FnMut(Vec<u8>)) -> Result<(), MultipartError> {
        self.buffer.extend_from_slice(bytes);
        while self.advance(&mut picture)? {}
        Ok(())
    }

    /// One step; false if more bytes are needed.
    fn advance(&mut self, picture: &mut impl FnMut(Vec<u8>)) -> Result<bool, MultipartError> {
        match &mut self.state {
            State::Gap { skipped } => {
                if let Some(at) = find(&self.buffer, &self.delimiter) {
                    self.buffer.drain(..at + self.delimiter.len());
                    self.state = State::Head { seen: 0 };
                    return Ok(true);
                }
                // The last bytes may be the beginning of a delimiter.
                let done = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                self.buffer.drain(..done);
                *skipped += done;
                if *skipped > GAP_BYTES_MAX { Err(MultipartError::Gap) } else { Ok(false) }
            }
            State::Head { seen } => {
                if self.buffer.starts_with(b"--") {
                    return Err(MultipartError::End);
                }
                let Some(end) = head_end(&self.buffer, *seen) else {
                    // The end may be cut in two.
                    *seen = self.buffer.len().saturating_sub(3);
                    return if self.buffer.len() > HEAD_BYTES_MAX { Err(MultipartError::Head) } else { Ok(false) };
                };
                if end > HEAD_BYTES_MAX {
                    return Err(MultipartError::Head);
                }
                let length = stated_length(&self.buffer[..end]);
                self.buffer.drain(..end);
                self.state = match length {
                    Some(length) if length > FRAME_BYTES_MAX as u64 => return Err(MultipartError::Length(length)),
                    Some(0) => State::Gap { skipped: 0 },
                    Some(length) => State::Picture { length: length as usize },
                    None => State::Stream(Splitter::new()),
                };
                Ok(true)
            }
            State::Picture { length } => {
                if self.buffer.len() < *length {
                    return Ok(false);
                }
                let rest = self.buffer.split_off(*length);
                picture(std::mem::replace(&mut self.buffer, rest));
                self.state = State::Gap { skipped: 0 };
                Ok(true)
            }
            State::Stream(splitter) => {
                splitter.push(&self.buffer, picture);
                self.buffer.clear();
                Ok(false)
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Where a head ends: behind the first empty line.
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let lines = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n');
    let mut ends = lines.filter_map(|(at, _)| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    });
    ends.next()
}

/// What a head says of the length of what follows it.
pub(super) fn stated_length(head: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(head);
    let mut lengths = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    lengths.next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_engine::RgbFrame;

    use super::*;

    fn picture(shade: u8) -> Vec<u8> {
        RgbFrame::new(16, 8, (0..384).map(|at| (at as u8).wrapping_mul(shade)).collect()).unwrap().to_jpeg(70).unwrap()
    }

    fn taken(kind: &str, bytes: &[u8], sizes: &[usize]) -> (Vec<Vec<u8>>, Result<(), MultipartError>, u64) {
        let (mut parts, mut pictures, mut rest) = (Multipart::of_type(kind).unwrap(), Vec::new(), bytes);
        let mut outcome = Ok(());
        for size in sizes.iter().cycle() {
            if rest.is_empty() || outcome.is_err() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            outcome = parts.push(now, |picture| pictures.push(picture));
            rest = later;
        }
        (pictures, outcome, parts.dropped())
    }

    const NAMED: &str = "multipart/x-mixed-replace; boundary=frame";

    fn with_length(jpeg: &[u8]) -> Vec<u8> {
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\ncontent-length: {}\r\n\r\n", jpeg.len());
        [head.as_bytes(), jpeg, b"\r\n"].concat()
    }

    #[test]
    fn servers_differ_and_are_all_understood() {
        let (one, two) = (picture(3), picture(7));
        let plain = |head: &str| [head.as_bytes(), &one, head.as_bytes(), &two].concat();
        let stated = [with_length(&one), with_length(&two)].concat();
        for (kind, bytes) in [
            (NAMED, stated.clone()),
            ("Multipart/X-Mixed-Replace;boundary=\"--frame\"", stated.clone()),
            ("multipart/x-mixed-replace", stated),
            (NAMED, plain("--frame\r\nContent-Type: image/jpeg\r\n\r\n")),
            (NAMED, plain("\r\n--frame\n\n")),
            ("application/octet-stream", plain("")),
        ] {
            let (pictures, outcome, _) = taken(kind, &bytes, &[7]);
            assert_eq!((pictures, outcome), (vec![one.clone(), two.clone()], Ok(())), "{kind}");
        }
        assert!(Multipart::of_type("text/html").is_none());
        assert!(Multipart::of_type("image/jpeg").is_none());
    }

    #[test]
    fn whatever_has_no_end_is_given_up() {
        let endless = [b"--frame\r\n".to_vec(), b"X-More: more\r\n".repeat(2_000)].concat();
        assert_eq!(taken(NAMED, &endless, &[1_000]).1, Err(MultipartError::Head));
        assert_eq!(taken(NAMED, &vec![b'x'; 2 * GAP_BYTES_MAX], &[900]).1, Err(MultipartError::Gap));
        let huge = b"--frame\r\nContent-Length: 99999999\r\n\r\n";
        assert_eq!(taken(NAMED, huge, &[9]).1, Err(MultipartError::Length(99_999_999)));
        assert_eq!(taken(NAMED, b"--frame--\r\n", &[3]).1, Err(MultipartError::End));
    }

    #[test]
    fn after_a_wrong_length_the_next_part_is_found() {
        let (one, two) = (picture(3), picture(7));
        let short = [b"--frame\r\nContent-Length: 10\r\n\r\n", &one[..]].concat();
        let (pictures, outcome, _) = taken(NAMED, &[short, with_length(&two)].concat(), &[50]);
        assert_eq!((&pictures[0][..], &pictures[1], outcome), (&one[..10], &two, Ok(())));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(shades in prop::collection::vec(1_u8..200, 1..5), sizes in prop::collection::vec(1_usize..300, 1..5)) {
            let pictures: Vec<_> = shades.iter().map(|shade| picture(*shade)).collect();
            let bytes: Vec<u8> = pictures.iter().flat_map(|jpeg| with_length(jpeg)).collect();
            prop_assert_eq!(taken(NAMED, &bytes, &sizes), (pictures, Ok(()), 0));
        }

        #[test]
        fn any_bytes_are_survived(
            bytes in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..500),
            sizes in prop::collection::vec(1_usize..50, 1..4),
        ) {
            let bytes = [b"--frame\r\n", &bytes[..]].concat();
            prop_assert_eq!(taken(NAMED, &bytes, &sizes), taken(NAMED, &bytes, &[usize::MAX]));
        }
    }
}
