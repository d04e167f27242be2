//! The prompt's embedding as the few numbers of a row: principal components of the training prompts, whitened.

use serde::{Deserialize, Serialize};
use trimtab_core::limits::PROMPT_FEATURES;

/// Sweeps of the eigenvalue iteration; symmetric matrices of a few hundred rows settle in under ten.
const SWEEPS_MAX: usize = 60;
/// Components weaker than this share of the strongest are scaled as if they were this strong: their noise is not blown up.
const FLOOR: f64 = 0.02;

/// A matrix `[PROMPT_FEATURES, dimension]`, row-major. The mean is not taken off here but by the normaliser in the graph.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Projection {
    dimension: usize,
    matrix: Vec<f32>,
}

impl Projection {
    /// Principal components of the embeddings, all of one length. Rows beyond that length are zero.
    #[must_use]
    pub fn fit<'a>(embeddings: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let dimension = embeddings.clone().next().map_or(0, <[f32]>::len);
        let count = embeddings.clone().count().max(1) as f64;
        let mut mean = vec![0.0_f64; dimension];
        for embedding in embeddings.clone() {
            mean.iter_mut().zip(embedding).for_each(|(m, e)| *m += f64::from(*e) / count);
        }
        let mut covariance = vec![0.0_f64; dimension * dimension];
        for embedding in embeddings {
            let centred: Vec<f64> = embedding.iter().zip(&mean).map(|(e, m)| f64::from(*e) - m).collect();
            for (row, a) in covariance.chunks_exact_mut(dimension).zip(&centred) {
                row.iter_mut().zip(&centred).for_each(|(c, b)| *c += a * b / count);
            }
        }
        let mut components = eigen(covariance, dimension);
        components.sort_by(|a, b| b.0.total_cmp(&a.0));
        let floor = components.first().map_or(0.0, |(value, _)| value * FLOOR).max(f64::MIN_POSITIVE);
        let mut matrix = vec![0.0; PROMPT_FEATURES * dimension];
        for (row, (value, vector)) in matrix.chunks_exact_mut(dimension.max(1)).zip(&components) {
            // An eigenvector has two signs; the one whose largest entry is positive is taken, so that a refit agrees.
            let largest = vector.iter().copied().reduce(|a, b| if b.abs() > a.abs() { b } else { a });
            let scale = largest.unwrap_or(1.0).signum() / value.max(floor).sqrt();
            row.iter_mut().zip(vector).for_each(|(w, v)| *w = (v * scale) as f32);
        }
        Self { dimension, matrix }
    }

    /// Numbers of an embedding.
    #[must_use]
    pub const fn dimension(&self) -> usize {
        self.dimension
    }
    /// Row-major, `[PROMPT_FEATURES, dimension]`.
    #[must_use]
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }
    /// The embedding's numbers in a row. Computed as the runtime computes them from the matrix in the policy file.
    #[must_use]
    pub fn apply(&self, embedding: &[f32]) -> [f32; PROMPT_FEATURES] {
        let row = |index: usize| &self.matrix[index * self.dimension..(index + 1) * self.dimension];
        core::array::from_fn(|index| row(index).iter().zip(embedding).map(|(w, e)| w * e).sum())
    }
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix, by cyclic Jacobi rotations.
fn eigen(mut a: Vec<f64>, n: usize) -> Vec<(f64, Vec<f64>)> {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS_MAX {
        let off: f64 = (0..n).flat_map(|p| (0..p).map(move |q| (p, q))).map(|(p, q)| a[p * n + q] * a[p * n + q]).sum();
        if off <= total * 1e-24 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    (0..n).map(|i| (a[i * n + i].max(0.0), (0..n).map(|k| vectors[k * n + i]).collect())).collect()
}

/// Zeroes the entry (p, q).
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
        (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_scenes::Rng;

    /// Strong components come out with unit variance and uncorrelated.
    #[test]
    fn strong_components_are_whitened() {
        let mut rng = Rng::for_purpose(3, "projection");
        let points: Vec<Vec<f32>> = (0..400)
            .map(|_| {
                let (a, b) = (rng.range(-3.0, 3.0), rng.range(-1.0, 1.0));
                vec![a + b, a - b, 0.5 * a + 7.0, 1.0]
            })
            .collect();
        let projection = Projection::fit(points.iter().map(Vec::as_slice));
        let seen: Vec<_> = points.iter().map(|p| projection.apply(p)).collect();
        let mean = |f: &dyn Fn(&[f32; PROMPT_FEATURES]) -> f32| seen.iter().map(f).sum::<f32>() / seen.len() as f32;
        let (m0, m1) = (mean(&|x| x[0]), mean(&|x| x[1]));
        assert!((mean(&|x| (x[0] - m0).powi(2)) - 1.0).abs() < 1e-2);
        assert!((mean(&|x| (x[1] - m1).powi(2)) - 1.0).abs() < 1e-2);
        assert!(mean(&|x| (x[0] - m0) * (x[1] - m1)).abs() < 1e-2);
        assert!(seen.iter().all(|x| x[4..].iter().all(|v| *v == 0.0)));
    }
}
