//! What the device's own traffic says of its link: round trip from small packets, uplink from large ones.

use std::time::Duration;

use trimtab_core::Millis;
use trimtab_core::observation::LinkEstimate;

/// Packets up to this size tell the round trip, bytes.
const SMALL_BYTES_MAX: u64 = 4 * 1024;
/// Transfers from this size on tell the uplink, bytes.
const LARGE_BYTES_MIN: u64 = 8 * 1024;
/// Weight of the newest observation.
const WEIGHT: f64 = 0.3;
/// Shortest time that counts for a transfer: below it the clock's own grain would be measured.
const TRANSFER_MIN: Duration = Duration::from_micros(200);
/// Fastest uplink that is believed, bits a second.
const UPLINK_MAX: f64 = 10e9;

/// Exponential averages of round trip and uplink.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkMeter {
    round_trip_s: f64,
    uplink_bits_per_s: f64,
    up: bool,
    measure: bool,
}

impl LinkMeter {
    pub(crate) fn new(prior: LinkEstimate, measure: bool) -> Self {
        Self {
            round_trip_s: prior.round_trip.duration().as_secs_f64(),
            uplink_bits_per_s: prior.uplink_bits_per_s as f64,
            up: false,
            measure,
        }
    }

    pub(crate) fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    /// `bytes` were handed to the connection and acknowledged after `took`.
    pub(crate) fn on_acknowledged(&mut self, bytes: u64, took: Duration) {
        if !self.measure {
            return;
        }
        let took = took.as_secs_f64();
        if bytes <= SMALL_BYTES_MAX {
            self.round_trip_s += WEIGHT * (took - self.round_trip_s);
        } else if bytes >= LARGE_BYTES_MIN {
            let transfer = (took - self.round_trip_s).max(TRANSFER_MIN.as_secs_f64());
            let seen = (bytes as f64 * 8.0 / transfer).min(UPLINK_MAX);
            // Averaged as time per bit, since times add up and rates do not.
            let slowness = 1.0 / self.uplink_bits_per_s.max(1.0);
            self.uplink_bits_per_s = 1.0 / (slowness + WEIGHT * (1.0 / seen - slowness));
        }
    }

    pub(crate) fn estimate(&self) -> LinkEstimate {
        LinkEstimate {
            up: self.up,
            round_trip: Millis::from_duration(Duration::from_secs_f64(self.round_trip_s.max(0.0))),
            uplink_bits_per_s: self.uplink_bits_per_s.max(1.0) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_moves_the_estimate_to_the_link_it_took() {
        let prior = LinkEstimate { up: false, round_trip: Millis::new(80), uplink_bits_per_s: 5_000_000 };
        let mut meter = LinkMeter::new(prior, true);
        for _ in 0..40 {
            meter.on_acknowledged(500, Duration::from_millis(20));
            meter.on_acknowledged(100_000, Duration::from_millis(20 + 400));
        }
        let seen = meter.estimate();
        assert!((20..=22).contains(&seen.round_trip.get()), "{seen:?}");
        assert!((1_900_000..=2_200_000).contains(&seen.uplink_bits_per_s), "{seen:?}");

        let mut fixed = LinkMeter::new(prior, false);
        fixed.on_acknowledged(100_000, Duration::from_secs(9));
        fixed.set_up(true);
        assert_eq!(fixed.estimate(), LinkEstimate { up: true, ..prior });
    }
}
