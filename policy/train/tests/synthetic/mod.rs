//! A small world whose rules are known: which prompts need a view, which view shows it, and what the cheap node gets wrong.

#![allow(dead_code, reason = "each test binary uses what it needs")]

use std::path::Path;

use trimtab_core::{Action, Millis, NodeProfile, Preference, TaskKind, Usd};
use trimtab_scenes::Rng;
use trimtab_train::dataset::{
    Dialogue, Interaction, KNOWN_ANSWER, Measured, Node, Outcome, QuoteFacts, SCHEMA, Setting, TaskCategory, View,
    write_shard,
};

/// Numbers of an embedding.
pub(crate) const DIMENSION: usize = 32;
/// Stands for the encoder.
pub(crate) const ENCODER: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const NODES: [&str; 3] = ["local", "good", "cheap"];
const VIEWS: [&str; 3] = ["wrist", "overhead", "doorway"];

fn profile(node: usize) -> NodeProfile {
    let milli = |n: u64| Usd::from_nano(n * 1_000_000);
    let (quality, image, p50) = [(0.5, 0, 300), (0.9, 1000, 900), (0.6, 100, 400)][node];
    NodeProfile {
        local: node == 0,
        price_prompt: milli(if node == 1 { 2500 } else { 150 }),
        price_completion: milli(if node == 1 { 10_000 } else { 600 }),
        price_image: milli(image * 1000),
        images_max: if node == 0 { 0 } else { 4 },
        latency_p50: Millis::new(p50),
        latency_p95: Millis::new(2 * p50),
        token_time: Millis::new(20),
        quality,
    }
}

/// What the dialogues of a table have in common.
pub(crate) fn setting(seed: u64) -> Setting {
    Setting {
        schema: SCHEMA,
        seed,
        split: "train".into(),
        one_action: false,
        conversation: None,
        encoder_sha256: ENCODER.into(),
        views: VIEWS.map(String::from).to_vec(),
        nodes: (0..3).map(|node| Node { name: NODES[node].into(), profile: profile(node) }).collect(),
        network: "lte".into(),
        prices: "list".into(),
        round_trip: Millis::new(60),
        uplink_bits_per_s: 5_000_000,
        preference: Preference::default(),
    }
}

/// One dialogue with every action's outcome.
pub(crate) fn dialogue(seed: u64, turns: usize) -> Dialogue {
    let mut rng = Rng::for_purpose(seed, "synthetic");
    let (interactions, association_score) = (0..turns).map(|_| turn(&mut rng)).unzip();
    Dialogue {
        id: seed,
        image_paths: VIEWS.map(|view| format!("{seed}-{view}.jpg")).to_vec(),
        interactions,
        association_score,
        trimtab: Some(setting(seed)),
    }
}

fn turn(rng: &mut Rng) -> (Interaction, Vec<f32>) {
    let kind = TaskKind::KNOWN[rng.below(4)];
    let needs_views = matches!(kind, TaskKind::Query | TaskKind::Recommendation);
    // Fine details are what the cheap node gets wrong; long wishes are what the local one does.
    let fine = rng.chance(0.5);
    let shown = rng.below(3);
    let views: Vec<View> = (0..3)
        .map(|view| {
            let shows = if needs_views && view == shown { rng.range(0.7, 1.0) } else { rng.range(0.0, 0.3) };
            View { association: shows - 0.5, shows, available: true }
        })
        .collect();
    let right = |action: Action| match (needs_views, action.node.get()) {
        (false, 0) => !fine,
        (false, _) => true,
        (true, 0) => false,
        (true, node) => action.views.contains(shown) && (node == 1 || !fine),
    };
    let outcomes: Vec<Outcome> = Action::all(3, 3)
        .map(|action| {
            let (node, count) = (action.node.get(), action.views.len() as u64);
            let latency_ms = [300, 900, 400][node] + 150 * count;
            let money_nusd = [0, 200_000, 20_000][node] + count * [0, 1_000_000, 100_000][node];
            let energy_uj = [3_000_000, 500_000, 500_000][node] + 100_000 * count;
            let bytes_up = count * 30_000;
            Outcome {
                node: NODES[node].into(),
                views: action.views.iter().collect(),
                quote: QuoteFacts {
                    latency_ms: 2 * latency_ms,
                    energy_uj: 2 * energy_uj,
                    money_nusd: money_nusd + money_nusd / 10,
                    bytes_up,
                    memory: 0,
                },
                answer: if right(action) { "yes" } else { "no" }.into(),
                right: right(action),
                latency_ms,
                energy_uj,
                money_nusd,
                bytes_up,
                score: None,
                fallback: false,
                turn: None,
            }
        })
        .collect();
    let mut tasks = [0.02; 4];
    tasks[kind.index().unwrap()] = 0.94;
    let logged = &outcomes[rng.below(outcomes.len())];
    let interaction = Interaction {
        question: format!("prompt {}", rng.bits()),
        task_cat: TaskCategory::of(kind).unwrap(),
        action: u8::from(logged.node != NODES[0]),
        image_index: (!logged.views.is_empty()).then(|| logged.views.clone()),
        answer: logged.answer.clone(),
        score: f32::from(u8::from(logged.right)),
        interaction_time: logged.latency_ms as f64 / 1e3,
        usage_cost: logged.money_nusd as f64 / 1e9,
        trimtab: Some(Measured {
            needs_views,
            expected: "yes".into(),
            embedding: embedding(kind, fine, rng),
            tasks,
            unknown: false,
            views: views.clone(),
            outcomes,
            logged: None,
            scored_by: Some(KNOWN_ANSWER.into()),
            candidates: Vec::new(),
            asked_unix_ms: None,
            energy_source: None,
        }),
    };
    (interaction, views.iter().map(|view| view.association).collect())
}

fn embedding(kind: TaskKind, fine: bool, rng: &mut Rng) -> Vec<f32> {
    let mut values: Vec<f32> = (0..DIMENSION).map(|_| rng.range(-0.1, 0.1)).collect();
    values[kind.index().unwrap()] += 0.6;
    values[8 + kind.index().unwrap()] += if fine { 0.6 } else { -0.6 };
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    values.iter().map(|v| v / length).collect()
}

/// Writes a table of several dialogues.
pub(crate) fn write(folder: &Path, seeds: std::ops::Range<u64>, turns: usize) {
    for seed in seeds {
        write_shard(folder, seed, &dialogue(seed, turns)).unwrap();
    }
}
