//! Material from rendered scenes: fitted to scenes for training, measured on held-out ones with other phrasings.

use trimtab_core::TaskKind;
use trimtab_engine::{ModelError, RgbFrame};
use trimtab_rig::recording::{FRAME_QUALITY, FrameSize, RecordingError};
use trimtab_scenes::{CAMERAS, Prompt, Rng, Scene, Split, unknown_prompts};

use super::RecalibrateError;
use super::material::{Both, Encoders, Material, Moment, Said};
use crate::collect::CollectError;
use crate::experiment::{Progress, jobs};

/// Scenes that are fitted to.
pub const SCENES_FITTED: usize = 300;
/// Scenes that are measured on.
pub const SCENES_HELD_OUT: usize = 80;
/// Prompts of each kind that are said in one scene.
const PROMPTS_A_KIND: usize = 2;
/// Of the scenes.
const SEED: u64 = 0x7e_ca1;

/// A scene with what is said in it.
struct Staged {
    scene: Scene,
    prompts: Vec<Prompt>,
}

/// Material to fit to, and to measure on.
pub(super) fn both(
    encoders: &Encoders,
    fitted: usize,
    held_out: usize,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<(Material, Material), RecalibrateError> {
    Ok((material(encoders, Split::Train, fitted, watch)?, material(encoders, Split::HeldOut, held_out, watch)?))
}

/// The prompts alone, with those like none of the kinds.
pub(super) fn prompts(encoders: &Encoders, scenes: usize) -> Result<Vec<Said>, RecalibrateError> {
    let staged = stage(Split::Train, scenes);
    let known = staged.iter().flat_map(|staged| &staged.prompts).map(|prompt| (prompt.text.as_str(), kind(prompt)));
    let unknown = unknown_prompts(Split::Train).iter().map(|text| (*text, TaskKind::Unknown));
    known.chain(unknown).map(|(text, kind)| said(encoders, text, kind)).collect()
}

fn material(
    encoders: &Encoders,
    split: Split,
    scenes: usize,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Material, RecalibrateError> {
    let staged = stage(split, scenes);
    let encoded = jobs::run(&staged, watch, |staged| encode(encoders, staged));
    let mut material = Material::default();
    for (staged, encoded) in staged.iter().zip(encoded) {
        let (said, seen) = encoded?;
        let (first_said, first_seen) = (material.said.len(), material.seen.len());
        material.moments.extend(staged.prompts.iter().enumerate().map(|(place, prompt)| Moment {
            said: first_said + place,
            seen: (first_seen..first_seen + seen.len()).collect(),
            shown: Some((0..seen.len()).map(|camera| prompt.relevant(&staged.scene, camera)).collect()),
        }));
        material.said.extend(said);
        material.seen.extend(seen);
    }
    for text in unknown_prompts(split) {
        material.said.push(said(encoders, text, TaskKind::Unknown)?);
    }
    Ok(material)
}

fn stage(split: Split, scenes: usize) -> Vec<Staged> {
    let mut rng = Rng::for_purpose(SEED, "recalibrate");
    let one = |_| {
        let scene = Scene::generate(rng.bits(), split);
        let kinds = trimtab_scenes::TaskKind::ALL.into_iter().flat_map(|kind| [kind; PROMPTS_A_KIND]);
        let prompts = kinds.map(|kind| Prompt::generate(kind, &scene, split, &mut rng)).collect();
        Staged { scene, prompts }
    };
    (0..scenes).map(one).collect()
}

fn kind(prompt: &Prompt) -> TaskKind {
    TaskKind::from_name(prompt.kind.word()).unwrap_or(TaskKind::Unknown)
}

fn said(encoders: &Encoders, text: &str, kind: TaskKind) -> Result<Said, RecalibrateError> {
    Ok(Said { text: text.into(), kind, both: encoders.text(text)? })
}

fn encode(encoders: &Encoders, staged: &Staged) -> Result<(Vec<Said>, Vec<Both>), RecalibrateError> {
    let said =
        staged.prompts.iter().map(|prompt| said(encoders, &prompt.text, kind(prompt))).collect::<Result<_, _>>()?;
    let seen = (0..CAMERAS).map(|camera| Ok(encoders.image(&frame(&staged.scene, camera)?)?));
    Ok((said, seen.collect::<Result<_, RecalibrateError>>()?))
}

/// A view as the device sees it: through JPEG.
pub(super) fn frame(scene: &Scene, camera: usize) -> Result<RgbFrame, RecalibrateError> {
    let FrameSize { width, height } = FrameSize::default();
    let picture =
        scene.render(camera, width, height).map_err(|error| CollectError::from(RecordingError::Draw(error)))?;
    let raw = RgbFrame::new(picture.width as u32, picture.height as u32, picture.rgb).map_err(ModelError::from)?;
    let jpeg = raw.to_jpeg(FRAME_QUALITY).map_err(ModelError::from)?;
    Ok(RgbFrame::decode(&jpeg, "rendered frame").map_err(ModelError::from)?)
}
