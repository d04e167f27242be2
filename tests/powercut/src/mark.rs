//! What the writer notes outside the ledger, past the file system on the same disk: after each settlement that the ledger has
//! acknowledged, one block of its own with the number, the hold, what it cost and what all have cost so far.

use trimtab_core::budget::HoldId;
use trimtab_core::{Bytes, Cost, Joules, Millis, TurnId, Usd};

/// Bytes of a mark: a block of the disk.
pub const MARK_BYTES: usize = 4096;
/// Where the file system ends and the marks begin, in bytes.
pub const MARKS_AT: u64 = 64 << 20;
/// Marks that the disk has room for.
pub const MARKS_MAX: u64 = 16_384;
/// Bytes of the disk.
pub const DISK_BYTES: u64 = MARKS_AT + MARKS_MAX * MARK_BYTES as u64;

const MAGIC: u64 = u64::from_le_bytes(*b"TRIMMARK");
const FIELDS: usize = 13;

/// One acknowledged settlement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Counted from 0.
    pub number: u64,
    /// Of which turn.
    pub turn: TurnId,
    /// Of which hold.
    pub hold: HoldId,
    /// What was debited.
    pub cost: Cost,
    /// What all marks up to this one were debited.
    pub total: Cost,
}

impl Mark {
    /// Where it is on the disk, in bytes.
    #[must_use]
    pub const fn place(&self) -> u64 {
        MARKS_AT + self.number * MARK_BYTES as u64
    }

    /// As it is written: little-endian words with a checksum, and nothing behind.
    #[must_use]
    pub fn block(&self) -> [u8; MARK_BYTES] {
        let mut words = [0; FIELDS];
        words[..4].copy_from_slice(&[MAGIC, self.number, self.turn.key(), self.hold.0]);
        words[4..8].copy_from_slice(&amounts(&self.cost));
        words[8..12].copy_from_slice(&amounts(&self.total));
        words[12] = checksum(&words[..12]);
        let mut block = [0; MARK_BYTES];
        for (place, word) in block.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        block
    }

    /// Reads a block; none if there is no whole mark in it.
    #[must_use]
    pub fn read(block: &[u8]) -> Option<Self> {
        let mut words = [0; FIELDS];
        for (word, place) in words.iter_mut().zip(block.chunks_exact(8)) {
            *word = u64::from_le_bytes(place.try_into().ok()?);
        }
        (block.len() >= 8 * FIELDS && words[0] == MAGIC && words[12] == checksum(&words[..12])).then(|| Self {
            number: words[1],
            turn: TurnId::from_key(words[2]),
            hold: HoldId(words[3]),
            cost: cost(&words[4..8]),
            total: cost(&words[8..12]),
        })
    }
}

const fn amounts(cost: &Cost) -> [u64; 4] {
    [cost.latency.get(), cost.energy.micro(), cost.money.nano(), cost.bytes.get()]
}

fn cost(words: &[u64]) -> Cost {
    Cost {
        latency: Millis::new(words[0]),
        energy: Joules::from_micro(words[1]),
        money: Usd::from_nano(words[2]),
        bytes: Bytes::new(words[3]),
    }
}

/// FNV-1a over words: a mark that was cut in the middle is none.
fn checksum(words: &[u64]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_torn_one_is_none() {
        let cost = |n| Cost {
            latency: Millis::new(n),
            energy: Joules::from_micro(2 * n),
            money: Usd::from_nano(3 * n),
            bytes: Bytes::new(4 * n),
        };
        let mark =
            Mark { number: 7, turn: TurnId { boot: 2, number: 9 }, hold: HoldId(11), cost: cost(5), total: cost(50) };
        let block = mark.block();
        assert_eq!(Mark::read(&block), Some(mark));
        for torn in [0, 8, 40, 96] {
            let mut other = block;
            other[torn] ^= 1;
            assert_eq!(Mark::read(&other), None);
        }
        assert_eq!(Mark::read(&[0; MARK_BYTES]), None);
        assert_eq!(Mark::read(&block[..96]), None);
    }
}
