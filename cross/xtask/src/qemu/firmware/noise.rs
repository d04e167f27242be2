//! What comes over a serial line that is no proper frame.

use anyhow::Result;
use trimtab_wire::mcu::{BudgetWindow, FRAME_BYTES_MAX, Query, ToMcu, Versions, encode};

use super::bench::Bench;

/// A kind of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Noise {
    /// So many bytes without sense.
    Garbage(usize),
    /// A frame without its end.
    Truncated,
    /// A command twice.
    Repeated,
    /// Two commands in the wrong order.
    Reordered,
    /// No end for longer than any frame.
    Oversized,
    /// A whole frame of a version that nobody speaks yet.
    Future,
    /// A whole frame with a bit that fell over.
    Flipped,
    /// A whole frame with a message that nobody knows.
    Unknown,
}

/// Makes it.
pub(super) fn make(bench: &mut Bench, noise: Noise) -> Result<()> {
    let query = ToMcu::Query(Query::Challenge);
    match noise {
        Noise::Garbage(bytes) => bench.send_raw(&garbage(bytes)),
        Noise::Truncated => {
            let (_, frame) = bench.frame(&query)?;
            let mut half = frame[..frame.len() / 2].to_vec();
            half.push(0);
            bench.send_raw(&half)
        }
        Noise::Repeated => {
            let (_, frame) = bench.frame(&ToMcu::SetBudget { window: BudgetWindow::Hour, limit: None })?;
            bench.send_raw(&frame)?;
            bench.send_raw(&frame)
        }
        Noise::Reordered => {
            let (_, first) = bench.frame(&query)?;
            let (_, second) = bench.frame(&query)?;
            bench.send_raw(&second)?;
            bench.send_raw(&first)
        }
        Noise::Oversized => {
            let mut endless = vec![0x55; 3 * FRAME_BYTES_MAX];
            endless.push(0);
            bench.send_raw(&endless)
        }
        Noise::Future => {
            let frame = encode(Versions::SPOKEN.max + 1, 0, &query)?;
            bench.send_raw(&frame)
        }
        Noise::Flipped => {
            let (_, mut frame) = bench.frame(&query)?;
            // One of the checksum's: whatever a zero becomes is a border, and a border is another fault.
            let place = frame.len() - 3;
            frame[place] ^= if frame[place] == 0x40 { 0x20 } else { 0x40 };
            bench.send_raw(&frame)
        }
        Noise::Unknown => {
            let frame = encode(Versions::SPOKEN.max, 0, &[0x7f_u8; 4])?;
            bench.send_raw(&frame)
        }
    }
}

/// Bytes of all values without a pattern, always the same.
fn garbage(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(draw).take(bytes).collect()
}
