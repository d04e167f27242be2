//! Single questions to an OpenAI-compatible upstream, without a bridge around them: for tools such as a judge of answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trimtab_core::{Millis, Usd};
use trimtab_wire::price::{Prices, Size};
use trimtab_wire::{Message, NodeName, Role, Usage};

use crate::config::{ApiKey, CONTEXT_TOKENS_MAX, ConfigError, IMAGE_TOKENS, UpstreamConfig};
use crate::upstream::{Upstream, UpstreamError};

/// Why an endpoint cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The URL or the key.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Certificates or TLS.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Why a question got no answer: thing and remedy, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {detail}")]
pub struct NoAnswer {
    /// The endpoint's name.
    pub name: String,
    /// What it did, and what to do.
    pub detail: String,
    /// Whether it may be charged all the same.
    pub charged: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The whole text.
    pub text: String,
    /// What it costs; where the upstream counts no tokens, at most.
    pub cost: Usd,
}

/// An upstream to put questions to.
pub struct Endpoint {
    upstream: Upstream,
    timeout: Duration,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.upstream.config.base_url)
    }
}

impl Endpoint {
    /// `url` goes up to and without `/chat/completions`; `name` is what errors call it. Connects only when asked.
    pub fn new(
        name: NodeName,
        url: &str,
        model: &str,
        key: Option<ApiKey>,
        prices: Prices,
        timeout: Duration,
    ) -> Result<Self, EndpointError> {
        let api_key = key.map(|key| ApiKey::checked(&name, &key.0)).transpose()?;
        crate::config::check_url(&name, url, api_key.is_some())?;
        let config = UpstreamConfig {
            base_url: url.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            api_key,
            ca: None,
            prices,
            images_max: 0,
            image_tokens: IMAGE_TOKENS,
            context_tokens_max: CONTEXT_TOKENS_MAX,
            quality: 0.0,
            latency_p50: Millis::ZERO,
            latency_p95: Millis::ZERO,
            token_time: Millis::ZERO,
            timeout,
            silence_max: timeout,
            node: name,
        };
        Ok(Self { upstream: Upstream::new(config, Arc::new(Instant::now))?, timeout })
    }

    /// What a question costs at most.
    #[must_use]
    pub fn worst(&self, system: &str, question: &str, max_tokens: u32) -> Usd {
        self.upstream.config.prices.worst(&size(system, question), IMAGE_TOKENS, max_tokens)
    }

    /// Asks once.
    pub async fn ask(&self, system: &str, question: &str, max_tokens: u32) -> Result<Said, NoAnswer> {
        let messages = [Message { role: Role::System, text: system.to_owned() }];
        let calling = self.upstream.call(&messages, question, &[], max_tokens, |_| {});
        let no_answer = |detail: String, charged| {
            let name = self.upstream.config.node.to_string();
            NoAnswer { name, detail, charged }
        };
        let reply = tokio::time::timeout(self.timeout, calling)
            .await
            .map_err(|_| no_answer(format!("took longer than {:?}; raise the time-out", self.timeout), true))?
            .map_err(|fault| no_answer(fault.detail, fault.charged))?;
        let cost = match reply.counted {
            Some((prompt_tokens, completion_tokens)) => {
                let usage = Usage { prompt_tokens, completion_tokens, images: 0, estimated: false };
                self.upstream.config.prices.of(&usage)
            }
            None => self.worst(system, question, max_tokens),
        };
        Ok(Said { text: reply.text, cost })
    }
}

fn size(system: &str, question: &str) -> Size {
    Size { text_bytes: (system.len() + question.len()) as u64, messages: 2, images: 0 }
}
