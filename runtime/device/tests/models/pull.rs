//! Models from a server: whole, checked and pinned, or not there at all.

use std::fs;

use crate::hub::{Hub, Manner};
use crate::{copy, done, said, shipped};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn honest() -> Manner {
    Manner { commit: Some(COMMIT.into()), ..Manner::default() }
}

#[test]
fn a_pulled_model_is_pinned_and_a_changed_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::of(shipped("encoder").into(), honest());
    let out = folder.path().join("tiny");
    let place = out.display().to_string();
    let report = done(&["pull", "someone/tiny@main", "--from", &hub.url, "--out", &place]);
    assert_eq!((&report["revision"], &report["id"]), (&COMMIT.into(), &"someone/tiny".into()));
    let asked = hub.asked();
    assert!(asked[0].contains("/resolve/main/config.json"), "{asked:?}");
    assert!(asked[1..].iter().all(|path| path.contains(COMMIT) || path.starts_with("/store/")), "{asked:?}");
    let files = report["files"].as_array().unwrap();
    assert!(files.iter().all(|file| {
        let is_onnx = file["path"].as_str().unwrap().ends_with(".onnx");
        file["sha256"].as_str().unwrap().len() == 64 && file["stated_by_server"] == is_onnx
    }));
    assert_eq!(done(&["verify", &place])["pinned"]["revision"], COMMIT);
    assert!(fs::read_dir(folder.path()).unwrap().count() == 1, "only the model is left");

    let head = out.join("task_head.json");
    fs::write(&head, fs::read_to_string(&head).unwrap() + "\n").unwrap();
    let (report, code) = said(&["verify", &place]);
    let fault = report["faults"][0].as_str().unwrap();
    assert_eq!(code, 1);
    assert!(fault.contains("task_head.json") && fault.contains("pins") && fault.contains("pull"), "{fault}");

    let (again, code) = said(&["pull", "someone/tiny@main", "--from", &hub.url, "--out", &place]);
    assert_eq!(code, 1);
    assert!(again["error"].as_str().unwrap().contains("is there already"), "{again}");
}

#[test]
fn a_pull_that_broke_off_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::of(shipped("lm").into(), Manner { cuts: Some("onnx/model.onnx"), ..honest() });
    let out = folder.path().join("lm").display().to_string();
    let pull = ["pull", &format!("someone/tiny@{COMMIT}"), "--from", &hub.url, "--out", &out];
    let (broken, code) = said(&pull);
    let error = broken["error"].as_str().unwrap();
    assert!(code == 1 && error.contains("onnx/model.onnx") && error.contains("run the command again"), "{broken}");
    assert!(!folder.path().join("lm").exists());
    hub.asked();
    hub.manner.lock().unwrap().cuts = None;
    done(&pull);
    assert!(!hub.asked().iter().any(|path| path.ends_with("tokenizer.json")), "it was here already");
    assert_eq!(done(&["verify", &out])["ok"], true);
}

#[test]
fn what_is_not_as_stated_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lm = copy("lm", folder.path());
    let bare = folder.path().join("bare");
    fs::create_dir(&bare).unwrap();
    fs::copy(lm.join("config.json"), bare.join("config.json")).unwrap();
    let check = |from: &std::path::Path, manner: Manner, model: &str, expected: &[&str]| {
        let hub = Hub::of(from.into(), manner);
        let out = folder.path().join("out");
        let (refused, code) = said(&["pull", model, "--from", &hub.url, "--out", &out.display().to_string()]);
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(expected.iter().all(|part| error.contains(part)), "{model}: {refused}");
        assert!(code == 1 && !out.exists());
    };
    check(&lm, Manner::default(), "someone/tiny@main", &["names no commit for main", "someone/tiny@<40"]);
    check(&lm, honest(), &format!("someone/tiny@{}", "f".repeat(40)), &["asked for commit ffff", COMMIT]);
    check(&lm, honest(), "someone/other@main", &["someone/other@main", "404", "check the model's name"]);
    let lies = Manner { lies_about: Some("onnx/model.onnx"), ..honest() };
    check(&lm, lies, "someone/tiny@main", &["onnx/model.onnx", "sha256", "the server states"]);
    check(&bare, honest(), "someone/tiny@main", &["no ONNX file", "export it"]);
    assert_eq!(crate::trimtab(&["pull", "../evil@main"]).status.code(), Some(2));
    assert_eq!(crate::trimtab(&["pull", "someone/tiny"]).status.code(), Some(2));
}
