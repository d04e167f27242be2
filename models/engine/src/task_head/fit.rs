//! Fits a task head to embedded prompts: a logistic regression, its temperature, and the centroids that tell what is like
//! nothing seen. Chance is handed in.

use super::{Plane, TaskHeadFile};
use crate::softmax;

const STEPS: usize = 300;
/// Learning rate of the regression, over the number of prompts.
const RATE: f32 = 20.0;
const CENTROIDS_A_LABEL: usize = 24;
const ROUNDS: usize = 12;
/// Share of training prompts left on the wrong side, on either side, when the border of the unknown is drawn.
const BORDER_SHARE: f64 = 0.01;

/// An embedding and the place of its label.
type Point = (Vec<f32>, usize);

/// What a head is fitted to. Every embedding is a unit vector of one length.
#[derive(Clone, Copy, Debug)]
pub struct Lessons<'a> {
    /// Names of the labels.
    pub labels: &'a [&'a str],
    /// Prompts that the regression and the centroids are fitted to, at least one.
    pub known: &'a [(Vec<f32>, usize)],
    /// Prompts that temperature and border are chosen by.
    pub held_back: &'a [(Vec<f32>, usize)],
    /// Prompts like none of the labels.
    pub unknown: &'a [Vec<f32>],
}

/// A multinomial logistic regression: a row of weights and a bias for each label.
#[derive(Clone, PartialEq, Debug)]
pub struct Regression {
    /// `[labels][numbers]`.
    pub weight: Vec<Vec<f32>>,
    /// One for each label.
    pub bias: Vec<f32>,
}

impl Regression {
    /// Climbs the mean log-likelihood at a fixed rate. The points are to be spread evenly around the origin, as embeddings
    /// of length one are that share no direction.
    #[must_use]
    pub fn fit(points: &[(Vec<f32>, usize)], labels: usize) -> Self {
        let width = points.first().map_or(0, |(e, _)| e.len());
        let mut found = Self { weight: vec![vec![0.0; width]; labels], bias: vec![0.0; labels] };
        let rate = RATE / points.len() as f32;
        for _ in 0..STEPS {
            let mut step = vec![vec![0.0_f32; width + 1]; labels];
            for (e, label) in points {
                let mut likely = found.logits(e);
                softmax(&mut likely);
                for (k, p) in likely.into_iter().enumerate() {
                    let error = f32::from(u8::from(k == *label)) - p;
                    step[k].iter_mut().zip(e).for_each(|(s, x)| *s += error * x);
                    step[k][width] += error;
                }
            }
            for (k, step) in step.iter().enumerate() {
                found.weight[k].iter_mut().zip(step).for_each(|(w, s)| *w += rate * s);
                found.bias[k] += rate * step[width];
            }
        }
        found
    }

    /// The same for points that share a direction, in which they are long and hardly differ, as embeddings of many encoders
    /// do: it is fitted to them with their mean taken off and brought to unit spread, and holds for them as they are.
    #[must_use]
    pub fn fit_centred(points: &[(Vec<f32>, usize)], labels: usize) -> Self {
        let (mean, spread) = spread(points);
        let evenly = |(e, label): &Point| (e.iter().zip(&mean).map(|(x, m)| (x - m) / spread).collect(), *label);
        let mut found = Self::fit(&points.iter().map(evenly).collect::<Vec<Point>>(), labels);
        for (row, bias) in found.weight.iter_mut().zip(&mut found.bias) {
            row.iter_mut().for_each(|w| *w /= spread);
            *bias -= dot(row, &mean);
        }
        found
    }

    fn logits(&self, e: &[f32]) -> Vec<f32> {
        self.weight.iter().zip(&self.bias).map(|(row, bias)| dot(row, e) + bias).collect()
    }
}

impl TaskHeadFile {
    /// Completes a regression to a head: `draw` gives a number below the one that it is given.
    #[must_use]
    pub fn fit(regression: Regression, lessons: &Lessons<'_>, draw: &mut dyn FnMut(usize) -> usize) -> Self {
        // The temperature with the least surprise on prompts that the regression did not see.
        let surprise = |t: f32| -> f32 {
            let of = |(e, label): &Point| {
                let mut likely: Vec<f32> = regression.logits(e).iter().map(|l| l / t).collect();
                softmax(&mut likely);
                -likely[*label].max(1e-9).ln()
            };
            lessons.held_back.iter().map(of).sum()
        };
        let candidates = (1..=40_u8).map(|i| f32::from(i) * 0.05);
        let temperature = candidates.min_by(|&a, &b| surprise(a).total_cmp(&surprise(b))).unwrap_or(1.0);
        let centroids = centroids(lessons.known, lessons.labels.len(), draw);
        let nearest = |e: &[f32]| centroids.iter().map(|c| dot(c, e)).fold(-1.0, f32::max);
        let known = quantile(lessons.held_back.iter().map(|(e, _)| nearest(e)).collect(), BORDER_SHARE);
        let strange = quantile(lessons.unknown.iter().map(|e| nearest(e)).collect(), 1.0 - BORDER_SHARE);
        // Halfway between the two: phrasings that training never saw fall short of its prompts, too.
        let min_cosine = 0.5 * (known + strange.min(known));
        Self {
            labels: lessons.labels.iter().map(|label| (*label).to_owned()).collect(),
            weight: regression.weight,
            bias: regression.bias,
            temperature,
            centroids,
            min_cosine,
            unknown: plane(lessons),
        }
    }
}

/// A logistic regression of what is unknown, moved to halfway between known and unknown prompts; none without any of either.
fn plane(lessons: &Lessons<'_>) -> Option<Plane> {
    if lessons.unknown.is_empty() || lessons.held_back.is_empty() {
        return None;
    }
    let known = lessons.known.iter().map(|(e, _)| (e.clone(), 0));
    let points: Vec<Point> = known.chain(lessons.unknown.iter().map(|e| (e.clone(), 1))).collect();
    let Regression { weight, bias } = Regression::fit_centred(&points, 2);
    let [known, unknown] = <[Vec<f32>; 2]>::try_from(weight).ok()?;
    let weight = unknown.iter().zip(&known).map(|(u, k)| u - k).collect();
    let mut plane = Plane { weight, bias: bias[1] - bias[0] };
    let highest = quantile(lessons.held_back.iter().map(|(e, _)| plane.height(e)).collect(), 1.0 - BORDER_SHARE);
    let lowest = quantile(lessons.unknown.iter().map(|e| plane.height(e)).collect(), BORDER_SHARE);
    plane.bias -= 0.5 * (highest + lowest.max(highest));
    Some(plane)
}

/// Mean of the embeddings, and the root of their mean square distance from it.
fn spread(points: &[Point]) -> (Vec<f32>, f32) {
    let count = points.len().max(1) as f32;
    let mut mean = vec![0.0; points.first().map_or(0, |(e, _)| e.len())];
    for (e, _) in points {
        mean.iter_mut().zip(e).for_each(|(m, x)| *m += x / count);
    }
    let square =
        points.iter().map(|(e, _)| e.iter().zip(&mean).map(|(x, m)| (x - m).powi(2)).sum::<f32>()).sum::<f32>();
    let spread = (square / count).sqrt();
    (mean, if spread > 0.0 { spread } else { 1.0 })
}

/// The value below which `share` of `values` lie; −1 when there are none.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(-1.0)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Spherical k-means within each label.
fn centroids(points: &[Point], labels: usize, draw: &mut dyn FnMut(usize) -> usize) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    for label in 0..labels {
        let own: Vec<&Vec<f32>> = points.iter().filter(|(_, of)| *of == label).map(|(e, _)| e).collect();
        if own.is_empty() {
            continue;
        }
        let mut centres: Vec<Vec<f32>> = (0..CENTROIDS_A_LABEL).map(|_| own[draw(own.len())].clone()).collect();
        for _ in 0..ROUNDS {
            let mut sums = vec![vec![0.0_f32; own[0].len()]; centres.len()];
            for e in &own {
                let best = (0..centres.len())
                    .max_by(|&a, &b| dot(&centres[a], e).total_cmp(&dot(&centres[b], e)))
                    .unwrap_or(0);
                sums[best].iter_mut().zip(e.iter()).for_each(|(s, x)| *s += x);
            }
            for (centre, sum) in centres.iter_mut().zip(sums) {
                let length = dot(&sum, &sum).sqrt();
                if length > 1e-6 {
                    *centre = sum.into_iter().map(|s| s / length).collect();
                }
            }
        }
        found.append(&mut centres);
    }
    found
}
