//! The decision alone, embeddings cached: the rows of every candidate, the policy's scores, the shield's review with its
//! hold, and the settlement. `cargo bench -p trimtab-engine --bench decision` prints its time; with `-- --repeat N` it decides
//! N times and prints nothing, so that an instruction counter can take the difference of two runs.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_core::observation::{LinkEstimate, TRIMTAB1_WIDTH, TurnContext, ViewFacts, row};
use trimtab_core::shield::{NodeGate, ViewGate};
use trimtab_core::{
    Action, Budget, Budgets, Bytes, Candidate, ConversationId, Cost, Joules, Millis, NodeProfile, Preference, Proposal,
    Quote, Shield, Surroundings, Usd, Window,
};
use trimtab_engine::PolicyFile;

/// Nodes of the bench: the local engine and two of a bridge.
const NODES: usize = 3;
/// Camera views of the bench.
const VIEWS: usize = 3;
/// Bytes of one encoded view.
const VIEW_BYTES: u64 = 30_000;
/// How long the timed run lasts.
const RUN_TIME: Duration = Duration::from_secs(2);

struct Decider {
    policy: PolicyFile,
    nodes: [NodeProfile; NODES],
    actions: Vec<Action>,
    budgets: Budgets,
    conversation: ConversationId,
    now: u64,
}

impl Decider {
    fn new(policy: PolicyFile) -> Result<Self> {
        let node = |local, price: u64, seconds: u64, quality| NodeProfile {
            local,
            price_prompt: Usd::from_nano(price),
            price_completion: Usd::from_nano(4 * price),
            price_image: Usd::from_nano(400 * price),
            images_max: if local { 0 } else { 4 },
            latency_p50: Millis::new(seconds * 1000),
            latency_p95: Millis::new(seconds * 2000),
            token_time: Millis::new(20),
            quality,
        };
        let mut budgets = Budgets::default();
        let conversation = ConversationId::of("bench");
        let limits = [
            Budget::money(Window::Day, Usd::from_nano(u64::MAX / 2)),
            Budget::energy(Window::Hour, Joules::from_micro(u64::MAX / 2)),
            Budget::bytes(Window::Day, Bytes::new(u64::MAX / 2)),
        ];
        if budgets.set_limits(&limits).is_err() || budgets.open_conversation(conversation, Cost::ZERO).is_err() {
            bail!("the budgets of the bench do not fit");
        }
        Ok(Self {
            policy,
            nodes: [node(true, 0, 1, 0.5), node(false, 2_500_000_000, 1, 0.9), node(false, 150_000_000, 1, 0.6)],
            actions: Action::all(NODES, VIEWS).collect(),
            budgets,
            conversation,
            now: 0,
        })
    }

    fn quote(&self, action: Action) -> Quote {
        let node = &self.nodes[action.node.get()];
        let bytes = VIEW_BYTES * action.views.len() as u64;
        Quote {
            latency: Millis::new(node.latency_p95.get() + bytes / 600),
            energy: Joules::from_micro(if node.local { 900_000 } else { 200_000 }),
            money: Usd::of(node.price_prompt, 300).plus(Usd::of(node.price_image, action.views.len() as u64)),
            bytes: Bytes::new(bytes),
            memory: Bytes::new(if node.local { 4_000_000 } else { 100_000 }),
        }
    }

    /// One decision, taken and settled; whether anything was approved.
    fn decide(&mut self) -> Result<bool> {
        self.now += 1000;
        let now = Millis::new(self.now);
        let shows = |shows| ViewFacts { association: shows - 0.3, shows, available: true };
        let views = [shows(0.8), shows(0.1), shows(0.4)];
        let context = TurnContext {
            prompt: [0.1; PROMPT_FEATURES],
            tasks: [0.1, 0.1, 0.7, 0.1],
            unknown: false,
            turns_before: 3,
            remaining: [0.8, 0.9, 0.7, 1.0],
            link: LinkEstimate { up: true, round_trip: Millis::new(60), uplink_bits_per_s: 5_000_000 },
            memory_headroom: 0.5,
            preference: Preference::default(),
            views: &views,
        };
        let quotes: Vec<Quote> = self.actions.iter().map(|action| self.quote(*action)).collect();
        let rows: Vec<[f32; TRIMTAB1_WIDTH]> = (self.actions.iter().zip(&quotes))
            .map(|(action, quote)| row(&context, &self.nodes[action.node.get()], *action, quote))
            .collect();
        let scores = self.policy.score(&rows)?.score;
        let candidates: Vec<Candidate> = (self.actions.iter().zip(&quotes).zip(scores))
            .map(|((action, quote), score)| Candidate { action: *action, quote: *quote, score })
            .collect();
        let around = Surroundings {
            nodes: self.nodes.iter().map(|node| NodeGate { closed: None, images_max: node.images_max }).collect(),
            views: views.iter().map(|v| ViewGate { available: true, upload: true, shows: v.shows }).collect(),
            memory_left: Bytes::new(64 << 20),
            time_left: Millis::new(30_000),
            energy_unknown: false,
        };
        let account = trimtab_core::Account::new(self.conversation);
        let proposal = Proposal { account, candidates: &candidates, guard: Cost::ZERO, spare: Cost::ZERO };
        let (verdict, _) = Shield { view_threshold: 0.2 }.review(now, &mut self.budgets, &proposal, &around);
        let Ok(approved) = verdict else { return Ok(false) };
        let actual = approved.quote().cost();
        self.budgets.settle(now, approved.into_hold(), actual);
        Ok(true)
    }
}

/// The shipped policy; the first by name where there are several.
fn shipped_policy() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shipped/policy");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    paths.into_iter().next().with_context(|| format!("{} holds no policy", folder.display()))
}

fn main() -> Result<()> {
    let mut decider = Decider::new(PolicyFile::load(&shipped_policy()?)?)?;
    let mut arguments = std::env::args().skip_while(|argument| argument != "--repeat").skip(1);
    if let Some(count) = arguments.next() {
        for _ in 0..count.parse::<u64>().with_context(|| format!("--repeat {count}"))? {
            black_box(decider.decide()?);
        }
        return Ok(());
    }
    let (mut times, started) = (Vec::new(), Instant::now());
    while started.elapsed() < RUN_TIME {
        let begun = Instant::now();
        if !black_box(decider.decide()?) {
            bail!("the bench's own decision was refused");
        }
        times.push(begun.elapsed());
    }
    times.sort();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "one decision among {} candidates: shortest {:.1} µs, median {:.1} µs of {} runs",
        decider.actions.len(),
        micros(times[0]),
        micros(times[times.len() / 2]),
        times.len()
    );
    Ok(())
}
