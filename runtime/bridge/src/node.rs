//! A node as the bridge runs it: its upstream, how that fares, and what it may be asked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use trimtab_core::{Millis, Usd};
use trimtab_wire::operator::Offer;
use trimtab_wire::price::Size;
use trimtab_wire::{RefusalReason, Request, Usage};

use crate::health::Health;
use crate::upstream::{Reply, Upstream};

/// Why a node cannot be asked this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) reason: RefusalReason,
    pub(crate) detail: String,
}

pub(crate) struct Node {
    pub(crate) upstream: Upstream,
    health: Mutex<Health>,
}

impl Node {
    pub(crate) fn new(upstream: Upstream) -> Self {
        Self { upstream, health: Mutex::default() }
    }

    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens of answer with which the request fits the node's limits and `max_cost`.
    pub(crate) fn plan(&self, request: &Request, max_cost: Usd) -> Result<u32, Unfit> {
        let config = &self.upstream.config;
        let node = &config.node;
        let unfit = |reason, detail| Err(Unfit { reason, detail });
        let size = Size::of(request);
        if request.views.len() > usize::from(config.images_max) {
            let (views, limit) = (request.views.len(), config.images_max);
            let detail = format!("node {node} takes {limit} views, the request has {views}; send fewer");
            return unfit(RefusalReason::NodeLimit, detail);
        }
        let prompt = size.prompt_tokens_max(config.image_tokens);
        let limit = u64::from(config.context_tokens_max);
        if prompt >= limit {
            let detail = format!(
                "node {node} takes {limit} tokens, prompt and images may have {prompt}; shorten the conversation"
            );
            return unfit(RefusalReason::NodeLimit, detail);
        }
        let wanted = request.max_tokens.min(u32::try_from(limit - prompt).unwrap_or(u32::MAX));
        match config.prices.tokens_within(max_cost, &size, config.image_tokens, wanted) {
            Some(tokens) => Ok(tokens),
            None => {
                let least = config.prices.worst(&size, config.image_tokens, 1);
                let detail = format!("node {node} may cost {least} for one token of answer, {max_cost} is allowed");
                unfit(RefusalReason::CostLimit, detail)
            }
        }
    }

    /// What a call with `max_tokens` costs at most.
    pub(crate) fn worst(&self, request: &Request, max_tokens: u32) -> Usd {
        let config = &self.upstream.config;
        config.prices.worst(&Size::of(request), config.image_tokens, max_tokens)
    }

    /// What the upstream counted; where it did not, the upper bound.
    pub(crate) fn usage(&self, request: &Request, max_tokens: u32, reply: &Reply) -> Usage {
        let images = request.views.len() as u32;
        match reply.counted {
            Some((prompt_tokens, completion_tokens)) => {
                Usage { prompt_tokens, completion_tokens, images, estimated: false }
            }
            None => {
                let prompt = Size::of(request).prompt_tokens_max(self.upstream.config.image_tokens);
                let prompt_tokens = u32::try_from(prompt).unwrap_or(u32::MAX);
                Usage { prompt_tokens, completion_tokens: max_tokens, images, estimated: true }
            }
        }
    }

    /// A call gave an answer.
    pub(crate) fn succeeded(&self, usage: &Usage, reply: &Reply) {
        let further = usage.completion_tokens.saturating_sub(1);
        let counted = further > 0 && !usage.estimated;
        let token = counted.then(|| (reply.total.saturating_sub(reply.first_token)) / further);
        self.health().succeeded(reply.first_token, token);
    }

    /// As it is offered now: with what was measured where calls have measured it, else with what was declared.
    pub(crate) fn offer(&self, now: Instant) -> Offer {
        let config = &self.upstream.config;
        let (available, measured) = {
            let health = self.health();
            (health.available(now), health.measured())
        };
        let shown = |measured: Option<Duration>, declared| measured.map_or(declared, Millis::from_duration);
        Offer {
            node: config.node.clone(),
            model: config.model.clone(),
            available,
            price_prompt_nusd: config.prices.prompt,
            price_completion_nusd: config.prices.completion,
            price_image_nusd: config.prices.image,
            images_max: config.images_max,
            context_tokens_max: config.context_tokens_max,
            image_tokens: config.image_tokens,
            latency_p50_ms: shown(measured.map(|measured| measured.p50), config.latency_p50),
            latency_p95_ms: shown(measured.map(|measured| measured.p95), config.latency_p95),
            token_ms: shown(measured.and_then(|measured| measured.token), config.token_time),
            calls: measured.map_or(0, |measured| measured.calls),
            quality: config.quality,
        }
    }
}
