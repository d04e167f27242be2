//! Feeds the supervisor with all that happens, and does what it says.

use core::sync::atomic::Ordering;

use embassy_futures::select::{Either5, select5};
use embassy_time::{Instant, Timer};
use embedded_io_async::{Read, Write};
use trimtab_supervisor::{Input, Outputs, Supervisor};

use crate::{Pins, Shared, now};

/// Bytes that are taken from the serial port, or put into it, at a time.
const CHUNK_BYTES: usize = 64;

/// Runs the supervisor for ever. A serial port that fails is as one that is silent.
pub async fn supervise(
    supervisor: &mut Supervisor<'_>,
    mut from_host: impl Read,
    mut to_host: impl Write,
    mut pins: impl Pins,
    shared: &Shared,
) -> ! {
    let mut received = [0; CHUNK_BYTES];
    let mut sending = Sending { bytes: [0; CHUNK_BYTES], sent: 0, end: 0 };
    let mut outputs = supervisor.step(now(), Input::Tick);
    loop {
        pins.set(outputs.lines);
        if outputs.feed {
            pins.feed();
        }
        if outputs.save {
            shared.record.signal(*supervisor.record());
        }
        let period_ms = u32::try_from(supervisor.config().sample_period.get()).unwrap_or(u32::MAX);
        shared.period_ms.store(period_ms, Ordering::Relaxed);
        if sending.done() {
            sending = Sending { end: supervisor.transmit(&mut sending.bytes), sent: 0, ..sending };
        }
        let happened = select5(
            shared.samples.receive(),
            shared.stored.wait(),
            Timer::at(Instant::from_micros(outputs.wake.get())),
            from_host.read(&mut received),
            sending.part(&mut to_host),
        );
        let input = match happened.await {
            Either5::First(sample) => Input::Sample(sample),
            Either5::Second(stored) => Input::Saved { stored },
            Either5::Third(()) => Input::Tick,
            Either5::Fourth(read) => {
                let bytes = read.ok().and_then(|count| received.get(..count)).unwrap_or_default();
                Input::Serial(bytes)
            }
            Either5::Fifth(count) => {
                sending.sent = sending.sent.saturating_add(count);
                outputs = Outputs { feed: false, save: false, ..outputs };
                continue;
            }
        };
        outputs = supervisor.step(now(), input);
    }
}

/// What waits for the line.
struct Sending {
    bytes: [u8; CHUNK_BYTES],
    sent: usize,
    end: usize,
}

impl Sending {
    const fn done(&self) -> bool {
        self.sent >= self.end
    }

    /// Sends as much as the port takes now; waits where there is nothing to send. Gives how much was sent.
    async fn part(&self, port: &mut impl Write) -> usize {
        match self.bytes.get(self.sent..self.end) {
            // A port that fails eats what it was given: the supervisor is not to wait for it.
            Some(rest) if !rest.is_empty() => port.write(rest).await.unwrap_or(rest.len()),
            _ => core::future::pending().await,
        }
    }
}
