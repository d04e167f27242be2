//! What is wrong is said with the file, the place and the remedy.

use std::fs;
use std::path::Path;

use crate::{copy, said, shipped, trimtab};

#[test]
fn a_model_or_an_argument_that_will_not_do_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let broken = |name: &str, change: &dyn Fn(&Path)| {
        let copied = copy("encoder", &folder.path().join(name));
        change(&copied);
        copied.display().to_string()
    };
    let cut = broken("cut", &|encoder| {
        let file = encoder.join("onnx/text_model.onnx");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    });
    let foreign = broken("foreign", &|encoder| {
        let file = encoder.join("config.json");
        let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        config["vocab_size"] = 49_408.into();
        fs::write(&file, config.to_string()).unwrap();
    });
    fs::write(path("picture.gif"), b"GIF89a").unwrap();
    fs::write(path("small.toml"), "[memory]\nceiling = \"1 MB\"\n").unwrap();
    let (encoder, lm) = (shipped("encoder"), shipped("lm"));
    let cases: [(&[&str], i32, &[&str]); 9] = [
        (&["embed", &path("nowhere"), "--text", "x"], 1, &["nowhere", "missing", "must hold"]),
        (&["embed", &encoder], 1, &["--image", "--text"]),
        (&["embed", &encoder, "--image", &path("none.jpg")], 1, &["none.jpg", "check the path"]),
        (&["embed", &encoder, "--image", &path("picture.gif")], 1, &["picture.gif", "not a JPEG or PNG"]),
        (&["embed", &cut, "--text", "x"], 1, &["text_model.onnx", "not a whole ONNX file", "again"]),
        (&["embed", &foreign, "--text", "x"], 1, &["tokenizer.json", "1536", "49408", "trained with"]),
        (
            &["embed", &encoder, "--text", "x", "--config", &path("small.toml")],
            1,
            &["encoder", "ceiling", "smaller model"],
        ),
        (&["bench", &shipped("policy")], 1, &["policy", "encoders and language models"]),
        (&["generate", &lm, "--prompt", "x", "--config", &path("none.toml")], 78, &["none.toml", "cannot be read"]),
    ];
    for (arguments, code, expected) in cases {
        let (value, found) = said(arguments);
        let error = value["error"].as_str().unwrap_or_default();
        assert!(expected.iter().all(|part| error.contains(part)), "{arguments:?}: {value}");
        assert_eq!((found, &value["exit_code"]), (code, &code.into()), "{arguments:?}");
    }

    let (report, code) = said(&["verify", &cut]);
    assert_eq!((code, &report["ok"]), (1, &false.into()));
    assert!(report["faults"][0].as_str().unwrap().contains("text_model.onnx"), "{report}");
    let (report, _) = said(&["list", &path("cut")]);
    assert!(report["models"][0]["fault"].as_str().unwrap().contains("text_model.onnx"), "{report}");
}

#[test]
fn pictures_of_any_shape_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    for (width, height) in [(1, 1), (20_000, 1), (3, 2_000)] {
        let frame = trimtab_engine::RgbFrame::new(width, height, vec![90; (3 * width * height) as usize]).unwrap();
        let path = folder.path().join("picture.jpg");
        fs::write(&path, frame.to_jpeg(90).unwrap()).unwrap();
        let output = trimtab(&["embed", &shipped("encoder"), "--image", &path.display().to_string(), "--json"]);
        assert!(output.status.success(), "{width}×{height}: {output:?}");
    }
}
