//! Files that are wrong: each gives an error that names the file, what is wrong and what to do; none panics.

use std::fs;
use std::path::Path;

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_engine::{Encoder, FrameError, LanguageModel, PolicyError, PolicyFile, RgbFrame, Tokenizer, Vqa};
use trimtab_quant::{DType, Graph};

use crate::models::{frame, write_policy};
use crate::tiny::{self, Chance};

/// The whole message, causes included.
fn message(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn a_broken_encoder_folder_is_named_with_its_remedy() {
    type Break = fn(&Path);
    let replace = |dir: &Path, file: &str, from: &str, to: &str| {
        let path = dir.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
    };
    let cases: [(&str, Break, &[&str]); 6] = [
        (
            "missing",
            |dir| fs::remove_file(dir.join("tokenizer.json")).unwrap(),
            &["tokenizer.json", "missing", "must hold"],
        ),
        ("no json", |dir| fs::write(dir.join("config.json"), "{").unwrap(), &["config.json", "not the JSON", "line 1"]),
        (
            "truncated",
            |dir| {
                let path = dir.join("onnx/vision_model.onnx");
                let bytes = fs::read(&path).unwrap();
                fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            },
            &["vision_model.onnx", "not a whole ONNX file", "fetch or export it again"],
        ),
        (
            "operator",
            |dir| {
                let mut g = Graph::new("g");
                g.input("pixel_values", DType::F32, &["B".into(), 3.into(), 16.into(), 16.into()]);
                g.node("Teleport", &["pixel_values"], &["image_embeds"], &[]);
                g.output("image_embeds", DType::F32, &["B".into(), 8.into()]);
                fs::write(dir.join("onnx/vision_model.onnx"), g.to_bytes().unwrap()).unwrap();
            },
            &["vision_model.onnx", "Teleport", "image_embeds/Teleport", "opset 17"],
        ),
        (
            "nan",
            |dir| {
                let mut g = Graph::new("g");
                g.input("input_ids", DType::I64, &["B".into(), "T".into()]);
                g.initializer_f32("bad", &[0.0, f32::NAN], &[2]);
                g.node("Cast", &["input_ids"], &["text_embeds"], &[("to", 1_i64.into())]);
                g.output("text_embeds", DType::F32, &["B".into(), "T".into()]);
                fs::write(dir.join("onnx/text_model.onnx"), g.to_bytes().unwrap()).unwrap();
            },
            &["text_model.onnx", "bad", "not finite", "earlier checkpoint"],
        ),
        (
            "output that nothing makes",
            |dir| {
                let path = dir.join("onnx/text_model.onnx");
                let mut bytes = fs::read(&path).unwrap();
                // The last occurrence is the declaration of the output; the node keeps the old name.
                let at = bytes.windows(11).rposition(|w| w == b"text_embeds").unwrap();
                bytes[at..at + 11].copy_from_slice(b"text_embedz");
                fs::write(&path, bytes).unwrap();
            },
            &["text_model.onnx", "nothing makes the output text_embedz"],
        ),
    ];
    let check = |name: &str, dir: &Path, expected: &[&str]| {
        let error = Encoder::load(dir).expect_err(name);
        let text = message(&error);
        assert!(expected.iter().all(|part| text.contains(part)), "{name}: {text}");
    };
    for (name, break_it, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        tiny::encoder(dir.path());
        break_it(dir.path());
        check(name, dir.path(), expected);
    }
    let dir = tempfile::tempdir().unwrap();
    tiny::encoder(dir.path());
    replace(dir.path(), "config.json", "\"projection_dim\":8", "\"projection_dim\":9");
    check("shape", dir.path(), &["vision_model.onnx", "image_embeds", "[1, 9]", "[any, 8]"]);
    tiny::encoder(dir.path());
    replace(dir.path(), "task_head.json", "assistive", "helpful");
    check("labels", dir.path(), &["task_head.json", "labels", "assistive is missing"]);
    check("no folder", &dir.path().join("nowhere"), &["nowhere", "missing", "onnx/text_model.onnx"]);
}

#[test]
fn a_configuration_that_disagrees_with_the_graph_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let change = |from: &str, to: &str| {
        let path = dir.path().join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(path, text.replace(from, to)).unwrap();
    };
    tiny::language(dir.path());
    change("\"n_layer\":1", "\"n_layer\":2");
    assert!(message(&LanguageModel::load(dir.path()).unwrap_err()).contains("past_key_values.1.key"));
    tiny::language(dir.path());
    change("{prompt}", "prompt");
    assert!(message(&LanguageModel::load(dir.path()).unwrap_err()).contains("prompt_template"));
    let dir = tempfile::tempdir().unwrap();
    tiny::vqa(dir.path(), &["red", "blue"]);
    let path = dir.path().join("config.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("[\"red\",\"blue\"]", "[\"red\"]")).unwrap();
    assert!(message(&Vqa::load(dir.path()).unwrap_err()).contains("logits"));
}

#[test]
fn a_policy_of_an_unknown_layout_or_another_encoder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.onnx");
    let graph = || tiny::policy_graph(&mut Chance(5), TRIMTAB1_WIDTH, &"ab".repeat(32));
    let load = |g: &Graph| {
        write_policy(&path, g);
        PolicyFile::load(&path)
    };
    let text = message(&load(graph().metadata("layout", "trimtab-9")).unwrap_err());
    assert!(["policy.onnx", "trimtab-9", "trimtab-1", "tmo-1"].iter().all(|part| text.contains(part)), "{text}");
    assert!(matches!(load(graph().metadata("layout_version", "2")), Err(PolicyError::Layout { .. })));
    assert!(matches!(load(&tiny::policy_graph(&mut Chance(5), 7, "ab")), Err(PolicyError::Model(_))));

    tiny::encoder(dir.path());
    let encoder = Encoder::load(dir.path()).unwrap();
    let error = load(&graph()).unwrap().check_encoder(&encoder.fingerprint()).unwrap_err();
    let text = message(&error);
    assert!(matches!(error, PolicyError::Encoder { .. }));
    assert!(
        [&"ab".repeat(32), &encoder.fingerprint().to_string(), "recalibrate"].iter().all(|part| text.contains(*part)),
        "{text}"
    );

    let mut bare = Graph::new("bare");
    bare.input("candidates", DType::F32, &["N".into(), TRIMTAB1_WIDTH.into()]);
    bare.output("candidates", DType::F32, &["N".into(), TRIMTAB1_WIDTH.into()]);
    assert!(matches!(load(&bare), Err(PolicyError::Metadata { key: "layout", .. })));
}

#[test]
fn a_tokenizer_that_is_not_byte_level_bpe_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let json = tiny::tokenizer_json();
        assert!(json.contains(from));
        let error = Tokenizer::parse(Path::new("tokenizer.json"), json.replace(from, to).as_bytes()).unwrap_err();
        assert!(message(&error).contains(expected), "{error}");
    };
    check("\"BPE\"", "\"Unigram\"", "only BPE");
    check("\"use_regex\":true", "\"use_regex\":false", "pre_tokenizer");
    check("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}", "NFKC");
    let mut other: serde_json::Value = serde_json::from_str(&tiny::tokenizer_json()).unwrap();
    other["pre_tokenizer"] = serde_json::json!({"type": "Split", "pattern": {"Regex": "x+"}});
    let error = Tokenizer::parse(Path::new("tokenizer.json"), other.to_string().as_bytes()).unwrap_err();
    assert!(message(&error).contains("the expression \"x+\""), "{error}");
    check("\"o n\"", "\"o x\"", "model.merges[3]");
    check("\"!\"", "\"!!\"", "byte 33");
    check(":261,", ":4000000000,", "above the limit");
}

#[test]
fn pictures_are_whole_small_enough_and_of_a_known_format() {
    let jpeg = frame(64, 48).to_jpeg(90).unwrap();
    let decoded = RgbFrame::decode(&jpeg, "cam0/1.jpg").unwrap();
    assert_eq!((decoded.width(), decoded.height()), (64, 48));

    for cut in [4, 30, jpeg.len() / 2, jpeg.len() - 1] {
        let error = RgbFrame::decode(&jpeg[..cut], "cam0/1.jpg").unwrap_err();
        assert!(matches!(error, FrameError::Truncated { .. }), "{cut}: {error}");
        assert!(error.to_string().contains("cam0/1.jpg"));
    }
    assert!(matches!(RgbFrame::decode(b"GIF89a", "x"), Err(FrameError::Format { .. })));
    assert!(matches!(RgbFrame::decode(b"", "x"), Err(FrameError::Format { .. })));
    assert!(RgbFrame::new(2, 2, vec![0; 11]).is_err());
    assert!(RgbFrame::new(0, 2, Vec::new()).is_err());

    // The frame header (marker C0) declares height and width; a huge width must be refused before any allocation.
    let at = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let mut huge = jpeg;
    huge[at + 7..at + 9].copy_from_slice(&30_000_u16.to_be_bytes());
    let error = RgbFrame::decode(&huge, "cam0/1.jpg").unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { width: 30_000, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_files_are_refused_or_run(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut onnx = tiny::policy_graph(&mut Chance(5), TRIMTAB1_WIDTH, "ab").to_bytes().unwrap();
        let at = at.index(onnx.len());
        onnx[at] = byte;
        onnx.truncate(onnx.len().min(cut.index(2 * onnx.len())));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.onnx");
        fs::write(&path, onnx).unwrap();
        if let Ok(policy) = PolicyFile::load(&path) {
            let _ = policy.score(&[[0.5; TRIMTAB1_WIDTH]; 2]);
        }
    }

    #[test]
    fn damaged_pictures_are_refused_or_decoded(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut jpeg = frame(24, 16).to_jpeg(80).unwrap();
        let at = at.index(jpeg.len());
        jpeg[at] = byte;
        if let Ok(frame) = RgbFrame::decode(&jpeg, "x") {
            assert_eq!(frame.pixels().len(), (frame.width() * frame.height() * 3) as usize);
        }
    }
}
