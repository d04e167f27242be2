//! A prompt as tokens, in the template that the file has for it.

use llama_cpp_2::model::{LlamaChatMessage, LlamaModel};
use llama_cpp_2::token::LlamaToken;
use trimtab_engine::GgufHeader;

/// Stands for the prompt where a template is taken apart: no template spells it.
const MARK: &str = "\u{1}prompt\u{1}";

/// What stands before and after every prompt.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    before: Vec<LlamaToken>,
    after: Vec<LlamaToken>,
    /// Bytes of the longest token.
    token_bytes_max: usize,
}

impl Template {
    /// The file's chat template for one message of a user; only the token that begins texts where it has none that
    /// llama.cpp knows.
    pub(crate) fn of(model: &LlamaModel, header: &GgufHeader) -> Self {
        let vocab = model.vocab();
        let applied = model.chat_template(None).ok().and_then(|template| {
            let message = LlamaChatMessage::new("user".into(), MARK.into()).ok()?;
            let applied = model.apply_chat_template(&template, &[message], true);
            applied.inspect_err(|fault| tracing::warn!(%fault, "the chat template of a GGUF file is not applied")).ok()
        });
        let (before, after) = applied.as_deref().and_then(|text| text.split_once(MARK)).unwrap_or_default();
        let tokens = |text: &str| vocab.tokenize(text.as_bytes(), false, true);
        let mut begin = tokens(before);
        if vocab.should_add_bos() && vocab.bos().0 >= 0 && begin.first() != Some(&vocab.bos()) {
            begin.insert(0, vocab.bos());
        }
        Self { before: begin, after: tokens(after), token_bytes_max: header.token_bytes_max.max(1) }
    }

    /// A prompt as at most `room` tokens, and whether its end was left out. Never empty: what is asked with nothing goes on
    /// from the token that ends texts. Special tokens that a prompt spells are text.
    pub(crate) fn tokens(&self, model: &LlamaModel, prompt: &str, room: usize) -> (Vec<LlamaToken>, bool) {
        let vocab = model.vocab();
        let free = room.saturating_sub(self.before.len() + self.after.len());
        // What lies beyond these bytes cannot fit, so the work is bounded by the context.
        let reach = prompt.len().min(free.saturating_mul(self.token_bytes_max));
        let kept = &prompt[..prompt.floor_char_boundary(reach)];
        let mut body = vocab.tokenize(kept.as_bytes(), false, false);
        let cut = body.len() > free || kept.len() < prompt.len();
        body.truncate(free);
        let mut tokens = [&self.before[..], &body, &self.after].concat();
        let cut = cut || tokens.len() > room;
        tokens.truncate(room);
        if tokens.is_empty() {
            tokens.push(if vocab.eos().0 >= 0 { vocab.eos() } else { LlamaToken(0) });
        }
        (tokens, cut)
    }
}
