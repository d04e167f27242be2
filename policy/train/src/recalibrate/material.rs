//! Prompts and pictures as both encoders see them.

use trimtab_core::TaskKind;
use trimtab_core::observation::ViewFacts;
use trimtab_engine::{Embedding, Encoder, ModelError, RgbFrame};

/// The encoder that a policy was trained with, and the one that it is to run with.
#[derive(Clone, Debug)]
pub(super) struct Encoders {
    /// Trained with.
    pub(super) old: Encoder,
    /// To run with.
    pub(super) new: Encoder,
}

/// The embeddings of one thing.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Both {
    pub(super) old: Embedding,
    pub(super) new: Embedding,
}

/// A prompt.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// Its kind, as known or as the old encoder has it.
    pub(super) kind: TaskKind,
    pub(super) both: Both,
}

/// A prompt in front of some views.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Moment {
    /// Place of the prompt.
    pub(super) said: usize,
    /// Places of the views.
    pub(super) seen: Vec<usize>,
    /// Whether each view shows what is asked, where that is known.
    pub(super) shown: Option<Vec<bool>>,
}

/// Everything to fit to, or to measure on.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Material {
    /// Prompts; those of kind `Unknown` are like none of the kinds.
    pub(super) said: Vec<Said>,
    /// Views.
    pub(super) seen: Vec<Both>,
    /// Which prompt is said in front of which views.
    pub(super) moments: Vec<Moment>,
}

impl Encoders {
    pub(super) fn text(&self, text: &str) -> Result<Both, ModelError> {
        Ok(Both { old: self.old.embed_text(text)?, new: self.new.embed_text(text)? })
    }

    pub(super) fn image(&self, frame: &RgbFrame) -> Result<Both, ModelError> {
        Ok(Both { old: self.old.embed_image(frame)?, new: self.new.embed_image(frame)? })
    }
}

/// What a turn would know of a view, by the encoder's own calibration.
pub(super) fn facts(encoder: &Encoder, prompt: &Embedding, view: &Embedding) -> ViewFacts {
    let association = encoder.association(prompt, view);
    ViewFacts { association, shows: encoder.shows(association), available: true }
}

impl Material {
    /// What the old and the new encoder say of the views of a moment.
    pub(super) fn facts(&self, encoders: &Encoders, moment: &Moment) -> [Vec<ViewFacts>; 2] {
        let prompt = &self.said[moment.said].both;
        let views = || moment.seen.iter().map(|view| &self.seen[*view]);
        [
            views().map(|view| facts(&encoders.old, &prompt.old, &view.old)).collect(),
            views().map(|view| facts(&encoders.new, &prompt.new, &view.new)).collect(),
        ]
    }

    /// For every view of every moment: the association by the new encoder, and how surely the view shows what is asked.
    pub(super) fn shown(&self, encoders: &Encoders) -> Vec<[Shown; 2]> {
        let mut found = Vec::new();
        for moment in &self.moments {
            let [old, new] = self.facts(encoders, moment);
            for (place, (old, new)) in old.iter().zip(&new).enumerate() {
                let known = moment.shown.as_ref().map(|shown| f32::from(u8::from(shown[place])));
                let surely = known.unwrap_or(old.shows);
                found.push([old, new].map(|by| Shown { association: by.association, shows: by.shows, surely }));
            }
        }
        found
    }
}

/// One view in front of one prompt, by one encoder.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shown {
    pub(super) association: f32,
    /// As the encoder has it.
    pub(super) shows: f32,
    /// As it is, or as the old encoder has it.
    pub(super) surely: f32,
}
