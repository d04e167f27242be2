//! The published figures on the development dialogues of M4A1, where the data lie beside the workspace.

use std::path::Path;

use trimtab_core::Action;
use trimtab_train::dataset::{Class, LoggedTable};
use trimtab_train::estimator::evaluation::{LEVELS, LeftOut, coverage, predict_left_out, quality};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::logged::baseline::constant;
use trimtab_train::logged::charge::{Charge, Charges};
use trimtab_train::logged::evaluation::Log;
use trimtab_train::logged::front::compare;
use trimtab_train::logged::propensity::Propensity;
use trimtab_train::logged::recipe::{Recipe, greedy};
use trimtab_train::logged::values::{fitted, leave_one_dialogue_out};

/// The table, or none, with a line that says so.
fn table() -> Option<LoggedTable> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/m4a1/M4A1-dev.json");
    if !path.exists() {
        println!("not run: {} is not there", path.display());
        return None;
    }
    Some(LoggedTable::read(&[path]).unwrap())
}

#[test]
fn estimators_reach_the_published_figures() {
    let Some(table) = table() else { return };
    let turns = table.turns();
    assert_eq!(turns.len(), 247);
    let scores: Vec<f64> = turns.iter().map(|turn| turn.score).collect();
    let check = |kind: Kind, left: LeftOut, r2: f64, clipped: f64| {
        let found = quality(&scores, &predict_left_out(kind, turns, left, &Prompts::new()));
        let near = (found.r2 - r2).abs() < 1e-3 && (found.r2_clip2 - clipped).abs() < 1e-3;
        assert!(near, "{}: {} and {}, not {r2} and {clipped}", kind.name(), found.r2, found.r2_clip2);
    };
    check(Kind::Constant, LeftOut::Dialogue, -0.009, -0.009);
    check(Kind::ClassMeans, LeftOut::Dialogue, 0.085, 0.142);
    check(Kind::TaskMeans, LeftOut::Dialogue, 0.133, 0.202);
    check(Kind::Neighbours, LeftOut::Dialogue, -0.308, -0.079);
    check(Kind::Neighbours, LeftOut::DialogueAndQuestion, -0.379, -0.236);
    check(Kind::QuestionMeans, LeftOut::Dialogue, 0.391, 0.508);
    check(Kind::ShrunkMeans, LeftOut::Dialogue, 0.410, 0.523);
    check(Kind::ClassMeans, LeftOut::DialogueAndQuestion, 0.048, 0.097);
    let least = |kind: Kind| quality(&scores, &predict_left_out(kind, turns, LeftOut::Dialogue, &Prompts::new()));
    for kind in [Kind::ShrunkMeans, Kind::Trees, Kind::Prompt] {
        let found = least(kind);
        assert!(found.r2 >= 0.40 && found.r2_clip2 >= 0.52, "{}: {found:?}", kind.name());
    }
}

#[test]
fn intervals_hold_as_often_as_they_say() {
    let Some(table) = table() else { return };
    for kind in [Kind::ShrunkMeans, Kind::Prompt] {
        for found in coverage(kind, table.turns(), &LEVELS, &Prompts::new()) {
            assert!((found.held - found.nominal).abs() <= 0.03, "{}: {found:?}", kind.name());
        }
    }
}

#[test]
fn logged_scores_reach_the_published_figures() {
    let Some(table) = table() else { return };
    let (turns, charges, none) = (table.turns(), Charges::default(), Prompts::new());
    let model = leave_one_dialogue_out(turns, |others, own| fitted(Kind::ShrunkMeans, others, own, &none));
    let log = Log::new(turns, Propensity::count(turns), &model, &charges, 1);
    let check = |what: &str, choices: &[Action], snips: f64, off: f64| {
        let found = log.evaluate(choices).snips;
        assert!((found - snips).abs() < off, "{what}: {found}, not {snips}");
    };
    for (class, snips) in Class::ALL.into_iter().zip([0.70, 1.09, 1.34]) {
        check("constant", &constant(class, turns), snips, 0.005);
    }
    check("shrunk means", &greedy(Kind::ShrunkMeans, turns, &charges, &none), 1.27, 0.005);
    check("neighbours", &greedy(Kind::Neighbours, turns, &charges, &none), 1.07, 0.005);
}

#[test]
fn the_recipe_chooses_better_answers_within_the_limit() {
    let Some(table) = table() else { return };
    let (turns, charges, none) = (table.turns(), Charges::default(), Prompts::new());
    let published = greedy(Kind::Neighbours, turns, &charges, &none);
    let found = compare(turns, Recipe::default(), &none, &published, &[], 1);
    let row = |policy: &str| found.rows.iter().find(|row| row.policy == policy).unwrap();
    let recipe = row("recipe");
    assert!(recipe.evaluation.snips >= 1.25, "{recipe:?}");
    assert!(recipe.over_greedy.snips.low > 0.0 && recipe.over_greedy.dr.low > 0.0, "{recipe:?}");
    let charge = Charge { latency_s: recipe.evaluation.latency_s, usage_usd: recipe.evaluation.usage_usd };
    assert!(charge.latency_s <= found.limit.latency_s && charge.usage_usd <= found.limit.usage_usd, "{recipe:?}");
    // Like for like with the views of the log, too.
    let (own, other) = (&recipe.evaluation, &row("greedy on neighbours").evaluation);
    assert!(own.matched_latency_s <= other.matched_latency_s && own.matched_usage_usd <= other.matched_usage_usd);
    let table = row("best task table within the limit").evaluation.snips;
    assert!((table - 1.24).abs() < 0.005 && recipe.evaluation.snips > table, "{table}");
}
