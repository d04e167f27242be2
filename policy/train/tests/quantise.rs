//! A folder of float models becomes one of int8 or four bits: as close as was asked for, the same to another runtime, or not at all.

#[path = "../../../models/engine/tests/engine/tiny.rs"]
mod tiny;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use tiny::{Chance, SIDE, VOCABULARY};
use trimtab_engine::{Feed, Runner, Values};
use trimtab_quant::{Attr, DType, Graph};
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_scenes::Split;

const PIXELS: usize = 3 * SIDE * SIDE;
const WIDTH: usize = 64;
const DIMENSION: usize = 32;

/// A norm, two layers and a projection, after what `x` is.
fn tower(g: &mut Graph, chance: &mut Chance, x: &str, output: &str) {
    let gamma: Vec<f32> = chance.numbers(WIDTH, 0.5).iter().map(|value| 1.0 + value).collect();
    let gamma = g.initializer_f32("norm.weight", &gamma, &[WIDTH]);
    let beta = g.initializer_f32("norm.bias", &chance.numbers(WIDTH, 0.5), &[WIDTH]);
    let x = g.op("LayerNormalization", &[x, &gamma, &beta], &[]);
    let up = g.initializer_f32("up", &chance.numbers(WIDTH * 2 * WIDTH, 0.2), &[2 * WIDTH, WIDTH]);
    let x = g.op("Gemm", &[&x, &up], &[("transB", Attr::Int(1))]);
    let x = g.op("Relu", &[&x], &[]);
    let down = g.initializer_f32("down", &chance.numbers(WIDTH * 2 * WIDTH, 0.2), &[2 * WIDTH, WIDTH]);
    let x = g.op("MatMul", &[&x, &down], &[]);
    let projection = g.initializer_f32("projection", &chance.numbers(WIDTH * DIMENSION, 0.2), &[WIDTH, DIMENSION]);
    g.node("MatMul", &[&x, &projection], &[output], &[]);
    g.output(output, DType::F32, &["B".into(), DIMENSION.into()]);
}

fn write(folder: &Path, file: &str, contents: impl AsRef<[u8]>) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, contents).unwrap();
}

/// A dual encoder of floats, pictures and texts.
fn site() -> TempDir {
    let site = tempfile::tempdir().unwrap();
    let folder = site.path().join("float");
    let mut chance = Chance(9);
    let mut g = Graph::new("vision");
    g.input("pixel_values", DType::F32, &["B".into(), 3.into(), SIDE.into(), SIDE.into()]);
    let flat = g.op("Flatten", &["pixel_values"], &[]);
    let first = g.initializer_f32("first", &chance.numbers(PIXELS * WIDTH, 0.1), &[PIXELS, WIDTH]);
    let x = g.op("MatMul", &[&flat, &first], &[]);
    tower(&mut g, &mut chance, &x, "image_embeds");
    write(&folder, "onnx/vision_model.onnx", g.to_bytes().unwrap());
    let mut g = Graph::new("text");
    g.input("input_ids", DType::I64, &["B".into(), "T".into()]);
    let rows = g.initializer_f32("rows", &chance.numbers(VOCABULARY * WIDTH, 1.0), &[VOCABULARY, WIDTH]);
    let x = g.op("Gather", &[&rows, "input_ids"], &[]);
    let x = g.op("ReduceMean", &[&x], &[("axes", Attr::Ints(vec![1])), ("keepdims", Attr::Int(0))]);
    tower(&mut g, &mut chance, &x, "text_embeds");
    write(&folder, "onnx/text_model.onnx", g.to_bytes().unwrap());
    write(&folder, "onnx/text_model_fp16.onnx", "another form");
    write(&folder, "model.safetensors", "weights in another format");
    write(&folder, "config.json", json!({"projection_dim": DIMENSION, "context": 16}).to_string());
    write(&folder, "preprocessor_config.json", tiny::preprocessor_json(SIDE));
    write(&folder, "tokenizer.json", tiny::tokenizer_json());
    write(&folder, "card.json", json!({"what": "two towers", "peak_memory_bytes": 1 << 30}).to_string());
    let recording = Recording::generate(5, Split::HeldOut, 10, FrameSize { width: 64, height: 48 }).unwrap();
    for frame in std::fs::read_dir(recording.frames(0)).unwrap() {
        let frame = frame.unwrap().path();
        let name = frame.file_name().unwrap().display();
        write(site.path(), &format!("pictures/{name}"), std::fs::read(&frame).unwrap());
    }
    let texts: String =
        (0..15).map(|number| format!("Is lamp {number} on the table, or the {}?\n", number * 37)).collect();
    write(site.path(), "texts.txt", texts);
    site
}

fn quantise(site: &Path, out: &str, further: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .current_dir(site)
        .args(["quantise", "float", "--calibrate", "pictures", "--calibrate", "texts.txt", "--json", "--out", out])
        .args(further)
        .output()
        .unwrap()
}

/// What ONNX Runtime makes of a model; the standard's checker takes it first.
fn elsewhere(model: &Path, feeds: &[Feed], output: &str) -> Vec<f32> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/venv/bin/python");
    assert!(python.exists(), "no {}: run `cargo xtask setup`", python.display());
    let feeds: serde_json::Map<String, Value> = feeds
        .iter()
        .map(|feed| {
            let values = match &feed.values {
                Values::F32(values) => json!(values),
                Values::I64(values) => json!(values),
                other => panic!("{other:?}"),
            };
            (feed.name.clone(), json!({"shape": feed.shape, "values": values}))
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Value::from(feeds).to_string()).unwrap();
    let script = root.join("policy/train/tests/quantised.py");
    let output = Command::new(python).arg("-B").arg(script).args([model, file.path()]).arg(output).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn a_folder_is_as_close_as_was_asked_for_and_runs_elsewhere() {
    let site = site();
    let four = ["--bits", "4", "--target-cosine", "0.95", "--external-threshold", "0"];
    for (out, further, width) in [("narrow", &[][..], "int8"), ("apart", &four, "int4")] {
        let made = quantise(site.path(), out, further);
        let report: Value = serde_json::from_slice(&made.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&made.stderr)));
        assert_eq!(report["report"]["left_out"], json!(["model.safetensors", "onnx/text_model_fp16.onnx"]));
        let folder = site.path().join(out);
        let card: Value = serde_json::from_slice(&std::fs::read(folder.join("card.json")).unwrap()).unwrap();
        assert_eq!((&card["what"], &card["quantised"]), (&json!("two towers"), &report["report"]));
        assert!(card.get("peak_memory_bytes").is_none() && folder.join("tokenizer.json").exists());
        let pixels = Feed {
            name: "pixel_values".into(),
            shape: vec![1, 3, SIDE, SIDE],
            values: Values::F32(Chance(3).numbers(PIXELS, 1.5)),
        };
        let ids = Feed { name: "input_ids".into(), shape: vec![1, 5], values: Values::I64(vec![7, 90, 261, 33, 5]) };
        for (model, feed, output) in [("vision", pixels, "image_embeds"), ("text", ids, "text_embeds")] {
            let name = format!("onnx/{model}_model.onnx");
            let file = &report["report"]["files"][&name];
            assert!(file["cosine"].as_f64().unwrap() >= 0.95 && file["norms_folded"] == 1, "{file}");
            assert!(
                file["layers"][width].as_u64().unwrap() >= 2 && file["bytes"][1].as_u64() < file["bytes"][0].as_u64(),
                "{file}"
            );
            let run = |path: PathBuf| {
                Runner::load(&path, &[]).unwrap().run(std::slice::from_ref(&feed), &[output]).unwrap().remove(0).values
            };
            let (narrow, float) = (run(folder.join(&name)), run(site.path().join("float").join(&name)));
            let there = elsewhere(&folder.join(&name), std::slice::from_ref(&feed), output);
            assert!(cosine(&narrow, &there) > 0.999, "{name}: {narrow:?} and {there:?}");
            assert!(cosine(&narrow, &float) > 0.9, "{name}");
        }
    }
    assert!(site.path().join("apart/onnx/text_model.onnx_data").exists());
}

#[test]
fn what_cannot_be_met_writes_nothing() {
    let site = site();
    let check = |further: &[&str], expected: &str| {
        let made = quantise(site.path(), "narrow", further);
        let fault = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && fault.contains(expected), "{fault}");
        assert!(!site.path().join("narrow").exists());
        let left: Vec<_> = std::fs::read_dir(site.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    };
    check(&["--target-cosine", "0.9999999"], "below 0.9999999");
    std::fs::write(site.path().join("texts.txt"), "one\ntwo\n").unwrap();
    check(&[], "texts.txt: 2 pictures or distinct lines of text; 5 are due");
}
