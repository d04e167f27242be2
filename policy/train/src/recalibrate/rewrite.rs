//! The policy file with another encoder: constants and metadata that change, and one column in front of the normaliser.
//!
//! ```text
//! candidates ─┬─ the column from its neighbours ────────── + ─► normaliser …
//!             └─ number of views ─ clip 0..1 ─ · offset ───┘
//! candidates ─► everything else, as before
//! ```

use std::path::Path;

use serde_json::json;
use trimtab_core::limits::{PROMPT_FEATURES, VIEWS_MAX};
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_engine::{PROJECTION, PolicyFile};
use trimtab_quant::{Edit, EditError, Graph};

use super::associations::{Column, place};
use super::material::{Encoders, Material};
use super::measure::Fit;
use super::prompts::PromptMap;
use super::{METADATA_KEY, RecalibrateError};
use crate::features::column;

/// What a policy file is changed by.
pub(super) struct Change<'a> {
    pub(super) encoders: &'a Encoders,
    pub(super) map: &'a PromptMap,
    pub(super) column: &'a Column,
    pub(super) fitted: &'a Material,
    pub(super) fit: &'a Fit,
}

impl Change<'_> {
    /// The changed file.
    pub(super) fn apply(&self, path: &Path, bytes: &[u8], policy: &PolicyFile) -> Result<Vec<u8>, RecalibrateError> {
        self.edit(bytes, policy).map_err(|source| RecalibrateError::Edit { path: path.into(), source })
    }

    fn edit(&self, bytes: &[u8], policy: &PolicyFile) -> Result<Vec<u8>, EditError> {
        let mut edit = Edit::of(bytes)?;
        let dimension = self.encoders.new.dimension();
        edit.set_constant(PROJECTION, &self.map.matrix, &[PROMPT_FEATURES, dimension])?;
        // What the map adds is what the normaliser takes off less.
        let (mut mean, shape) = edit.constant("normaliser.mean")?;
        mean.iter_mut().zip(self.map.offset).for_each(|(mean, offset)| *mean -= offset);
        edit.set_constant("normaliser.mean", &mean, &shape)?;
        edit.divert("Sub", "candidates", &["N".into(), TRIMTAB1_WIDTH.into()], |g| self.seen_anew(g))?;
        self.describe(&mut edit, policy);
        Ok(edit.to_bytes())
    }

    /// The rows with their associations as the old encoder had them.
    fn seen_anew(&self, g: &mut Graph) -> String {
        let name = |part: &str| format!("recalibrated.{part}");
        let width = TRIMTAB1_WIDTH;
        // Every column as it is, but for the one that is computed.
        let mut mix = vec![0.0; width * width];
        (0..width).filter(|index| *index != place()).for_each(|index| mix[index * width + index] = 1.0);
        self.column.weights.iter().for_each(|(from, weight)| mix[from * width + place()] = *weight);
        let mut added = vec![0.0; width];
        added[place()] = self.column.offset;
        let mix = g.initializer_f32(&name("mix"), &mix, &[width, width]);
        let offset = g.initializer_f32(&name("offset"), &added, &[1, width]);
        let first = column("views") as i64;
        let from = g.initializer_i64(&name("from"), &[first], &[1]);
        let to = g.initializer_i64(&name("to"), &[first + 1], &[1]);
        let axis = g.initializer_i64(&name("axis"), &[1], &[1]);
        let most = g.initializer_f32(&name("most"), &[VIEWS_MAX as f32], &[]);
        let (low, high) = (g.initializer_f32(&name("low"), &[0.0], &[]), g.initializer_f32(&name("high"), &[1.0], &[]));
        let (share, count, any) = (name("share"), name("count"), name("any"));
        let (added, mixed, rows) = (name("added"), name("mixed"), name("rows"));
        g.node("Slice", &["candidates", &from, &to, &axis], &[&share], &[]);
        g.node("Mul", &[&share, &most], &[&count], &[]);
        g.node("Clip", &[&count, &low, &high], &[&any], &[]);
        g.node("MatMul", &[&any, &offset], &[&added], &[]);
        g.node("MatMul", &["candidates", &mix], &[&mixed], &[]);
        g.node("Add", &[&mixed, &added], &[&rows], &[]);
        rows
    }

    fn describe(&self, edit: &mut Edit, policy: &PolicyFile) {
        let mut range = vec![[f32::INFINITY, f32::NEG_INFINITY]; PROMPT_FEATURES];
        for said in &self.fitted.said {
            for (seen, x) in range.iter_mut().zip(self.map.projected(said.both.new.as_slice())) {
                *seen = [seen[0].min(x), seen[1].max(x)];
            }
        }
        let made = json!({
            "policy_sha256": policy.fingerprint().to_string(),
            "encoder_sha256": self.encoders.old.fingerprint().to_string(),
            "prompts": self.fitted.said.len(), "views": self.fitted.seen.len(), "fit": self.fit,
        });
        edit.set_metadata("encoder_sha256", &self.encoders.new.fingerprint().to_string());
        edit.set_metadata("prompt_range", &json!(range).to_string());
        edit.set_metadata(METADATA_KEY, &made.to_string());
    }
}
