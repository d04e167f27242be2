//! Policy files mean the same to another runtime: the standard's checker takes them, and ONNX Runtime scores as the engine does.

use std::path::{Path, PathBuf};
use std::process::Command;

use trimtab_core::observation::{Layout, TMO1_RC_WIDTH, TRIMTAB1_WIDTH};
use trimtab_engine::PolicyFile;
use trimtab_scenes::Rng;
use trimtab_train::export::Weights;
use trimtab_train::network::Mlp;
use trimtab_train::published::{PublishedPolicy, ramps};

const TOLERANCE: f32 = 1e-4;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The scores that ONNX Runtime gives to rows.
fn elsewhere(policy: &Path, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.json");
    std::fs::write(&file, serde_json::to_vec(rows).unwrap()).unwrap();
    let python = root().join("target/venv/bin/python");
    assert!(python.exists(), "no {}: run `cargo xtask setup`", python.display());
    let script = root().join("policy/train/tests/parity.py");
    let output = Command::new(python).arg("-B").arg(script).arg(policy).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn alike(engine: &[f32], other: &[f32]) {
    assert_eq!(engine.len(), other.len());
    for (a, b) in engine.iter().zip(other) {
        assert!((a - b).abs() < TOLERANCE * (1.0 + a.abs()), "{engine:?} and {other:?}");
    }
}

#[test]
fn the_shipped_policy_scores_alike() {
    let path = root().join("models/shipped/policy/policy.onnx");
    let mut rng = Rng::for_purpose(2, "rows");
    let rows: Vec<[f32; TRIMTAB1_WIDTH]> = (0..17).map(|_| std::array::from_fn(|_| rng.unit())).collect();
    let plain: Vec<Vec<f32>> = rows.iter().map(|row| row.to_vec()).collect();
    let engine = PolicyFile::load(&path).unwrap().score(&rows).unwrap();
    alike(&engine.score, &elsewhere(&path, &plain)[0]);
}

#[test]
fn a_policy_of_the_published_layout_scores_alike() {
    let mut rng = Rng::for_purpose(4, "network");
    let ramps = ramps();
    let network = Mlp::random(&[ramps.len(), 32, 16, 9], &mut rng);
    let policy = PublishedPolicy::new(Layout::Tmo1Rc, ramps, network);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.onnx");
    policy.write(Weights::Int8, &path).unwrap();
    let file = PolicyFile::load(&path).unwrap();
    let rows: Vec<Vec<f32>> = (0..40)
        .map(|_| {
            (0..TMO1_RC_WIDTH)
                .map(|column| if column < 25 { rng.below(5) as f32 - 1.0 } else { rng.range(0.0, 30.0) })
                .collect()
        })
        .collect();
    for (row, other) in rows.iter().zip(elsewhere(&path, &rows)) {
        alike(&file.score_tmo1(row).unwrap(), &other);
    }
}
