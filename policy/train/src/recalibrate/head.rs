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
    let regression = Regression::fit_centred(&known, labels.len());
    let lessons = Lessons { labels: &labels, known: &known, held_back: &held_back, unknown: &unknown };
    let mut rng = Rng::for_purpose(SEED, "centroids");
    TaskHeadFile::fit(regression, &lessons, &mut |count| rng.below(count))
}
