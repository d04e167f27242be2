//! Whole conversations.

use crate::prompt::{Prompt, TaskKind};
use crate::rng::Rng;
use crate::scene::{Scene, Split};

/// Most turns of one conversation.
pub const TURNS_MAX: usize = 10_000;

/// One prompt and the scene it is said in.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The room as it is when the prompt is said.
    pub scene: Scene,
    /// What is said.
    pub prompt: Prompt,
}

/// Turns in equal shares of the four kinds; between two turns the robot moves on, so every turn has its own scene.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The turns, in order.
    pub turns: Vec<Turn>,
}

impl Conversation {
    /// The conversation that follows from `seed`; at most [`TURNS_MAX`] turns.
    #[must_use]
    pub fn generate(seed: u64, split: Split, turns: usize) -> Self {
        let mut rng = Rng::for_purpose(seed, "conversation");
        let mut kinds: Vec<TaskKind> = Vec::new();
        let turns = (0..turns.min(TURNS_MAX))
            .map(|_| {
                if kinds.is_empty() {
                    kinds.extend(TaskKind::ALL);
                    rng.shuffle(&mut kinds);
                }
                let kind = kinds.pop().unwrap_or(TaskKind::Query);
                let scene = Scene::generate(rng.bits(), split);
                let prompt = Prompt::generate(kind, &scene, split, &mut rng);
                Turn { scene, prompt }
            })
            .collect();
        Self { turns }
    }
}
