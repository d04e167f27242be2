//! A policy is fitted to an encoder that it was not trained with: another dimension, other numbers, cosines in another range,
//! no calibration and no task head. The device refuses the policy before, and takes it after.

mod other_encoder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;
use trimtab_rig::recording::{FrameSize, Recording};
use trimtab_rig::world::{Settings, World, WorldError};
use trimtab_scenes::{CAMERAS, Split};
use trimtab_train::published::{PublishedPolicy, ramps};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped").join(name)
}

fn recalibrate(to: &Path, out: &Path, further: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .arg("recalibrate")
        .args([Path::new("--policy"), &shipped("policy/policy.onnx"), Path::new("--from"), &shipped("encoder")])
        .args([Path::new("--to"), to, Path::new("--out"), out])
        .args(further)
        .arg("--json")
        .output()
        .unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Models as a device has them, with another encoder.
fn models(folder: &Path) -> PathBuf {
    let models = folder.join("models");
    fs::create_dir(&models).unwrap();
    for name in ["lm", "vlm-good", "vlm-cheap", "cloud-profile.toml"] {
        std::os::unix::fs::symlink(shipped(name).canonicalize().unwrap(), models.join(name)).unwrap();
    }
    other_encoder::write(&shipped("encoder"), &models.join("encoder"));
    models
}

async fn first_turn(models: &Path, policy: &Path) -> Result<String, WorldError> {
    let settings = Settings { models: models.into(), policy: Some(policy.into()), ..Settings::shipped()? };
    let size = FrameSize { width: 320, height: 240 };
    let recording = Arc::new(Recording::generate(5, Split::HeldOut, 4, size)?);
    let mut world = Box::pin(World::start(settings, recording)).await?;
    let mut reasons = String::new();
    for turn in 0..4 {
        reasons += &world.turn(turn).await?.record.reason;
    }
    world.stop().await;
    Ok(reasons)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_takes_the_policy_with_the_encoder_that_it_was_fitted_to() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let (encoder, out) = (models.join("encoder"), folder.path().join("policy.onnx"));
    let refused = Box::pin(first_turn(&models, &shipped("policy/policy.onnx"))).await.unwrap_err().to_string();
    assert!(refused.contains("trimtab-lab recalibrate"), "{refused}");

    let strict = recalibrate(&encoder, &out, &["--scenes", "20", "--accept", "1", "--write-encoder"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&strict.stderr).contains("--accept"), "{strict:?}");
    assert!(!out.exists() && !encoder.join("task_head.json").exists());

    let made = recalibrate(&encoder, &out, &["--scenes", "100", "--write-encoder"]);
    let report = report(&made);
    let figure =
        |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report}"));
    assert!(figure("/report/decisions/agreement") >= 0.88, "{report}");
    assert!(figure("/report/fit/prompt_correlation") >= 0.9, "{report}");
    assert!(figure("/report/fit/association_correlation") >= 0.8, "{report}");
    assert!(figure("/report/fit/shows_error/new") <= 0.08, "{report}");
    assert!(figure("/report/fit/task_accuracy/new") >= 0.9, "{report}");
    let reasons = Box::pin(first_turn(&models, &out)).await.unwrap();
    assert!(reasons.contains("best_score"), "{reasons}");

    // What the folder has now is kept, and a policy is recalibrated once.
    let head = fs::read(encoder.join("task_head.json")).unwrap();
    let again = recalibrate(&encoder, &out, &["--scenes", "20", "--accept", "0", "--write-encoder"]);
    assert_eq!(fs::read(encoder.join("task_head.json")).unwrap(), head);
    assert_eq!(self::report(&again)["report"]["task_head_fitted"], false);
    let twice = Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .args([Path::new("recalibrate"), Path::new("--policy"), &out, Path::new("--from"), &encoder])
        .args([Path::new("--to"), &shipped("encoder"), Path::new("--out"), &out])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&twice.stderr).contains("recalibrated already"), "{twice:?}");
}

#[test]
fn own_prompts_and_pictures_do_without_labels() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let (prompts, pictures, out) =
        (folder.path().join("prompts.txt"), folder.path().join("pictures"), folder.path().join("policy.onnx"));
    let recording = Recording::generate(8, Split::Train, 60, FrameSize { width: 160, height: 120 }).unwrap();
    let texts: Vec<&str> = recording.turns().iter().map(|turn| turn.prompt.text.as_str()).collect();
    fs::write(&prompts, texts.join("\n")).unwrap();
    fs::create_dir(&pictures).unwrap();
    for camera in 0..CAMERAS {
        for file in fs::read_dir(recording.frames(camera)).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, pictures.join(format!("{camera}-{}", file.file_name().unwrap().display()))).unwrap();
        }
    }
    let own = ["--prompts", prompts.to_str().unwrap(), "--pictures", pictures.to_str().unwrap()];
    let report = report(&recalibrate(&models.join("encoder"), &out, &own));
    let agreement = report.pointer("/report/decisions/agreement").and_then(Value::as_f64).unwrap();
    assert!(agreement >= 0.85, "{report}");
    assert!(out.exists() && !models.join("encoder/task_head.json").exists());

    fs::write(pictures.join("notes.jpg"), "no picture").unwrap();
    let refused = recalibrate(&models.join("encoder"), &out, &own);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("notes.jpg"), "{refused:?}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("policy.onnx");
    let check = |to: &Path, further: &[&str], expected: &[&str]| {
        let output = recalibrate(to, &out, further);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{expected:?} in {said}");
        assert!(!out.exists());
    };
    let broken = |name: &str, spoil: &dyn Fn(&Path)| {
        let encoder = folder.path().join(name);
        other_encoder::write(&shipped("encoder"), &encoder);
        spoil(&encoder);
        encoder
    };
    let tower = broken("tower", &|encoder| fs::remove_file(encoder.join("onnx/vision_model.onnx")).unwrap());
    check(&tower, &[], &["onnx/vision_model.onnx", "missing"]);
    let cut = broken("cut", &|encoder| {
        let path = encoder.join("onnx/text_model.onnx");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    check(&cut, &[], &["onnx/text_model.onnx", "not a whole ONNX file"]);
    let flat = broken("flat", &|encoder| fs::write(encoder.join("config.json"), r#"{"projection_dim": 0}"#).unwrap());
    check(&flat, &[], &["config.json", "projection_dim"]);
    check(&shipped("encoder"), &[], &["encoder", "load the policy as it is"]);

    let good = broken("good", &|_| ());
    let prompts = folder.path().join("prompts.txt");
    fs::write(&prompts, "\n\n").unwrap();
    let own = ["--prompts", prompts.to_str().unwrap(), "--pictures", folder.path().to_str().unwrap()];
    check(&good, &own, &["prompts.txt", "0 distinct prompts"]);

    let published = folder.path().join("published.onnx");
    let mut rng = trimtab_scenes::Rng::for_purpose(4, "network");
    let ramps = ramps();
    let network = trimtab_train::network::Mlp::random(&[ramps.len(), 32, 16, 9], &mut rng);
    PublishedPolicy::new(trimtab_core::observation::Layout::Tmo1Rc, ramps, network)
        .write(trimtab_train::export::Weights::Int8, &published)
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_trimtab-lab"))
        .args([Path::new("recalibrate"), Path::new("--policy"), &published, Path::new("--from"), &shipped("encoder")])
        .args([Path::new("--to"), &good, Path::new("--out"), &out])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("published.onnx") && said.contains("tmo-1-rc"), "{said}");
}
