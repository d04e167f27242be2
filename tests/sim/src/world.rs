//! What the device does not decide: time, power, the link, the bridge and its answers, the operator, and when all of it fails.

use std::collections::{BTreeMap, HashMap};

use trimtab_core::budget::HoldId;
use trimtab_core::{Bytes, ConversationId, Joules, Millis, TurnId, Usd};
use trimtab_wire::RequestId;

use crate::chance::Chance;

/// Most that the device draws, in milliwatts.
pub(crate) const PEAK_MW: u64 = 8_000;
/// Between two readings of the meter.
pub(crate) const PERIOD_MS: u64 = 10;
/// The longest step of an answer.
pub(crate) const STEP_MS: u64 = 12;
/// The longest step of deciding.
pub(crate) const LOOK_MS: u64 = 30;

/// What happens beside the turns.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    LinkLost,
    LinkBack,
    /// The upstreams become so many times slower.
    Slow(f64),
    MeterFails,
    MeterBack,
    /// An operator sets budgets.
    Operator,
    /// A node's offer goes away, or comes with other terms.
    Offer,
    /// The board becomes hot or cool, and may be taken to draw more than it does.
    Heat,
    /// Somebody sets the wall clock.
    WallLeaps,
    /// What a bridge says to a request arrives.
    Answer(RequestId),
    Text(RequestId),
}

/// A request that left the device.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) turn: TurnId,
    pub(crate) conversation: ConversationId,
    pub(crate) hold: HoldId,
    pub(crate) node: String,
    /// When its hold was last made durable: where its money and bytes belong.
    pub(crate) reserved_at: Millis,
    pub(crate) deadline: Millis,
    pub(crate) money: Usd,
    pub(crate) bytes: Bytes,
    pub(crate) tokens: u32,
    pub(crate) refused: bool,
    /// The upstream has charged for it.
    pub(crate) charged: bool,
}

/// The world around a device.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chance: Chance,
    /// Milliseconds since the beginning, on or off. It never goes back.
    pub(crate) time: u64,
    /// How much of that the device's clock does not know of.
    pub(crate) unknown: u64,
    /// What the wall clock shows beyond `time`.
    pub(crate) wall_offset: i64,
    agenda: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    pub(crate) requests: HashMap<RequestId, Request>,
    pub(crate) link_up: bool,
    pub(crate) slowness: f64,
    pub(crate) uplink: u64,
    pub(crate) meter_ok: bool,
    /// Milliwatts that the device draws now.
    pub(crate) draw: u64,
    /// Microjoules that it has drawn.
    pub(crate) drawn: u64,
    /// What the meter shows: the same, and the most that is possible while it failed.
    pub(crate) metered: u64,
    /// When the runtime dies next.
    pub(crate) dies_at: Option<u64>,
}

/// Milliwatts that the device draws when nothing goes on.
const IDLE_MW: u64 = 1_200;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            chance: Chance::new(seed),
            time: 1_000,
            unknown: 1_000,
            wall_offset: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            requests: HashMap::new(),
            link_up: true,
            slowness: 1.0,
            uplink: 5_000_000,
            meter_ok: true,
            draw: IDLE_MW,
            drawn: 0,
            metered: 0,
            dies_at: None,
        };
        let first = [
            (LINK_MS, Happening::LinkLost),
            (SLOW_MS, Happening::Slow(4.0)),
            (METER_MS, Happening::MeterFails),
            (OPERATOR_MS, Happening::Operator),
            (OFFER_MS, Happening::Offer),
            (HEAT_MS, Happening::Heat),
            (LEAP_MS, Happening::WallLeaps),
        ];
        for (mean, happening) in first {
            world.plan(mean, happening);
        }
        world
    }

    /// The device's clock: active time.
    pub(crate) const fn now(&self) -> Millis {
        Millis::new(self.time - self.unknown)
    }

    /// What the meter reads.
    pub(crate) const fn reading(&self) -> Joules {
        Joules::from_micro(self.metered)
    }

    /// Something that happens after a while, at random around `mean` milliseconds.
    pub(crate) fn plan(&mut self, mean: f64, happening: Happening) {
        let after = self.chance.wait(mean);
        self.plan_in(after, happening);
    }

    pub(crate) fn plan_in(&mut self, after: u64, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((self.time + after, self.planned), happening);
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> u64 {
        self.agenda.keys().next().map_or(u64::MAX, |(at, _)| *at)
    }

    /// What is due now.
    pub(crate) fn due(&mut self) -> Option<Happening> {
        let ((at, _), _) = self.agenda.first_key_value()?;
        if *at <= self.time { self.agenda.pop_first().map(|(_, happening)| happening) } else { None }
    }

    /// Time passes, and power is drawn.
    pub(crate) const fn pass(&mut self, span: u64) {
        self.time += span;
        self.drawn += self.draw * span;
        self.metered += if self.meter_ok { self.draw } else { PEAK_MW } * span;
    }

    /// The device is off for a while. Nothing happens to it, and its clock stands still.
    pub(crate) fn pass_off(&mut self, span: u64) {
        self.time += span;
        self.unknown += span;
    }

    pub(crate) const fn idle(&mut self) {
        self.draw = IDLE_MW;
    }

    /// What happens by itself; the next of its kind is planned.
    pub(crate) fn take_its_course(&mut self, happening: &Happening) {
        match happening {
            Happening::LinkLost => {
                self.link_up = false;
                self.plan(20_000.0, Happening::LinkBack);
            }
            Happening::LinkBack => {
                self.link_up = true;
                self.uplink = self.chance.within(300_000, 20_000_000);
                self.plan(LINK_MS, Happening::LinkLost);
            }
            Happening::Slow(times) => {
                let slow = *times > 1.0;
                self.slowness = *times;
                let next =
                    if slow { Happening::Slow(1.0) } else { Happening::Slow(self.chance.around(4.0, 0.7).max(1.1)) };
                self.plan(if slow { 120_000.0 } else { SLOW_MS }, next);
            }
            Happening::MeterFails => {
                self.meter_ok = false;
                self.plan(15_000.0, Happening::MeterBack);
            }
            Happening::MeterBack => {
                self.meter_ok = true;
                self.plan(METER_MS, Happening::MeterFails);
            }
            Happening::WallLeaps => {
                self.wall_offset = self.chance.within(0, 20 * DAY_MS) as i64 - 10 * DAY_MS as i64;
                self.plan(LEAP_MS, Happening::WallLeaps);
            }
            Happening::Heat => self.plan(HEAT_MS, Happening::Heat),
            Happening::Operator => self.plan(OPERATOR_MS, Happening::Operator),
            Happening::Offer => self.plan(OFFER_MS, Happening::Offer),
            Happening::Answer(_) | Happening::Text(_) => {}
        }
    }
}

/// How often what happens, in milliseconds on average.
const LINK_MS: f64 = 1_500_000.0;
const SLOW_MS: f64 = 1_800_000.0;
const METER_MS: f64 = 2_400_000.0;
const OPERATOR_MS: f64 = 3_600_000.0;
const OFFER_MS: f64 = 2_000_000.0;
const HEAT_MS: f64 = 1_200_000.0;
const LEAP_MS: f64 = 9_000_000.0;
const DAY_MS: u64 = 86_400_000;
