//! A policy file from logged scores: the class policy of [`super::recipe`], distilled into the network of layout `trimtab-1`.
//!
//! The network's quality stands for the score that the recipe expects of the action's class, clipped at [`SCORE_MAX`] and divided
//! by it. Weights of latency and cost are found anew on what the network with int8 weights expects, so that it keeps within the
//! owner's limit itself, and become the owner's preference, in the units of the layout; energy weighs nothing, because logged
//! scores say nothing of it. Views are not told apart but by their number: the network does not read what they show, and
//! association weighs just enough to decide which view goes up.

use serde_json::json;
use trimtab_core::{Action, Preference};
use trimtab_engine::{PolicyError, PolicyFile};
use trimtab_quant::GraphError;

use super::baseline::action_of;
use super::candidates::candidates;
use super::charge::Charges;
use super::file::on_candidates;
use super::recipe::{Recipe, Weights};
use super::values::ClassValues;
use crate::choose::Chooser;
use crate::dataset::{Class, LoggedTable, LoggedTurn, Table, Turn};
use crate::estimator::Prompts;
use crate::features::column;
use crate::learn::{self, Lesson, Progress, fit_to, prepared};
use crate::policy::Policy;

/// The score that a quality of 1 stands for. Single scores are higher, what is expected of a class is not.
pub const SCORE_MAX: f64 = 4.0;
/// Name of the learning method in the file.
pub const ALGORITHM: &str = "class-values";
/// Key of the preference in the file: the owner's weights that the recipe found, as JSON.
pub const PREFERENCE: &str = "preference";
/// Weight of association: far below what a view more costs.
const ASSOCIATION: f32 = 1e-3;
/// Columns of the view group that tell how many views a candidate has; the others tell which.
const COUNT_COLUMNS: usize = 2;
/// Passes over a log: it has few different questions and many steps are needed to tell them apart.
pub const EPOCHS: usize = 240;
/// Weight decay: what is fitted is smooth already, and is to be met closely.
pub const DECAY: f32 = 0.05;

/// How the network is fitted where nothing else is asked for.
#[must_use]
pub fn learning(seed: u64) -> learn::Recipe {
    learn::Recipe { seed, epochs: EPOCHS, decay: DECAY, ..learn::Recipe::default() }
}

/// A preference in a file that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "metadata key {PREFERENCE}: {found} is no object of weights from 0 to 1; distil the policy again with trimtab-lab train"
)]
pub struct PreferenceError {
    /// What the file says.
    found: String,
}

/// The preference that a file was distilled for, if it says one.
pub fn preference_of(file: &PolicyFile) -> Result<Option<Preference>, PreferenceError> {
    let Some(json) = file.metadata(PREFERENCE) else { return Ok(None) };
    let read = serde_json::from_str(json).ok().filter(Preference::is_valid);
    read.map(Some).ok_or_else(|| PreferenceError { found: json.into() })
}

/// Why a policy is not distilled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistilError {
    /// A weight that is no number.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Choosing with it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// A distilled policy.
#[derive(Clone, PartialEq, Debug)]
pub struct Distilled {
    /// What goes into the file.
    pub policy: Policy,
    /// The owner's weights under which it chooses as the recipe does.
    pub preference: Preference,
    /// Share of its training turns for which it chooses the recipe's class, with int8 weights.
    pub agreement: f64,
}

/// What policies are distilled from.
pub struct Source<'a> {
    log: &'a [LoggedTurn],
    table: Table,
    charges: &'a Charges,
    prompts: &'a Prompts,
}

impl<'a> Source<'a> {
    /// A log, with the vectors that the encoder of that fingerprint makes of its questions.
    ///
    /// # Panics
    /// When `prompts` has no vector of a question.
    #[must_use]
    pub fn new(log: &'a LoggedTable, charges: &'a Charges, encoder_sha256: &str, prompts: &'a Prompts) -> Self {
        let table = candidates(log, charges, encoder_sha256, prompts);
        Self { log: log.turns(), table, charges, prompts }
    }

    /// The turns as the device would have scored them.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// Trains the recipe on every turn but those of one dialogue, if one is left out, and distils it.
    pub fn distil(
        &self,
        left_out: Option<u64>,
        recipe: &Recipe,
        learning: &learn::Recipe,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<Distilled, DistilError> {
        let kept = || self.log.iter().zip(self.table.turns()).filter(|(turn, _)| Some(turn.dialogue) != left_out);
        let logged: Vec<&LoggedTurn> = kept().map(|(turn, _)| turn).collect();
        let seen: Vec<&Turn> = kept().map(|(_, turn)| turn).collect();
        let taught = recipe.train(&logged, self.charges, self.prompts);
        let lesson = |(logged, turn): (&'_ LoggedTurn, &'_ Turn)| {
            let values = taught.values(&logged.context).map(|value| (value / SCORE_MAX).clamp(0.0, 1.0) as f32);
            turn.tried.iter().map(|tried| values[Class::of(tried.action).index()]).collect()
        };
        let lessons: Vec<Lesson<'_>> =
            kept().map(|(logged, turn)| Lesson { turn, targets: lesson((logged, turn)) }).collect();
        let mut policy = prepared(&self.table, &seen, learning.seed);
        policy.normaliser.scale[column("views") + COUNT_COLUMNS..column("quote")].fill(0.0);
        let mut policy = fit_to(policy, &lessons, &lessons, learning, watch);
        let int8 = policy.quantised()?;
        let expected: Vec<ClassValues> = kept().map(|(logged, turn)| expected(&int8, logged, turn)).collect();
        let preference = preference(recipe.weights(&logged, &expected, self.charges), self.charges);
        policy.origin.turns = seen.len();
        policy.origin.algorithm = ALGORITHM.into();
        let scale = format!("expected score, clipped at {SCORE_MAX}, divided by {SCORE_MAX}");
        policy.origin.further = [
            ("quality_scale".to_owned(), scale),
            (PREFERENCE.to_owned(), json!(preference).to_string()),
            ("recipe".to_owned(), json!(recipe).to_string()),
        ]
        .into();
        let chosen = on_candidates(&seen, &Chooser::Policy(Box::new(int8)), &preference)?;
        let same = logged
            .iter()
            .zip(&chosen)
            .filter(|(turn, chosen)| Class::of(taught.choose(&turn.context)) == Class::of(**chosen));
        let agreement = same.count() as f64 / seen.len().max(1) as f64;
        Ok(Distilled { policy, preference, agreement })
    }

    /// What policies with int8 weights choose in the dialogues that each was distilled without; `done` is called after each.
    pub fn left_out_choices(
        &self,
        recipe: &Recipe,
        learning: &learn::Recipe,
        done: &mut dyn FnMut(),
    ) -> Result<Vec<Action>, DistilError> {
        let mut all = Vec::with_capacity(self.log.len());
        for own in self.table.turns().chunk_by(|a, b| a.dialogue == b.dialogue) {
            let Distilled { policy, preference, .. } =
                self.distil(Some(own[0].dialogue), recipe, learning, &mut |_| {})?;
            let chooser = Chooser::Policy(Box::new(policy.quantised()?));
            all.extend(on_candidates(&own.iter().collect::<Vec<_>>(), &chooser, &preference)?);
            done();
        }
        Ok(all)
    }
}

/// What a policy expects of each class: of the cheapest action in it.
fn expected(policy: &Policy, logged: &LoggedTurn, turn: &Turn) -> ClassValues {
    let quality = policy.quality(turn);
    Class::ALL.map(|class| {
        let action = action_of(class, &logged.context);
        let place = turn.tried.iter().position(|tried| tried.action == action);
        place.map_or(0.0, |place| SCORE_MAX * f64::from(quality[place]))
    })
}

/// The preference whose utility is the recipe's worth but for a factor: a quality of 1 stands for [`SCORE_MAX`], latency counts
/// by ten seconds and cost by milli-USD. The largest weight is 1.
#[must_use]
pub fn preference(weights: Weights, charges: &Charges) -> Preference {
    let range = charges.range();
    let per = |weight: f64, range: f64, unit: f64| if range > 0.0 { weight * unit / range } else { 0.0 };
    let latency = per(weights.latency, range.latency_s, 10.0);
    let cost = per(weights.usage, range.usage_usd, 1e-3);
    let most = SCORE_MAX.max(latency).max(cost);
    Preference {
        quality: (SCORE_MAX / most) as f32,
        association: ASSOCIATION,
        latency: (latency / most) as f32,
        cost: (cost / most) as f32,
        energy: 0.0,
    }
}
