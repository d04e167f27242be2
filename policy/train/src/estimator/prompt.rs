//! A Gaussian process over turns in which a question is known by itself and by the vectors of its neighbours, so that a
//! question that was never asked is placed near those that were. Source: Rasmussen and Williams 2006, section 2.2.
//!
//! Two turns are alike, in units of variance, by the sum of what they share: the sense of the prompt in one class, the question
//! word by word, and that with device or cloud, with the class and with the number of views. The variances are round figures
//! near the greatest marginal likelihood on the published development dialogues, but for the first, which is greater there
//! the less questions share: it is what an unseen question is placed by.

use std::collections::HashMap;
use std::sync::Arc;

use trimtab_core::Action;

use super::cholesky::Cholesky;
use super::means::{Level, Means};
use super::{Estimator, Prompts, Sample};
use crate::dataset::{Class, Context};

/// Variance of what the sense of a prompt has in one class.
const SENSE_CLASS: f64 = 0.03;
/// Variance of a question.
const QUESTION: f64 = 0.06;
/// Variance of a question on the device, and of it in the cloud.
const QUESTION_PLACE: f64 = 0.03;
/// Variance of a question in a class.
const QUESTION_CLASS: f64 = 0.01;
/// Variance of a question with a number of views.
const QUESTION_VIEWS: f64 = 0.012;
/// Variance of an answer that nothing explains.
const NOISE: f64 = 0.14;
/// Cosine distance at which the sense of two prompts has lost all but a third of what it shares.
const REACH: f64 = 0.6;

/// A fitted process: its mean, and the weight of every turn that was seen.
#[derive(Clone, Debug)]
pub struct Process {
    mean: Means,
    vectors: HashMap<Arc<str>, Vec<f32>>,
    questions: Vec<Arc<str>>,
    seen: Vec<Place>,
    weights: Vec<f64>,
}

/// What two turns are compared by, but for the sense of their prompts.
#[derive(Clone, Copy, Debug)]
struct Place {
    question: Option<usize>,
    class: Class,
    views: usize,
}

impl Place {
    /// Covariance of the scores of two turns whose prompts share `sense`.
    fn alike(&self, other: &Self, sense: f64) -> f64 {
        let same = |holds: bool, variance: f64| if holds { variance } else { 0.0 };
        let class = self.class == other.class;
        let place = (self.class == Class::Local) == (other.class == Class::Local);
        let question = self.question.is_some() && self.question == other.question;
        sense * same(class, SENSE_CLASS)
            + same(question, QUESTION)
            + same(question && place, QUESTION_PLACE)
            + same(question && class, QUESTION_CLASS)
            + same(question && class && self.views == other.views, QUESTION_VIEWS)
    }
}

impl Process {
    /// Fits to `samples`. A question that `prompts` has no vector of shares its sense with no other.
    #[must_use]
    pub fn fit(samples: &[Sample<'_>], prompts: &Prompts) -> Self {
        let mut fitted = Self {
            mean: Means::fit(&[Level::CLASS], samples),
            vectors: prompts.iter().map(|(question, vector)| (Arc::from(question.as_str()), vector.clone())).collect(),
            questions: Vec::new(),
            seen: Vec::new(),
            weights: Vec::new(),
        };
        for sample in samples {
            if !fitted.questions.contains(&sample.context.question) {
                fitted.questions.push(Arc::clone(&sample.context.question));
            }
        }
        fitted.seen = samples.iter().map(|sample| fitted.place(sample.context, sample.action)).collect();
        let senses: Vec<Vec<f64>> = fitted.questions.iter().map(|question| fitted.senses(question)).collect();
        let size = samples.len();
        let mut matrix = vec![0.0; size * size];
        for (row, a) in fitted.seen.iter().enumerate() {
            for (column, b) in fitted.seen[..=row].iter().enumerate() {
                let sense = a.question.zip(b.question).map_or(0.0, |(a, b)| senses[a][b]);
                matrix[row * size + column] = a.alike(b, sense);
            }
            matrix[row * size + row] += NOISE;
        }
        let left = |sample: &Sample<'_>| sample.value - fitted.mean.predict(sample.context, sample.action);
        fitted.weights = Cholesky::of(matrix, size).solve(&samples.iter().map(left).collect::<Vec<f64>>());
        fitted
    }

    fn place(&self, context: &Context, action: Action) -> Place {
        let question = self.questions.iter().position(|known| *known == context.question);
        Place { question, class: Class::of(action), views: action.views.len() }
    }

    /// How much a question shares in sense with each question that was seen, 0..=1.
    fn senses(&self, question: &str) -> Vec<f64> {
        let own = self.vectors.get(question);
        let shared = |known: &Arc<str>| {
            if **known == *question {
                return 1.0;
            }
            let (Some(own), Some(other)) = (own, self.vectors.get(known)) else { return 0.0 };
            let cosine: f64 = own.iter().zip(other).map(|(a, b)| f64::from(a * b)).sum();
            (-(1.0 - cosine).max(0.0) / REACH).exp()
        };
        self.questions.iter().map(shared).collect()
    }
}

impl Estimator for Process {
    fn predict(&self, context: &Context, action: Action) -> f64 {
        let here = self.place(context, action);
        let senses = self.senses(&context.question);
        let shared = self.seen.iter().zip(&self.weights).map(|(seen, weight)| {
            let sense = seen.question.map_or(0.0, |question| senses[question]);
            weight * here.alike(seen, sense)
        });
        self.mean.predict(context, action) + shared.sum::<f64>()
    }
}
