//! What a model expects of each class of a turn: views are not told apart, so the views of a class are those that were logged.

use trimtab_core::{Action, ViewSet};

use crate::dataset::{Class, Context, LoggedTurn, cloud};
use crate::estimator::{Estimator, Kind, Prompts};

/// Expected score of every class, in the order of [`Class::ALL`].
pub type ClassValues = [f64; Class::ALL.len()];

/// How many views the log uploads when it uploads any: shares by number.
#[derive(Clone, PartialEq, Debug)]
pub struct ViewShares(Vec<(usize, f64)>);

impl ViewShares {
    /// Counts turns. Where none has views, it is always one.
    pub fn count<'a>(turns: impl IntoIterator<Item = &'a LoggedTurn>) -> Self {
        let mut counts: Vec<(usize, f64)> = Vec::new();
        let mut total = 0.0;
        for turn in turns.into_iter().filter(|turn| turn.class() == Class::Image) {
            let views = turn.action.views.len();
            match counts.iter_mut().find(|(known, _)| *known == views) {
                Some((_, count)) => *count += 1.0,
                None => counts.push((views, 1.0)),
            }
            total += 1.0;
        }
        if counts.is_empty() {
            return Self(vec![(1, 1.0)]);
        }
        counts.iter_mut().for_each(|(_, count)| *count /= total);
        Self(counts)
    }

    /// What `estimator` expects of each class.
    pub fn values(&self, estimator: &dyn Estimator, context: &Context) -> ClassValues {
        let with = |views: usize| estimator.predict(context, cloud(context.best_views(views)));
        let image = self.0.iter().map(|(views, share)| share * with(*views)).sum();
        [estimator.predict(context, Action::LOCAL), estimator.predict(context, cloud(ViewSet::EMPTY)), image]
    }
}

/// The class values of every turn of `test`, by an estimator fitted on `train`.
#[must_use]
pub fn fitted(kind: Kind, train: &[&LoggedTurn], test: &[LoggedTurn], prompts: &Prompts) -> Vec<ClassValues> {
    let estimator = kind.fit_turns(train, prompts);
    let shares = ViewShares::count(train.iter().copied());
    test.iter().map(|turn| shares.values(&*estimator, &turn.context)).collect()
}

/// Runs `each` once a dialogue, with the turns of the others and its own, and joins what it gives for its own turns.
pub fn leave_one_dialogue_out<T>(
    turns: &[LoggedTurn],
    mut each: impl FnMut(&[&LoggedTurn], &[LoggedTurn]) -> Vec<T>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(turns.len());
    for own in turns.chunk_by(|a, b| a.dialogue == b.dialogue) {
        let others: Vec<&LoggedTurn> = turns.iter().filter(|turn| turn.dialogue != own[0].dialogue).collect();
        all.extend(each(&others, own));
    }
    all
}
