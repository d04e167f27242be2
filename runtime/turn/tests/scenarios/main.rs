//! Turns in simulated time: every way a turn can go, with exact settlements.

mod answers;
mod holds;
mod refusals;

use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{
    Action, Budget, Budgets, Bytes, ConversationId, Cost, Joules, Millis, NodeProfile, Preference, Shield, TurnId, Usd,
    ViewSet, Watts,
};
use trimtab_turn::{
    CloudAnswer, EnergySource, Event, Finish, Governor, LocalEngine, MeterFacts, Observation, Opening, SeenView, Setup,
    Step, Turn, TurnRecord, Upper,
};

const CONVERSATION: ConversationId = ConversationId::of("test");
const TIME: Millis = Millis::new(8000);
const CLOUD_ANSWER: &str = "It is red.";

fn cloud_profile(quality: f32, price_image: u64) -> NodeProfile {
    NodeProfile {
        local: false,
        price_prompt: Usd::from_nano(2_500_000_000),
        price_completion: Usd::from_nano(10_000_000_000),
        price_image: Usd::from_nano(price_image),
        images_max: 4,
        latency_p50: Millis::new(600),
        latency_p95: Millis::new(900),
        token_time: Millis::new(30),
        quality,
    }
}

fn governor(limits: &[Budget]) -> Governor {
    governor_after(Budgets::default(), limits)
}

/// One that begins with what an earlier runtime left.
fn governor_after(budgets: Budgets, limits: &[Budget]) -> Governor {
    let local = NodeProfile {
        local: true,
        quality: 0.5,
        images_max: 0,
        price_prompt: Usd::ZERO,
        price_completion: Usd::ZERO,
        price_image: Usd::ZERO,
        ..cloud_profile(0.5, 0)
    };
    let mut governor = Governor::new(Setup {
        budgets,
        shield: Shield { view_threshold: 0.1 },
        preference: Preference::default(),
        local: Some(LocalEngine {
            profile: local,
            memory: Bytes::new(4 << 20),
            draw: Watts::from_milli(4000),
            first_token: Upper::from_prior(20.0),
            per_token: Upper::from_prior(5.0),
            tokens: Upper::from_prior(20.0),
        }),
        meter: MeterFacts {
            known: true,
            peak: Watts::from_milli(6000),
            period: Millis::new(10),
            step: Millis::new(10),
            look: Millis::new(10),
            radio_per_mebibyte: Joules::from_micro(2_000_000),
            waiting: Watts::from_milli(500),
            decision: Joules::from_micro(20_000),
        },
        link: LinkEstimate { up: true, round_trip: Millis::new(60), uplink_bits_per_s: 5_000_000 },
        decision_time: Millis::new(250),
    });
    governor.offer("good", cloud_profile(0.95, 1_000_000_000_000)).unwrap();
    governor.offer("cheap", cloud_profile(0.6, 100_000_000_000)).unwrap();
    governor.set_budgets(limits).unwrap();
    governor
}

fn opening() -> Opening {
    Opening {
        id: TurnId { boot: 1, number: 1 },
        conversation: CONVERSATION,
        conversation_name: "test".into(),
        prompt: "what colour is the mug".into(),
        context_bytes: 0,
        turns_before: 0,
        time: TIME,
        max_tokens: 64,
        only: Vec::new(),
        spent_before: Cost::ZERO,
    }
}

fn observation() -> Observation {
    let view = |name: &str, shows: f32| SeenView {
        name: name.into(),
        association: shows - 0.5,
        shows,
        available: true,
        upload: true,
        bytes: Bytes::new(40_000),
    };
    Observation {
        prompt: [0.0; PROMPT_FEATURES],
        tasks: [0.0, 0.0, 1.0, 0.0],
        unknown: false,
        views: vec![view("wrist", 0.9), view("overhead", 0.2), view("doorway", 0.05)],
        memory_left: Bytes::new(64 << 20),
        memory_headroom: 0.5,
        energy: Joules::from_micro(15_000),
        energy_source: EnergySource::Measured("test".into()),
    }
}

/// Scores that like one action best.
fn prefer(governor: &Governor, views: usize, node: &str, set: u8) -> Event {
    let nodes = governor.nodes();
    let likes = |action: Action| match action.node.get() {
        0 => node == "local",
        n => nodes[n - 1].name == node && action.views == ViewSet::from_bits(set),
    };
    Event::Scored(
        Action::all(nodes.len() + 1, views).map(|action| (if likes(action) { 1.0 } else { 0.1 }, None)).collect(),
    )
}

fn answer(money: u64) -> Event {
    Event::CloudAnswered(Box::new(CloudAnswer {
        text: CLOUD_ANSWER.into(),
        node: "good".into(),
        money: Usd::from_nano(money),
        bytes_up: Bytes::new(41_000),
        completion_tokens: 5,
        upstream: Millis::new(700),
        finish: Finish::Stop,
        energy: Joules::from_micro(400_000),
    }))
}

/// Time has passed, and waiting has taken so many microjoules.
const fn tick(energy: u64) -> Event {
    Event::Tick { energy: Joules::from_micro(energy) }
}

/// A turn under test, with everything it asked for so far.
struct Run {
    turn: Turn,
    governor: Governor,
    steps: Vec<Step>,
}

impl Run {
    /// Opened, observed and scored, so that `node` with `set` is the favourite.
    fn decided(mut governor: Governor, node: &str, set: u8) -> Self {
        let (turn, steps) = Turn::open(Millis::ZERO, opening(), &mut governor);
        let mut run = Self { turn, governor, steps };
        run.feed(10, Event::Observed(Box::new(observation())));
        let scores = prefer(&run.governor, 3, node, set);
        run.feed(12, scores);
        run
    }
    fn feed(&mut self, now: u64, event: Event) -> Vec<Step> {
        let steps = self.turn.on(Millis::new(now), event, &mut self.governor);
        self.steps.extend(steps.iter().cloned());
        steps
    }
    /// Until when the bridge's answer is waited for at the longest.
    fn deadline(&self) -> u64 {
        let deadline =
            |step: &Step| if let Step::Offload { deadline, .. } = step { Some(deadline.get()) } else { None };
        self.steps.iter().find_map(deadline).expect("a bridge was asked")
    }
    fn records(&self) -> Vec<&TurnRecord> {
        self.steps
            .iter()
            .filter_map(|step| if let Step::Close { record } = step { Some(&**record) } else { None })
            .collect()
    }
    /// The one record that a turn that is over has.
    fn record(&self) -> &TurnRecord {
        assert!(self.turn.is_over(), "the turn is not over: {:?}", self.turn);
        let records = self.records();
        assert_eq!(records.len(), 1, "exactly one record");
        records[0]
    }
    fn said(&self) -> String {
        self.steps.iter().fold(String::new(), |mut said, step| {
            match step {
                Step::Say { text } => said.push_str(text),
                Step::Void => said.clear(),
                _ => {}
            }
            said
        })
    }
    fn generates(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Generate { .. }))
    }
    /// Finishes a local answer.
    fn local_answer(&mut self, now: u64) {
        self.feed(now, Event::LocalToken { text: "I cannot see that.".into(), energy: Joules::from_micro(20_000) });
        self.feed(now + 5, Event::LocalDone { finish: Finish::Stop, action: None, energy: Joules::from_micro(25_000) });
    }
}
