//! One turn, played as the device's shell plays it: the same course, the same ledger, with simulated cameras, models and bridge.

use std::rc::Rc;

use anyhow::Result;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::{Budget, Bytes, ConversationId, Cost, Joules, Millis, Placement, TurnId, Usd};
use trimtab_ledger::Outgoing;
use trimtab_turn::{
    CloudAnswer, CloudRefusal, Course, EnergySource, Event, Finish, Observation, Opening, Outcome, SeenView, Step,
    TurnRecord,
};
use trimtab_wire::RequestId;

use crate::device::{Sim, name};
use crate::tally::{Account, amount};
use crate::world::{Happening, LOOK_MS, PEAK_MW, PERIOD_MS, Request, STEP_MS, World};

/// A turn that its own clock does not wake is looked at this often.
const LOOK_EVERY: u64 = 250;
/// The longest answer, in tokens.
const TOKENS_MAX: u32 = 64;
/// Share of records that are read back.
const READ_BACK: f64 = 0.1;
/// Cameras.
const VIEWS: usize = 3;

/// The local model is answering.
#[derive(Debug)]
struct Run {
    /// When its present step ends.
    step_ends: u64,
    /// Steps of reading the prompt that are left.
    reading: u32,
    tokens: u32,
    until_energy: Joules,
    until: Millis,
    told_to_stop: bool,
    /// It breaks off after so many steps.
    fails_after: Option<u32>,
    done: Option<Finish>,
}

/// A turn on its way.
#[derive(Debug)]
pub(crate) struct Live {
    turn: TurnId,
    conversation: ConversationId,
    /// The limits that were in force when something was last reserved.
    pub(crate) limits: Rc<[Budget]>,
    pub(crate) request: Option<RequestId>,
    local: Option<Run>,
    /// What the meter read where the present hold began to pay, and when the turn was last told.
    began: Joules,
    told: Joules,
    drawn_before: u64,
    /// What it takes to write down that a hold is left open. The next hold pays for it; where none follows, the turn has ended before
    /// that, and the rest is work on its record.
    pub(crate) unpaid: Cost,
    /// A hold pays for what is taken now.
    pub(crate) pays: bool,
    /// Nothing of the turn could be made durable, so nothing but the attempt was made: its record pays for that, if there is one.
    record_pays: bool,
    pub(crate) metered_well: bool,
    said: String,
}

impl Live {
    pub(crate) const fn account(&self, at: Millis) -> Account {
        Account { turn: self.turn, conversation: self.conversation, at }
    }

    fn spent(&mut self, world: &World) -> Joules {
        self.told = world.reading();
        self.told.minus(self.began)
    }

    /// What the turn hears of an answer or a refusal.
    pub(crate) fn heard(&mut self, request: &Request, world: &World) -> Event {
        let energy = self.spent(world);
        let (money, bytes_up) = (request.money, request.bytes);
        if request.refused {
            return Event::CloudRefused(Box::new(CloudRefusal {
                reason: "upstream_failed".into(),
                detail: "node answered 500: try another node".into(),
                money,
                bytes_up,
                energy,
            }));
        }
        Event::CloudAnswered(Box::new(CloudAnswer {
            text: "It is red.".into(),
            node: request.node.clone(),
            money,
            bytes_up,
            completion_tokens: request.tokens,
            upstream: Millis::new(500),
            finish: Finish::Stop,
            energy,
        }))
    }
}

impl Sim {
    /// One turn to its record, or to the death of its runtime.
    pub(crate) fn turn(&mut self) -> Result<()> {
        self.number += 1;
        let turn = TurnId { boot: self.store.boot(), number: self.number };
        let conversation_name = self.conversation();
        let conversation = ConversationId::of(&conversation_name);
        let now = self.world.now();
        let past = self.store.past(conversation, now)?;
        // Some are in a hurry.
        let most = if self.world.chance.happens(0.3) { 1_200 } else { 9_000 };
        let time = Millis::new(self.world.chance.within(150, most));
        let opening = Opening {
            id: turn,
            conversation,
            conversation_name,
            prompt: "what colour is the mug on the table".into(),
            context_bytes: self.world.chance.within(0, 400),
            turns_before: u16::try_from(past.turns).unwrap_or(u16::MAX),
            time,
            max_tokens: TOKENS_MAX,
            only: Vec::new(),
            spent_before: past.spent,
        };
        let began = self.world.reading();
        let mut live = Live {
            turn,
            conversation,
            limits: Rc::clone(&self.limits),
            request: None,
            local: None,
            began,
            told: began,
            drawn_before: self.world.drawn,
            unpaid: Cost::ZERO,
            pays: true,
            record_pays: false,
            metered_well: self.world.meter_ok,
            said: String::new(),
        };
        let mut course = Course::open(now, opening, &mut self.governor);
        loop {
            while let Some(step) = course.step() {
                let outcome = self.execute(step, &mut live)?;
                course.went(outcome);
            }
            if course.is_over() {
                break;
            }
            let event = match course.pending() {
                Some(event) => event,
                None => self.wait(&mut live, course.next_deadline())?,
            };
            let spent = live.spent(&self.world);
            let again = (self.world.chance.happens(0.05)).then(|| event.clone());
            if course.hear(self.world.now(), event, spent, &mut self.governor) {
                live.began = live.told;
            }
            // What comes a second time changes nothing once the turn is over.
            if let Some(event) = again.filter(|_| course.turn().is_over()) {
                let record = course.turn().record().clone();
                let before = *self.governor.budgets().spent();
                course.hear(self.world.now(), event, spent, &mut self.governor);
                if *course.turn().record() != record || *self.governor.budgets().spent() != before {
                    self.report.tell(format!("turn {turn} changed after it was over"));
                }
            }
        }
        self.world.idle();
        self.check_left(conversation);
        Ok(())
    }

    /// Mostly one of those that go on; now and then one ends and another begins.
    fn conversation(&mut self) -> String {
        let chance = &mut self.world.chance;
        let (at, ends) = (chance.pick(self.conversations.len()), chance.happens(0.03));
        let begun = if ends { Some(name(&mut self.world)) } else { None };
        let place = &mut self.conversations[at];
        if let Some(begun) = begun {
            *place = begun;
        }
        place.clone()
    }

    fn execute(&mut self, step: Step, live: &mut Live) -> Result<Outcome> {
        match step {
            Step::Persist { hold, turn, action, prompt } => {
                // A hold that is not durable pays for nothing; once it is, also for what that took.
                live.pays = false;
                if !hold.orphan {
                    live.limits = Rc::clone(&self.limits);
                    self.tally.granted(&live.account(hold.opened), &hold.cost, &live.limits);
                }
                let (before, after) = (self.world.chance.within(0, 3), self.world.chance.within(0, 1));
                self.pass(before, live)?;
                if self.world.chance.happens(0.002) {
                    self.report.ledger_faults += 1;
                    if self.governor.budgets().open().iter().any(|open| !open.orphan) {
                        // The turn settles what the attempt took.
                        if self.unclosed.contains(&turn) {
                            self.pays(live);
                        } else {
                            live.record_pays = true;
                        }
                    }
                    let energy = live.spent(&self.world);
                    return Ok(Outcome::Failed(Event::LedgerFailed { detail: "disk full".into(), energy }));
                }
                self.store.persist_hold(&hold, turn, action, &prompt)?;
                if self.unclosed.insert(turn) {
                    self.report.begun += 1;
                }
                self.holds.insert(hold.id, hold);
                if hold.orphan {
                    self.limit_orphans();
                } else {
                    self.pays(live);
                }
                if let Some(request) =
                    live.request.and_then(|id| self.world.requests.get_mut(&id)).filter(|r| r.hold == hold.id)
                {
                    request.reserved_at = hold.opened;
                }
                self.pass(after, live)?;
                Ok(Outcome::On)
            }
            Step::Observe { until_energy, until } => self.observe(live, until_energy, until).map(Outcome::Then),
            Step::Score { rows } => Ok(Outcome::Then(self.score(rows.len()))),
            Step::Offload { node, views: _, max_cost, deadline, max_tokens, hold } => {
                let Some(open) = self.governor.budgets().open().iter().find(|open| open.id == hold).copied() else {
                    self.report.tell(format!("turn {}: no hold {hold}", live.turn));
                    return Ok(Outcome::On);
                };
                let request = Request {
                    turn: live.turn,
                    conversation: live.conversation,
                    hold,
                    node,
                    reserved_at: open.opened,
                    deadline,
                    money: max_cost,
                    bytes: open.cost.bytes,
                    tokens: max_tokens,
                    refused: false,
                    charged: false,
                };
                self.offload(live, request)
            }
            Step::Generate { until_energy, until, max_tokens } => {
                let chance = &mut self.world.chance;
                let tokens = chance.around(14.0, 0.9).clamp(1.0, 400.0) as u32;
                live.local = Some(Run {
                    step_ends: self.world.time + 1,
                    reading: chance.around(5.0, 0.6) as u32 * if chance.happens(0.05) { 20 } else { 1 },
                    tokens: tokens.min(max_tokens),
                    until_energy,
                    until,
                    told_to_stop: false,
                    fails_after: chance.happens(0.01).then(|| chance.within(0, 9) as u32),
                    done: None,
                });
                self.world.draw = chance.within(2_500, PEAK_MW);
                Ok(Outcome::On)
            }
            Step::StopGenerating => {
                if let Some(run) = &mut live.local {
                    run.told_to_stop = true;
                }
                Ok(Outcome::On)
            }
            Step::Say { text } => {
                live.said.push_str(&text);
                Ok(Outcome::On)
            }
            Step::Void => {
                live.said.clear();
                Ok(Outcome::On)
            }
            Step::Close { record } => {
                self.close(live, &record)?;
                Ok(Outcome::On)
            }
        }
    }

    /// A hold pays from now on, also for what was taken before.
    fn pays(&mut self, live: &mut Live) {
        live.pays = true;
        let owed = std::mem::replace(&mut live.unpaid, Cost::ZERO);
        self.tally.spent(&live.account(self.world.now()), &owed, &live.limits);
    }

    /// Encodes prompt and views; the meter may be a period late where it is asked whether enough is used up.
    fn observe(&mut self, live: &mut Live, until_energy: Joules, until: Millis) -> Result<Event> {
        // Sometimes all of it takes several times as long.
        let slow = if self.world.chance.happens(0.05) { 4.0 } else { 1.0 };
        self.world.draw = self.world.chance.within(2_500, PEAK_MW);
        let part = |sim: &mut Self, live: &mut Live| {
            let took = sim.world.chance.around(9.0 * slow, 0.3).clamp(1.0, LOOK_MS as f64) as u64;
            sim.pass(took, live)
        };
        part(self, live)?;
        let mut views = Vec::new();
        for view in 0..VIEWS {
            let fresh = self.world.chance.happens(0.95);
            let used = self.world.reading().minus(live.began).minus(self.late_reading());
            let enough = used >= until_energy || self.world.now() >= until;
            if fresh && enough {
                self.report.views_cut += 1;
            } else if fresh {
                part(self, live)?;
            }
            let shows = self.world.chance.unit() as f32;
            views.push(SeenView {
                name: format!("camera-{view}"),
                association: shows - 0.5,
                shows,
                available: fresh && !enough,
                upload: view < 2,
                bytes: Bytes::new(self.world.chance.within(8_000, 50_000)),
            });
        }
        let energy = live.spent(&self.world);
        if self.world.chance.happens(0.01) {
            return Ok(Event::ObserveFailed { detail: "no encoder".into(), energy });
        }
        let mut prompt = [0.0; PROMPT_FEATURES];
        prompt.fill_with(|| self.world.chance.unit() as f32);
        Ok(Event::Observed(Box::new(Observation {
            prompt,
            tasks: [0.1, 0.1, 0.7, 0.1],
            unknown: self.world.chance.happens(0.05),
            views,
            memory_left: Bytes::new(self.world.chance.within(0, 64 << 20)),
            memory_headroom: 0.5,
            energy,
            energy_source: EnergySource::Measured("simulated".into()),
        })))
    }

    fn late_reading(&mut self) -> Joules {
        Joules::from_micro(self.world.draw * self.world.chance.within(0, PERIOD_MS))
    }

    fn score(&mut self, rows: usize) -> Event {
        let chance = &mut self.world.chance;
        if chance.happens(0.02) {
            return Event::Unscored { why: "no policy".into() };
        }
        // A policy that is broken says too little, or no numbers.
        let rows = if chance.happens(0.005) { rows / 2 } else { rows };
        let broken = chance.happens(0.005);
        let score = |chance: &mut crate::chance::Chance| if broken { f32::NAN } else { chance.unit() as f32 };
        Event::Scored((0..rows).map(|_| (score(chance), Some(chance.unit() as f32))).collect())
    }

    /// Sends a request. What it takes is drawn without regard to its quote; bytes and money end where the contract says.
    fn offload(&mut self, live: &mut Live, mut request: Request) -> Result<Outcome> {
        let mut id = [0; 16];
        for half in id.chunks_exact_mut(8) {
            half.copy_from_slice(&self.world.chance.bits().to_be_bytes());
        }
        let id = RequestId(id);
        live.request = Some(id);
        let entry = Outgoing {
            request: id,
            turn: live.turn,
            hold: request.hold,
            conversation: live.conversation,
            node: request.node.clone(),
            deadline: request.deadline,
            late: false,
        };
        if let Err(fault) = self.store.outbox_put(self.world.now(), &entry) {
            request = Request { refused: true, money: Usd::ZERO, bytes: Bytes::ZERO, ..request };
            self.report.tell(format!("turn {}: {fault}", live.turn));
            return Ok(Outcome::Then(live.heard(&request, &self.world)));
        }
        let world = &mut self.world;
        world.draw = if world.chance.happens(0.05) { PEAK_MW } else { world.chance.within(1_300, 3_500) };
        let share =
            |most: u64, chance: &mut crate::chance::Chance| most.min((most as f64 * chance.around(0.8, 0.3)) as u64);
        request.bytes = Bytes::new(share(request.bytes.get(), &mut world.chance));
        request.money = Usd::from_nano(share(request.money.nano(), &mut world.chance));
        request.tokens = world.chance.around(12.0, 0.6).clamp(1.0, 64.0) as u32;
        request.refused = world.chance.happens(0.04);
        if request.refused {
            self.report.bridge_refusals += 1;
            if world.chance.happens(0.7) {
                request.money = Usd::ZERO;
            }
        }
        let sent = Cost { bytes: request.bytes, ..Cost::ZERO };
        self.tally.spent(&live.account(request.reserved_at), &sent, &live.limits);
        let transfer = request.bytes.transfer_time(world.uplink).get();
        let answer = transfer + (world.chance.around(500.0, 0.5) * world.slowness) as u64;
        let lost = world.chance.happens(0.02);
        world.requests.insert(id, request);
        if lost {
            // The upstream was paid, and its answer never comes.
            self.charge(id);
            self.world.requests.remove(&id);
            return Ok(Outcome::On);
        }
        world.plan_in(answer / 2 + 1, Happening::Text(id));
        world.plan_in(answer + 1, Happening::Answer(id));
        Ok(Outcome::On)
    }

    /// Until something happens that the turn has to hear.
    fn wait(&mut self, live: &mut Live, deadline: Option<Millis>) -> Result<Event> {
        let late = self.world.chance.within(0, STEP_MS);
        let look = self.world.time + LOOK_EVERY;
        let tick = deadline.map_or(look, |at| (at.get() + self.world.unknown + late).max(self.world.time)).min(look);
        loop {
            if let Some(finish) = live.local.as_mut().and_then(|run| run.done.take()) {
                live.local = None;
                self.world.idle();
                let energy = live.spent(&self.world);
                return Ok(Event::LocalDone { finish, action: None, energy });
            }
            let step = live.local.as_ref().map_or(u64::MAX, |run| run.step_ends);
            let next = tick.min(step).min(self.world.next());
            self.pass(next.saturating_sub(self.world.time), live)?;
            if let Some(happening) = self.world.due() {
                if let Some(event) = self.happen(&happening, Some(live))? {
                    return Ok(event);
                }
            } else if step <= self.world.time {
                if let Some(event) = self.generate(live) {
                    return Ok(event);
                }
            } else if tick <= self.world.time {
                return Ok(Event::Tick { energy: live.spent(&self.world) });
            }
        }
    }

    /// A step of the local model has ended. It looks for the end of its hold after each.
    fn generate(&mut self, live: &mut Live) -> Option<Event> {
        let late = self.late_reading();
        let energy = live.spent(&self.world);
        let now = self.world.now();
        let took = self.world.chance.around(8.0, 0.25).clamp(1.0, STEP_MS as f64) as u64;
        let run = live.local.as_mut()?;
        if let Some(left) = &mut run.fails_after {
            if *left == 0 {
                live.local = None;
                self.world.idle();
                return Some(Event::LocalFailed { detail: "the model broke".into(), energy });
            }
            *left -= 1;
        }
        run.step_ends = self.world.time + took;
        let told = if run.reading > 0 {
            run.reading -= 1;
            None
        } else {
            run.tokens = run.tokens.saturating_sub(1);
            Some(Event::LocalToken { text: "word ".into(), energy })
        };
        run.done = if energy.minus(late) >= run.until_energy {
            Some(Finish::EnergyCut)
        } else if now >= run.until || run.told_to_stop {
            Some(Finish::TimeCut)
        } else if run.reading == 0 && run.tokens == 0 {
            Some(Finish::Stop)
        } else {
            None
        };
        told
    }

    /// The record is compared with what is known to be true, and written.
    fn close(&mut self, live: &mut Live, record: &TurnRecord) -> Result<()> {
        self.compare(live, record);
        match record.placement {
            Placement::Cloud => self.report.cloud += 1,
            Placement::Local => self.report.local += 1,
            Placement::Refused => self.report.refused += 1,
        }
        self.report.energy_cuts += u64::from(record.finish == Finish::EnergyCut);
        self.report.time_cuts += u64::from(record.finish == Finish::TimeCut);
        self.report.fallbacks += u64::from(record.fallback.is_some());
        if self.world.chance.happens(0.002) {
            // The next start finds the turn without a record.
            self.report.ledger_faults += 1;
            self.governor.take_events();
            self.governor.events_lost();
            return Ok(());
        }
        if live.record_pays {
            self.pays(live);
        }
        let events = self.governor.take_events();
        self.store.close_with(record, &events)?;
        self.report.event_bytes += events.len() as u64;
        self.player.feed(record.turn, Some(&serde_json::to_string(record)?), &events);
        if self.world.chance.happens(READ_BACK) && self.store.record(record.turn)?.as_ref() != Some(record) {
            self.report.tell(format!("turn {} does not read back", record.turn));
        }
        if self.unclosed.insert(record.turn) {
            self.report.begun += 1;
        }
        self.closed(record.turn);
        for (hold, _) in &record.settlements {
            self.holds.remove(hold);
        }
        for hold in &record.left_open {
            if let Some(open) = self.holds.get_mut(hold) {
                open.orphan = true;
            }
        }
        self.limit_orphans();
        Ok(())
    }

    fn compare(&mut self, live: &Live, record: &TurnRecord) {
        let unpaid = if live.record_pays { Joules::ZERO } else { live.unpaid.energy };
        let drawn = Joules::from_micro(self.world.drawn - live.drawn_before).minus(unpaid);
        let (energy, latency) = (record.cost.energy, record.cost.latency);
        let right = if live.metered_well { energy == drawn } else { energy >= drawn };
        if !right || latency != record.ended.minus(record.started) {
            self.report.clamped += 1;
            self.report.tell(format!(
                "turn {} ({}) took {drawn} in {}, its record says {energy} in {latency}",
                record.turn,
                record.reason,
                record.ended.minus(record.started)
            ));
        }
        for (hold, settlement) in &record.settlements {
            if settlement.overrun != Cost::ZERO {
                self.report.overruns += 1;
                self.report.tell(format!("turn {} ({}), {hold}: {settlement:?}", record.turn, record.reason));
            }
        }
        let quote = record.chosen.as_ref().and_then(|chosen| record.candidates.get(chosen.candidate));
        let action = record.cost.minus(Cost { energy: record.decision_energy, ..Cost::ZERO });
        let above =
            |quote: Cost| trimtab_core::Resource::ALL.iter().any(|of| amount(*of, &action) > amount(*of, &quote));
        self.report.above_quote += u64::from(quote.is_some_and(|candidate| above(candidate.quote.cost())));
        if record.placement == Placement::Local && live.said != record.answer {
            self.report.tell(format!("turn {}: said {:?}, recorded {:?}", record.turn, live.said, record.answer));
        }
    }
}
