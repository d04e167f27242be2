//! What the board does until its power is cut: turns of the real governor, answered by a stand-in for the local model that
//! spends what chance says, and the real ledger. Active time leaps from turn to turn, so that hours end.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{
    Budget, Bytes, ConversationId, Cost, Joules, Millis, NodeProfile, Preference, Shield, TurnId, Usd, Watts, Window,
};
use trimtab_ledger::{Durability, Retention, Store};
use trimtab_sim::chance::Chance;
use trimtab_turn::{
    Course, EnergySource, Event, Finish, Governor, LocalEngine, MeterFacts, Observation, Opening, Outcome, Setup, Step,
    TurnRecord, Upper,
};

use crate::mark::Mark;

/// What may be spent in an hour: less than its turns would take.
pub const HOUR_LIMIT: Joules = Joules::from_micro(150_000_000);
/// Records that the ledger keeps: all.
pub const KEPT: u32 = 1_000_000;
/// Time from one turn to the next.
const PAUSE: Millis = Millis::new(30_000);
/// Conversations that take turns.
const CONVERSATIONS: u32 = 7;

/// The board.
pub struct Script {
    store: Store,
    governor: Governor,
    chance: Chance,
    now: Millis,
    turns: u32,
    marks: u64,
    total: Cost,
}

impl Script {
    /// With a new ledger.
    pub fn new(ledger: &Path, durability: Durability, seed: u64) -> Result<Self> {
        let mut store = Store::open_with(ledger, Retention { turns: KEPT, ..Retention::default() }, durability)?;
        let limit = Budget::energy(Window::Hour, HOUR_LIMIT);
        let now = store.newest();
        let budgets = store.budgets(now, &[limit])?;
        let governor = Governor::new(Setup {
            budgets,
            shield: Shield { view_threshold: 0.0 },
            preference: Preference::default(),
            local: Some(local()),
            meter: meter(),
            link: LinkEstimate { up: false, round_trip: Millis::new(80), uplink_bits_per_s: 1_000_000 },
            decision_time: Millis::new(50),
        });
        let (turns, marks, total) = (0, 0, Cost::ZERO);
        Ok(Self { store, governor, chance: Chance::new(seed), now, turns, marks, total })
    }

    /// One turn to its record; tells every settlement that the ledger has acknowledged.
    pub fn turn(&mut self, mut acknowledged: impl FnMut(&Mark) -> Result<()>) -> Result<()> {
        self.turns += 1;
        self.now = self.now.plus(PAUSE);
        let id = TurnId { boot: self.store.boot(), number: self.turns };
        let name = format!("conversation {}", self.turns % CONVERSATIONS);
        let opening = Opening {
            id,
            conversation: ConversationId::of(&name),
            conversation_name: name,
            prompt: "Is the stove on?".to_owned(),
            context_bytes: 0,
            turns_before: 0,
            time: Millis::new(8_000),
            max_tokens: 32,
            only: Vec::new(),
            spent_before: Cost::ZERO,
        };
        let mut course = Course::open(self.now, opening, &mut self.governor);
        let mut energy = Joules::ZERO;
        loop {
            while let Some(step) = course.step() {
                if let Step::Close { record } = &step {
                    self.store.close(record)?;
                    self.tell(record, &mut acknowledged)?;
                }
                let outcome = self.carry_out(step, &mut energy)?;
                course.went(outcome);
            }
            let Some(event) = course.pending() else { break };
            if course.hear(self.now, event, energy, &mut self.governor) {
                energy = Joules::ZERO;
            }
        }
        ensure!(course.is_over(), "turn {id} came to no end");
        Ok(())
    }

    fn carry_out(&mut self, step: Step, energy: &mut Joules) -> Result<Outcome> {
        Ok(match step {
            Step::Persist { hold, turn, action, prompt } => {
                self.store.persist_hold(&hold, turn, action, &prompt)?;
                Outcome::On
            }
            Step::Observe { until_energy, .. } => {
                *energy = self.part(until_energy);
                Outcome::Then(Event::Observed(Box::new(observation(*energy))))
            }
            Step::Score { rows } => Outcome::Then(Event::Scored(rows.iter().map(|_| (0.5, None)).collect())),
            Step::Generate { until_energy, .. } => {
                self.now = self.now.plus(Millis::new(self.chance.within(20, 200)));
                *energy = self.part(until_energy);
                Outcome::Then(Event::LocalDone { finish: Finish::Stop, action: None, energy: *energy })
            }
            Step::StopGenerating | Step::Say { .. } | Step::Void | Step::Close { .. } => Outcome::On,
            Step::Offload { .. } => bail!("without a link there is nobody else to ask"),
        })
    }

    /// Something of what may be spent.
    fn part(&mut self, most: Joules) -> Joules {
        Joules::from_micro(self.chance.within(most.micro() / 2, most.micro()))
    }

    fn tell(&mut self, record: &TurnRecord, acknowledged: &mut impl FnMut(&Mark) -> Result<()>) -> Result<()> {
        for (hold, settlement) in &record.settlements {
            let cost = settlement.debited;
            self.total = self.total.plus(cost);
            let mark = Mark { number: self.marks, turn: record.turn, hold: *hold, cost, total: self.total };
            acknowledged(&mark)?;
            self.marks += 1;
        }
        Ok(())
    }
}

fn local() -> LocalEngine {
    LocalEngine {
        profile: NodeProfile {
            local: true,
            price_prompt: Usd::ZERO,
            price_completion: Usd::ZERO,
            price_image: Usd::ZERO,
            images_max: 0,
            latency_p50: Millis::new(100),
            latency_p95: Millis::new(200),
            token_time: Millis::new(5),
            quality: 0.5,
        },
        memory: Bytes::new(1 << 20),
        draw: Watts::from_milli(4_000),
        first_token: Upper::from_prior(20.0),
        per_token: Upper::from_prior(5.0),
        tokens: Upper::from_prior(20.0),
    }
}

fn meter() -> MeterFacts {
    MeterFacts {
        known: true,
        peak: Watts::from_milli(6_000),
        period: Millis::new(10),
        step: Millis::new(10),
        look: Millis::new(10),
        radio_per_mebibyte: Joules::ZERO,
        waiting: Watts::from_milli(500),
        decision: Joules::from_micro(20_000),
    }
}

fn observation(energy: Joules) -> Observation {
    Observation {
        prompt: [0.0; PROMPT_FEATURES],
        tasks: [0.0, 0.0, 1.0, 0.0],
        unknown: false,
        views: Vec::new(),
        memory_left: Bytes::new(64 << 20),
        memory_headroom: 0.5,
        energy,
        energy_source: EnergySource::Measured("stand-in".to_owned()),
    }
}
