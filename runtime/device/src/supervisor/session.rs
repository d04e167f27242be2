//! The host's end of the link, without a wire: bytes in, what was heard out; messages in, bytes out. The frames are those of
//! [`trimtab_wire::mcu`].

use std::collections::VecDeque;
use std::time::Duration;

use trimtab_wire::mcu::{
    Arrival, Arrivals, BootNumber, Decoder, FirmwareVersion, FrameCounters, FromMcu, Greeting, Hello, Nack, NackReason,
    Name, Received, Refusal, ToMcu, Versions, encode, encode_greeting,
};

/// How often the microcontroller is greeted until it answers.
const GREET_EVERY: Duration = Duration::from_millis(500);
/// The name under which this end greets.
const NAME: &str = "trimtab";
/// Bytes that wait for the wire; what comes on top is dropped and counted.
const OUT_BYTES_MAX: usize = 4096;

/// What was heard.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Heard {
    /// A version is agreed on.
    Greeted(Hello),
    /// None can be.
    Refused(Refusal),
    /// A message of the microcontroller's.
    Message(FromMcu),
}

/// The state of the talk on one connection.
#[derive(Debug)]
pub(super) struct Session {
    decoder: Decoder<FromMcu>,
    arrivals: Arrivals,
    versions: Versions,
    boot: BootNumber,
    number: u32,
    version: Option<u8>,
    greeted_at: Option<Duration>,
    out: VecDeque<u8>,
    dropped: u32,
}

/// Frames of the microcontroller that did not come as they should.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Losses {
    pub(super) frames: FrameCounters,
    pub(super) missing: u32,
    pub(super) repeated: u32,
    pub(super) late: u32,
    pub(super) unsent: u32,
}

impl Session {
    /// On a fresh wire; `boot` is this runtime's.
    pub(super) fn new(boot: u32) -> Self {
        Self {
            decoder: Decoder::new(),
            arrivals: Arrivals::new(),
            versions: Versions::SPOKEN,
            boot: BootNumber(boot),
            number: 0,
            version: None,
            greeted_at: None,
            out: VecDeque::new(),
            dropped: 0,
        }
    }

    /// A version is agreed on.
    pub(super) const fn is_open(&self) -> bool {
        self.version.is_some()
    }

    /// Time passes: the microcontroller is greeted again while it has not answered.
    pub(super) fn tick(&mut self, now: Duration) {
        let due = self.greeted_at.is_none_or(|at| now.saturating_sub(at) >= GREET_EVERY);
        if self.version.is_none() && due {
            self.greeted_at = Some(now);
            self.greet();
        }
    }

    /// The microcontroller seems not to know this end any more.
    pub(super) fn start_anew(&mut self) {
        (self.version, self.greeted_at) = (None, None);
    }

    /// Takes a byte of the wire; gives what ended with it. What is no frame is counted and passed over.
    pub(super) fn push(&mut self, byte: u8) -> Option<Heard> {
        match self.decoder.push(byte)?.ok()? {
            Received::Greeting { number, greeting: Greeting::Hello(hello) } => {
                self.arrivals.restart(number);
                match self.versions.agree(hello.versions) {
                    Ok(version) => {
                        // One that greets by itself has started anew and awaits the answer.
                        if self.version.replace(version).is_some() {
                            self.greet();
                        }
                        Some(Heard::Greeted(hello))
                    }
                    Err(refusal) => {
                        self.version = None;
                        Some(Heard::Refused(refusal))
                    }
                }
            }
            Received::Greeting { greeting: Greeting::Refusal(refusal), .. } => {
                self.version = None;
                // Seen from this end.
                Some(Heard::Refused(Refusal { ours: refusal.theirs, theirs: refusal.ours }))
            }
            Received::Message { number, message } => match self.arrivals.take(number) {
                Arrival::New { .. } => {
                    if let FromMcu::Nack(Nack { reason: NackReason::NotGreeted, .. }) = message {
                        self.start_anew();
                    }
                    Some(Heard::Message(message))
                }
                Arrival::Repeated | Arrival::Late => None,
            },
        }
    }

    /// Sends a message and says under which number; none while no version is agreed on, or if the wire takes nothing.
    pub(super) fn send(&mut self, message: &ToMcu) -> Option<u32> {
        let number = self.next();
        // Every message of the contract fits in a frame.
        let frame = encode(self.version?, number, message).ok()?;
        self.queue(&frame).then_some(number)
    }

    /// What the wire is to carry next.
    pub(super) fn outgoing(&mut self) -> &[u8] {
        self.out.make_contiguous()
    }

    /// The wire has taken so much of it.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.out.drain(..bytes.min(self.out.len()));
    }

    /// What did not come as it should.
    pub(super) fn losses(&self) -> Losses {
        let Arrivals { missing, repeated, late, .. } = self.arrivals;
        Losses { frames: *self.decoder.seen(), missing, repeated, late, unsent: self.dropped }
    }

    fn greet(&mut self) {
        let part = |text: &str| text.parse().unwrap_or(u16::MAX);
        let hello = Hello {
            versions: self.versions,
            name: Name::try_from(NAME).unwrap_or_default(),
            firmware: FirmwareVersion {
                major: part(env!("CARGO_PKG_VERSION_MAJOR")),
                minor: part(env!("CARGO_PKG_VERSION_MINOR")),
                patch: part(env!("CARGO_PKG_VERSION_PATCH")),
            },
            boot: self.boot,
        };
        let number = self.next();
        if let Ok(frame) = encode_greeting(number, &Greeting::Hello(hello)) {
            self.queue(&frame);
        }
    }

    fn next(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn queue(&mut self, frame: &[u8]) -> bool {
        let fits = self.out.len() + frame.len() <= OUT_BYTES_MAX;
        if fits {
            self.out.extend(frame);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        fits
    }
}
