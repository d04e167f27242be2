//! What a device needs of the language model that answers on it, whatever runs that model: tract in this crate, another
//! library in the same process, or a server on the same board.
//!
//! One contract for all of them: a caller hears of every token, and at least every [`WAITING_MAX`] while there is none if
//! the engine can be interrupted then, and whatever it answers with a break ends the work at once. So budgets and
//! cancellation need to know nothing of the engine.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::language::{GenerateOptions, Generation, LanguageModel};
use crate::{Card, ModelError, TokenId};

/// How long an engine that can be interrupted leaves its caller without a word.
pub const WAITING_MAX: Duration = Duration::from_millis(50);

/// What a generation has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// One more token.
    Token {
        /// Its number in the model's vocabulary, if the engine tells it.
        id: Option<TokenId>,
        /// The text it completes: empty while a character is still in parts.
        piece: &'a str,
        /// Natural logarithm of its probability at temperature 1, if the engine tells it.
        logprob: Option<f32>,
    },
    /// No further token yet: a long prompt is being read, or a server is silent.
    Waiting,
}

/// Hears of the progress of a generation, and may end it.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>;

/// Who runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// tract, in this process.
    Tract,
    /// llama.cpp, in this process.
    Gguf,
    /// A server in another process of this board.
    Server,
}

impl Engine {
    /// Its name in status and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::Gguf => "gguf",
            Self::Server => "server",
        }
    }
}

/// A language model that answers on this device.
pub trait LocalModel: fmt::Debug + Send + Sync {
    /// Answers a prompt, token by token. `on` hears of each and may stop the generation there; nothing is computed after
    /// it has, and the generation is then [`Finish::Cancelled`](crate::Finish::Cancelled). Blocks.
    fn generate(&self, prompt: &str, options: &GenerateOptions, on: OnProgress<'_>) -> Result<Generation, ModelError>;

    /// Whether it could answer now. Only what runs in another process can be away. Blocks.
    fn ready(&self) -> Result<(), ModelError> {
        Ok(())
    }

    /// Who runs it.
    fn engine(&self) -> Engine;

    /// Most tokens that prompt and reply may have together; none if the engine does not tell.
    fn context(&self) -> Option<usize>;

    /// Tokens of a text; none if the engine does not tell.
    fn count_tokens(&self, text: &str) -> Option<usize>;

    /// Bytes of the weights in this process.
    fn loaded_bytes(&self) -> u64;

    /// Bytes that one generation holds in this process when its context is full.
    fn cache_bytes_max(&self) -> u64;

    /// What the model's card says.
    fn card(&self) -> &Card;
}

impl LocalModel for LanguageModel {
    fn generate(&self, prompt: &str, options: &GenerateOptions, on: OnProgress<'_>) -> Result<Generation, ModelError> {
        self.session().generate(prompt, options, &mut |token| {
            on(Progress::Token { id: Some(token.id), piece: token.piece, logprob: Some(token.logprob) })
        })
    }

    fn engine(&self) -> Engine {
        Engine::Tract
    }

    fn context(&self) -> Option<usize> {
        Some(Self::context(self))
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        Some(self.tokenizer().encode(text).len())
    }

    fn loaded_bytes(&self) -> u64 {
        Self::loaded_bytes(self)
    }

    fn cache_bytes_max(&self) -> u64 {
        Self::cache_bytes_max(self)
    }

    fn card(&self) -> &Card {
        Self::card(self)
    }
}
