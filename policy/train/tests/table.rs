//! Tables survive a round trip, and a wrong one is refused with file, dialogue, turn and field.

mod synthetic;

use trimtab_train::dataset::{Dialogue, Outcome, Table, read_dialogues, shard_path, write_shard};

/// Breaks one thing of a whole dialogue; reading it must fail and say `expect`.
fn check(expect: &str, break_it: impl FnOnce(&mut Dialogue)) {
    let folder = tempfile::tempdir().unwrap();
    let mut dialogue = synthetic::dialogue(5, 3);
    break_it(&mut dialogue);
    write_shard(folder.path(), 5, &dialogue).unwrap();
    let error = Table::read(&[folder.path().into()]).unwrap_err().to_string();
    assert!(error.contains(expect), "{error:?} does not say {expect:?}");
    assert!(error.contains("seed-000005.json"), "{error:?} does not name the file");
}

fn outcomes(dialogue: &mut Dialogue, turn: usize) -> &mut Vec<Outcome> {
    &mut dialogue.interactions[turn].trimtab.as_mut().unwrap().outcomes
}

#[test]
fn a_table_reads_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path(), 1..4, 6);
    let loaded = read_dialogues(&[folder.path().into()]).unwrap();
    let back: Vec<Dialogue> = loaded.dialogues.into_iter().map(|(_, dialogue)| dialogue).collect();
    let written: Vec<Dialogue> = (1..4).map(|seed| synthetic::dialogue(seed, 6)).collect();
    assert_eq!(back, written);
    let table = Table::read(&[folder.path().into()]).unwrap();
    assert_eq!(table.turns().len(), 18);
    assert_eq!(table.turns()[0].tried.len(), 17);
    assert_eq!(table.sha256(), loaded.sha256);
    assert_eq!(table.dimension(), synthetic::DIMENSION);
}

#[test]
fn faults_are_named_by_dialogue_turn_and_field() {
    check("dialogue 5, turn 1: action: 7", |d| d.interactions[1].action = 7);
    check("dialogue 5, turn 2: question", |d| d.interactions[2].question.clear());
    check("dialogue 5, turn 0: image_index: [0, 3]", |d| {
        d.interactions[0].action = 1;
        d.interactions[0].image_index = Some(vec![0, 3]);
    });
    check("dialogue 5, turn 0: usage_cost", |d| d.interactions[0].usage_cost = -1.0);
    check("dialogue 5: association_score: 2 rows for 3 turns", |d| {
        d.association_score.pop();
    });
    check("dialogue 5: trimtab: is missing", |d| d.trimtab = None);
    check("dialogue 5: trimtab.schema: 9", |d| d.trimtab.as_mut().unwrap().schema = 9);
    check("dialogue 5, turn 1: trimtab.outcomes: node nobody", |d| outcomes(d, 1)[3].node = "nobody".into());
    check("dialogue 5, turn 1: trimtab.outcomes: the local action was not run", |d| {
        outcomes(d, 1).remove(0);
    });
    check("dialogue 5, turn 1: trimtab.outcomes: node good with views [] is there twice", |d| {
        let again = outcomes(d, 1)[1].clone();
        outcomes(d, 1).push(again);
    });
    check("dialogue 5, turn 2: trimtab.embedding: length", |d| {
        d.interactions[2].trimtab.as_mut().unwrap().embedding[0] += 1.0;
    });
}

#[test]
fn what_is_no_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Table::read(&[folder.path().into()]).unwrap_err().to_string();
    assert!(nothing.contains("trimtab-lab collect"), "{nothing}");
    let path = shard_path(folder.path(), 1);
    std::fs::write(&path, "[{\"id\": 1, \"image_paths\": ").unwrap();
    let cut = Table::read(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(cut.contains("seed-000001.json") && cut.contains("M4A1"), "{cut}");
    let twice = synthetic::dialogue(1, 2);
    write_shard(folder.path(), 1, &twice).unwrap();
    write_shard(folder.path(), 2, &twice).unwrap();
    let twice = Table::read(&[folder.path().into()]).unwrap_err().to_string();
    assert!(twice.contains("id: is also in"), "{twice}");
}

/// A table in the published form, without the extension, is read; it only cannot be trained on.
#[test]
fn the_published_form_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("published.json");
    let published = r#"[{"id": 3, "image_paths": ["a.jpg", "b.jpg", "c.jpg"], "association_score": [[0.2, 0.1, 0.3]],
        "interactions": [{"question": "what is on the table?", "task_cat": "Query", "action": 1, "image_index": [2, 0],
        "answer": "a cup", "score": 1.25, "interaction_time": 6.1, "usage_cost": 0.005}]}]"#;
    std::fs::write(&path, published).unwrap();
    let loaded = read_dialogues(std::slice::from_ref(&path)).unwrap();
    assert_eq!(loaded.dialogues[0].1.interactions[0].image_index, Some(vec![2, 0]));
    let error = Table::read(&[path]).unwrap_err().to_string();
    assert!(error.contains("dialogue 3: trimtab: is missing"), "{error}");
}
