//! What each command says of models that are well.

use trimtab_scenes::{Scene, Split};

use crate::{done, shipped, trimtab};

fn picture(folder: &std::path::Path, camera: usize) -> String {
    let picture = Scene::generate(11, Split::Train).render(camera, 96, 72).unwrap();
    let frame = trimtab_engine::RgbFrame::new(96, 72, picture.rgb).unwrap();
    let path = folder.join(format!("{camera}.jpg"));
    std::fs::write(&path, frame.to_jpeg(90).unwrap()).unwrap();
    path.display().to_string()
}

#[test]
fn embeddings_are_unit_vectors_in_the_order_of_the_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (picture(folder.path(), 0), picture(folder.path(), 1));
    let encoder = shipped("encoder");
    let long = "red mug ".repeat(12_500);
    let texts = ["--text", "a red mug", "--text", &long, "--text", ""];
    let all = done(&[&["embed", &encoder, "--image", &one, "--image", &two][..], &texts].concat());
    let turned = done(&["embed", &encoder, "--image", &two, "--text", "a red mug", "--image", &one]);
    assert_eq!(all["dim"], 256);
    assert_eq!(all["truncated"], serde_json::json!([1]));
    assert_eq!((&all["images"][0], &all["images"][1]), (&turned["images"][1], &turned["images"][0]));
    assert_eq!(all["texts"][0], turned["texts"][0]);
    for vector in all["images"].as_array().unwrap().iter().chain(all["texts"].as_array().unwrap()) {
        let square = |value: &serde_json::Value| value.as_f64().unwrap().powi(2);
        let length: f64 = vector.as_array().unwrap().iter().map(square).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn a_generation_is_repeatable_and_says_how_it_ended() {
    let lm = shipped("lm");
    let arguments = ["generate", &lm, "--prompt", "turn off the lamp", "--max-tokens", "12", "--greedy"];
    let (one, two) = (done(&arguments), done(&arguments));
    assert_eq!((&one["text"], &one["ids"]), (&two["text"], &two["ids"]));
    let (ids, logprobs) = (one["ids"].as_array().unwrap(), one["logprobs"].as_array().unwrap());
    assert!(ids.len() <= 12 && ids.len() == logprobs.len(), "{one}");
    assert!(logprobs.iter().all(|logprob| logprob.as_f64().unwrap() <= 0.0), "{one}");
    assert!(one["tokens_per_s"].as_f64().unwrap() > 0.0);
    let plain = trimtab(&arguments);
    assert_eq!(String::from_utf8(plain.stdout).unwrap().trim_end_matches('\n'), one["text"].as_str().unwrap());

    let long = "lamp ".repeat(20_000);
    let cut = done(&["generate", &lm, "--prompt", &long, "--max-tokens", "1"]);
    assert_eq!(cut["prompt_truncated"], true);
    assert_eq!(trimtab(&["generate", &lm, "--prompt", "x", "--greedy", "--temperature", "1"]).status.code(), Some(2));
}

#[test]
fn every_tower_is_measured_by_itself() {
    for (name, towers) in [("encoder", &["text", "vision"][..]), ("lm", &["lm"])] {
        let report = done(&["bench", &shipped(name)]);
        let measured = report["towers"].as_object().unwrap();
        let mut names: Vec<&String> = measured.keys().collect();
        names.sort();
        assert_eq!(names, towers);
        for figures in measured.values() {
            let positive = |key: &str| figures[key].as_f64().is_some_and(|value| value > 0.0);
            assert!(positive("median_ms") && positive("load_ms"), "{report}");
            assert!(figures["peak_rss_bytes"].as_u64().unwrap() > 1_000_000, "{report}");
        }
    }
}

#[test]
fn a_folder_of_models_is_listed_and_each_is_well() {
    let listed = done(&["list", &shipped("")]);
    let models: Vec<(&str, &str)> = listed["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["name"].as_str().unwrap(), model["kind"].as_str().unwrap()))
        .collect();
    let expected = [
        ("encoder", "encoder"),
        ("lm", "language model"),
        ("policy", "policy"),
        ("vlm-cheap", "question answerer"),
        ("vlm-good", "question answerer"),
    ];
    assert_eq!(models, expected);
    for model in listed["models"].as_array().unwrap() {
        assert!(model["bytes"].as_u64() > Some(0) && model["parameters"].as_u64() > Some(1_000), "{model}");
        assert_eq!(model["weights"], "int8");
        let path = model["path"].as_str().unwrap();
        let report = done(&["verify", path]);
        assert_eq!((&report["ok"], &report["kind"]), (&true.into(), &model["kind"]));
        assert!(done(&["card", path])["what"].is_string());
    }
}
