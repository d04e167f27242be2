//! How the published learners learn.

use serde::Serialize;

use crate::learner::CurvePoint;

/// One learner, over all splits and training seeds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Curve {
    /// Its name.
    pub method: &'static str,
    /// One for every thousand steps.
    pub points: Vec<CurveMean>,
}

/// Means over runs of what was tried for learning.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct CurveMean {
    /// Steps so far.
    pub step: usize,
    /// Mean reward of a turn.
    pub reward: f64,
    /// Share of episodes over the budget that they were given, of time or of money, whichever is more.
    pub over: f64,
}

/// One curve for each name, over the points that all of its runs have.
pub(super) fn means(curves: &[(&'static str, Vec<CurvePoint>)]) -> Vec<Curve> {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in curves {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let curve = |method: &'static str| {
        let runs: Vec<&Vec<CurvePoint>> =
            curves.iter().filter(|(name, _)| *name == method).map(|(_, points)| points).collect();
        let length = runs.iter().map(|points| points.len()).min().unwrap_or(0);
        let mean = |at: usize, of: fn(&CurvePoint) -> f32| {
            runs.iter().map(|points| f64::from(of(&points[at]))).sum::<f64>() / runs.len() as f64
        };
        let point = |at: usize| CurveMean {
            step: runs[0][at].step,
            reward: mean(at, |point| point.reward),
            over: mean(at, |point| point.over[0].max(point.over[1])),
        };
        Curve { method, points: (0..length).map(point).collect() }
    };
    names.into_iter().map(curve).collect()
}
