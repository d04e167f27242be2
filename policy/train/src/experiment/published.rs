//! Every contender on every split, under every named budget.

use super::field::{Field, Found, Played};
use super::profile::{self, Profile};
use super::row::{Row, Run};
use super::{Args, ExperimentError, Progress, Split, curve, jobs};
use crate::learner::published::Training;
use crate::published::{Budget, NAMED_BUDGETS, Plan};

/// What all contenders came to.
pub(super) struct Contest {
    pub(super) rows: Vec<Row>,
    pub(super) fits: Vec<super::field::Fit>,
    pub(super) curves: Vec<curve::Curve>,
    pub(super) profiles: Vec<Profile>,
}

/// Lets all contenders play.
pub(super) fn contest(
    args: &Args,
    splits: &[Split],
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Contest, ExperimentError> {
    // One split at a time: its plan is shared by all training seeds, and uses every core by itself.
    let mut all = Played::default();
    let mut profiles = Vec::new();
    for split in splits {
        let field = Field::new(split);
        all.extend(field.rules()?);
        all.extend(field.sighted()?);
        watch(Progress::More(1));
        let plan = Plan::new(&split.train, &field.response, &field.costs);
        watch(Progress::Done);
        all.extend(field.planner(&plan)?);
        profiles.extend(profile::play(&field, &plan, watch)?);
        let seeds: Vec<u64> = (1..=args.training_seeds).collect();
        for result in jobs::run(&seeds, watch, |seed| field.learnt(&plan, *seed)) {
            all.extend(result?);
        }
        let trainings: Vec<(&'static str, u64)> =
            Training::NAMES.into_iter().flat_map(|name| seeds.iter().map(move |seed| (name, *seed))).collect();
        for result in jobs::run(&trainings, watch, |(name, seed)| field.published(name, *seed, args)) {
            all.extend(result?);
        }
    }
    let Played { found, fits, curves } = all;
    Ok(Contest { rows: rows(found), fits, curves: curve::means(&curves), profiles: profile::gather(profiles) })
}

/// By budget, in the order of the names; within one as they first played.
fn rows(found: Vec<Found>) -> Vec<Row> {
    let mut rows: Vec<(String, Budget, bool, Vec<Run>)> = Vec::new();
    for Found { method, budget, shielded, run } in found {
        match rows.iter_mut().find(|(m, b, s, _)| (m, *b, *s) == (&method, budget, shielded)) {
            Some((.., runs)) => runs.push(run),
            None => rows.push((method, budget, shielded, vec![run])),
        }
    }
    rows.sort_by_key(|(_, budget, ..)| NAMED_BUDGETS.iter().position(|named| named == budget));
    rows.into_iter().map(|(method, budget, shielded, runs)| Row::of(&method, budget, shielded, runs)).collect()
}
