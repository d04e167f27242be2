//! The device: the real governor and the real ledger, driven without a shell of threads and sockets.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::json;
use trimtab_core::budget::{Account as BudgetAccount, HoldId, OpenHold};
use trimtab_core::limits::ORPHANS_MAX;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{
    Budget, Bytes, ConversationId, Cost, Joules, Millis, NodeProfile, Preference, Resource, Shield, TurnId, Usd, Watts,
    Window,
};
use trimtab_ledger::replay::Player;
use trimtab_ledger::{Retention, STAMP_EVERY, Setting, Store};
use trimtab_turn::{Event, Governor, Late, LocalEngine, MeterFacts, Setup, Upper};
use trimtab_wire::RequestId;

use crate::play::Live;
use crate::report::Report;
use crate::tally::{Account, Tally};
use crate::world::{Happening, LOOK_MS, PEAK_MW, PERIOD_MS, STEP_MS, World};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// Records that the ledger keeps in a run: few, so that old ones go.
const TURNS_KEPT: u32 = 2_000;
/// Conversations that go on at the same time.
const CONVERSATIONS: usize = 12;

/// The runtime has died; another one starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash;

impl std::fmt::Display for Crash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the runtime has died")
    }
}

impl std::error::Error for Crash {}

/// Everything of one run.
pub(crate) struct Sim {
    pub(crate) world: World,
    pub(crate) store: Store,
    pub(crate) governor: Governor,
    pub(crate) tally: Tally,
    pub(crate) report: Report,
    /// The limits in force.
    pub(crate) limits: Rc<[Budget]>,
    /// Holds that are open in the file, as whoever wrote them knows.
    pub(crate) holds: HashMap<HoldId, OpenHold>,
    /// Turns in the file that have no record yet.
    pub(crate) unclosed: HashSet<TurnId>,
    pub(crate) number: u32,
    pub(crate) conversations: Vec<String>,
    /// Decides again what is recorded, beside the run.
    pub(crate) player: Player,
    wishes: u64,
    stamped: Millis,
    pub(crate) path: PathBuf,
}

impl Sim {
    pub(crate) fn new(seed: u64, path: PathBuf) -> Result<Self> {
        let mut world = World::new(seed);
        let mut store = Store::open(&path, retention())?;
        let limits: Rc<[Budget]> = configured().into();
        let governor = governor(&mut store, &world, &limits)?;
        let conversations = (0..CONVERSATIONS).map(|_| name(&mut world)).collect();
        Ok(Self {
            world,
            store,
            governor,
            tally: Tally::default(),
            report: Report { seed, ..Report::default() },
            limits,
            holds: HashMap::new(),
            unclosed: HashSet::new(),
            number: 0,
            conversations,
            player: Player::default(),
            wishes: 0,
            stamped: Millis::ZERO,
            path,
        })
    }

    /// Time passes in a turn: what is drawn belongs to it. The time is noted as often as the runtime does.
    pub(crate) fn pass(&mut self, span: u64, live: &mut Live) -> Result<()> {
        let until = self.world.time + span;
        while self.world.time < until {
            let now = self.world.now();
            let stamp = self.stamped.plus(STAMP_EVERY);
            let mut some = (until - self.world.time).min(stamp.minus(now).get().max(1)).min(HOUR - now.get() % HOUR);
            if let Some(dies_at) = self.world.dies_at {
                some = some.min(dies_at - self.world.time);
                if some == 0 {
                    return Err(Crash.into());
                }
            }
            let cost =
                Cost { energy: Joules::from_micro(self.world.draw * some), latency: Millis::new(some), ..Cost::ZERO };
            if live.pays {
                self.tally.spent(&live.account(now), &cost, &live.limits);
            } else {
                live.unpaid = live.unpaid.plus(cost);
            }
            self.world.pass(some);
            if self.world.now() >= stamp {
                self.stamp()?;
            }
        }
        anyhow::ensure!(self.world.dies_at.is_none_or(|at| at > self.world.time), Crash);
        Ok(())
    }

    /// Nothing is asked for a while.
    pub(crate) fn rest(&mut self, span: u64) -> Result<()> {
        let until = self.world.time + span;
        self.world.idle();
        while self.world.time < until {
            let dies_at = self.world.dies_at.unwrap_or(u64::MAX);
            let next = until.min(self.world.next()).min(dies_at);
            self.world.pass(next.saturating_sub(self.world.time));
            // The last of many stamps is the only one that matters.
            let since = self.world.now().minus(self.stamped).get();
            if since >= STAMP_EVERY.get() {
                self.stamped = self.stamped.plus(Millis::new(since - since % STAMP_EVERY.get()));
                self.governor.advance(self.stamped);
                self.store.keep_learnt(self.stamped, &self.governor.learnt())?;
                self.store.stamp(self.stamped)?;
            }
            if dies_at <= self.world.time {
                return Err(Crash.into());
            }
            while let Some(happening) = self.world.due() {
                self.happen(&happening, None)?;
            }
        }
        Ok(())
    }

    fn stamp(&mut self) -> Result<()> {
        self.stamped = self.world.now();
        self.governor.advance(self.stamped);
        Ok(self.store.stamp(self.stamped)?)
    }

    /// Something happens beside or in a turn; the event that the turn hears, if it does.
    pub(crate) fn happen(&mut self, happening: &Happening, live: Option<&mut Live>) -> Result<Option<Event>> {
        self.world.take_its_course(happening);
        match happening {
            Happening::LinkLost => {
                self.report.link_losses += 1;
                self.governor.set_link(link(&self.world));
                return Ok(Some(Event::LinkDown));
            }
            Happening::LinkBack => self.governor.set_link(link(&self.world)),
            Happening::Slow(_) | Happening::MeterBack => {}
            Happening::MeterFails => {
                self.report.meter_losses += 1;
                if let Some(live) = live {
                    live.metered_well = false;
                }
            }
            Happening::Heat => {
                let percent = [100, 125, 200][self.world.chance.pick(3)];
                self.governor.set_slowness(percent);
                let peak = PEAK_MW + self.world.chance.within(0, PEAK_MW / 8);
                self.governor.raise_peak(Watts::from_milli(peak));
            }
            Happening::WallLeaps => self.report.clock_leaps += 1,
            Happening::Operator => self.wish()?,
            Happening::Offer => {
                let at = self.world.chance.pick(NODES.len());
                let Some(name) = NODES.get(at) else { return Ok(None) };
                if self.world.chance.happens(0.4) {
                    self.governor.withdraw(name);
                } else {
                    self.governor.offer(name, offer(at, self.world.chance.around(1.0, 0.3)))?;
                }
            }
            Happening::Answer(request) => return self.answer(*request, live),
            Happening::Text(request) => {
                let heard = live.is_some_and(|live| live.request == Some(*request)) && self.world.link_up;
                return Ok(heard.then(|| Event::CloudText { text: "It is ".into() }));
            }
        }
        Ok(None)
    }

    /// An operator sets some of the budgets; the rest is as configured.
    fn wish(&mut self) -> Result<()> {
        self.report.operator_changes += 1;
        let chance = &mut self.world.chance;
        let mut limits = configured();
        limits.retain(|_| chance.happens(0.9));
        for budget in &mut limits {
            if chance.happens(0.5) {
                let limit = (budget.limit() as f64 * chance.around(1.0, 0.6)) as u64;
                *budget = with_limit(budget, limit);
            }
        }
        self.wishes += 1;
        let kept: Vec<_> =
            limits.iter().map(|budget| json!([budget.resource(), budget.window(), budget.limit()])).collect();
        // Kept before it is in force.
        let setting = Setting { counter: self.wishes, value: json!(kept) };
        self.store.set(self.world.now(), "budget", &setting)?;
        self.governor.set_budgets(&limits)?;
        self.limits = limits.into();
        Ok(())
    }

    /// An answer or a refusal comes: to its turn while that waits, else to the account alone.
    fn answer(&mut self, id: RequestId, live: Option<&mut Live>) -> Result<Option<Event>> {
        if !self.world.link_up {
            self.world.plan_in(1_000, Happening::Answer(id));
            return Ok(None);
        }
        self.charge(id);
        let Some(request) = self.world.requests.remove(&id) else {
            self.report.duplicates += 1;
            return Ok(None);
        };
        if self.world.chance.happens(0.1) {
            let again = self.world.chance.within(1, 5_000);
            self.world.plan_in(again, Happening::Answer(id));
        }
        let now = self.world.now();
        if let Some(live) = live
            && live.request == Some(id)
            && now < request.deadline
        {
            self.store.outbox_take(now, id)?;
            return Ok(Some(live.heard(&request, &self.world)));
        }
        self.report.late += 1;
        // What the request took of the uplink is known only to the runtime that sent it.
        let bytes = (request.turn.boot == self.store.boot()).then_some(request.bytes);
        let (cost, settlement) = self.governor.late_answer(now, request.hold, request.money, bytes);
        if settlement.is_some_and(|settlement| settlement.overrun != Cost::ZERO) {
            self.report.overruns += 1;
            self.report.tell(format!("late answer to {}: {settlement:?}", request.turn));
        }
        let late = Late { at: now, node: request.node, cost, settled: settlement.is_some() };
        // A record that is not written yet, or forgotten, gets no note; its hold is settled all the same.
        let _ = self.store.record_late(request.turn, request.hold, &late);
        self.store.outbox_take(now, id)?;
        if settlement.is_some() {
            self.holds.remove(&request.hold);
        }
        Ok(None)
    }

    /// The upstream takes its money, once.
    pub(crate) fn charge(&mut self, id: RequestId) {
        let Some(request) = self.world.requests.get_mut(&id).filter(|request| !request.charged) else { return };
        request.charged = true;
        let account = Account { turn: request.turn, conversation: request.conversation, at: request.reserved_at };
        let cost = Cost { money: request.money, ..Cost::ZERO };
        self.tally.spent(&account, &cost, &self.limits);
    }

    /// Holds that nobody will settle count as spent: of too many the oldest, as the ledger does it.
    pub(crate) fn limit_orphans(&mut self) {
        let mut orphans: Vec<HoldId> = self.holds.values().filter(|hold| hold.orphan).map(|hold| hold.id).collect();
        orphans.sort_unstable();
        for hold in orphans.iter().rev().skip(ORPHANS_MAX) {
            self.holds.remove(hold);
        }
    }

    /// Budgets must not believe to have more left than is true.
    pub(crate) fn check_left(&mut self, conversation: ConversationId) {
        let now = self.world.now();
        self.governor.advance(now);
        let budgets = self.governor.budgets();
        let account = Account { turn: TurnId { boot: 0, number: 0 }, conversation, at: now };
        for budget in budgets.limits() {
            let (resource, window) = (budget.resource(), budget.window());
            if window == Window::Turn || !budgets.knows_conversation(conversation) {
                continue;
            }
            let left = budgets.left(budget, &BudgetAccount::new(conversation));
            let spent = self.tally.of(&account, resource, window);
            if left > budget.limit().saturating_sub(spent) {
                self.report.too_much_left += 1;
                let (resource, window, limit) = (resource.name(), window.name(), budget.limit());
                let turn = self.number;
                self.report.tell(format!(
                    "{resource} per {window} at {now}, turn {turn}: {spent} of {limit} is spent, {left} believed to be left"
                ));
            }
        }
    }

    /// The runtime has died, and another one starts after a while.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.report.crashes += 1;
        let died = self.world.now();
        let boot = self.store.boot();
        // Whatever was in memory is gone; the file is closed as it is.
        let placeholder = self.path.with_extension("none");
        self.store = Store::open(&placeholder, retention())?;
        self.store = Store::open(&self.path, retention()).context("the ledger opens after a crash")?;
        self.world.dies_at = None;
        self.world.idle();
        let off = if self.world.chance.happens(0.3) { self.world.chance.within(0, 12 * HOUR) } else { 5_000 };
        self.world.pass_off(off);
        let base = self.store.newest();
        let skipped = base.minus(died);
        let fits = died.minus(base) <= STAMP_EVERY && (skipped.is_zero() || base.get().is_multiple_of(HOUR));
        if !fits || skipped > STAMP_EVERY.times(2) || self.store.boot() != boot + 1 {
            self.report.misclocked += 1;
            self.report.tell(format!("boot {boot} died at {died}, the next one began at {base}"));
        }
        self.world.unknown = self.world.time - base.get();
        self.stamped = base;
        self.governor = governor(&mut self.store, &self.world, &self.limits)?;
        self.check_holds(base);
        for lost in self.store.close_lost(base)? {
            self.report.lost += 1;
            self.closed(lost.turn);
        }
        self.number = 0;
        for happening in std::iter::from_fn(|| self.world.due()).collect::<Vec<_>>() {
            self.happen(&happening, None)?;
        }
        Ok(())
    }

    /// Every hold that was durable and not settled is still open, and no other.
    fn check_holds(&mut self, now: Millis) {
        for hold in self.holds.values_mut().filter(|hold| !hold.orphan) {
            (hold.orphan, hold.opened) = (true, hold.opened.max(now));
        }
        self.limit_orphans();
        self.holds.retain(|_, hold| hold.opened.get() / DAY >= now.get() / DAY);
        let mut known: Vec<OpenHold> = self.holds.values().copied().collect();
        let mut open = self.governor.budgets().open().to_vec();
        known.sort_by_key(|hold| hold.id);
        open.sort_by_key(|hold| hold.id);
        if known != open {
            self.report.forgotten += 1;
            self.report.tell(format!("at {now} open {open:?} instead of {known:?}"));
        }
    }

    /// A turn has its record.
    pub(crate) fn closed(&mut self, turn: TurnId) {
        self.report.records += 1;
        if !self.unclosed.remove(&turn) {
            self.report.misrecorded += 1;
            self.report.tell(format!("turn {turn} has another record"));
        }
    }
}

fn retention() -> Retention {
    Retention { turns: TURNS_KEPT, ..Retention::default() }
}

pub(crate) fn name(world: &mut World) -> String {
    format!("{:016x}", world.chance.bits())
}

fn link(world: &World) -> LinkEstimate {
    LinkEstimate { up: world.link_up, round_trip: Millis::new(60), uplink_bits_per_s: world.uplink }
}

/// Nodes that a bridge may offer.
pub(crate) const NODES: [&str; 3] = ["cheap", "good", "large"];

fn offer(at: usize, price: f64) -> NodeProfile {
    let times = |nano: f64| Usd::from_nano((nano * price * (at as f64 + 0.5)) as u64);
    NodeProfile {
        local: false,
        price_prompt: times(2_000_000_000.0),
        price_completion: times(8_000_000_000.0),
        price_image: times(400_000_000_000.0),
        images_max: 4,
        latency_p50: Millis::new(400 + 300 * at as u64),
        latency_p95: Millis::new(700 + 500 * at as u64),
        token_time: Millis::new(20),
        quality: 0.5 + 0.15 * at as f32,
    }
}

/// A limit on everything in every window; each of them binds now and then.
fn configured() -> Vec<Budget> {
    let windows = [(Window::Turn, 1), (Window::Conversation, 25), (Window::Hour, 45), (Window::Day, 1_000)];
    let of = |(window, turns): (Window, u64)| {
        let some = |most: u64, usual: u64| if turns == 1 { most } else { usual * turns };
        [
            Budget::energy(window, Joules::from_micro(some(8_000_000, 2_600_000))),
            Budget::money(window, Usd::from_nano(some(3_000_000, 700_000))),
            Budget::bytes(window, Bytes::new(some(150_000, 40_000))),
            Budget::latency(window, Millis::new(some(6_000, 1_100))),
        ]
    };
    windows.into_iter().flat_map(of).collect()
}

const fn with_limit(budget: &Budget, limit: u64) -> Budget {
    match budget.resource() {
        Resource::Energy => Budget::energy(budget.window(), Joules::from_micro(limit)),
        Resource::Money => Budget::money(budget.window(), Usd::from_nano(limit)),
        Resource::Bytes => Budget::bytes(budget.window(), Bytes::new(limit)),
        Resource::Latency => Budget::latency(budget.window(), Millis::new(limit)),
    }
}

/// As a starting runtime makes it.
fn governor(store: &mut Store, world: &World, limits: &[Budget]) -> Result<Governor> {
    let mut governor = Governor::new(Setup {
        budgets: store.budgets(world.now().max(store.newest()), limits)?,
        shield: Shield { view_threshold: 0.1 },
        preference: Preference::default(),
        local: Some(LocalEngine {
            profile: NodeProfile { local: true, images_max: 0, quality: 0.5, ..offer(0, 0.0) },
            memory: Bytes::new(4 << 20),
            draw: Watts::from_milli(4_500),
            first_token: Upper::from_prior(40.0),
            per_token: Upper::from_prior(9.0),
            tokens: Upper::from_prior(20.0),
        }),
        meter: MeterFacts {
            known: true,
            peak: Watts::from_milli(PEAK_MW),
            period: Millis::new(PERIOD_MS),
            step: Millis::new(STEP_MS),
            look: Millis::new(LOOK_MS),
            radio_per_mebibyte: Joules::from_micro(2_000_000),
            waiting: Watts::from_milli(2_000),
            decision: Joules::from_micro(400_000),
        },
        link: link(world),
        decision_time: Millis::new(120),
    });
    for (at, node) in NODES.iter().enumerate() {
        governor.offer(node, offer(at, 1.0))?;
    }
    let learnt = store.learnt()?;
    anyhow::ensure!(learnt.is_empty() || governor.recall(&learnt), "what was learnt cannot be read");
    governor.record_events();
    Ok(governor)
}
