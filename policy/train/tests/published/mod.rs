//! Tables of the published schema whose true scores are known, and files of them.

#![allow(dead_code, reason = "each test binary uses what it needs")]

use std::path::PathBuf;

use tempfile::TempDir;
use trimtab_scenes::Rng;
use trimtab_train::dataset::{Class, Dialogue, Interaction, LoggedTable, TaskCategory};

/// Questions; the first half is of one task, the others of another.
pub(crate) const QUESTIONS: usize = 8;
/// Turns of a dialogue.
pub(crate) const TURNS: usize = 4;

/// The true mean score of a question in a class.
pub(crate) fn truth(question: usize, class: Class) -> f64 {
    let easy = if question.is_multiple_of(2) { 1.0 } else { 0.2 };
    match class {
        Class::Local => easy,
        Class::Text => 0.6 + 0.1 * question as f64,
        Class::Image => 1.0 + 0.05 * question as f64,
    }
}

/// The task of a question.
pub(crate) fn task(question: usize) -> TaskCategory {
    if question < QUESTIONS / 2 { TaskCategory::Assistive } else { TaskCategory::Query }
}

/// The text of a question.
pub(crate) fn text(question: usize) -> String {
    format!("question {question}")
}

/// Dialogues with scores of `truth` and noise within `noise`, in which `choose` decided.
pub(crate) fn dialogues(count: u64, noise: f32, mut choose: impl FnMut(usize, &mut Rng) -> Class) -> Vec<Dialogue> {
    let mut rng = Rng::for_purpose(7, "published");
    let mut turn = |number: usize, rng: &mut Rng| {
        let question = rng.below(QUESTIONS);
        let class = choose(question, rng);
        Interaction {
            question: text(question),
            task_cat: task(question),
            action: u8::from(class != Class::Local),
            image_index: (class == Class::Image).then(|| vec![number % 3]),
            answer: "here it is".into(),
            score: (truth(question, class) as f32 + rng.range(-noise, noise)).max(0.0),
            interaction_time: 1.0,
            usage_cost: 0.0,
            trimtab: None,
        }
    };
    let dialogue = |id| Dialogue {
        id,
        image_paths: ["a", "b", "c"].map(Into::into).to_vec(),
        interactions: (0..TURNS).map(|number| turn(number, &mut rng)).collect(),
        association_score: vec![vec![0.2, 0.3, 0.1]; TURNS],
        trimtab: None,
    };
    (0..count).map(dialogue).collect()
}

/// A file of dialogues, kept as long as the folder.
pub(crate) fn write(dialogues: &[Dialogue]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.json");
    std::fs::write(&path, serde_json::to_vec(dialogues).unwrap()).unwrap();
    (folder, path)
}

/// Dialogues as a table.
pub(crate) fn table(dialogues: &[Dialogue]) -> LoggedTable {
    let (_folder, path) = write(dialogues);
    LoggedTable::read(&[path]).unwrap()
}

/// Any class, each as likely.
pub(crate) fn evenly(_question: usize, rng: &mut Rng) -> Class {
    *rng.pick(&Class::ALL)
}
