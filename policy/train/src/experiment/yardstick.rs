//! Every contender under both yardsticks: the reward of the published environment, and the logged scores.
//!
//! A dialogue of a test part is judged by the fits that were made without it; where several were, the policy is taken to act by
//! any of them. The log's own actions came before each turn, whatever the policy would have done.

use std::collections::HashMap;

use serde::Serialize;
use trimtab_core::Action;

use super::field::{Fit, GREEDY};
use super::row::Spread;
use super::{DRAWS_SEED, Row, Split};
use crate::dataset::{LoggedTable, LoggedTurn};
use crate::estimator::{Kind, Prompts};
use crate::logged::charge::Charges;
use crate::logged::evaluation::{Difference, Evaluation, Log};
use crate::logged::propensity::Propensity;
use crate::logged::values::{fitted, leave_one_dialogue_out};
use crate::published::NAMED_BUDGETS;

/// One contender.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Judged {
    /// Its name.
    pub method: String,
    /// Reward in the published environment under the first budget, without the shield.
    pub reward: Spread,
    /// Seconds of a conversation there.
    pub latency_s: f64,
    /// USD of a conversation there.
    pub usage_usd: f64,
    /// By the logged scores of the dialogues that are in a test part.
    pub logged: Evaluation,
    /// By how much it scores more there than the greedy.
    pub over_greedy: Difference,
}

/// Choices of all fits of a contender, by dialogue and turn.
type Choices = HashMap<(u64, usize), Vec<Action>>;

/// Judges all contenders that have a row.
pub(super) fn judge(rows: &[Row], fits: &[Fit], splits: &[Split], table: &LoggedTable) -> Vec<Judged> {
    let tested = |turn: &&LoggedTurn| splits.iter().any(|split| split.test.iter().any(|test| test.id == turn.dialogue));
    let (charges, none) = (Charges::default(), Prompts::new());
    let values = leave_one_dialogue_out(table.turns(), |others, own| fitted(Kind::ShrunkMeans, others, own, &none));
    let (turns, values): (Vec<LoggedTurn>, Vec<_>) = table
        .turns()
        .iter()
        .zip(values)
        .filter(|(turn, _)| tested(turn))
        .map(|(turn, values)| (turn.clone(), values))
        .unzip();
    let log = Log::new(&turns, Propensity::count(table.turns()), &values, &charges, DRAWS_SEED);
    let mut by_method: HashMap<&str, Choices> = HashMap::new();
    for fit in fits {
        let own = by_method.entry(&fit.method).or_default();
        let split = splits.iter().find(|split| split.seed == fit.split);
        for (turn, choice) in split.iter().flat_map(|split| &split.test_turns).zip(&fit.choices) {
            own.entry((turn.dialogue, turn.context.number)).or_default().push(*choice);
        }
    }
    let choices = |method: &str| -> Option<Vec<Vec<Action>>> {
        let own = by_method.get(method)?;
        turns.iter().map(|turn| own.get(&(turn.dialogue, turn.context.number)).cloned()).collect()
    };
    let Some(greedy) = choices(GREEDY) else { return Vec::new() };
    rows.iter()
        .filter(|row| row.budget == NAMED_BUDGETS[0] && !row.shielded)
        .filter_map(|row| {
            let choices = choices(&row.method)?;
            Some(Judged {
                method: row.method.clone(),
                reward: row.reward,
                latency_s: row.latency_s,
                usage_usd: row.usage_usd,
                logged: log.evaluate_pooled(&choices),
                over_greedy: log.difference_pooled(&choices, &greedy),
            })
        })
        .collect()
}
