//! Whether two choosers decide alike, asked in the same states.

use trimtab_engine::PolicyError;

use super::distil::NAMED_BUDGETS;
use super::evaluation::{Chooser, Scene, best, evaluate};
use super::{ACTIONS, Costs, Episode, ResponseModel};

/// Plays as one chooser does, asks another one in every turn, and counts.
pub struct Agreement<'a> {
    plays: &'a mut dyn Chooser,
    asked: &'a mut dyn Chooser,
    decisions: usize,
    alike: usize,
}

impl<'a> Agreement<'a> {
    /// Nothing counted yet.
    pub fn new(plays: &'a mut dyn Chooser, asked: &'a mut dyn Chooser) -> Self {
        Self { plays, asked, decisions: 0, alike: 0 }
    }
    /// Decisions counted.
    #[must_use]
    pub const fn decisions(&self) -> usize {
        self.decisions
    }
    /// Share of the decisions in which both choose the same action; 1 where there were none.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.decisions == 0 { 1.0 } else { self.alike as f64 / self.decisions as f64 }
    }
}

impl Chooser for Agreement<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        let (plays, asked) = (self.plays.scores(scene)?, self.asked.scores(scene)?);
        self.decisions += 1;
        self.alike += usize::from(best(&plays) == best(&asked));
        Ok(plays)
    }
}

/// Share of decisions in which `asked` chooses what `plays` does, in the states that `plays` reaches in these episodes under each
/// of [`NAMED_BUDGETS`].
///
/// # Errors
/// A policy file that cannot be run.
pub fn agreement(
    episodes: &[Episode],
    model: &dyn ResponseModel,
    costs: &Costs,
    plays: &mut dyn Chooser,
    asked: &mut dyn Chooser,
) -> Result<f64, PolicyError> {
    let mut both = Agreement::new(plays, asked);
    for budget in NAMED_BUDGETS {
        evaluate(episodes, model, costs, budget, false, &mut both)?;
    }
    Ok(both.share())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published::{Constant, Response, Scripted};

    #[test]
    fn counts_decisions_and_plays_the_first() {
        let episode = |id| Episode {
            id,
            tasks: vec![0, 1],
            association: vec![[0.1, 0.2, 0.3]; 2],
            logged: vec![0, 1],
            scores: vec![1.0, 0.5],
        };
        let episodes = [episode(1), episode(2)];
        let (response, costs) = (Response::fit(&episodes), Costs::default());
        let (mut local, mut other) = (Constant(0), Scripted(vec![vec![0, 0], vec![0, 5]]));
        let mut both = Agreement::new(&mut local, &mut other);
        let played = evaluate(&episodes, &response, &costs, NAMED_BUDGETS[0], false, &mut both);
        assert_eq!(played.unwrap().actions, ["00", "00"]);
        assert_eq!((both.decisions(), both.share()), (4, 0.75));
        let share = agreement(&episodes, &response, &costs, &mut local, &mut other);
        assert_eq!(share.unwrap(), 0.75);
    }
}
