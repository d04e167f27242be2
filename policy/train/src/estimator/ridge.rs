//! Ridge regression on plain features with an effect of each question, and of each question in each class.

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_core::Action;

use super::cholesky::Cholesky;
use super::features::{WIDTH, plain};
use super::{Estimator, Sample};
use crate::dataset::{Class, Context};

/// Penalty on the square of a plain weight, the features being scaled to unit variance.
const PLAIN_PENALTY: f64 = 60.0;
/// Penalty on the square of the effect of a question, or of a question in a class.
const QUESTION_PENALTY: f64 = 3.0;
/// Effects of a question: its own, and one a class.
const EFFECTS: usize = 1 + Class::ALL.len();

/// A fitted linear model.
#[derive(Clone, Debug)]
pub struct Ridge {
    intercept: f64,
    centre: [f64; WIDTH],
    scale: [f64; WIDTH],
    questions: HashMap<Arc<str>, usize>,
    weights: Vec<f64>,
}

impl Ridge {
    /// Solves the penalised least squares. No sample at all gives 0 everywhere.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>]) -> Self {
        let count = samples.len().max(1) as f64;
        let rows: Vec<[f64; WIDTH]> = samples.iter().map(|s| plain(s.context, s.action)).collect();
        let mut model = Self {
            intercept: samples.iter().map(|s| s.value).sum::<f64>() / count,
            centre: [0.0; WIDTH],
            scale: [0.0; WIDTH],
            questions: HashMap::new(),
            weights: Vec::new(),
        };
        for column in 0..WIDTH {
            let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count;
            let variance = rows.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>() / count;
            model.centre[column] = mean;
            model.scale[column] = if variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
        }
        for sample in samples {
            let next = model.questions.len();
            model.questions.entry(Arc::clone(&sample.context.question)).or_insert(next);
        }
        let width = WIDTH + EFFECTS * model.questions.len();
        let mut matrix = vec![0.0; width * width];
        let mut right = vec![0.0; width];
        for index in 0..width {
            matrix[index * width + index] = if index < WIDTH { PLAIN_PENALTY } else { QUESTION_PENALTY };
        }
        for sample in samples {
            let x = model.numbers(sample.context, sample.action);
            for (i, a) in &x {
                right[*i] += a * (sample.value - model.intercept);
                x.iter().for_each(|(j, b)| matrix[i * width + j] += a * b);
            }
        }
        model.weights = Cholesky::of(matrix, width).solve(&right);
        model
    }

    /// The numbers that are not zero, by their place.
    fn numbers(&self, context: &Context, action: Action) -> Vec<(usize, f64)> {
        let scaled = plain(context, action).into_iter().zip(self.centre).zip(self.scale);
        let mut x: Vec<(usize, f64)> = scaled.map(|((x, centre), scale)| (x - centre) * scale).enumerate().collect();
        if let Some(question) = self.questions.get(&context.question) {
            let first = WIDTH + EFFECTS * question;
            x.extend([(first, 1.0), (first + 1 + Class::of(action).index(), 1.0)]);
        }
        x
    }
}

impl Estimator for Ridge {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let terms = self.numbers(context, action).into_iter().map(|(place, x)| self.weights[place] * x);
        self.intercept + terms.sum::<f64>()
    }
}
