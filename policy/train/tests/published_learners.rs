//! Published learners from dialogues to a policy file that decides as the network does.

use trimtab_core::observation::Layout;
use trimtab_train::export::Weights;
use trimtab_train::learner::published::Training;
use trimtab_train::published::{ACTIONS, Costs, Episode, FileChooser, PublishedPolicy, Response, TASKS, agreement};

/// Dialogues of two to five turns whose scores follow from the task and where it was answered.
fn episodes() -> Vec<Episode> {
    let episode = |id: usize| {
        let turns = 2 + id % 4;
        let tasks: Vec<u8> = (0..turns).map(|turn| ((id + turn * turn) % TASKS) as u8).collect();
        let logged: Vec<u8> = (0..turns).map(|turn| ((5 * id + 2 * turn) % ACTIONS) as u8).collect();
        let score = |(task, action): (&u8, &u8)| if (*task > 1) == (*action > 0) { 1.5 } else { 0.3 };
        let scores = tasks.iter().zip(&logged).map(score).collect();
        let association = (0..turns).map(|turn| [0.3, 0.1 + 0.05 * turn as f64, 0.2]).collect();
        Episode { id: id as u64, tasks, association, logged, scores }
    };
    (0..24).map(episode).collect()
}

#[test]
fn int8_files_decide_as_their_networks() {
    let (episodes, costs) = (episodes(), Costs::default());
    let response = Response::fit(&episodes);
    let folder = tempfile::tempdir().unwrap();
    for name in Training::NAMES {
        let mut training = Training::published(name, 1).unwrap();
        training.recipe.steps = 10_000;
        let trained = training.learn(&episodes, &response, &costs, &mut |_| {}).unwrap();
        let nameless = PublishedPolicy::new(training.layout(), Vec::new(), trained.network);
        let mut policy = PublishedPolicy { algorithm: name.into(), ..nameless };
        let path = folder.path().join(format!("{name}.onnx"));
        policy.for_int8(&episodes, &costs).unwrap().write(Weights::Int8, &path).unwrap();
        let mut file = FileChooser::load(&path).unwrap();
        let layout = if name.starts_with("rc-") { Layout::Tmo1Rc } else { Layout::Tmo1 };
        assert_eq!(file.file().layout(), layout);
        assert_eq!(file.file().metadata("algorithm"), Some(name));
        let share = agreement(&episodes, &response, &costs, &mut policy, &mut file).unwrap();
        assert!(share >= 0.99, "{name}: int8 decides alike in {share}");
    }
}

/// Neighbours that agree are believed, neighbours that do not are believed less, the more so the more is asked for.
#[test]
fn pessimism_takes_off_what_neighbours_disagree_on() {
    let alike = |score: fn(usize) -> f64| -> Vec<Episode> {
        let episode = |id: usize| Episode {
            id: id as u64,
            tasks: vec![1],
            association: vec![[0.2; 3]],
            logged: vec![0],
            scores: vec![score(id)],
        };
        (0..10).map(episode).collect()
    };
    let local = |episodes: &[Episode], errors: f64| {
        Response::fit(episodes).pessimistic(errors).of(episodes[0].logged_states()[0])[0]
    };
    let agreed = alike(|_| 0.8);
    assert!((local(&agreed, 2.0) - 0.8).abs() < 1e-12);
    let divided = alike(|id| (id % 2) as f64);
    let bounds = [0.0, 1.0, 2.0].map(|errors| local(&divided, errors));
    assert!(bounds[0] > bounds[1] && bounds[1] > bounds[2], "{bounds:?}");
    // Five neighbours of 0 and 1 are three of one and two of the other: a deviation of √0.24.
    assert!((bounds[0] - bounds[1] - (0.24_f64 / 5.0).sqrt()).abs() < 1e-12, "{bounds:?}");
}
