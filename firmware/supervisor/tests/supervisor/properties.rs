//! Whatever comes, in whatever order: no panic, no sum that wraps, and no way down but a release.

use proptest::prelude::*;
use trimtab_core::Joules;
use trimtab_supervisor::wire::{
    BootNumber, BudgetWindow, Challenge, Config, Decoder, FirmwareVersion, FromMcu, Greeting, Hello, Micros, Milliamps,
    Millicelsius, Millivolts, Query, Received, ResetCause, State, Tag, ToMcu, TripId, Versions, encode,
    encode_greeting,
};
use trimtab_supervisor::{Input, Memory, Sample, Stored, Supervisor};

use crate::bench::{boot, key, noise};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Wait(u64),
    Back(u64),
    Sample(u32, Option<i32>, Option<i32>, Option<i32>),
    Bytes(Vec<u8>),
    Hello(u32),
    Say(Box<ToMcu>),
    /// A release or a configuration, sealed with the right key.
    Release,
    Configure(Box<Config>),
    Saved(bool),
    Take(usize),
    Reset(ResetCause),
}

fn reading(usual: i32) -> impl Strategy<Value = Option<i32>> {
    prop_oneof![
        4 => Just(Some(usual)),
        2 => (-2 * usual..4 * usual).prop_map(Some),
        1 => any::<i32>().prop_map(Some),
        1 => Just(None),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    (any::<u64>(), 0_u64..100_000, any::<i32>()).prop_map(|(limit, span, reading)| {
        let mut config = Config::DEFAULT;
        config.budgets.total = Some(Joules::from_micro(limit));
        config.sensor_lost = trimtab_core::Millis::new(span);
        config.current.most = Milliamps::new(reading);
        config
    })
}

/// One that keeps its rules, whatever else it is.
fn kept_config() -> impl Strategy<Value = Config> {
    let spans = (1_u64..1_000, 1_u64..5_000, 100_u64..10_000, 1_u64..60_000);
    let readings = (2_i32..1_000_000, 2_i32..100_000, 0_u16..3);
    (spans, readings, prop::array::uniform3(prop::option::of(1..u64::MAX)), any::<u8>()).prop_map(
        |((period, more, warn, dwell), (current, voltage, stuck), limits, resets_max)| {
            let mut config = Config::DEFAULT;
            let millis = trimtab_core::Millis::new;
            config.sample_period = millis(period);
            config.sensor_lost = millis(2 * period + more);
            config.sensor_cut = millis(2 * period + 2 * more);
            (config.current.most, config.current.jump) = (Milliamps::new(current), Milliamps::new(current / 2));
            (config.voltage.most, config.voltage.least) = (Millivolts::new(voltage), Millivolts::new(voltage / 2));
            (config.current.stuck, config.voltage.stuck) = (stuck, stuck);
            let limits_of_current = &mut config.current_limits;
            (limits_of_current.soft, limits_of_current.hard) = (Milliamps::new(current - 1), Milliamps::new(current));
            (limits_of_current.hysteresis, limits_of_current.dwell) = (Milliamps::new(0), millis(dwell));
            let [hour, day, total] = limits.map(|limit| limit.map(Joules::from_micro));
            (config.budgets.hour, config.budgets.day, config.budgets.total) = (hour, day, total);
            (config.host.warn, config.host.resets_max) = (millis(warn), resets_max);
            (config.host.throttle, config.host.reset) = (millis(warn + more), millis(warn + 2 * more));
            config
        },
    )
}

fn message() -> impl Strategy<Value = ToMcu> {
    let window = prop::sample::select(&BudgetWindow::ALL[..]);
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(count, uptime_ms)| ToMcu::Heartbeat { count, uptime_ms }),
        (window, prop::option::of(any::<u64>()))
            .prop_map(|(window, limit)| ToMcu::SetBudget { window, limit: limit.map(Joules::from_micro) }),
        (config(), any::<[u8; 32]>()).prop_map(|(config, tag)| ToMcu::SetConfig { config, tag: Tag(tag) }),
        (0_u32..20, any::<[u8; 32]>()).prop_map(|(trip, tag)| ToMcu::Release { trip: TripId(trip), tag: Tag(tag) }),
        prop::sample::select(vec![
            Query::Config,
            Query::Log { from: 0 },
            Query::Counters,
            Query::Challenge,
            Query::Budgets
        ])
        .prop_map(ToMcu::Query),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let resets = vec![
        ResetCause::Power,
        ResetCause::Pin,
        ResetCause::Software,
        ResetCause::Watchdog,
        ResetCause::Panic,
        ResetCause::Brownout,
    ];
    prop_oneof![
        8 => (0_u64..100_000_000).prop_map(Happening::Wait),
        1 => any::<u64>().prop_map(Happening::Wait),
        1 => any::<u64>().prop_map(Happening::Back),
        8 => (prop_oneof![3 => Just(0), 1 => any::<u32>()], reading(1_000), reading(12_000), reading(40_000))
            .prop_map(|(off, current, voltage, temperature)| Happening::Sample(off, current, voltage, temperature)),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Happening::Bytes),
        2 => any::<u32>().prop_map(Happening::Hello),
        6 => message().prop_map(|message| Happening::Say(Box::new(message))),
        1 => Just(Happening::Release),
        1 => kept_config().prop_map(|config| Happening::Configure(Box::new(config))),
        2 => any::<bool>().prop_map(Happening::Saved),
        3 => (0_usize..2_000).prop_map(Happening::Take),
        1 => prop::sample::select(resets).prop_map(Happening::Reset),
    ]
}

/// A board that outlives its own resets, and what it was before.
struct Life {
    board: Supervisor<'static>,
    now: u64,
    number: u32,
    state: State,
    energy: Joules,
}

impl Life {
    fn start(memory: Memory, reset: ResetCause, stored: Stored) -> Supervisor<'static> {
        Supervisor::new(Box::leak(Box::new(memory)), &boot(reset, stored))
    }

    fn live(&mut self, happening: &Happening) -> Result<(), TestCaseError> {
        match happening {
            Happening::Wait(span) => {
                self.now = self.now.saturating_add(*span);
                self.step(Input::Tick)
            }
            Happening::Back(span) => {
                let now = self.now;
                self.now = self.now.saturating_sub(*span);
                self.step(Input::Tick)?;
                self.now = now;
                Ok(())
            }
            Happening::Sample(off, current, voltage, temperature) => self.step(Input::Sample(Sample {
                at: (self.now as u32).wrapping_sub(*off),
                current: current.map(Milliamps::new),
                voltage: voltage.map(Millivolts::new),
                temperature: temperature.map(Millicelsius::new),
            })),
            Happening::Bytes(bytes) => self.step(Input::Serial(bytes)),
            Happening::Hello(boot) => self.greet(*boot),
            Happening::Say(message) => self.say(message),
            Happening::Release => {
                let Challenge { nonce, trip, .. } = self.challenge()?;
                let Some(trip) = trip else { return Ok(()) };
                // What the moment itself raises is a new trip, which this does not release.
                self.step(Input::Tick)?;
                let same = self.board.record().trip == Some(trip);
                self.state = if same { State::Normal } else { self.state };
                self.say(&ToMcu::Release { trip: trip.id, tag: key().release(&nonce, trip.id) })
            }
            Happening::Configure(config) => {
                prop_assert_eq!(config.check(), Ok(()));
                let tag = key().configure(&self.challenge()?.nonce, config);
                self.say(&ToMcu::SetConfig { config: **config, tag })?;
                prop_assert_eq!(self.board.config(), &**config);
                Ok(())
            }
            Happening::Saved(stored) => self.step(Input::Saved { stored: *stored }),
            Happening::Take(bytes) => {
                self.board.transmit(&mut vec![0; *bytes]);
                Ok(())
            }
            Happening::Reset(reset) => {
                let (memory, record) = (*self.board.memory(), *self.board.record());
                // Memory alone, or the record alone, is enough.
                let (memory, stored) = match reset {
                    ResetCause::Power | ResetCause::Brownout => (noise(), Stored::Whole(record)),
                    _ => (memory, Stored::Empty),
                };
                if matches!(reset, ResetCause::Power | ResetCause::Brownout) {
                    self.energy = Joules::ZERO;
                }
                (self.board, self.now) = (Self::start(memory, *reset, stored), 0);
                self.step(Input::Tick)
            }
        }
    }

    fn greet(&mut self, boot: u32) -> Result<(), TestCaseError> {
        let (versions, boot) = (Versions { min: 0, max: 1 }, BootNumber(boot));
        let (name, firmware) = ("any".try_into().unwrap(), FirmwareVersion::default());
        let hello = Greeting::Hello(Hello { versions, name, firmware, boot });
        self.number = self.number.wrapping_add(1);
        // What was said before may have been cut off: a zero ends it.
        self.step(Input::Serial(&encode_greeting(self.number, &hello).unwrap()))
    }

    fn say(&mut self, message: &ToMcu) -> Result<(), TestCaseError> {
        self.number = self.number.wrapping_add(1);
        self.step(Input::Serial(&encode(1, self.number, message).unwrap()))
    }

    /// What the next seal is made over, as the board says it.
    fn challenge(&mut self) -> Result<Challenge, TestCaseError> {
        self.greet(0)?;
        self.board.transmit(&mut [0; 4_096]);
        self.say(&ToMcu::Query(Query::Challenge))?;
        let (mut bytes, mut decoder) = ([0; 4_096], Decoder::<FromMcu>::new());
        let said = self.board.transmit(&mut bytes);
        let challenge = bytes[..said].iter().filter_map(|byte| decoder.push(*byte)).find_map(|said| match said {
            Ok(Received::Message { message: FromMcu::Challenge(challenge), .. }) => Some(challenge),
            _ => None,
        });
        challenge.ok_or_else(|| TestCaseError::fail("the challenge is not told"))
    }

    fn step(&mut self, input: Input<'_>) -> Result<(), TestCaseError> {
        let outputs = self.board.step(Micros::new(self.now), input);
        let state = self.board.state();
        prop_assert!(state >= self.state, "{} after {}", state, self.state);
        prop_assert_eq!(outputs.lines.throttle, state >= State::Throttle);
        prop_assert_eq!(outputs.lines.cut, state >= State::CutAccelerator);
        prop_assert!(self.board.energy() >= self.energy, "energy runs back");
        prop_assert_eq!(self.board.config().check(), Ok(()));
        (self.state, self.energy) = (state, self.board.energy());
        Ok(())
    }
}

proptest! {
    #[test]
    fn without_a_release_the_interlock_only_gets_safer(happenings in prop::collection::vec(happening(), 1..300)) {
        let board = Life::start(noise(), ResetCause::Power, Stored::Empty);
        let mut life = Life { board, now: 0, number: 0, state: State::Normal, energy: Joules::ZERO };
        for happening in &happenings {
            life.live(happening)?;
        }
    }
}
