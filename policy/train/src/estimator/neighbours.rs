//! The published estimator: the nearest logged states and actions, weighted by nearness. It does not see the prompt.

use trimtab_core::{Action, ViewSet};

use super::{Estimator, Sample};
use crate::dataset::Context;
use crate::published::{HISTORY, NEIGHBOURS, Response, State, VIEWS};

/// The response of the published environment, fitted to any turns; none to none.
#[derive(Clone, Debug)]
pub struct Neighbours(Option<Response>);

impl Neighbours {
    /// Keeps every sample, in the order given: it decides between equally near ones.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>]) -> Self {
        let turn = |sample: &Sample<'_>| (state(sample.context), number(sample.action), sample.value);
        Self((!samples.is_empty()).then(|| Response::of_turns(samples.iter().map(turn), NEIGHBOURS, HISTORY)))
    }
}

fn state(context: &Context) -> State {
    State::read(&context.history.observe())
}

/// The published number of an action; views that the published environment does not have are left away.
fn number(action: Action) -> usize {
    let views = ViewSet::from_bits(action.views.bits() & ViewSet::first(VIEWS).bits());
    Action { views, ..action }.number(2, VIEWS).unwrap_or(0)
}

impl Estimator for Neighbours {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        self.0.as_ref().map_or(0.0, |response| response.of_action(state(context), number(action)))
    }
}
