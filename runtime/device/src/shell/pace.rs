//! What deciding and a local answer take on this device: measured at the start, or as is declared.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use trimtab_core::{Bytes, Millis, NodeProfile, Usd, Watts};
use trimtab_engine::{Encoder, Engine, GenerateOptions, LocalModel, ModelError, Progress, RgbFrame};
use trimtab_turn::{LocalEngine, Upper};

/// What holds where the card says nothing: share of right answers.
const QUALITY: f64 = 0.5;
/// The same: milliseconds to the first token, and for each further one, on a small board.
const FIRST_TOKEN_MS: f64 = 60.0;
const TOKEN_MS: f64 = 12.0;
/// The same: tokens of an answer.
const ANSWER_TOKENS: f64 = 24.0;
/// What is generated to measure: short, because the device starts no turn meanwhile.
const PROMPT: &str = "Hello, what can you do?";
const TOKENS_MAX: usize = 12;
/// The same: a server that loads its model first must not hold the start for longer.
const MEASURE_MAX: Duration = Duration::from_secs(20);

/// How long encoding the prompt and all views may take, where it is not measured.
pub(super) const DECISION_PRIOR: Millis = Millis::new(250);
/// What is encoded to measure: a grey picture of a usual camera's size.
const FRAME: (u32, u32) = (640, 480);
/// A first estimate is that many times what was measured: pictures must be unpacked too, and the next turns may find the
/// processor busy.
const DECISION_MARGIN: u32 = 3;

/// How long encoding a prompt and so many views may take here. None if the encoder cannot; the first turn will say why.
pub(super) fn decision(encoder: &Encoder, cameras: usize) -> Option<Millis> {
    let (width, height) = FRAME;
    let grey = RgbFrame::new(width, height, vec![128; (width * height * 3) as usize]).ok()?;
    let encode = || {
        encoder.embed_text(PROMPT)?;
        (0..cameras).try_for_each(|_| encoder.embed_image(&grey).map(drop))
    };
    // The first time also fetches weights and makes room, which no later turn has to.
    let timed = || encode().map(|()| Instant::now()).and_then(|began| encode().map(|()| began.elapsed()));
    let took = match timed() {
        Ok(took) => took,
        Err(fault) => {
            tracing::warn!(fault = %crate::fault_text(&fault), "the encoder's pace was not measured");
            return None;
        }
    };
    tracing::info!(ms = took.as_secs_f64() * 1e3, cameras, "the encoder encodes a prompt and all views");
    Some(Millis::from_duration(took.saturating_mul(DECISION_MARGIN)))
}

/// How fast the local model answers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Pace {
    first_token_ms: f64,
    token_ms: f64,
}

impl Pace {
    /// Lets the model answer once. None if it cannot, or says too little to tell; its first turn will say why.
    pub(super) fn measure(lm: &dyn LocalModel) -> Option<Self> {
        // A server may load its model at the first request: that is no measure of those to come.
        let warm = if lm.engine() == Engine::Server { Self::answer(lm, 1).map(drop) } else { Ok(()) };
        let told = match warm.and_then(|()| Self::answer(lm, TOKENS_MAX)) {
            Ok(told) => told,
            Err(fault) => {
                tracing::warn!(fault = %crate::fault_text(&fault), "the local model's pace was not measured");
                return None;
            }
        };
        let (first, last) = (told.first()?, told.last()?);
        let further = u32::try_from(told.len() - 1).unwrap_or(u32::MAX);
        let token = last.saturating_sub(*first).checked_div(further)?;
        let ms = |span: Duration| span.as_secs_f64() * 1e3;
        let pace = Self { first_token_ms: ms(*first), token_ms: ms(token) };
        tracing::info!(first_token_ms = pace.first_token_ms, token_ms = pace.token_ms, "the local model answers");
        Some(pace)
    }

    /// When each token of a short answer came.
    fn answer(lm: &dyn LocalModel, max_tokens: usize) -> Result<Vec<Duration>, ModelError> {
        let options = GenerateOptions { max_tokens, ..GenerateOptions::default() };
        let began = Instant::now();
        let mut told = Vec::with_capacity(max_tokens);
        lm.generate(PROMPT, &options, &mut |progress| {
            if matches!(progress, Progress::Token { .. }) {
                told.push(began.elapsed());
            }
            if began.elapsed() > MEASURE_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(told)
    }

    /// As the card declares.
    fn declared(lm: &dyn LocalModel) -> Self {
        Self {
            first_token_ms: figure(lm, "first_token_ms", FIRST_TOKEN_MS),
            token_ms: figure(lm, "token_ms", TOKEN_MS),
        }
    }
}

/// The local engine as quotes know it, drawing `draw` while it computes.
pub(super) fn engine(lm: &dyn LocalModel, pace: Option<Pace>, draw: Watts) -> LocalEngine {
    let Pace { first_token_ms: first, token_ms: token } = pace.unwrap_or_else(|| Pace::declared(lm));
    let tokens = figure(lm, "answer_tokens", ANSWER_TOKENS);
    let whole = Millis::new((first + token * tokens).ceil() as u64);
    let activations = lm.card().peak_bytes().map_or(0, |peak| peak.saturating_sub(lm.loaded_bytes()));
    LocalEngine {
        profile: NodeProfile {
            local: true,
            price_prompt: Usd::ZERO,
            price_completion: Usd::ZERO,
            price_image: Usd::ZERO,
            images_max: 0,
            latency_p50: whole,
            latency_p95: whole.times(2),
            token_time: Millis::new(token.ceil() as u64),
            quality: figure(lm, "quality", QUALITY).min(1.0) as f32,
        },
        memory: Bytes::new(activations.max(lm.cache_bytes_max())),
        draw,
        first_token: Upper::from_prior(first as f32),
        per_token: Upper::from_prior(token as f32),
        tokens: Upper::from_prior(tokens as f32),
    }
}

/// A figure of the model's card, or what holds where it has none.
fn figure(lm: &dyn LocalModel, key: &str, otherwise: f64) -> f64 {
    let found = lm.card().get(key).and_then(|value| value.as_f64());
    found.filter(|figure| figure.is_finite() && *figure >= 0.0).unwrap_or(otherwise)
}
