//! The shipped policy fits the shipped models, and the system that it was learnt from still runs.

use std::path::Path;

use trimtab_core::observation::{Layout, TRIMTAB1_WIDTH};
use trimtab_engine::{Encoder, PolicyFile};
use trimtab_scenes::Split;
use trimtab_train::collect::{Plan, collect};
use trimtab_train::dataset::{Table, write_shard};

fn shipped(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped").join(name)
}

#[test]
fn the_shipped_policy_was_trained_with_the_shipped_encoder() {
    let encoder = Encoder::load(&shipped("encoder")).unwrap();
    let policy = PolicyFile::load(&shipped("policy/policy.onnx")).unwrap();
    assert_eq!(policy.layout(), Layout::Trimtab1);
    policy.check_encoder(&encoder.fingerprint()).unwrap();
    let threshold: f32 = policy.metadata("view_threshold").unwrap().parse().unwrap();
    assert!((0.0..=1.0).contains(&threshold));
    policy.project(&encoder.embed_text("is the lamp on?").unwrap()).unwrap();
    let scores = policy.score(&[[0.0; TRIMTAB1_WIDTH]; 17]).unwrap();
    assert!(scores.quality.unwrap().iter().all(|quality| (0.0..=1.0).contains(quality)));
}

/// Every action of a turn runs through broker, bridge, stand-ins and device, and the table of it can be trained on.
#[tokio::test(flavor = "multi_thread")]
async fn every_action_runs_for_real() {
    let plan = Plan::shipped(Split::Train, 2).unwrap();
    let encoder = plan.encoder().unwrap();
    let mut done = 0;
    let collected = Box::pin(collect(&plan, 9_001, &encoder, &mut || done += 1)).await.unwrap();
    assert_eq!((done, collected.left_out), (2, 0));
    let folder = tempfile::tempdir().unwrap();
    write_shard(folder.path(), 9_001, &collected.dialogue).unwrap();
    let table = Table::read(&[folder.path().into()]).unwrap();
    assert_eq!(table.encoder_sha256(), encoder.fingerprint().to_string());
    for turn in table.turns() {
        assert_eq!(turn.tried.len(), 17, "{}", turn.prompt);
        for tried in &turn.tried {
            let cloud = !tried.action.node.is_local();
            assert_eq!(tried.cost.money.nano() > 0, cloud, "{tried:?}");
            assert_eq!(tried.cost.bytes.get() > 10_000, !tried.action.views.is_empty(), "{tried:?}");
            assert!(tried.cost.money <= tried.quote.money && tried.cost.energy.micro() > 0, "{tried:?}");
        }
    }
}
