//! The map from a new embedding to the numbers that the policy knew a prompt by.

use trimtab_core::limits::PROMPT_FEATURES;
use trimtab_engine::PolicyFile;

use super::RecalibrateError;
use super::material::{Material, Said};
use crate::estimator::cholesky::Cholesky;

/// Penalties that are tried, as shares of the mean variance of an embedding's number times the number of prompts.
const PENALTIES: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];
/// Every so many-th prompt chooses the penalty.
const CHOOSING_ONE_IN: usize = 5;

/// Affine: a matrix, and what is added after it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PromptMap {
    /// `[PROMPT_FEATURES, dimension]`, row-major.
    pub(super) matrix: Vec<f32>,
    pub(super) offset: [f32; PROMPT_FEATURES],
    /// The penalty that was chosen.
    pub(super) penalty: f64,
}

/// Embeddings with the numbers that are aimed at.
struct Pairs<'a> {
    embeddings: Vec<&'a [f32]>,
    targets: Vec<[f32; PROMPT_FEATURES]>,
}

impl PromptMap {
    /// By ridge regression. The penalty is the one that predicts prompts kept out of a first fit best.
    pub(super) fn fit(policy: &PolicyFile, material: &Material) -> Result<Self, RecalibrateError> {
        let all: Vec<&Said> = material.said.iter().collect();
        let part = |choosing: bool| {
            let kept = |place: usize| (place % CHOOSING_ONE_IN == CHOOSING_ONE_IN - 1) == choosing;
            all.iter().enumerate().filter(|(place, _)| kept(*place)).map(|(_, said)| *said).collect::<Vec<_>>()
        };
        let (first, choosing) = (Pairs::of(policy, &part(false))?, Pairs::of(policy, &part(true))?);
        let candidates = first.solve(&PENALTIES).into_iter().zip(PENALTIES);
        let best = candidates.min_by(|(a, _), (b, _)| choosing.error(a).total_cmp(&choosing.error(b)));
        let penalty = best.map_or(PENALTIES[0], |(_, penalty)| penalty);
        let found = Pairs::of(policy, &all)?.solve(&[penalty]).pop();
        Ok(found.map_or_else(Self::nothing, |map| Self { penalty, ..map }))
    }

    const fn nothing() -> Self {
        Self { matrix: Vec::new(), offset: [0.0; PROMPT_FEATURES], penalty: 0.0 }
    }

    /// What the matrix alone makes of an embedding: what the runtime computes.
    pub(super) fn projected(&self, embedding: &[f32]) -> [f32; PROMPT_FEATURES] {
        let row = |index: usize| &self.matrix[index * embedding.len()..(index + 1) * embedding.len()];
        std::array::from_fn(|index| row(index).iter().zip(embedding).map(|(w, e)| w * e).sum())
    }

    /// The numbers that the policy's network sees.
    pub(super) fn apply(&self, embedding: &[f32]) -> [f32; PROMPT_FEATURES] {
        let projected = self.projected(embedding);
        std::array::from_fn(|index| projected[index] + self.offset[index])
    }
}

impl<'a> Pairs<'a> {
    fn of(policy: &PolicyFile, said: &[&'a Said]) -> Result<Self, RecalibrateError> {
        Ok(Self {
            embeddings: said.iter().map(|said| said.both.new.as_slice()).collect(),
            targets: said.iter().map(|said| policy.project(&said.both.old)).collect::<Result<_, _>>()?,
        })
    }

    /// A map for each penalty. Where embeddings are longer than there are prompts, the smaller system of the prompts is
    /// solved: both have the same solution.
    fn solve(&self, penalties: &[f64]) -> Vec<PromptMap> {
        let (count, width) = (self.embeddings.len(), self.embeddings.first().map_or(0, |e| e.len()));
        let mean = mean(self.embeddings.iter().copied(), width);
        let aim = mean_of(&self.targets);
        let centred: Vec<f64> =
            self.embeddings.iter().flat_map(|e| e.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m)).collect();
        let column = |index: usize| -> Vec<f64> {
            self.targets.iter().map(|target| f64::from(target[index]) - aim[index]).collect()
        };
        let wide = width > count;
        let mut columns = vec![0.0; if wide { 0 } else { width * count }];
        if !wide {
            for (row, e) in centred.chunks_exact(width.max(1)).enumerate() {
                e.iter().enumerate().for_each(|(place, x)| columns[place * count + row] = *x);
            }
        }
        // The products of the rows of whichever is smaller.
        let (rows, length) = if wide { (&centred, width) } else { (&columns, count) };
        let size = width.min(count);
        let row = |index: usize| &rows[index * length..(index + 1) * length];
        let mut products = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                products[i * size + j] = dot(row(i), row(j));
            }
        }
        let spread = (0..size).map(|i| products[i * size + i]).sum::<f64>() / width.max(1) as f64;
        let one = |penalty: &f64| {
            let mut matrix = products.clone();
            (0..size).for_each(|i| matrix[i * size + i] += (penalty * spread).max(f64::MIN_POSITIVE.sqrt()));
            let factor = Cholesky::of(matrix, size);
            let mut map = PromptMap { matrix: Vec::with_capacity(PROMPT_FEATURES * width), ..PromptMap::nothing() };
            for (index, aim) in aim.iter().enumerate() {
                let target = column(index);
                let weights: Vec<f64> = if wide {
                    let dual = factor.solve(&target);
                    (0..width)
                        .map(|place| dual.iter().enumerate().map(|(i, d)| d * centred[i * width + place]).sum())
                        .collect()
                } else {
                    factor.solve(&(0..size).map(|i| dot(row(i), &target)).collect::<Vec<_>>())
                };
                map.offset[index] = (aim - dot(&weights, &mean)) as f32;
                map.matrix.extend(weights.iter().map(|w| *w as f32));
            }
            map
        };
        penalties.iter().map(one).collect()
    }

    /// Mean square of what a map leaves.
    fn error(&self, map: &PromptMap) -> f64 {
        let of = |(embedding, target): (&&[f32], &[f32; PROMPT_FEATURES])| -> f64 {
            map.apply(embedding).iter().zip(target).map(|(a, b)| f64::from(a - b).powi(2)).sum()
        };
        self.embeddings.iter().zip(&self.targets).map(of).sum::<f64>() / self.targets.len().max(1) as f64
    }
}

fn mean<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, width: usize) -> Vec<f64> {
    let count = rows.len().max(1) as f64;
    let mut mean = vec![0.0; width];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x) / count);
    }
    mean
}

fn mean_of(targets: &[[f32; PROMPT_FEATURES]]) -> Vec<f64> {
    mean(targets.iter().map(<[f32; PROMPT_FEATURES]>::as_slice), PROMPT_FEATURES)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
