//! From dialogues as they lie in a file to turns that training can trust. Every refusal names file, dialogue, turn and field.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimtab_core::limits::{NODES_MAX, VIEWS_MAX};
use trimtab_core::observation::ViewFacts;
use trimtab_core::{Action, NodeIndex, ViewSet};

use super::store::Loaded;
use super::{DatasetError, Dialogue, Interaction, Measured, SCHEMA, SCHEMA_MIN, Setting, Table, Tried, Turn};

/// Largest departure of an embedding from length one.
const UNIT_TOLERANCE: f32 = 1e-3;

/// Where a fault lies.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) dialogue: u64,
    pub(super) turn: Option<usize>,
}

impl Place<'_> {
    pub(super) fn refuse(&self, field: &'static str, what: impl Into<String>) -> DatasetError {
        DatasetError::Field {
            path: self.path.into(),
            dialogue: self.dialogue,
            turn: self.turn,
            field,
            what: what.into(),
        }
    }
    pub(super) fn ensure(
        &self,
        holds: bool,
        field: &'static str,
        what: impl Fn() -> String,
    ) -> Result<(), DatasetError> {
        if holds { Ok(()) } else { Err(self.refuse(field, what())) }
    }
}

/// Checks what every table of the schema must hold, extension or not.
pub(super) fn dialogue(path: &Path, dialogue: &Dialogue) -> Result<(), DatasetError> {
    let place = Place { path, dialogue: dialogue.id, turn: None };
    let views = dialogue.image_paths.len();
    place.ensure(views <= VIEWS_MAX, "image_paths", || format!("{views} views; at most {VIEWS_MAX} are supported"))?;
    let (turns, rows) = (dialogue.interactions.len(), dialogue.association_score.len());
    place.ensure(turns == rows, "association_score", || format!("{rows} rows for {turns} turns"))?;
    for (number, (turn, row)) in dialogue.interactions.iter().zip(&dialogue.association_score).enumerate() {
        let place = Place { turn: Some(number), ..place };
        let finite = row.iter().all(|score| score.is_finite());
        place.ensure(row.len() == views && finite, "association_score", || {
            format!("{} scores for {views} views, or one that is no number", row.len())
        })?;
        logged(&place, turn, views)?;
    }
    Ok(())
}

fn logged(place: &Place<'_>, turn: &Interaction, views: usize) -> Result<(), DatasetError> {
    place.ensure(!turn.question.trim().is_empty(), "question", || "is empty".into())?;
    place.ensure(turn.action <= 1, "action", || format!("{}; 0 is local and 1 is cloud", turn.action))?;
    if let Some(used) = &turn.image_index {
        let distinct = (0..used.len()).all(|i| !used[..i].contains(&used[i]));
        let known = used.iter().all(|view| *view < views);
        place.ensure(turn.action == 1 && distinct && known, "image_index", || {
            format!("{used:?}; only a cloud action has views, each once and below {views}")
        })?;
    }
    let number = |value: f64| value.is_finite() && value >= 0.0;
    for (value, field) in
        [(f64::from(turn.score), "score"), (turn.interaction_time, "interaction_time"), (turn.usage_cost, "usage_cost")]
    {
        place.ensure(number(value), field, || format!("{value} is no number of 0 or more"))?;
    }
    Ok(())
}

/// Checks everything and keeps what training reads.
pub(super) fn table(loaded: Loaded) -> Result<Table, DatasetError> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut seen: Vec<(u64, PathBuf)> = Vec::new();
    let mut unscored = 0;
    for (path, found) in loaded.dialogues {
        dialogue(&path, &found)?;
        let place = Place { path: &path, dialogue: found.id, turn: None };
        if let Some((_, other)) = seen.iter().find(|(id, _)| *id == found.id) {
            return Err(place.refuse("id", format!("is also in {}", other.display())));
        }
        seen.push((found.id, path.clone()));
        let Some(setting) = found.trimtab else {
            return Err(place
                .refuse("trimtab", "is missing: only the logged action is known; collect with trimtab-lab collect"));
        };
        check_setting(&place, &setting, found.image_paths.len())?;
        place.ensure(!setting.one_action, "trimtab.one_action", || {
            "is set: a log of one action a turn; give it to train, estimator or evaluate --env logged".into()
        })?;
        let setting = Arc::new(setting);
        for (number, interaction) in found.interactions.into_iter().enumerate() {
            let place = Place { turn: Some(number), ..place };
            let scored = interaction.is_scored();
            let turn = extended(&place, &setting, number, interaction)?;
            if !scored {
                unscored += 1;
                continue;
            }
            if let Some(first) = turns.first() {
                belongs(&place, first, &turn)?;
            }
            turns.push(turn);
        }
    }
    if turns.is_empty() {
        let path = seen.first().map(|(_, path)| path.clone()).unwrap_or_default();
        return Err(DatasetError::Size { path, what: nothing(unscored) });
    }
    Ok(Table { turns, sha256: loaded.sha256, unscored })
}

/// What to do where a table has no turn that can be used.
pub(super) fn nothing(unscored: usize) -> String {
    if unscored > 0 {
        return format!("none of its {unscored} turns has a score; have them scored with trimtab-lab collect --scorer");
    }
    "no turn in the whole table; collect some with trimtab-lab collect".into()
}

fn belongs(place: &Place<'_>, first: &Turn, turn: &Turn) -> Result<(), DatasetError> {
    place.ensure(first.setting.encoder_sha256 == turn.setting.encoder_sha256, "trimtab.encoder_sha256", || {
        "differs from the first dialogue's; collect all with one encoder".into()
    })?;
    place.ensure(first.embedding.len() == turn.embedding.len(), "trimtab.embedding", || {
        format!("{} numbers, the first turn has {}", turn.embedding.len(), first.embedding.len())
    })
}

fn check_setting(place: &Place<'_>, setting: &Setting, views: usize) -> Result<(), DatasetError> {
    place.ensure((SCHEMA_MIN..=SCHEMA).contains(&setting.schema), "trimtab.schema", || {
        format!("{}; this build reads {SCHEMA_MIN} to {SCHEMA}", setting.schema)
    })?;
    place.ensure(setting.views.len() == views, "trimtab.views", || {
        format!("{} names for {views} views", setting.views.len())
    })?;
    let nodes = setting.nodes.len();
    place.ensure((1..=NODES_MAX).contains(&nodes), "trimtab.nodes", || {
        format!("{nodes} nodes; 1 to {NODES_MAX} are supported")
    })?;
    for (index, node) in setting.nodes.iter().enumerate() {
        place.ensure(node.profile.local == (index == 0), "trimtab.nodes", || {
            format!("{}: the first node is the local one, and no other is", node.name)
        })?;
        place.ensure((0.0..=1.0).contains(&node.profile.quality), "trimtab.nodes", || {
            format!("{}: quality {} is outside 0 to 1", node.name, node.profile.quality)
        })?;
        let twice = setting.nodes[..index].iter().any(|other| other.name == node.name);
        place.ensure(!twice, "trimtab.nodes", || format!("{} is there twice", node.name))?;
    }
    place.ensure(setting.preference.is_valid(), "trimtab.preference", || "a weight is outside 0 to 1".into())
}

fn extended(
    place: &Place<'_>,
    setting: &Arc<Setting>,
    number: usize,
    interaction: Interaction,
) -> Result<Turn, DatasetError> {
    let Some(measured) = interaction.trimtab else {
        return Err(place.refuse("trimtab", "is missing in a collected dialogue"));
    };
    let length: f32 = measured.embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
    place.ensure((length - 1.0).abs() <= UNIT_TOLERANCE, "trimtab.embedding", || {
        format!("length {length}; an embedding is a unit vector")
    })?;
    let likely = |p: &f32| (0.0..=1.0 + UNIT_TOLERANCE).contains(p);
    place.ensure(measured.tasks.iter().all(likely), "trimtab.tasks", || {
        format!("{:?}: a probability is outside 0 to 1", measured.tasks)
    })?;
    place.ensure(measured.views.len() == setting.views.len(), "trimtab.views", || {
        format!("{} views; the dialogue has {}", measured.views.len(), setting.views.len())
    })?;
    for view in &measured.views {
        place.ensure(
            (0.0..=1.0).contains(&view.shows) && view.association.abs() <= 1.0 + UNIT_TOLERANCE,
            "trimtab.views",
            || format!("{view:?}: shows is in 0 to 1 and association in -1 to 1"),
        )?;
    }
    let tried = tried(place, setting, &measured)?;
    Ok(Turn {
        dialogue: place.dialogue,
        number,
        setting: Arc::clone(setting),
        prompt: interaction.question,
        kind: interaction.task_cat.kind(),
        needs_views: measured.needs_views,
        embedding: measured.embedding,
        tasks: measured.tasks,
        unknown: measured.unknown,
        views: measured
            .views
            .iter()
            .map(|view| ViewFacts { association: view.association, shows: view.shows, available: view.available })
            .collect(),
        tried,
    })
}

fn tried(place: &Place<'_>, setting: &Setting, measured: &Measured) -> Result<Vec<Tried>, DatasetError> {
    const FIELD: &str = "trimtab.outcomes";
    let mut tried: Vec<Tried> = Vec::new();
    for outcome in &measured.outcomes {
        let action = action(place, setting, FIELD, &outcome.node, &outcome.views)?;
        place.ensure(tried.iter().all(|other| other.action != action), FIELD, || {
            format!("node {} with views {:?} is there twice", outcome.node, outcome.views)
        })?;
        let score = outcome.score.unwrap_or(f32::from(u8::from(outcome.right)));
        place.ensure((0.0..=1.0).contains(&score), FIELD, || format!("score {score} is outside 0 to 1"))?;
        tried.push(Tried { action, quote: outcome.quote.into(), right: outcome.right, score, cost: outcome.cost() });
    }
    place.ensure(tried.iter().any(|t| t.action == Action::LOCAL), FIELD, || "the local action was not run".into())?;
    Ok(tried)
}

/// The action of a node and views by their names in the dialogue.
pub(super) fn action(
    place: &Place<'_>,
    setting: &Setting,
    field: &'static str,
    node: &str,
    views: &[usize],
) -> Result<Action, DatasetError> {
    let index = setting.nodes.iter().position(|known| known.name == node);
    let Some(index) = index.and_then(NodeIndex::new) else {
        return Err(place.refuse(field, format!("node {node} is not among the dialogue's nodes")));
    };
    let ascending = views.is_sorted_by(|a, b| a < b);
    let known = views.iter().all(|view| *view < setting.views.len());
    let allowed = !index.is_local() || views.is_empty();
    place.ensure(ascending && known && allowed, field, || {
        format!("views {views:?} of node {node}: ascending, known, and none for the local node")
    })?;
    Ok(Action { node: index, views: views.iter().fold(ViewSet::EMPTY, |set, view| set.with(*view)) })
}
