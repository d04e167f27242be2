//! Policy files distilled from logs whose truth is known.

mod published;

use published::{QUESTIONS, dialogues, evenly, table, text};
use trimtab_core::Action;
use trimtab_core::observation::utility;
use trimtab_engine::PolicyFile;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::{Class, LoggedTable, Turn};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::export::{self, Weights};
use trimtab_train::logged::charge::{Charge, Charges};
use trimtab_train::logged::distil::{SCORE_MAX, Source, learning, preference, preference_of};
use trimtab_train::logged::file::on_candidates;
use trimtab_train::logged::recipe::{Owner, Recipe, Weights as OwnerWeights};

/// What the owner allows a turn on average.
const LIMIT: Charge = Charge { latency_s: 2.0, usage_usd: 0.002 };

/// A vector for every question, each in its own direction.
fn vectors() -> Prompts {
    (0..QUESTIONS).map(|q| (text(q), (0..QUESTIONS).map(|d| f32::from(u8::from(d == q))).collect())).collect()
}

fn log() -> LoggedTable {
    table(&dialogues(60, 0.3, evenly))
}

fn recipe() -> Recipe {
    Recipe { kind: Kind::ShrunkMeans, owner: Owner::Limit(LIMIT) }
}

#[test]
fn a_file_chooses_as_the_recipe_within_the_limit() {
    let (log, charges, vectors) = (log(), Charges::default(), vectors());
    let source = Source::new(&log, &charges, "an encoder", &vectors);
    let found = source.distil(None, &recipe(), &learning(1), &mut |_| {}).unwrap();
    assert!(found.agreement >= 0.9, "{}", found.agreement);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.onnx");
    export::write(&found.policy, Weights::Int8, &path).unwrap();
    let file = PolicyFile::load(&path).unwrap();
    assert_eq!(preference_of(&file).unwrap(), Some(found.preference));
    assert_eq!(file.metadata("algorithm"), Some("class-values"));
    assert!(file.metadata("quality_scale").unwrap().contains("clipped at 4"));

    let turns: Vec<&Turn> = source.table().turns().iter().collect();
    let file = Chooser::File { file: Box::new(file), view_threshold: 0.0 };
    let int8 = Chooser::Policy(Box::new(found.policy.quantised().unwrap()));
    let chosen = on_candidates(&turns, &file, &found.preference).unwrap();
    assert_eq!(chosen, on_candidates(&turns, &int8, &found.preference).unwrap());
    let mean = charges.mean(&chosen);
    assert!(mean.latency_s <= LIMIT.latency_s && mean.usage_usd <= LIMIT.usage_usd, "{mean:?}");
    let uploads = |action: &&Action| Class::of(**action) == Class::Image;
    let best_view = |action: &Action| action.views.bits() == 0b010;
    assert!(chosen.iter().filter(uploads).all(best_view), "one view, that of the highest association");
}

#[test]
fn a_preference_ranks_as_the_weights_do() {
    let charges = Charges::default();
    let weights = OwnerWeights { latency: 0.4, usage: 0.7 };
    let found = preference(weights, &charges);
    assert!(found.is_valid());
    let (log, vectors) = (log(), vectors());
    let source = Source::new(&log, &charges, "an encoder", &vectors);
    // The same score for all: what is left is the price, in units of the score over quality.
    let unit = SCORE_MAX / f64::from(found.quality);
    for tried in &source.table().turns()[0].tried {
        let share = charges.share(tried.action);
        let worth = -weights.latency * share.latency_s - weights.usage * share.usage_usd;
        let value = unit * f64::from(utility(&found, 0.0, 0.0, &tried.quote));
        assert!((value - worth).abs() < 2e-3, "{:?}: {value}, not {worth}", tried.action);
    }
}

#[test]
fn a_dialogue_left_out_is_not_seen() {
    let mut broken = dialogues(12, 0.3, evenly);
    let before = table(&broken);
    broken[3].interactions.iter_mut().for_each(|turn| turn.score += 100.0);
    let after = table(&broken);
    let (charges, vectors, learning) = (Charges::default(), vectors(), learning(1));
    let distil = |log: &LoggedTable| {
        let source = Source::new(log, &charges, "an encoder", &vectors);
        let quick = trimtab_train::learn::Recipe { epochs: 2, ..learning };
        let found = source.distil(Some(3), &recipe(), &quick, &mut |_| {}).unwrap();
        (found.policy.network, found.preference)
    };
    assert_eq!(distil(&before), distil(&after));
}
