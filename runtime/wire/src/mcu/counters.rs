//! Everything that is counted on the board; each count saturates.

use serde::{Deserialize, Serialize};

/// What a decoder made of the bytes that it heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FrameCounters {
    /// Whole frames.
    pub frames: u32,
    /// Bytes of whatever was no frame.
    pub garbage_bytes: u32,
    /// Pieces between two zeros that are no frame by their form: cut off, or of no sense to COBS.
    pub malformed: u32,
    /// Pieces whose checksum is wrong.
    pub bad_crc: u32,
    /// Pieces longer than any frame.
    pub oversized: u32,
    /// Whole frames of a version that is not spoken here.
    pub unknown_version: u32,
    /// Whole frames with no message that is known here.
    pub undecodable: u32,
}

/// Readings of one sensor that were not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChannelCounters {
    /// The sensor did not answer.
    pub missing: u32,
    /// Nothing was asked of it for too long.
    pub stale: u32,
    /// Outside what is possible.
    pub range: u32,
    /// Below zero where nothing can be.
    pub negative: u32,
    /// Too far from the one before.
    pub jump: u32,
    /// The same for too long.
    pub stuck: u32,
}

/// All counts of one start of the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Of bytes from the host.
    pub frames: FrameCounters,
    /// Numbered frames of the host that did not come.
    pub missing: u32,
    /// Frames of the host that came twice in a row.
    pub repeated: u32,
    /// Frames of the host that came after a later one.
    pub late: u32,
    /// Frames before a version was agreed on.
    pub ungreeted: u32,
    /// Greetings that were refused for their versions.
    pub refused: u32,
    /// Commands that were not carried out.
    pub nacks: u32,
    /// Releases and configurations with a wrong seal.
    pub wrong_seals: u32,
    /// Releases and configurations with a seal that was used before.
    pub replayed_seals: u32,
    /// Telemetry that was due and dropped, because the line was full.
    pub telemetry_dropped: u32,
    /// Other frames that were dropped, because the line was full.
    pub frames_dropped: u32,
    /// Heartbeats with a number that did not advance.
    pub frozen_heartbeats: u32,
    /// Heartbeats with a time that runs backwards: the host started anew without a word.
    pub host_restarts: u32,
    /// Pulses on the host's reset line.
    pub host_resets: u32,
    /// Of the current.
    pub current: ChannelCounters,
    /// Of the voltage.
    pub voltage: ChannelCounters,
    /// Of the temperature.
    pub temperature: ChannelCounters,
    /// Times at which the board's own clock ran backwards.
    pub clock_faults: u32,
    /// Stamps of samples that lie in the future or too far back.
    pub stamp_faults: u32,
    /// Times at which what is stored was damaged, or was not written.
    pub store_faults: u32,
    /// Lines of the log that were damaged.
    pub log_faults: u32,
}

impl FrameCounters {
    pub(super) const fn count(count: &mut u32) {
        *count = count.saturating_add(1);
    }
}
