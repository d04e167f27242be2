//! The task classifier: a calibrated linear head on the unit text embedding, the distance to what it has seen, and a plane between
//! that and what is like none of it.

mod fit;

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};
use trimtab_core::{TaskKind, TaskMix};

use crate::encoder::{Embedding, TaskEstimate};
use crate::{ModelError, softmax};

pub use fit::{Lessons, Regression};

/// Most centroids of training prompts.
const CENTROIDS_MAX: usize = 65_536;

/// Largest number of a head, and the range of its temperature: far beyond any trained one, far from overflow.
const NUMBER_MAX: f32 = 1e9;
const TEMPERATURE_RANGE: RangeInclusive<f32> = 1e-6..=1e6;

/// `task_head.json` as it is written. Made by [`TaskHeadFile::fit`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskHeadFile {
    labels: Vec<String>,
    weight: Vec<Vec<f32>>,
    bias: Vec<f32>,
    temperature: f32,
    centroids: Vec<Vec<f32>>,
    min_cosine: f32,
    /// Where prompts like none of the labels were at hand, what tells them from the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<Plane>,
}

/// A prompt on its far side, `weight · e + bias > 0`, is like none of the labels.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plane {
    weight: Vec<f32>,
    bias: f32,
}

impl Plane {
    fn height(&self, e: &[f32]) -> f32 {
        self.weight.iter().zip(e).map(|(w, e)| w * e).sum::<f32>() + self.bias
    }
}

/// A checked head; rows are in the order of [`TaskKind::KNOWN`].
#[derive(Clone, Debug)]
pub(crate) struct TaskHead {
    weight: [Vec<f32>; 4],
    bias: [f32; 4],
    temperature: f32,
    centroids: Vec<Embedding>,
    min_cosine: f32,
    unknown: Option<Plane>,
}

impl TaskHead {
    pub(crate) fn check(path: &Path, file: TaskHeadFile, dimension: usize) -> Result<Self, ModelError> {
        let bad = |key: &str, problem: String| ModelError::config(path, key, problem);
        if file.weight.len() != file.labels.len() || file.bias.len() != file.labels.len() {
            return Err(bad("weight", format!("one row and one bias for each of the {} labels", file.labels.len())));
        }
        let plane = file.unknown.as_ref();
        let rows = file.weight.iter().chain(&file.centroids).chain(plane.map(|plane| &plane.weight));
        if let Some(row) = rows.clone().find(|row| row.len() != dimension) {
            return Err(bad("weight", format!("a row of {} numbers for embeddings of {dimension}", row.len())));
        }
        let border = plane.map(|plane| &plane.bias).into_iter().chain([&file.min_cosine]);
        let numbers = rows.flatten().chain(&file.bias).chain(border);
        if numbers.into_iter().any(|v| !(-NUMBER_MAX..=NUMBER_MAX).contains(v)) {
            return Err(bad("weight", format!("every number of the head must be within {NUMBER_MAX} of zero")));
        }
        if !TEMPERATURE_RANGE.contains(&file.temperature) {
            return Err(bad("temperature", format!("{} is not within {TEMPERATURE_RANGE:?}", file.temperature)));
        }
        if file.centroids.is_empty() || file.centroids.len() > CENTROIDS_MAX {
            return Err(bad(
                "centroids",
                format!("{} of them; from 1 to {CENTROIDS_MAX} are allowed", file.centroids.len()),
            ));
        }
        let mut weight: [Vec<f32>; 4] = Default::default();
        let mut bias = [0.0; 4];
        for (index, kind) in TaskKind::KNOWN.iter().enumerate() {
            let row = file.labels.iter().position(|label| label == kind.name());
            let row = row.ok_or_else(|| bad("labels", format!("{} is missing", kind.name())))?;
            weight[index].clone_from(&file.weight[row]);
            bias[index] = file.bias[row];
        }
        let centroids: Option<Vec<Embedding>> = file.centroids.into_iter().map(Embedding::unit).collect();
        let centroids = centroids.ok_or_else(|| bad("centroids", "one has no direction".into()))?;
        Ok(Self {
            weight,
            bias,
            temperature: file.temperature,
            centroids,
            min_cosine: file.min_cosine,
            unknown: file.unknown,
        })
    }

    pub(crate) fn estimate(&self, prompt: &Embedding) -> TaskEstimate {
        let logit = |index: usize| -> f32 {
            let dot: f32 = self.weight[index].iter().zip(prompt.as_slice()).map(|(w, e)| w * e).sum();
            (dot + self.bias[index]) / self.temperature
        };
        let mut probabilities: TaskMix = std::array::from_fn(logit);
        softmax(&mut probabilities);
        let nearest = self.centroids.iter().map(|centroid| centroid.cosine(prompt)).fold(-1.0, f32::max);
        let beyond = self.unknown.as_ref().is_some_and(|plane| plane.height(prompt.as_slice()) > 0.0);
        let out_of_distribution = nearest < self.min_cosine || beyond;
        let likeliest = (0..4).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b])).unwrap_or(0);
        let kind = if out_of_distribution { TaskKind::Unknown } else { TaskKind::KNOWN[likeliest] };
        TaskEstimate { probabilities, kind, out_of_distribution }
    }
}
