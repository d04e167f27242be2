//! The local model's place: given up under pressure, and taken again when there is room.

use std::sync::{Arc, Mutex};

use trimtab_engine::{LocalModel, ModelError};

use super::lock;
use crate::config::ModelsConfig;
use crate::memory::{Admission, Memory, MemoryError};

/// The local model while it is loaded. Who has borrowed it keeps it until done.
#[derive(Default)]
pub(super) struct LocalSeat(Mutex<Option<Seated>>);

/// A loaded model, and what admits it; none where its memory is another process's.
pub(super) struct Seated {
    pub(super) model: Arc<dyn LocalModel>,
    pub(super) admission: Option<Admission>,
}

/// Why the local model is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum SeatError {
    #[error("no local model: set [models] lm to its folder")]
    NotConfigured,
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Seated {
    /// Loads and admits the configured model. What it needs is asked for before anything is loaded; the weights stay
    /// admitted, and what answering takes on top is quoted turn by turn. Blocks.
    pub(super) fn load(config: &ModelsConfig, memory: &Memory) -> Result<Self, SeatError> {
        const WHAT: &str = "the local model";
        let source = config.lm.as_ref().ok_or(SeatError::NotConfigured)?;
        memory.has_room(WHAT, source.peak_bytes()?)?;
        let mut admission = None;
        let mut fault = None;
        let loaded = source.load(&config.lm_options, &mut |bytes| match memory.admit(WHAT, bytes) {
            Ok(admitted) => {
                admission = Some(admitted);
                true
            }
            Err(refused) => {
                fault = Some(refused);
                false
            }
        })?;
        match (loaded, fault) {
            (_, Some(refused)) => Err(refused.into()),
            (Some(model), None) => Ok(Self { model, admission }),
            (None, None) => Err(SeatError::NotConfigured),
        }
    }
}

impl LocalSeat {
    pub(super) fn new(seated: Option<Seated>) -> Self {
        Self(Mutex::new(seated))
    }

    /// The model, if it is loaded.
    pub(super) fn model(&self) -> Option<Arc<dyn LocalModel>> {
        lock(&self.0).as_ref().map(|seated| Arc::clone(&seated.model))
    }

    /// Gives the place up if that frees memory of this process; false if there is nothing to free.
    pub(super) fn vacate(&self) -> bool {
        let mut seat = lock(&self.0);
        let frees = seat.as_ref().is_some_and(|seated| seated.admission.is_some());
        if frees {
            *seat = None;
        }
        frees
    }

    pub(super) fn take(&self, seated: Seated) {
        *lock(&self.0) = Some(seated);
    }
}
