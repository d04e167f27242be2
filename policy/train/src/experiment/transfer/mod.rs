//! What is learnt on M4A1 and holds on a table of our own, and the other way.
//!
//! A table of our own knows the outcome of every action, so policies are judged by what would have come of them. On M4A1 they are
//! judged by the logged scores. Scores are of other scales (a judge's ratio, right or wrong), so each is counted in standard
//! deviations from its own mean. What carries over is what is expected of a class; limits and charges are those of the place
//! where a policy acts.

mod estimate;
mod own;
mod policy;

use std::path::Path;

use serde::Serialize;

use super::ExperimentError;
use crate::dataset::{LoggedTable, Table, Turn};

pub use estimate::Estimated;
pub use policy::{OnLog, OnOwn, Swept};

/// The names of the two places.
pub(super) const LOG: &str = "M4A1";
pub(super) const OWN: &str = "own";
/// Where there is no held-out table, every so-many-th dialogue is held out.
const HELD_OUT_ONE_IN: usize = 5;

/// Everything that carries over, or does not.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Transfer {
    /// sha256 of our own table.
    pub own_sha256: String,
    /// sha256 of our own held-out table, if it is another.
    pub held_out_sha256: Option<String>,
    /// Turns of ours that something was fitted to.
    pub fitted: usize,
    /// Turns of ours that were judged on.
    pub judged: usize,
    /// How well scores are foretold.
    pub estimates: Vec<Estimated>,
    /// Policies on our own turns.
    pub on_own: Vec<OnOwn>,
    /// Policies on our own turns, by limit.
    pub fronts: Vec<Swept>,
    /// Policies on the logged turns.
    pub on_log: Vec<OnLog>,
}

/// Compares both ways.
pub(super) fn transfer(table: &LoggedTable, own: &Path, held_out: Option<&Path>) -> Result<Transfer, ExperimentError> {
    let fit = Table::read(&[own.to_path_buf()])?;
    let held = held_out.map(|path| Table::read(&[path.to_path_buf()])).transpose()?;
    let (fitted, judged): (Vec<&Turn>, Vec<&Turn>) = match &held {
        Some(held) => (fit.turns().iter().collect(), held.turns().iter().collect()),
        None => fit.split(HELD_OUT_ONE_IN),
    };
    let fitted = own::read(&fitted, own)?;
    let judged = own::read(&judged, held_out.unwrap_or(own))?;
    let places = policy::Places::new(table.turns(), &fitted, &judged);
    Ok(Transfer {
        own_sha256: fit.sha256().into(),
        held_out_sha256: held.map(|held| held.sha256().into()),
        fitted: fitted.len(),
        judged: judged.len(),
        estimates: estimate::all(table.turns(), &fitted, &judged),
        on_own: places.on_own(),
        fronts: places.fronts(),
        on_log: places.on_log(),
    })
}
