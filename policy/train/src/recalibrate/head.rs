//! The task head of the new encoder.

use trimtab_core::TaskKind;
use trimtab_engine::{Lessons, Regression, TaskHeadFile};
use trimtab_scenes::Rng;

use super::material::Material;

/// Every so many-th prompt is kept out of the regression, for temperature and border.
const HELD_BACK_ONE_IN: usize = 4;
/// Of the first centroids.
const SEED: u64 = 0x6ead;

/// Fits a head to the kinds of the prompts.
///
/// Embeddings of many encoders share a direction, in which they are long and hardly differ; the regression is fitted to
/// them with their mean taken off and brought to unit spread, and written for them as they are.
pub(super) fn fit(material: &Material) -> TaskHeadFile {
    let labels = TaskKind::KNOWN.map(TaskKind::name);
    let (mut known, mut held_back, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for said in &material.said {
        let embedding = said.both.new.as_slice().to_vec();
        match said.kind.index() {
            Some(_) if known.len() >= (held_back.len() + 1) * (HELD_BACK_ONE_IN - 1) => {
                held_back.push((embedding, said.kind.index().unwrap_or_default()));
            }
            Some(label) => known.push((embedding, label)),
            None => unknown.push(embedding),
        }
    }
    let (mean, spread) = spread(&known);
    let evenly: Vec<(Vec<f32>, usize)> =
        known.iter().map(|(e, label)| (e.iter().zip(&mean).map(|(x, m)| (x - m) / spread).collect(), *label)).collect();
    let mut regression = Regression::fit(&evenly, labels.len());
    for (row, bias) in regression.weight.iter_mut().zip(&mut regression.bias) {
        row.iter_mut().for_each(|w| *w /= spread);
        *bias -= row.iter().zip(&mean).map(|(w, m)| w * m).sum::<f32>();
    }
    let lessons = Lessons { labels: &labels, known: &known, held_back: &held_back, unknown: &unknown };
    let mut rng = Rng::for_purpose(SEED, "centroids");
    TaskHeadFile::fit(regression, &lessons, &mut |count| rng.below(count))
}

/// Mean of the embeddings, and the root of their mean square distance from it.
fn spread(points: &[(Vec<f32>, usize)]) -> (Vec<f32>, f32) {
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
