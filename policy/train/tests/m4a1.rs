//! The published figures on the development dialogues of M4A1, where the data lie beside the workspace.

use std::path::Path;

use trimtab_train::dataset::{Class, LoggedTable};
use trimtab_train::estimator::evaluation::{LeftOut, coverage, predict_left_out, quality};
use trimtab_train::estimator::{Kind, Prompts};
use trimtab_train::logged::charge::Charges;
use trimtab_train::logged::evaluation::Log;
use trimtab_train::logged::front::compare;
use trimtab_train::logged::propensity::Propensity;
use trimtab_train::logged::recipe::{Owner, Recipe, greedy};
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
    check(Kind::QuestionMeans, LeftOut::Dialogue, 0.391, 0.508);
    check(Kind::ShrunkMeans, LeftOut::Dialogue, 0.410, 0.523);
    check(Kind::ClassMeans, LeftOut::DialogueAndQuestion, 0.048, 0.097);
}
