//! The published devices and networks: what they change for those who know the estimate.

use serde::Serialize;

use super::field::{Field, GREEDY, LOCAL, ORACLE, PLANNER};
use super::row::Spread;
use super::{ExperimentError, Progress, jobs};
use crate::published::{
    Budget, Constant, Costs, DEVICES, Device, Evaluation, Greedy, NETWORKS, Network, Plan, Planner, Remembered,
    evaluate, oracle,
};

/// One contender on one device, over one network, under the published budget.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// As in the paper.
    pub device: &'static str,
    /// As in the paper.
    pub network: &'static str,
    /// Local, the greedy under the shield, the plan made for these costs, or the oracle.
    pub method: &'static str,
    /// Reward, over splits.
    pub reward: Spread,
    /// Seconds of a conversation.
    pub latency_s: f64,
    /// USD of a conversation.
    pub usage_usd: f64,
    /// Share of conversations over a budget.
    pub over: f64,
}

/// Who played where.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    device: &'static str,
    network: &'static str,
    method: &'static str,
}

/// One contender on one split.
pub(super) struct Part {
    place: Place,
    result: Evaluation,
}

/// Plays everywhere, on one split. The plan is that of the usual costs; what it asked the estimate is not asked again.
pub(super) fn play(
    field: &Field<'_>,
    plan: &Plan,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Part>, ExperimentError> {
    let places: Vec<(Device, Network)> =
        NETWORKS.into_iter().flat_map(|network| DEVICES.map(|device| (device, network))).collect();
    // Every place comes to the same states.
    let model = Remembered::new(&field.response);
    let all = jobs::run(&places, watch, |(device, network)| on(field, plan, &model, device, network));
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn on(
    field: &Field<'_>,
    plan: &Plan,
    model: &Remembered<'_>,
    device: &Device,
    network: &Network,
) -> Result<Vec<Part>, ExperimentError> {
    let (costs, budget) = (Costs::of(device, network), Budget::PUBLISHED);
    let split = field.split;
    let plan = plan.at(&costs);
    let mut planner = Planner { planned: plan.within(budget), response: &field.response };
    let mut greedy = Greedy::fit(&split.train, &costs);
    let part = |method, result| Part { place: Place { device: device.name, network: network.name, method }, result };
    let mut parts = vec![
        part(LOCAL, evaluate(&split.test, model, &costs, budget, false, &mut Constant(0))?),
        part(GREEDY, evaluate(&split.test, model, &costs, budget, true, &mut greedy)?),
        part(PLANNER, evaluate(&split.test, model, &costs, budget, false, &mut planner)?),
    ];
    if let Some(mut best) = oracle(&split.test, model, &costs, Some(budget)) {
        parts.push(part(ORACLE, evaluate(&split.test, model, &costs, budget, false, &mut best)?));
    }
    Ok(parts)
}

/// Over the splits, in the order in which they were played.
pub(super) fn gather(parts: Vec<Part>) -> Vec<Profile> {
    let mut places: Vec<(Place, Vec<Evaluation>)> = Vec::new();
    for Part { place, result } in parts {
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, results)) => results.push(result),
            None => places.push((place, vec![result])),
        }
    }
    let profile = |(Place { device, network, method }, results): (Place, Vec<Evaluation>)| {
        let mean = |of: fn(&Evaluation) -> f64| results.iter().map(of).sum::<f64>() / results.len() as f64;
        Profile {
            device,
            network,
            method,
            reward: Spread::of(&results.iter().map(|result| result.reward).collect::<Vec<_>>()),
            latency_s: mean(|result| result.latency_s),
            usage_usd: mean(|result| result.usage_usd),
            over: mean(|result| result.over_latency.max(result.over_usage)),
        }
    };
    places.into_iter().map(profile).collect()
}
