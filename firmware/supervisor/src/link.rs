//! The board's end of the link: who is greeted, what is numbered, and what waits to be sent.
//!
//! ```text
//!              hello with a version in common
//!  Alone ──────────────────────────────────────▶ Agreed(version)
//!    ▲ says hello every second                     │ telemetry, events, answers
//!    └───────── refusal, or hello without one ─────┘
//! ```
//!
//! Whole frames wait in a ring of bytes. Where one does not fit it is dropped and counted; telemetry gives way first, so that
//! there is room for acknowledgements and events. A frame that is dropped takes no number: what the host misses by number was
//! lost on the line.

use heapless::Deque;

use crate::wire::{
    Arrival, Arrivals, Decoder, Encoded, FRAME_BYTES_MAX, FrameCounters, FromMcu, Greeting, Hello, Micros, Received,
    Refusal, ToMcu, Versions, encode, encode_greeting,
};

/// Bytes that wait to be sent.
const WAITING_BYTES_MAX: usize = 1024;
/// Of which telemetry and the log leave so many free.
const RESERVED_BYTES: usize = 2 * FRAME_BYTES_MAX;
const _: () = assert!(RESERVED_BYTES + FRAME_BYTES_MAX <= WAITING_BYTES_MAX);
/// How often an unheard board says hello.
const HELLO_EVERY: Micros = Micros::new(1_000_000);

/// What a byte completed.
// Without a heap there is no box, and one is in hand at a time.
#[expect(clippy::large_enum_variant)]
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// A host greeted, and a version is agreed on.
    Hello(Hello),
    /// A command, or a heartbeat, with its number.
    Message { number: u32, message: ToMcu },
    /// One that comes before a greeting.
    Ungreeted { number: u32 },
}

/// The link.
#[derive(Debug)]
pub(crate) struct Link {
    own: Hello,
    decoder: Decoder<ToMcu>,
    arrivals: Arrivals,
    agreed: Option<u8>,
    number: u32,
    hello_at: Micros,
    waiting: Deque<u8, WAITING_BYTES_MAX>,
    pub(crate) refused: u32,
    pub(crate) ungreeted: u32,
    pub(crate) dropped: u32,
}

impl Link {
    pub(crate) fn new(own: Hello) -> Self {
        Self {
            own,
            decoder: Decoder::new(),
            arrivals: Arrivals::new(),
            agreed: None,
            number: 0,
            hello_at: Micros::ZERO,
            waiting: Deque::new(),
            refused: 0,
            ungreeted: 0,
            dropped: 0,
        }
    }

    pub(crate) const fn frames(&self) -> &FrameCounters {
        self.decoder.seen()
    }

    pub(crate) const fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    pub(crate) const fn agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// Takes one byte from the host.
    #[inline(never)]
    pub(crate) fn push(&mut self, byte: u8) -> Option<Heard> {
        // What is wrong with a frame is counted where it is found, and nobody knows whose it was.
        match self.decoder.push(byte)?.ok()? {
            Received::Greeting { number, greeting: Greeting::Hello(hello) } => {
                self.arrivals.restart(number);
                self.greeted(hello)
            }
            Received::Greeting { number, greeting: Greeting::Refusal(_) } => {
                self.arrivals.restart(number);
                self.refused = self.refused.saturating_add(1);
                self.agreed = None;
                None
            }
            Received::Message { number, .. } if self.agreed.is_none() => {
                self.ungreeted = self.ungreeted.saturating_add(1);
                Some(Heard::Ungreeted { number })
            }
            Received::Message { number, message } => match self.arrivals.take(number) {
                Arrival::New { .. } => Some(Heard::Message { number, message }),
                Arrival::Repeated | Arrival::Late => None,
            },
        }
    }

    fn greeted(&mut self, hello: Hello) -> Option<Heard> {
        match Versions::SPOKEN.agree(hello.versions) {
            Ok(version) => {
                self.agreed = Some(version);
                self.say_hello();
                Some(Heard::Hello(hello))
            }
            Err(refusal) => {
                self.agreed = None;
                self.refuse(refusal);
                None
            }
        }
    }

    fn say_hello(&mut self) {
        let greeting = Greeting::Hello(self.own.clone());
        self.greet(&greeting);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refused = self.refused.saturating_add(1);
        self.greet(&Greeting::Refusal(refusal));
    }

    fn greet(&mut self, greeting: &Greeting) {
        if let Ok(frame) = encode_greeting(self.number, greeting) {
            self.queue(&frame, 0);
        }
    }

    /// Says hello if nobody was heard for long.
    pub(crate) fn advance(&mut self, now: Micros) {
        if self.agreed.is_none() && now >= self.hello_at {
            self.hello_at = now.plus(HELLO_EVERY);
            self.say_hello();
        }
    }

    /// Sends, or counts what was dropped. Says whether it will be sent.
    pub(crate) fn send(&mut self, message: &FromMcu) -> bool {
        let sent = self.enqueue(message, 0);
        if !sent {
            self.dropped = self.dropped.saturating_add(1);
        }
        sent
    }

    /// Sends if there is plenty of room; whoever asks counts what was not.
    pub(crate) fn offer(&mut self, message: &FromMcu) -> bool {
        self.enqueue(message, RESERVED_BYTES)
    }

    fn enqueue(&mut self, message: &FromMcu, spare: usize) -> bool {
        // Before a greeting, what is said to the host is said in the newest version.
        let version = self.agreed.unwrap_or(Versions::SPOKEN.max);
        encode(version, self.number, message).is_ok_and(|frame| self.queue(&frame, spare))
    }

    fn queue(&mut self, frame: &Encoded, spare: usize) -> bool {
        let room = WAITING_BYTES_MAX.saturating_sub(self.waiting.len());
        if frame.len().saturating_add(spare) > room {
            return false;
        }
        for byte in frame {
            // There is room.
            let _pushed = self.waiting.push_back(*byte);
        }
        self.number = self.number.wrapping_add(1);
        true
    }

    /// Moves waiting bytes into `out`; says how many.
    pub(crate) fn transmit(&mut self, out: &mut [u8]) -> usize {
        let mut moved = 0_usize;
        for to in out {
            let Some(byte) = self.waiting.pop_front() else { break };
            *to = byte;
            moved = moved.saturating_add(1);
        }
        moved
    }
}
