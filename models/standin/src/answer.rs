//! From a checked request to the pieces of an answer. Runs models, so it is called off the server's tasks.

use std::ops::ControlFlow;

use trimtab_engine::{Finish, GenerateOptions, LanguageModel, ModelError, Tokenizer, Vqa};

use crate::config::ServerProfile;
use crate::request::{ChatRequest, TOKENS_PER_MESSAGE};
use crate::wording::sentence;

/// Longest reply of the language model in tokens.
const REPLY_TOKENS_MAX: usize = 512;

/// One model on offer, loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) profile: ServerProfile,
    pub(crate) vqa: Vqa,
    pub(crate) language: LanguageModel,
}

/// Token counts, as they are billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: u64,
    pub(crate) image_tokens: u64,
    pub(crate) completion_tokens: u64,
}

/// A finished answer, token by token.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) pieces: Vec<String>,
    pub(crate) finish: &'static str,
    pub(crate) usage: Usage,
}

impl Loaded {
    /// Tokens of the request, those of its pictures included. A text beyond the context is not counted to its end.
    pub(crate) fn prompt_tokens(&self, request: &ChatRequest) -> u64 {
        let tokenizer = self.vqa.tokenizer();
        let context = usize::try_from(self.profile.context_tokens_max).unwrap_or(usize::MAX);
        let count = |text: &String| tokenizer.encode_for_model(text, context).ids.len() as u64 + TOKENS_PER_MESSAGE;
        request.texts.iter().map(count).sum::<u64>() + self.image_tokens(request)
    }

    fn image_tokens(&self, request: &ChatRequest) -> u64 {
        request.images as u64 * self.profile.image_tokens
    }

    /// Answers from the pixels of the request; without pictures, or where the question is not about them, the language
    /// model replies.
    pub(crate) fn answer(&self, request: &ChatRequest) -> Result<Answer, ModelError> {
        let prompt_tokens = self.prompt_tokens(request);
        let room = usize::try_from(self.profile.context_tokens_max.saturating_sub(prompt_tokens)).unwrap_or(usize::MAX);
        let tokens_max = request.answer_tokens_max.min(room);
        let seen =
            if request.views.is_empty() { None } else { Some(self.vqa.answer(&request.views, &request.question)?) };
        let (pieces, finish) = match seen.filter(|answer| !answer.is_text) {
            Some(answer) => cut(pieces(self.vqa.tokenizer(), &sentence(&answer.text)), tokens_max),
            None => self.reply(request, tokens_max)?,
        };
        let usage =
            Usage { prompt_tokens, image_tokens: self.image_tokens(request), completion_tokens: pieces.len() as u64 };
        Ok(Answer { pieces, finish, usage })
    }

    fn reply(&self, request: &ChatRequest, tokens_max: usize) -> Result<(Vec<String>, &'static str), ModelError> {
        let options = GenerateOptions {
            max_tokens: tokens_max.min(REPLY_TOKENS_MAX),
            temperature: request.temperature,
            seed: request.seed,
            ..GenerateOptions::default()
        };
        let mut pieces = Vec::new();
        let done = self.language.session().generate(&request.question, &options, &mut |token| {
            pieces.push(token.piece.to_owned());
            ControlFlow::Continue(())
        })?;
        Ok((pieces, if done.finish == Finish::Stop { "stop" } else { "length" }))
    }
}

/// A text cut where its tokens end; a character in several tokens comes with the last of them.
fn pieces(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut shown, mut reached) = (0, 0);
    for id in tokenizer.encode(text) {
        reached += tokenizer.piece(id).len();
        let end = text.floor_char_boundary(reached);
        pieces.push(text[shown..end].to_owned());
        shown = end;
    }
    pieces
}

fn cut(mut pieces: Vec<String>, tokens_max: usize) -> (Vec<String>, &'static str) {
    if pieces.len() <= tokens_max {
        return (pieces, "stop");
    }
    pieces.truncate(tokens_max);
    (pieces, "length")
}
