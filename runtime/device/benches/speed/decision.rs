//! The decision alone: from a prompt and views whose embeddings are known to the first step of the action. The turn and its
//! governor are the device's own; what the shell would do in between (encode, score) is done here with the shipped models.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use trimtab_core::observation::LinkEstimate;
use trimtab_core::{
    Budget, Budgets, Bytes, ConversationId, Cost, Joules, Millis, NodeProfile, Preference, Shield, TurnId, Usd, Watts,
    Window,
};
use trimtab_engine::{Embedding, Encoder, PolicyFile, RgbFrame};
use trimtab_scenes::{CAMERA_NAMES, Conversation, Split};
use trimtab_turn::{
    CloudAnswer, EnergySource, Event, Finish, Governor, LocalEngine, MeterFacts, Observation, Opening, SeenView, Setup,
    Step, Turn, Upper,
};

use super::{Row, Work};

pub(crate) const ROWS: [Row; 1] = [Row { name: "decision: 3 nodes, 3 views, embeddings cached", ready: decision }];

/// Turns that are decided in rotation, so that no single path is measured.
const TURNS: usize = 8;
const SEED: u64 = 7;
const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const JPEG_QUALITY: u8 = 85;
/// How long a turn may take, and how long its answer takes here.
const TIME: Millis = Millis::new(30_000);
const ANSWER: Millis = Millis::new(700);
const MAX_TOKENS: u32 = 64;
const CONVERSATION: ConversationId = ConversationId::of("bench");

/// A prompt and its views as they stand once they are encoded.
struct Scene {
    text: String,
    prompt: Embedding,
    views: Vec<(&'static str, Embedding, Bytes)>,
}

struct Decider {
    encoder: Encoder,
    policy: PolicyFile,
    scenes: Vec<Scene>,
    governor: Governor,
    now: Millis,
    decided: u32,
}

fn decision(shipped: &Path) -> Result<Work> {
    let mut decider = Decider::new(shipped)?;
    Ok(Box::new(move || decider.turn()))
}

impl Decider {
    fn new(shipped: &Path) -> Result<Self> {
        let encoder = Encoder::load(&shipped.join("encoder"))?;
        let policy = PolicyFile::load(&shipped.join("policy/policy.onnx"))?;
        policy.check_encoder(&encoder.fingerprint())?;
        let scenes = Conversation::generate(SEED, Split::HeldOut, TURNS).turns;
        let scenes = scenes.iter().map(|turn| Scene::encode(&encoder, turn)).collect::<Result<_>>()?;
        let threshold = policy.metadata("view_threshold").context("the policy names no view_threshold")?.parse()?;
        let governor = governor(threshold)?;
        Ok(Self { encoder, policy, scenes, governor, now: Millis::ZERO, decided: 0 })
    }

    /// Decides one turn and ends it; how long the decision took.
    fn turn(&mut self) -> Result<Duration> {
        self.now = self.now.plus(Millis::new(1000));
        self.decided += 1;
        let begun = Instant::now();
        let (turn, action) = self.decide()?;
        let took = begun.elapsed();
        self.end(turn, action)?;
        Ok(took)
    }

    fn decide(&mut self) -> Result<(Turn, Step)> {
        let scene = &self.scenes[self.decided as usize % TURNS];
        let opening = Opening {
            id: TurnId { boot: 1, number: self.decided },
            conversation: CONVERSATION,
            conversation_name: "bench".to_owned(),
            prompt: scene.text.clone(),
            context_bytes: 0,
            turns_before: 3,
            time: TIME,
            max_tokens: MAX_TOKENS,
            only: Vec::new(),
            spent_before: Cost::ZERO,
        };
        let (mut turn, _) = Turn::open(self.now, opening, &mut self.governor);
        let observed = Event::Observed(Box::new(scene.observe(&self.encoder, &self.policy)?));
        let steps = turn.on(self.now, observed, &mut self.governor);
        let [Step::Score { rows }] = &steps[..] else { bail!("no candidates to score: {steps:?}") };
        let scores = self.policy.score(rows)?;
        let quality = scores.quality.unwrap_or_default();
        let scored = scores.score.iter().enumerate().map(|(index, score)| (*score, quality.get(index).copied()));
        let steps = turn.on(self.now, Event::Scored(scored.collect()), &mut self.governor);
        let action = steps.into_iter().find(|step| matches!(step, Step::Offload { .. } | Step::Generate { .. }));
        Ok((turn, action.context("the bench's own turn was refused")?))
    }

    /// Lets the action end as expected, so that its hold does not narrow the next decision.
    fn end(&mut self, mut turn: Turn, action: Step) -> Result<()> {
        let event = match action {
            Step::Offload { node, max_cost, .. } => Event::CloudAnswered(Box::new(CloudAnswer {
                text: "yes".to_owned(),
                node,
                money: max_cost,
                bytes_up: Bytes::ZERO,
                completion_tokens: 1,
                upstream: ANSWER,
                finish: Finish::Stop,
                energy: Joules::ZERO,
            })),
            _ => Event::LocalDone { finish: Finish::Stop, action: None, energy: Joules::ZERO },
        };
        turn.on(self.now.plus(ANSWER), event, &mut self.governor);
        ensure!(turn.is_over(), "the bench's own turn does not end");
        Ok(())
    }
}

impl Scene {
    fn encode(encoder: &Encoder, turn: &trimtab_scenes::Turn) -> Result<Self> {
        let views = CAMERA_NAMES.iter().enumerate().map(|(camera, name)| {
            let picture = turn.scene.render(camera, WIDTH, HEIGHT)?;
            let frame = RgbFrame::new(WIDTH as u32, HEIGHT as u32, picture.rgb)?;
            let bytes = Bytes::new(frame.to_jpeg(JPEG_QUALITY)?.len() as u64);
            Ok((*name, encoder.embed_image(&frame)?, bytes))
        });
        let text = turn.prompt.text.clone();
        Ok(Self { prompt: encoder.embed_text(&text)?, text, views: views.collect::<Result<_>>()? })
    }

    /// What the shell makes of embeddings.
    fn observe(&self, encoder: &Encoder, policy: &PolicyFile) -> Result<Observation> {
        let view = |(name, embedding, bytes): &(&str, Embedding, Bytes)| {
            let association = encoder.association(&self.prompt, embedding);
            let shows = encoder.shows_probability(association).context("the encoder is not calibrated")?;
            Ok(SeenView { name: (*name).to_owned(), association, shows, available: true, upload: true, bytes: *bytes })
        };
        let task = encoder.task(&self.prompt);
        Ok(Observation {
            prompt: policy.project(&self.prompt)?,
            tasks: task.probabilities,
            unknown: task.out_of_distribution,
            views: self.views.iter().map(view).collect::<Result<_>>()?,
            memory_left: Bytes::new(256 << 20),
            memory_headroom: 0.5,
            energy: Joules::from_micro(20_000),
            energy_source: EnergySource::Measured("bench".to_owned()),
        })
    }
}

/// A device with a local engine, two nodes at a bridge, and a budget for everything that can run out.
fn governor(view_threshold: f32) -> Result<Governor> {
    let local = NodeProfile { local: true, images_max: 0, quality: 0.5, ..cloud(0, 0, 0.0) };
    let mut governor = Governor::new(Setup {
        budgets: Budgets::default(),
        shield: Shield { view_threshold },
        preference: Preference::default(),
        local: Some(LocalEngine {
            profile: local,
            memory: Bytes::new(4 << 20),
            draw: Watts::from_milli(4000),
            first_token: Upper::from_prior(60.0),
            per_token: Upper::from_prior(12.0),
            tokens: Upper::from_prior(24.0),
        }),
        meter: MeterFacts {
            known: true,
            peak: Watts::from_milli(6000),
            period: Millis::new(10),
            step: Millis::new(12),
            look: Millis::new(20),
            radio_per_mebibyte: Joules::from_micro(2_000_000),
            waiting: Watts::from_milli(500),
            decision: Joules::from_micro(20_000),
        },
        link: LinkEstimate { up: true, round_trip: Millis::new(60), uplink_bits_per_s: 5_000_000 },
        decision_time: Millis::new(250),
    });
    governor.offer("good", cloud(2_500_000_000, 550, 0.9))?;
    governor.offer("cheap", cloud(150_000_000, 200, 0.6))?;
    let limits = [
        Budget::money(Window::Day, Usd::from_nano(u64::MAX / 2)),
        Budget::energy(Window::Hour, Joules::from_micro(u64::MAX / 2)),
        Budget::bytes(Window::Day, Bytes::new(u64::MAX / 2)),
    ];
    governor.set_budgets(&limits).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    Ok(governor)
}

/// A node that takes this many nano-USD for a million prompt tokens and this long to its first token.
fn cloud(price: u64, first_token_ms: u64, quality: f32) -> NodeProfile {
    NodeProfile {
        local: false,
        price_prompt: Usd::from_nano(price),
        price_completion: Usd::from_nano(4 * price),
        price_image: Usd::from_nano(400 * price),
        images_max: 4,
        latency_p50: Millis::new(first_token_ms),
        latency_p95: Millis::new(2 * first_token_ms),
        token_time: Millis::new(20),
        quality,
    }
}
