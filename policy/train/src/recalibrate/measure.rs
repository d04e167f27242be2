//! How well the fitted parts do what the old ones did, on material that nothing was fitted to.

use serde::Serialize;
use trimtab_core::TaskKind;
use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_engine::{Encoder, PolicyFile};

use super::RecalibrateError;
use super::associations::Column;
use super::decisions::Decisions;
use super::material::{Encoders, Material, Said, Shown};
use super::prompts::PromptMap;

/// Bins of the calibration error.
const BINS: usize = 10;

/// A figure with the old encoder, where it has one, and with the new.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Sides {
    /// With the old encoder.
    pub old: f64,
    /// With the new one.
    pub new: f64,
}

/// How well each part fits, on held-out material.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Fit {
    /// Mean correlation of the prompt's numbers that vary with the mapped ones.
    pub prompt_correlation: f64,
    /// The lowest of them.
    pub prompt_correlation_least: f64,
    /// Ridge penalty of the map, as a share.
    pub prompt_penalty: f64,
    /// Correlation of the old associations of sets of views with the mapped ones.
    pub association_correlation: f64,
    /// Expected calibration error of the probability that a view shows what is asked, 0..=1.
    pub shows_error: Sides,
    /// Share of the prompts of a known kind that get it.
    pub task_accuracy: Sides,
    /// Share of the prompts like none of the kinds that are taken for what they are; none where there are no such prompts.
    pub unknown_found: Option<Sides>,
    /// Prompts measured on.
    pub prompts: usize,
    /// Views measured on.
    pub views: usize,
}

/// Everything that is to be said of a recalibration.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Fingerprint of the old encoder.
    pub from: String,
    /// Fingerprint of the new one.
    pub to: String,
    /// Prompts fitted to.
    pub prompts: usize,
    /// Views fitted to.
    pub views: usize,
    /// The encoder's folder lacks a calibration, or gets a new one.
    pub calibration_fitted: bool,
    /// The same of its task head.
    pub task_head_fitted: bool,
    /// On held-out material.
    pub fit: Fit,
    /// On held-out turns.
    pub decisions: Decisions,
}

impl Report {
    /// Refuses a policy that decides too often otherwise than the one that it was made from.
    ///
    /// # Errors
    /// [`RecalibrateError::Unlike`].
    pub fn accept(&self, limit: f64) -> Result<(), RecalibrateError> {
        let Decisions { agreement: have, turns, .. } = self.decisions;
        if have >= limit { Ok(()) } else { Err(RecalibrateError::Unlike { have, turns, limit }) }
    }
}

impl Fit {
    pub(super) fn measure(
        policy: &PolicyFile,
        encoders: &Encoders,
        map: &PromptMap,
        column: &Column,
        held_out: &Material,
    ) -> Result<Self, RecalibrateError> {
        let known: Vec<&Said> = held_out.said.iter().filter(|said| said.kind != TaskKind::Unknown).collect();
        let unknown: Vec<&Said> = held_out.said.iter().filter(|said| said.kind == TaskKind::Unknown).collect();
        let correlations = prompt_correlations(policy, map, &held_out.said)?;
        let shown = held_out.shown(encoders);
        let side = |which: usize| calibration_error(shown.iter().map(|sides| sides[which]));
        Ok(Self {
            prompt_correlation: correlations.iter().sum::<f64>() / correlations.len().max(1) as f64,
            prompt_correlation_least: correlations.iter().copied().fold(1.0, f64::min),
            prompt_penalty: map.penalty,
            association_correlation: column.correlation(encoders, held_out),
            shows_error: Sides { old: side(0), new: side(1) },
            task_accuracy: recognised(encoders, &known),
            unknown_found: (!unknown.is_empty()).then(|| recognised(encoders, &unknown)),
            prompts: held_out.said.len(),
            views: held_out.seen.len(),
        })
    }
}

/// Of each of the policy's prompt numbers that varies.
fn prompt_correlations(policy: &PolicyFile, map: &PromptMap, said: &[Said]) -> Result<Vec<f64>, RecalibrateError> {
    let old = said.iter().map(|said| policy.project(&said.both.old)).collect::<Result<Vec<_>, _>>()?;
    let new: Vec<_> = said.iter().map(|said| map.apply(said.both.new.as_slice())).collect();
    let of = |index: usize| old.iter().zip(&new).map(move |(a, b)| (f64::from(a[index]), f64::from(b[index])));
    let varies = |index: &usize| old.iter().any(|numbers| (numbers[*index] - old[0][*index]).abs() > 1e-6);
    Ok((0..PROMPT_FEATURES).filter(varies).map(|index| correlation(of(index))).collect())
}

/// Pearson's; zero where one of both does not vary.
pub(super) fn correlation(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let pairs: Vec<(f64, f64)> = pairs.collect();
    let count = pairs.len().max(1) as f64;
    let (ma, mb) = (pairs.iter().map(|p| p.0).sum::<f64>() / count, pairs.iter().map(|p| p.1).sum::<f64>() / count);
    let (mut va, mut vb, mut c) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        va += (a - ma).powi(2);
        vb += (b - mb).powi(2);
        c += (a - ma) * (b - mb);
    }
    if va > 0.0 && vb > 0.0 { c / (va * vb).sqrt() } else { 0.0 }
}

/// Mean distance of what is said from what is, bin by bin of what is said.
fn calibration_error(shown: impl Iterator<Item = Shown>) -> f64 {
    let (mut bins, mut count) = ([0.0; BINS], 0.0);
    for one in shown {
        let bin = ((one.shows * BINS as f32) as usize).min(BINS - 1);
        bins[bin] += f64::from(one.shows - one.surely);
        count += 1.0;
    }
    bins.iter().map(|off| off.abs()).sum::<f64>() / f64::max(count, 1.0)
}

/// Share of the prompts whose kind is the one that it is known as.
fn recognised(encoders: &Encoders, said: &[&Said]) -> Sides {
    let count = said.len().max(1) as f64;
    let right = |encoder: &Encoder, new: bool| {
        let of = |said: &&&Said| encoder.task(if new { &said.both.new } else { &said.both.old }).kind == said.kind;
        said.iter().filter(of).count() as f64 / count
    };
    Sides { old: right(&encoders.old, false), new: right(&encoders.new, true) }
}
