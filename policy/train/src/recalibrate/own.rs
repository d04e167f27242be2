//! Material from the owner's own prompts and pictures. What is right is not known; the old encoder's outputs are aimed at.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use trimtab_engine::{ModelError, RgbFrame};
use trimtab_scenes::{CAMERAS, Rng};

use super::material::{Both, Encoders, Material, Moment, Said};
use super::{RecalibrateError, SCENES_FITTED, read, scenes};
use crate::experiment::{Progress, jobs};

/// Fewest distinct prompts.
pub const PROMPTS_MIN: usize = 20;
/// Most distinct prompts.
pub const PROMPTS_MAX: usize = 10_000;
/// Largest file of prompts in bytes.
pub const PROMPTS_BYTES_MAX: u64 = 16 << 20;
/// Fewest pictures.
pub const PICTURES_MIN: usize = 12;
/// Most pictures.
pub const PICTURES_MAX: usize = 10_000;
/// Largest picture file in bytes.
pub const PICTURE_BYTES_MAX: u64 = 32 << 20;

/// Every so many-th prompt and picture is kept out of the fit.
const HELD_OUT_ONE_IN: usize = 4;
const _: () = assert!(PICTURES_MIN / HELD_OUT_ONE_IN >= CAMERAS && PROMPTS_MIN >= HELD_OUT_ONE_IN);
/// Times that each prompt is put before other views.
const MOMENTS_A_PROMPT: usize = 3;
/// Of the draw of views.
const SEED: u64 = 0x0111;

/// Material to fit to, and to measure on. The prompts of rendered scenes join the first: the owner's need not hold all kinds.
pub(super) fn both(
    encoders: &Encoders,
    prompts: &Path,
    pictures: &Path,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<(Material, Material), RecalibrateError> {
    let texts = lines(prompts)?;
    let files = list(pictures)?;
    let said = jobs::run(&texts, watch, |text| -> Result<Said, RecalibrateError> {
        let both = encoders.text(text)?;
        Ok(Said { text: text.clone(), kind: encoders.old.task(&both.old).kind, both })
    });
    let seen = jobs::run(&files, watch, |path| -> Result<Both, RecalibrateError> {
        let bytes = read(path, PICTURE_BYTES_MAX)?;
        let frame = RgbFrame::decode(&bytes, &path.display().to_string()).map_err(ModelError::from)?;
        Ok(encoders.image(&frame)?)
    });
    let (fitted_said, held_said) = split(said)?;
    let (fitted_seen, held_seen) = split(seen)?;
    let mut fitted = put_together(fitted_said, fitted_seen);
    fitted.said.extend(scenes::prompts(encoders, SCENES_FITTED)?);
    Ok((fitted, put_together(held_said, held_seen)))
}

/// Whether there are enough of both.
pub(super) fn check(prompts: &Path, pictures: &Path) -> Result<(), RecalibrateError> {
    lines(prompts)?;
    list(pictures).map(|_| ())
}

/// Distinct lines that are not empty.
fn lines(path: &Path) -> Result<Vec<String>, RecalibrateError> {
    let refuse = |what: String| RecalibrateError::Material { path: path.into(), what };
    let text = String::from_utf8(read(path, PROMPTS_BYTES_MAX)?)
        .map_err(|error| refuse(format!("not a text in UTF-8 ({}); write one prompt a line", error.utf8_error())))?;
    let mut seen = HashSet::new();
    let found: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && seen.insert(*line)).map(String::from).collect();
    if !(PROMPTS_MIN..=PROMPTS_MAX).contains(&found.len()) {
        return Err(refuse(format!(
            "{} distinct prompts; {PROMPTS_MIN} to {PROMPTS_MAX} are due, one a line",
            found.len()
        )));
    }
    Ok(found)
}

/// The files of a folder by name, but for hidden ones.
fn list(folder: &Path) -> Result<Vec<PathBuf>, RecalibrateError> {
    let io = |source| RecalibrateError::Io { path: folder.into(), what: "listed", source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !hidden {
            found.push(path);
        }
    }
    found.sort();
    if !(PICTURES_MIN..=PICTURES_MAX).contains(&found.len()) {
        let what = format!("{} files; {PICTURES_MIN} to {PICTURES_MAX} JPEG or PNG pictures are due", found.len());
        return Err(RecalibrateError::Material { path: folder.into(), what });
    }
    Ok(found)
}

fn split<T>(all: Vec<Result<T, RecalibrateError>>) -> Result<(Vec<T>, Vec<T>), RecalibrateError> {
    let (mut fitted, mut held) = (Vec::new(), Vec::new());
    for (place, one) in all.into_iter().enumerate() {
        let part = if place % HELD_OUT_ONE_IN == HELD_OUT_ONE_IN - 1 { &mut held } else { &mut fitted };
        part.push(one?);
    }
    Ok((fitted, held))
}

/// Puts every prompt before drawn views, as many as a turn of the rendered scenes has.
fn put_together(said: Vec<Said>, seen: Vec<Both>) -> Material {
    let mut rng = Rng::for_purpose(SEED, "own views");
    let mut moments = Vec::new();
    for prompt in 0..said.len() {
        for _ in 0..MOMENTS_A_PROMPT {
            let mut places: Vec<usize> = (0..seen.len()).collect();
            rng.shuffle(&mut places);
            places.truncate(CAMERAS);
            moments.push(Moment { said: prompt, seen: places, shown: None });
        }
    }
    Material { said, seen, moments }
}
