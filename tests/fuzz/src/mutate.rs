//! Seeded changes of an input, for the runs that have no coverage to follow: the same seed makes the same change.

/// Values at which decoders change their minds.
const EDGES: [u8; 10] = [0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0xd8, 0xd9, b'"', b'\n'];
/// Numbers that stand in the place of a number in a text.
const NUMBERS: [&str; 8] =
    ["0", "-1", "1e999", "18446744073709551615", "18446744073709551616", "4294967296", "0.1", "nan"];
/// Most changes of one mutation.
const CHANGES_MAX: u64 = 4;
/// Longest run of bytes that is inserted, removed or moved at once.
const RUN_MAX: usize = 64;

/// Reproducible chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is at least 1.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// `input` with one to four changes, at most `bytes_max` long; `other` is an input to take pieces from.
#[must_use]
pub fn mutated(seed: u64, input: &[u8], other: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut bytes = input.to_vec();
    for _ in 0..=chance.next() % CHANGES_MAX {
        change(&mut chance, &mut bytes, other);
    }
    bytes.truncate(bytes_max);
    bytes
}

fn change(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        bytes.push(chance.one(&EDGES));
        return;
    }
    let at = chance.below(bytes.len());
    let run = 1 + chance.below(RUN_MAX.min(bytes.len() - at));
    match chance.below(10) {
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at] = chance.one(&EDGES),
        2 => bytes[at] = chance.next() as u8,
        3 => bytes.insert(at, chance.one(&EDGES)),
        4 => drop(bytes.drain(at..at + run)),
        5 => {
            let piece = bytes[at..at + run].to_vec();
            let to = chance.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        6 if !other.is_empty() => {
            let from = chance.below(other.len());
            let length = 1 + chance.below(RUN_MAX.min(other.len() - from));
            bytes.splice(at..at + run, other[from..from + length].iter().copied());
        }
        7 => bytes.truncate(at),
        8 => number(chance, bytes, at),
        _ => bytes[at..at + run].fill(chance.one(&EDGES)),
    }
}

/// Replaces the first number from `at` on.
fn number(chance: &mut Chance, bytes: &mut Vec<u8>, at: usize) {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[at..].iter().position(digit).map(|offset| at + offset) else {
        bytes[at] = bytes[at].wrapping_add(1);
        return;
    };
    let end = bytes[start..].iter().position(|byte| !digit(byte)).map_or(bytes.len(), |offset| start + offset);
    bytes.splice(start..end, chance.one(&NUMBERS).bytes());
}
