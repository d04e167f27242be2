//! What it is worth to see the prompt, by the logged scores.

use trimtab_core::Action;

use super::{Ablation, Point};
use crate::dataset::LoggedTurn;
use crate::estimator::{Kind, Prompts};
use crate::experiment::DRAWS_SEED;
use crate::experiment::row::Spread;
use crate::logged::charge::{Charge, Charges};
use crate::logged::evaluation::Log;
use crate::logged::propensity::Propensity;
use crate::logged::recipe::{Owner, SHARE, greedy, swept};
use crate::logged::values::{fitted, leave_one_dialogue_out};

/// Standard deviations from one end of an interval at 95 % to the other.
const DEVIATIONS: f64 = 2.0 * 1.96;
/// What the recipe's estimate sees.
const SEEN: [(&str, Kind); 3] =
    [("question and task", Kind::ShrunkMeans), ("task", Kind::TaskMeans), ("neither", Kind::ClassMeans)];

/// The recipe on estimates that see more or less of the turn, within one limit, without the dialogue that it is judged on.
pub(super) fn prompt(turns: &[LoggedTurn]) -> Ablation {
    let (charges, none) = (Charges::default(), Prompts::new());
    let model = leave_one_dialogue_out(turns, |others, own| fitted(Kind::ShrunkMeans, others, own, &none));
    let log = Log::new(turns, Propensity::count(turns), &model, &charges, DRAWS_SEED);
    let Charge { latency_s, usage_usd } = charges.mean(&greedy(Kind::Neighbours, turns, &charges, &none));
    let owner = Owner::Limit(Charge { latency_s: SHARE * latency_s, usage_usd: SHARE * usage_usd });
    let choices: Vec<Vec<Action>> =
        SEEN.iter().flat_map(|(_, kind)| swept(*kind, &[owner], turns, &charges, &none)).collect();
    let point = |(at, (name, _)): (usize, (&'static str, Kind))| {
        let found = log.evaluate(&choices[at]);
        let spread = Spread { mean: found.snips, std: (found.snips_high - found.snips_low) / DEVIATIONS };
        Point {
            at: at as f64,
            name: Some(name),
            result: spread,
            over: 0.0,
            taken: Some(Charge { latency_s: found.latency_s, usage_usd: found.usage_usd }),
            loss: (at > 0).then(|| log.difference(&choices[0], &choices[at]).snips),
        }
    };
    Ablation {
        of: "prompt",
        meaning: "what the recipe sees of a turn, within nine tenths of what the published greedy is charged",
        measures: "logged score (snips)",
        points: SEEN.into_iter().enumerate().map(point).collect(),
    }
}
