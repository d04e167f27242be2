//! The task head: fitted to frozen text embeddings of training prompts, and of prompts like none of them.

use trimtab_engine::{Encoder, Lessons, ModelError, Regression, TaskHeadFile};
use trimtab_scenes::{Conversation, Rng, Split, TaskKind};

use crate::strange;

const PROMPTS: usize = 4000;
const HOLD_BACK: usize = 1000;
const UNKNOWN: usize = 1000;

/// Fits the head of an encoder, as it is written, to the embeddings of training prompts.
///
/// # Errors
/// When the encoder cannot run.
pub fn train(encoder: &Encoder, seed: u64) -> Result<TaskHeadFile, ModelError> {
    let embed = |text: &str| encoder.embed_text(text).map(|e| e.as_slice().to_vec());
    let turns = Conversation::generate(seed ^ 0x7a5c, Split::Train, PROMPTS).turns;
    let mut known = Vec::with_capacity(turns.len());
    for turn in &turns {
        known.push((embed(&turn.prompt.text)?, turn.prompt.kind.index()));
    }
    let held_back = known.split_off(known.len().saturating_sub(HOLD_BACK));
    let mut rng = Rng::for_purpose(seed, "unknown prompts");
    let unknown = (0..UNKNOWN).map(|_| embed(&strange::prompt(&mut rng))).collect::<Result<Vec<_>, _>>()?;
    let labels = TaskKind::ALL.map(TaskKind::word);
    let regression = Regression::fit(&known, labels.len());
    let lessons = Lessons { labels: &labels, known: &known, held_back: &held_back, unknown: &unknown };
    let mut rng = Rng::for_purpose(seed, "centroids");
    Ok(TaskHeadFile::fit(regression, &lessons, &mut |count| rng.below(count)))
}
