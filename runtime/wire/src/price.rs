//! What a request may cost at most, computed alike by the device that quotes it and the bridge that enforces it.

use serde::{Deserialize, Serialize};
use trimtab_core::Usd;

use crate::packet::{Request, Usage};

/// Tokens that a chat template adds to one message at most.
pub const MESSAGE_TOKENS_MAX: u64 = 8;

/// Prices of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// For a million prompt tokens.
    pub prompt: Usd,
    /// For a million completion tokens.
    pub completion: Usd,
    /// For a million images.
    pub image: Usd,
}

/// The size of a request, as far as its price depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Prompt and messages, bytes of UTF-8.
    pub text_bytes: u64,
    /// Messages, the prompt included.
    pub messages: u64,
    /// Pictures.
    pub images: u64,
}

impl Size {
    /// Of a request.
    pub fn of(request: &Request) -> Self {
        let context: usize = request.messages.iter().map(|message| message.text.len()).sum();
        Self {
            text_bytes: (request.prompt.len() + context) as u64,
            messages: request.messages.len() as u64 + 1,
            images: request.views.len() as u64,
        }
    }

    /// Prompt tokens at most: no tokeniser in use makes more tokens than bytes. `image_tokens`: what the node counts for
    /// one picture.
    pub const fn prompt_tokens_max(&self, image_tokens: u32) -> u64 {
        let text = self.text_bytes.saturating_add(self.messages.saturating_mul(MESSAGE_TOKENS_MAX));
        text.saturating_add(self.images.saturating_mul(image_tokens as u64))
    }
}

impl Prices {
    /// What was counted, priced; each part rounded up.
    pub fn of(&self, usage: &Usage) -> Usd {
        self.sum(usage.prompt_tokens.into(), usage.completion_tokens.into(), usage.images.into())
    }

    /// What a request of that size costs at most with `max_tokens` of answer.
    pub fn worst(&self, size: &Size, image_tokens: u32, max_tokens: u32) -> Usd {
        self.sum(size.prompt_tokens_max(image_tokens), max_tokens.into(), size.images)
    }

    /// The most tokens of answer, at most `wanted`, with which a request of that size is sure to cost no more than
    /// `max_cost`; none where not even one fits.
    pub fn tokens_within(&self, max_cost: Usd, size: &Size, image_tokens: u32, wanted: u32) -> Option<u32> {
        let fits = |tokens: u32| self.worst(size, image_tokens, tokens) <= max_cost;
        if fits(wanted) {
            return Some(wanted);
        }
        // The cost grows with the tokens: the largest that fits lies between.
        let (mut least, mut beyond) = (0, wanted);
        while beyond - least > 1 {
            let middle = least + (beyond - least) / 2;
            if fits(middle) { least = middle } else { beyond = middle }
        }
        (least > 0).then_some(least)
    }

    fn sum(&self, prompt: u64, completion: u64, images: u64) -> Usd {
        Usd::of(self.prompt, prompt).plus(Usd::of(self.completion, completion)).plus(Usd::of(self.image, images))
    }
}
