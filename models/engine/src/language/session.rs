//! One generation with its key–value cache.

use std::ops::ControlFlow;

use tract_onnx::prelude::TValue;

use super::reply::Reply;
use super::{Finish, GenerateOptions, Generation, LanguageModel, Loaded, Token};
use crate::ModelError;
use crate::local::Progress;
use crate::tokenizer::TokenId;

/// Most tokens read at once: a long prompt is read in parts, so that memory does not grow with its square.
const READ_MAX: usize = 128;

/// One generation at a time, with the key–value cache that it needs.
#[derive(Debug)]
pub struct Session {
    pub(super) model: LanguageModel,
    pub(super) past: Vec<TValue>,
    pub(super) positions: usize,
}

impl Session {
    /// Answers a prompt, token by token. `on_token` is called after each and may stop the generation there; nothing
    /// is computed after it has. The cache starts empty at every call.
    pub fn generate(
        &mut self,
        prompt: &str,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(&Token<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, ModelError> {
        self.clear();
        let (ids, prompt_truncated) = self.model.prompt_ids(prompt);
        let mut reply = Reply::new(options, ids.len(), prompt_truncated);
        let mut on = |progress: Progress<'_>| match progress {
            Progress::Token { id: Some(id), piece, logprob: Some(logprob) } => on_token(&Token { id, piece, logprob }),
            Progress::Token { .. } | Progress::Waiting => ControlFlow::Continue(()),
        };
        let context = self.model.0.config.context;
        let mut next = ids;
        // Of the probability of the whole reply.
        let mut logarithm = 0.0;
        while !reply.is_full() && self.positions + next.len() <= context {
            let logits = self.step(&next)?;
            let (id, logprob) = reply.draw(&logits);
            let Loaded { tokenizer, config, .. } = &*self.model.0;
            logarithm += f64::from(logprob);
            if config.ends.contains(&id) {
                let confidence = config.confidence.map(|fitted| fitted.of(logarithm));
                return Ok(Generation { confidence, ..reply.finished(Finish::Stop) });
            }
            if config.action == Some(id) {
                reply.begin_action();
            }
            if reply.push(Some(id), tokenizer.piece(id), Some(logprob), &mut on).is_break() {
                break;
            }
            next = vec![id];
        }
        Ok(reply.ended())
    }

    /// Reads tokens after those already in the cache and returns the logits of the one that follows.
    pub fn step(&mut self, ids: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        let Loaded { network, config, .. } = &*self.model.0;
        if ids.is_empty() || self.positions + ids.len() > config.context {
            let problem =
                format!("{} tokens after {} do not fit the context of {}", ids.len(), self.positions, config.context);
            return Err(ModelError::Run { path: network.path().into(), problem });
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= config.vocabulary) {
            return Err(ModelError::Run {
                path: network.path().into(),
                problem: format!("token {id} is outside the vocabulary"),
            });
        }
        let mut logits = Vec::new();
        for part in ids.chunks(READ_MAX) {
            logits = self.read(part)?;
        }
        Ok(logits)
    }

    fn read(&mut self, ids: &[TokenId]) -> Result<Vec<f32>, ModelError> {
        let Loaded { network, cache, config, logits, .. } = &*self.model.0;
        let wide: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let end = self.positions + ids.len();
        let positions: Vec<i64> = (self.positions..end).map(|position| position as i64).collect();
        let mut feeds = vec![
            ("input_ids", network.tensor(&[1, wide.len()], &wide)?),
            ("position_ids", network.tensor(&[1, wide.len()], &positions)?),
            ("attention_mask", network.tensor(&[1, end], &vec![1_i64; end])?),
        ];
        if self.past.is_empty() {
            for _ in cache {
                self.past.push(network.tensor::<f32>(&[1, config.heads, 0, config.head_dim], &[])?);
            }
        }
        feeds.extend(cache.iter().map(|(name, _)| name.as_str()).zip(self.past.drain(..)));
        let outputs = network.run(feeds)?;
        self.positions = end;
        self.past.extend(cache.iter().map(|(_, present)| outputs[*present].clone()));
        Ok(network.floats(&outputs[*logits], config.vocabulary)?.to_vec())
    }

    /// Empties the cache.
    pub fn clear(&mut self) {
        self.past.clear();
        self.positions = 0;
    }
}
