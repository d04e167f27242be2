//! Scores of the dual encoder and its task head.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use trimtab_engine::{Embedding, Encoder, RgbFrame};
use trimtab_scenes::{
    CAMERAS, Caption, Rng, Scene, Sighting, Split, TaskKind, Thing, Turn, captions, free_form_prompts, swapped_caption,
    unknown_prompts,
};

use super::{Bins, Measured, SEED, Tally, family, frames, median_ms, peak_of, thousandths, turns};
use crate::encoder::recoloured;

/// Captions from which the right one for three views is chosen.
const CHOICES: usize = 32;
const SWAP: &str = "colour swap, three views";
const SWAP_IN_SIGHT: &str = "colour swap to that of another item, three views";
const SWAP_ONE_VIEW: &str = "colour swap, one view that shows it";
const SWAP_STATE: &str = "state swap, three views";
const ONE_OF: &str = "one of 32 captions of one item, three views";
const ONE_OF_DESCRIPTIONS: &str = "one of 32 descriptions of three items, three views";
/// Items that a description names.
const DESCRIBED: usize = 3;

/// Scores of the encoder's folder, and what the same towers score with their weights as they were trained, when `float`
/// is given.
///
/// # Errors
/// When a folder does not load or a run fails.
pub fn encoder(dir: &Path, float: Option<&Path>, count: usize) -> Result<Measured> {
    let turns = turns(count);
    let (model, peak_memory_bytes) = peak_of(|| {
        let model = Encoder::load(dir)?;
        model.embed_image(&frames(&turns[0].scene)?[0])?;
        model.embed_text(&turns[0].prompt.text)?;
        Ok(model)
    })?;
    let mut tally = Tally::default();
    let mut scores = associations(&model, &turns, &mut tally)?;
    scores.extend(tasks(&model, &turns, &mut tally)?);
    let mut pairs = Tally::default();
    retrieval(&model, &turns, &mut pairs)?;
    if let Some(float) = float {
        let float = Encoder::load(float)?;
        let mut trained = Tally::default();
        retrieval(&float, &turns, &mut trained)?;
        for name in [SWAP, SWAP_IN_SIGHT, ONE_OF, ONE_OF_DESCRIPTIONS] {
            let difference = pairs.share_of(name) - trained.share_of(name);
            scores.insert(format!("{name}: int8 less float"), thousandths(difference));
        }
    }
    scores.extend(tally.into_json());
    scores.extend(pairs.into_json());
    let mut facts = Map::new();
    let views = frames(&turns[0].scene)?;
    let once = || {
        views.iter().try_for_each(|view| model.embed_image(view).map(drop))?;
        Ok(model.embed_text(&turns[0].prompt.text).map(drop)?)
    };
    facts.insert("milliseconds_for_three_views_and_a_prompt".to_owned(), median_ms(once)?);
    Ok(Measured { scores: Value::Object(scores), facts, peak_memory_bytes })
}

/// Which view shows what a prompt asks for, and how far its probability can be trusted.
fn associations(model: &Encoder, turns: &[Turn], tally: &mut Tally) -> Result<Map<String, Value>> {
    let mut bins = Bins::default();
    for turn in turns {
        let said = model.embed_text(&turn.prompt.text)?;
        let mut cosines = [0.0; CAMERAS];
        for (camera, (cosine, view)) in cosines.iter_mut().zip(frames(&turn.scene)?).enumerate() {
            *cosine = model.association(&said, &model.embed_image(&view)?);
            let p = f64::from(model.shows_probability(*cosine).context("the encoder has no calibration")?);
            let shows = turn.prompt.relevant(&turn.scene, camera);
            tally.add("view judged right at 0.5", (p >= 0.5) == shows);
            bins.add(p, shows);
        }
        let relevant: Vec<bool> = (0..CAMERAS).map(|c| turn.prompt.relevant(&turn.scene, c)).collect();
        if relevant.contains(&true) && relevant.contains(&false) {
            let best = (0..CAMERAS).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b])).unwrap_or(0);
            tally.add("best view is relevant", relevant[best]);
            tally.add(&format!("best view is relevant: {}", family(turn.prompt.topic)), relevant[best]);
        }
    }
    let mut scores = Map::new();
    scores.insert("expected calibration error".to_owned(), thousandths(bins.calibration_error()));
    scores.insert("brier score".to_owned(), thousandths(bins.brier()));
    Ok(scores)
}

/// The task head on held-out wordings: a prompt that is called unknown counts as missed.
fn tasks(model: &Encoder, turns: &[Turn], tally: &mut Tally) -> Result<Map<String, Value>> {
    let mut bins = Bins::default();
    // Right, said, meant; for each kind.
    let mut kinds = [[0_usize; 3]; TaskKind::ALL.len()];
    for Turn { prompt, .. } in turns {
        let task = model.task(&model.embed_text(&prompt.text)?);
        let said = TaskKind::ALL.iter().position(|kind| kind.word() == task.kind.name());
        let meant = prompt.kind.index();
        let right = said == Some(meant);
        tally.add("task right", right);
        tally.add("known prompt called unknown", task.out_of_distribution);
        bins.add(f64::from(task.probabilities.iter().copied().fold(0.0, f32::max)), right);
        kinds[meant][2] += 1;
        if !task.out_of_distribution
            && let Some(said) = said
        {
            kinds[said][1] += 1;
            kinds[meant][0] += usize::from(right);
        }
    }
    for prompt in unknown_prompts(Split::HeldOut) {
        tally.add("unknown prompt called unknown", model.task(&model.embed_text(prompt)?).out_of_distribution);
    }
    for (kind, text) in free_form_prompts() {
        let task = model.task(&model.embed_text(text)?);
        match kind {
            Some(kind) => {
                let right = task.kind.name() == kind.word();
                tally.add("free-form prompt: task right and not called unknown", right && !task.out_of_distribution);
                tally.add(&format!("free-form prompt: task right: {}", kind.word()), right);
                tally.add("free-form prompt: called unknown", task.out_of_distribution);
            }
            None => tally.add("free-form prompt of no kind called unknown", task.out_of_distribution),
        }
    }
    let f1 = kinds.iter().map(|&[right, said, meant]| 2.0 * right as f64 / (said + meant).max(1) as f64);
    let mut scores = Map::new();
    scores.insert("task macro F1".to_owned(), thousandths(f1.sum::<f64>() / kinds.len() as f64));
    scores.insert("task calibration error".to_owned(), thousandths(bins.calibration_error()));
    Ok(scores)
}

/// How well three views match a text: as well as the best of them.
fn match_of(model: &Encoder, text: &str, views: &[Embedding]) -> Result<f32> {
    let said = model.embed_text(text)?;
    Ok(views.iter().map(|view| said.cosine(view)).fold(f32::MIN, f32::max))
}

/// True captions against wrong ones, for every scene.
fn retrieval(model: &Encoder, turns: &[Turn], tally: &mut Tally) -> Result<()> {
    let mut rng = Rng::for_purpose(SEED, "captions");
    let embed = |frames: Vec<RgbFrame>| -> Result<Vec<Embedding>> {
        frames.iter().map(|frame| Ok(model.embed_image(frame)?)).collect()
    };
    let mut scenes: Vec<(&Scene, Vec<Embedding>, Vec<Caption>)> = Vec::new();
    for Turn { scene, .. } in turns {
        let views = embed(frames(scene)?)?;
        let mut all = captions(&sightings(scene), &mut rng);
        rng.shuffle(&mut all);
        if let Some(caption) = all.iter().find(|c| matches!(c.thing, Thing::Item { .. })) {
            let wrong = swapped_caption(caption, &mut rng);
            let in_sight = recoloured(caption, &sightings(scene), &mut rng);
            let truth = match_of(model, &caption.text, &views)?;
            if let Some(wrong) = &wrong {
                tally.add(SWAP, truth > match_of(model, &wrong.text, &views)?);
                if let Some(camera) = (0..CAMERAS).find(|&c| caption.shown_in(&scene.visible(c))) {
                    let one = core::slice::from_ref(&views[camera]);
                    let alone = match_of(model, &caption.text, one)? > match_of(model, &wrong.text, one)?;
                    tally.add(SWAP_ONE_VIEW, alone);
                }
            }
            if let Some(wrong) = in_sight {
                tally.add(SWAP_IN_SIGHT, truth > match_of(model, &wrong.text, &views)?);
            }
            let mut described: Vec<Caption> = Vec::new();
            for caption in all.iter().filter(|c| matches!(c.thing, Thing::Item { .. })) {
                if described.len() < DESCRIBED && !described.iter().any(|c| c.thing == caption.thing) {
                    described.push(caption.clone());
                }
            }
            scenes.push((scene, views.clone(), described));
        }
        if let Some(caption) = all.iter().find(|c| !matches!(c.thing, Thing::Item { .. }))
            && let Some(wrong) = swapped_caption(caption, &mut rng)
        {
            let truth = match_of(model, &caption.text, &views)?;
            tally.add(SWAP_STATE, truth > match_of(model, &wrong.text, &views)?);
        }
    }
    for chunk in scenes.chunks_exact(CHOICES) {
        for (scene, views, _) in chunk {
            let mut matches: Vec<Vec<f32>> = Vec::with_capacity(CHOICES);
            for (_, _, captions) in chunk {
                matches.push(captions.iter().map(|c| match_of(model, &c.text, views)).collect::<Result<_>>()?);
            }
            let best = |score: &dyn Fn(&[f32]) -> f32| {
                (0..CHOICES).max_by(|&a, &b| score(&matches[a]).total_cmp(&score(&matches[b]))).unwrap_or(0)
            };
            // Another of the 32 may happen to be true here as well.
            let seen = sightings(scene);
            tally.add(ONE_OF, chunk[best(&|m| m[0])].2[0].shown_in(&seen));
            let described = &chunk[best(&|m| m.iter().sum::<f32>() / m.len() as f32)].2;
            tally.add(ONE_OF_DESCRIPTIONS, described.iter().all(|c| c.shown_in(&seen)));
        }
    }
    Ok(())
}

fn sightings(scene: &Scene) -> Vec<Sighting> {
    (0..CAMERAS).flat_map(|camera| scene.visible(camera)).collect()
}
