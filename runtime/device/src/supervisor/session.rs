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
    /// A message of the microcontroller's, and how many frames before it did not come.
    Message { message: FromMcu, missing: u32 },
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
    /// A greeting has no answer yet.
    greets: bool,
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
            greets: false,
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
            (self.greeted_at, self.greets) = (Some(now), true);
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
                        // An answer is not answered in turn, or there would be no end of it.
                        if std::mem::take(&mut self.greets) {
                            self.version = Some(version);
                            return Some(Heard::Greeted(hello));
                        }
                        // One that greets by itself has started anew, and knows nobody.
                        self.start_anew();
                        None
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
                Arrival::New { missing } => {
                    if let FromMcu::Nack(Nack { reason: NackReason::NotGreeted, .. }) = message {
                        self.start_anew();
                    }
                    Some(Heard::Message { message, missing })
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

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_wire::mcu::{Challenge, Nonce, Query};

    const SECOND: Duration = Duration::from_secs(1);

    fn hello(boot: u32, versions: Versions) -> Greeting {
        let firmware = FirmwareVersion { major: 0, minor: 1, patch: 0 };
        Greeting::Hello(Hello { versions, name: Name::try_from("bench").unwrap(), firmware, boot: BootNumber(boot) })
    }

    fn hear(session: &mut Session, bytes: &[u8]) -> Vec<Heard> {
        bytes.iter().filter_map(|byte| session.push(*byte)).collect()
    }

    /// What this end has said, as the microcontroller hears it.
    fn said(session: &mut Session) -> Vec<Received<ToMcu>> {
        let mut decoder = Decoder::new();
        let out = session.outgoing().to_vec();
        session.sent(out.len());
        out.iter().filter_map(|byte| decoder.push(*byte)).map(Result::unwrap).collect()
    }

    fn message(number: u32) -> Vec<u8> {
        let challenge = FromMcu::Challenge(Challenge { nonce: Nonce([7; 16]), trip: None, has_key: true });
        encode(1, number, &challenge).unwrap().to_vec()
    }

    #[test]
    fn it_greets_until_it_is_answered_and_anew_when_it_is_not_known_any_more() {
        let mut session = Session::new(4);
        for tick in [0, 100, 600] {
            session.tick(Duration::from_millis(tick));
        }
        let greetings = said(&mut session);
        assert!(matches!(&greetings[..], [Received::Greeting { .. }, Received::Greeting { .. }]), "{greetings:?}");
        assert_eq!(session.send(&ToMcu::Query(Query::Challenge)), None);
        let answer = encode_greeting(9, &hello(3, Versions::SPOKEN)).unwrap();
        assert!(matches!(&hear(&mut session, &answer)[..], [Heard::Greeted(hello)] if hello.boot == BootNumber(3)));
        session.tick(SECOND * 9);
        assert!(session.is_open() && said(&mut session).is_empty());
        // It was reset, and greets by itself.
        let again = encode_greeting(0, &hello(4, Versions::SPOKEN)).unwrap();
        assert!(hear(&mut session, &again).is_empty() && !session.is_open());
        session.tick(SECOND * 9);
        assert!(matches!(&said(&mut session)[..], [Received::Greeting { .. }]));
        // Its answer ends it: an answer to that would go on for ever.
        assert!(matches!(&hear(&mut session, &again)[..], [Heard::Greeted(_)]));
        session.tick(SECOND * 9);
        assert!(session.is_open() && said(&mut session).is_empty());
        let stranger = FromMcu::Nack(Nack { of: 1, reason: NackReason::NotGreeted });
        hear(&mut session, &encode(1, 1, &stranger).unwrap());
        assert!(!session.is_open());
        session.tick(SECOND * 10);
        assert!(matches!(&said(&mut session)[..], [Received::Greeting { .. }]));
    }

    #[test]
    fn another_version_is_refused_by_the_names_of_both() {
        let mut session = Session::new(1);
        let newer = encode_greeting(0, &hello(1, Versions { min: 7, max: 9 })).unwrap();
        let heard = hear(&mut session, &newer);
        let [Heard::Refused(refusal)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(
            refusal.to_string(),
            "this end of the link speaks version 1, the other 7 to 9: update the older end"
        );
        let theirs = Greeting::Refusal(Refusal { ours: Versions { min: 2, max: 2 }, theirs: Versions::SPOKEN });
        let heard = hear(&mut session, &encode_greeting(1, &theirs).unwrap());
        assert!(matches!(&heard[..], [Heard::Refused(refusal)] if refusal.ours == Versions::SPOKEN), "{heard:?}");
    }

    #[test]
    fn garbage_repetitions_and_stragglers_are_counted_and_nothing_else() {
        let mut session = Session::new(1);
        session.tick(SECOND);
        hear(&mut session, &encode_greeting(9, &hello(1, Versions::SPOKEN)).unwrap());
        let garbage: Vec<u8> = (0..10_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        assert_eq!(hear(&mut session, &garbage), []);
        let heard: Vec<_> = [10, 12, 12, 11, 13].into_iter().flat_map(|n| hear(&mut session, &message(n))).collect();
        assert_eq!(heard.len(), 3);
        let losses = session.losses();
        assert_eq!((losses.missing, losses.repeated, losses.late), (1, 1, 1));
        assert!(losses.frames.garbage_bytes > 9_000, "{losses:?}");
    }

    #[test]
    fn a_wire_that_takes_nothing_is_given_no_more_than_fits() {
        let mut session = Session::new(1);
        session.tick(SECOND);
        hear(&mut session, &encode_greeting(9, &hello(1, Versions::SPOKEN)).unwrap());
        for count in 0..10_000 {
            session.send(&ToMcu::Heartbeat { count, uptime_ms: 0 });
        }
        assert!(session.outgoing().len() <= OUT_BYTES_MAX && session.losses().unsent > 9_000);
    }
}
