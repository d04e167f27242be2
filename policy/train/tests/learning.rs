//! What is learnt on a small world with known rules, and that the exported file says the same.

mod synthetic;

use std::sync::OnceLock;

use trimtab_core::Preference;
use trimtab_core::observation::{association_gain, utility};
use trimtab_engine::{Embedding, PolicyFile};
use trimtab_train::calibrate::view_threshold;
use trimtab_train::choose::{Chooser, TaskTable};
use trimtab_train::dataset::{Table, Turn};
use trimtab_train::evaluate::evaluate;
use trimtab_train::export::{self, Weights};
use trimtab_train::features::rows;
use trimtab_train::learn::{Recipe, fit};
use trimtab_train::policy::Policy;

struct World {
    training: Table,
    fresh: Table,
    policy: Policy,
}

fn table(seeds: std::ops::Range<u64>) -> Table {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path(), seeds, 30);
    Table::read(&[folder.path().into()]).unwrap()
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (training, fresh) = (table(1..13), table(101..108));
        let mut policy = fit(&training, &Recipe { epochs: 12, ..Recipe::default() }, &mut |_| {});
        policy.view_threshold = view_threshold(&policy, training.turns(), &Preference::default());
        World { training, fresh, policy }
    })
}

fn file(policy: &Policy, weights: Weights) -> PolicyFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.onnx");
    export::write(policy, weights, &path).unwrap();
    PolicyFile::load(&path).unwrap()
}

#[test]
fn the_learner_beats_a_task_table_and_random_weights() {
    let World { training, fresh, policy } = world();
    let preference = Preference::default();
    let turns: Vec<&Turn> = fresh.turns().iter().collect();
    let run = |chooser: Chooser| evaluate(&chooser, chooser.name(), &turns, &preference).unwrap();
    let learned = run(Chooser::Policy(Box::new(policy.clone())));
    let task_table = TaskTable::fit(&training.turns().iter().collect::<Vec<_>>(), &preference);
    for baseline in [
        Chooser::TaskTable(task_table),
        Chooser::Policy(Box::new(Policy::random(policy, 1))),
        Chooser::Local,
        Chooser::CloudAll,
    ] {
        let difference = learned.against(&run(baseline));
        assert!(difference.reward.low > 0.0, "{difference:?}");
    }
    let oracle = run(Chooser::Oracle);
    assert!(oracle.reward.value >= learned.reward.value);
    assert!(learned.right_percent.value > 90.0, "{learned:?}");
}

/// Same seed, same weights.
#[test]
fn training_is_reproducible() {
    let training = table(1..4);
    let recipe = Recipe { epochs: 2, ..Recipe::default() };
    let run = || fit(&training, &recipe, &mut |_| {});
    assert_eq!(run(), run());
}

/// The file computes quality from the network and the score from the core's own utility, for any preference.
#[test]
fn the_exported_file_agrees_with_the_lab() {
    let World { fresh, policy, .. } = world();
    let quantised = policy.quantised().unwrap();
    let preferences =
        [Preference::default(), Preference { quality: 0.3, association: 1.0, latency: 0.0, cost: 0.7, energy: 0.2 }];
    for (weights, lab) in [(Weights::Int8, &quantised), (Weights::Float, policy)] {
        let file = file(policy, weights);
        for preference in &preferences {
            for turn in &fresh.turns()[..40] {
                let prompt = file.project(&Embedding::unit(turn.embedding.clone()).unwrap()).unwrap();
                let scores = file.score(&rows(turn, prompt, preference)).unwrap();
                let quality = scores.quality.unwrap();
                for (index, tried) in turn.tried.iter().enumerate() {
                    let gain = association_gain(&turn.views, tried.action.views);
                    let expected = utility(preference, quality[index], gain, &tried.quote);
                    assert!((scores.score[index] - expected).abs() < 1e-5, "score of {tried:?}");
                    assert!((quality[index] - lab.quality(turn)[index]).abs() < 1e-4, "quality of {tried:?}");
                }
            }
        }
    }
}

#[test]
fn int8_decides_as_float_does() {
    let World { fresh, policy, .. } = world();
    let turns: Vec<&Turn> = fresh.turns().iter().collect();
    let run = |weights| {
        let chooser = Chooser::File { file: Box::new(file(policy, weights)), view_threshold: policy.view_threshold };
        evaluate(&chooser, "file", &turns, &Preference::default()).unwrap()
    };
    assert!(run(Weights::Int8).agreement(&run(Weights::Float)) >= 0.99);
}

#[test]
fn the_file_says_where_it_comes_from() {
    let World { training, policy, .. } = world();
    let file = file(policy, Weights::Int8);
    assert_eq!(file.metadata("encoder_sha256"), Some(synthetic::ENCODER));
    assert_eq!(file.metadata("dataset_sha256"), Some(training.sha256()));
    assert_eq!(file.metadata("views"), Some(r#"["wrist","overhead","doorway"]"#));
    assert_eq!(file.metadata("tasks"), Some(r#"["assistive","message","query","recommendation"]"#));
    let threshold: f32 = file.metadata("view_threshold").unwrap().parse().unwrap();
    assert_eq!(threshold, policy.view_threshold);
    assert!((0.0..=0.5).contains(&threshold));
}

/// What was kept reads back, and a file of another shape is refused with its path.
#[test]
fn checkpoints_survive_a_round_trip() {
    let World { policy, .. } = world();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    policy.save(&path).unwrap();
    assert_eq!(&Policy::load(&path).unwrap(), policy);
    let mut cut = policy.clone();
    cut.network.layers.pop();
    cut.save(&path).unwrap();
    let error = Policy::load(&path).unwrap_err().to_string();
    assert!(error.contains("policy.json") && error.contains("trimtab-lab train"), "{error}");
}
