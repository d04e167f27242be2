//! What the device sees: the newest fresh frame of every camera, encoded when it changed, and the prompt beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{Inner, lock};
use crate::camera::{Camera, CameraConfig, CameraError, Frame, Look, Upload, UploadView};
use crate::clock::Clock;
use serde_json::{Value, json};
use trimtab_core::limits::{PROMPT_FEATURES, VIEWS_MAX};
use trimtab_core::{Bytes, Joules};
use trimtab_engine::{Embedding, Encoder, Fingerprint, Tokenizer};
use trimtab_turn::{Observation, SeenView};

/// Cameras and the encoder behind them.
pub(super) struct Eyes {
    cameras: Vec<Camera>,
    encoder: Option<Encoder>,
    /// What each camera showed when it was last encoded.
    seen: Mutex<Vec<Option<Encoded>>>,
    encodes: Encodes,
}

#[derive(Clone)]
struct Encoded {
    look: Look,
    embedding: Embedding,
    /// What encoding took, by the meter.
    cost: Joules,
}

/// Views that were encoded, and those that had not changed.
#[derive(Default)]
struct Encodes {
    done: AtomicU64,
    unchanged: AtomicU64,
    /// What encoding the unchanged ones took when it was done, in microjoules.
    saved: AtomicU64,
}

/// The frames that one turn decided on; what is uploaded is what was looked at.
#[derive(Debug)]
pub(super) struct Sight {
    uploads: Vec<Option<UploadView>>,
}

impl Sight {
    /// Views of this turn.
    pub(super) fn len(&self) -> usize {
        self.uploads.len()
    }

    /// These views, ready to be sent; those that may not be uploaded are left out.
    pub(super) fn uploads(&self, views: &[usize]) -> Vec<UploadView> {
        views.iter().filter_map(|view| self.uploads.get(*view).cloned().flatten()).collect()
    }
}

impl Eyes {
    pub(super) fn open(
        cameras: &[CameraConfig],
        encoder: Option<Encoder>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CameraError> {
        let cameras: Vec<Camera> = cameras
            .iter()
            .take(VIEWS_MAX)
            .map(|camera| Camera::open(camera.clone(), Arc::clone(clock)))
            .collect::<Result<_, _>>()?;
        let seen = Mutex::new(vec![None; cameras.len()]);
        Ok(Self { cameras, encoder, seen, encodes: Encodes::default() })
    }

    pub(super) fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    pub(super) fn tokenizer(&self) -> Option<&Tokenizer> {
        self.encoder.as_ref().map(Encoder::tokenizer)
    }

    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.encoder.as_ref().map(Encoder::fingerprint)
    }

    /// How the cameras are.
    pub(super) fn status(&self) -> Vec<Value> {
        let state = |camera: &Camera| {
            let trouble = camera.fault().map(|fault| crate::fault_text(&fault));
            let counts = camera.counts();
            json!({
                "name": camera.name(),
                "available": trouble.is_none(),
                "trouble": trouble,
                "mode": camera.mode(),
                "frames": counts.frames,
                "unseen": counts.unseen,
                "lost": counts.lost,
                "bad": counts.bad,
                "restarts": counts.restarts,
            })
        };
        self.cameras.iter().map(state).collect()
    }

    /// How many views were encoded, how many had not changed, and what that saved.
    pub(super) fn encodes(&self) -> Value {
        json!({
            "done": self.encodes.done.load(Ordering::Relaxed),
            "unchanged": self.encodes.unchanged.load(Ordering::Relaxed),
            "saved_uj": self.encodes.saved.load(Ordering::Relaxed),
        })
    }

    /// Encodes what is new and says how prompt and views go together. Blocks. A camera without a usable frame is a missing
    /// view; only without an encoder is there nothing to decide on.
    pub(super) fn look(&self, inner: &Inner, prompt: &str) -> Result<(Sight, Observation), String> {
        let _counted = inner.cpu.enter();
        let Some(encoder) = &self.encoder else {
            return Err("no encoder is loaded: set [models] encoder to its folder (`trimtab status` says what is wrong with it)".to_owned());
        };
        let text = encoder.embed_text(prompt).map_err(|fault| crate::fault_text(&fault))?;
        let task = encoder.task(&text);
        let (mut views, mut uploads) = (Vec::new(), Vec::new());
        for (index, camera) in self.cameras.iter().enumerate() {
            let (view, upload) = match self.frame(inner, encoder, index, camera) {
                Ok((embedding, frame)) => seen_view(encoder, &text, camera, &embedding, &frame),
                Err(fault) => {
                    tracing::warn!(camera = camera.name(), %fault, "a view is missing");
                    (missing_view(camera), None)
                }
            };
            views.push(view);
            uploads.push(upload);
        }
        let projected = inner.scorer.policy().map(|policy| policy.project(&text)).transpose();
        let memory_left = inner.memory.left().map_err(|fault| crate::fault_text(&fault))?;
        let observation = Observation {
            // A policy whose projection does not fit will not score either, and says why there.
            prompt: projected.ok().flatten().unwrap_or([0.0; PROMPT_FEATURES]),
            tasks: task.probabilities,
            unknown: task.out_of_distribution,
            views,
            memory_left,
            memory_headroom: headroom(memory_left, inner.memory.ceiling()),
            energy: Joules::ZERO,
            energy_source: inner.energy.source(),
        };
        Ok((Sight { uploads }, observation))
    }

    /// The newest frame and its embedding: the known one where the view has not changed since.
    fn frame(
        &self,
        inner: &Inner,
        encoder: &Encoder,
        index: usize,
        camera: &Camera,
    ) -> Result<(Embedding, Frame), String> {
        let frame = camera.latest().map_err(|fault| crate::fault_text(&fault))?;
        let noise = camera.config().noise();
        let look = Look::at(&frame, noise).map_err(|fault| crate::fault_text(&fault))?;
        let known = lock(&self.seen).get(index).cloned().flatten();
        if let Some(known) = known.filter(|known| look.is_like(&known.look, noise)) {
            self.encodes.unchanged.fetch_add(1, Ordering::Relaxed);
            self.encodes.saved.fetch_add(known.cost.micro(), Ordering::Relaxed);
            return Ok((known.embedding, frame));
        }
        let pixels = frame.pixels().map_err(|fault| crate::fault_text(&fault))?;
        let before = inner.energy.now();
        let embedding = encoder.embed_image(pixels).map_err(|fault| crate::fault_text(&fault))?;
        let cost = inner.energy.now().minus(before);
        self.encodes.done.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = lock(&self.seen).get_mut(index) {
            *place = Some(Encoded { look, embedding: embedding.clone(), cost });
        }
        Ok((embedding, frame))
    }
}

fn headroom(left: Bytes, ceiling: Bytes) -> f32 {
    if ceiling == Bytes::MAX { 1.0 } else { left.share_of(ceiling) }
}

fn seen_view(
    encoder: &Encoder,
    prompt: &Embedding,
    camera: &Camera,
    embedding: &Embedding,
    frame: &Frame,
) -> (SeenView, Option<UploadView>) {
    let association = encoder.association(prompt, embedding);
    let shows = encoder.shows(association);
    let upload = frame.for_upload();
    let view = SeenView {
        name: camera.name().to_owned(),
        association,
        shows,
        available: true,
        upload: upload.is_some(),
        bytes: upload.as_ref().map_or(Bytes::ZERO, |view| Bytes::new(view.jpeg().len() as u64)),
    };
    (view, upload)
}

fn missing_view(camera: &Camera) -> SeenView {
    SeenView {
        name: camera.name().to_owned(),
        association: 0.0,
        shows: 0.0,
        available: false,
        upload: camera.config().upload() == Upload::Allowed,
        bytes: Bytes::ZERO,
    }
}
