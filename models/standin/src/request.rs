//! A chat completion request, parsed once and checked against the limits of its model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use serde::Deserialize;
use trimtab_engine::RgbFrame;

use crate::config::ServerProfile;
use crate::error::ApiError;

/// Largest request body in bytes.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Most messages of one request.
pub const MESSAGES_MAX: usize = 1024;
/// Tokens that each message counts for besides its text.
pub const TOKENS_PER_MESSAGE: u64 = 4;
/// Tokens of an answer when the request names no limit.
const ANSWER_TOKENS_DEFAULT: usize = 256;

#[derive(Debug, Deserialize)]
struct Raw {
    model: String,
    messages: Vec<RawMessage>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<RawStreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    n: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct RawStreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct RawMessage {
    role: String,
    #[serde(default)]
    content: Option<RawContent>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawContent {
    Text(String),
    Parts(Vec<serde_json::Value>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RawPart {
    Text { text: String },
    ImageUrl { image_url: RawImage },
}

#[derive(Debug, Deserialize)]
struct RawImage {
    url: String,
}

/// A checked request. What is asked is the last message of the user, with its pictures.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    /// The texts of all messages, for counting.
    pub(crate) texts: Vec<String>,
    /// Pictures of all messages, for counting.
    pub(crate) images: usize,
    pub(crate) question: String,
    pub(crate) views: Vec<RgbFrame>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) answer_tokens_max: usize,
    pub(crate) temperature: f32,
    pub(crate) seed: u64,
}

/// A parsed request whose pictures are not decoded yet: the model must be known for its limits.
#[derive(Debug)]
pub(crate) struct Parsed(Raw);

impl Parsed {
    pub(crate) fn from_json(body: &[u8]) -> Result<Self, ApiError> {
        let raw: Raw = serde_json::from_slice(body)
            .map_err(|error| ApiError::malformed(format!("the body is not a chat completion request: {error}")))?;
        if raw.messages.is_empty() || raw.messages.len() > MESSAGES_MAX {
            let message = format!("{} messages; from 1 to {MESSAGES_MAX} are allowed", raw.messages.len());
            return Err(ApiError::invalid("messages", message));
        }
        if raw.n.is_some_and(|n| n != 1) {
            return Err(ApiError::invalid("n", "only one choice is given; leave n out or set it to 1"));
        }
        Ok(Self(raw))
    }

    pub(crate) fn model(&self) -> &str {
        &self.0.model
    }

    pub(crate) fn check(self, profile: &ServerProfile) -> Result<ChatRequest, ApiError> {
        let raw = self.0;
        let mut texts = Vec::with_capacity(raw.messages.len());
        let mut images = 0;
        let mut last = None;
        for message in raw.messages {
            if !matches!(message.role.as_str(), "system" | "developer" | "user" | "assistant" | "tool") {
                let text =
                    format!("unknown role {:?}; known are system, developer, user, assistant and tool", message.role);
                return Err(ApiError::invalid("messages.role", text));
            }
            let (text, urls) = parts(message.content)?;
            images += urls.len();
            if images > profile.images_max {
                let text = format!("{images} images; {} takes at most {}", raw.model, profile.images_max);
                return Err(ApiError::invalid("messages.content", text).code("too_many_images"));
            }
            texts.push(text.clone());
            if message.role == "user" {
                last = Some((text, urls));
            }
        }
        let (question, urls) = last.ok_or_else(|| ApiError::invalid("messages", "no message of the user"))?;
        let views = urls.iter().enumerate().map(|(index, url)| picture(index, url)).collect::<Result<_, _>>()?;
        let limit = raw.max_completion_tokens.or(raw.max_tokens);
        if limit == Some(0) {
            return Err(ApiError::invalid("max_tokens", "at least one token must be allowed"));
        }
        Ok(ChatRequest {
            model: raw.model,
            texts,
            images,
            question,
            views,
            stream: raw.stream.unwrap_or(false),
            include_usage: raw.stream_options.is_some_and(|options| options.include_usage),
            answer_tokens_max: limit
                .map_or(ANSWER_TOKENS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            temperature: raw.temperature.filter(|t| t.is_finite()).unwrap_or(0.0).clamp(0.0, 2.0),
            seed: raw.seed.unwrap_or(0).cast_unsigned(),
        })
    }
}

/// Text and picture addresses of one message.
fn parts(content: Option<RawContent>) -> Result<(String, Vec<String>), ApiError> {
    let parts = match content {
        None => return Ok((String::new(), Vec::new())),
        Some(RawContent::Text(text)) => return Ok((text, Vec::new())),
        Some(RawContent::Parts(parts)) => parts,
    };
    let mut texts = Vec::new();
    let mut urls = Vec::new();
    for part in parts {
        match serde_json::from_value(part).map_err(|e| ApiError::invalid("messages.content", e.to_string()))? {
            RawPart::Text { text } => texts.push(text),
            RawPart::ImageUrl { image_url } => urls.push(image_url.url),
        }
    }
    Ok((texts.join("\n"), urls))
}

/// The picture of a `data:` address; nothing is fetched from elsewhere.
fn picture(index: usize, url: &str) -> Result<RgbFrame, ApiError> {
    let invalid = |message: String| ApiError::invalid("messages.content", message).code("invalid_image");
    let data = ["data:image/jpeg;base64,", "data:image/png;base64,"].iter().find_map(|prefix| url.strip_prefix(prefix));
    let data =
        data.ok_or_else(|| invalid(format!("image {index}: only data: addresses of base64 JPEG or PNG are read")))?;
    let bytes = STANDARD.decode(data).map_err(|error| invalid(format!("image {index}: no base64: {error}")))?;
    RgbFrame::decode(&bytes, &format!("image {index}")).map_err(|error| invalid(error.to_string()))
}

/// Refuses what does not fit the model's context.
pub(crate) fn check_context(prompt_tokens: u64, profile: &ServerProfile) -> Result<(), ApiError> {
    if prompt_tokens < profile.context_tokens_max {
        return Ok(());
    }
    let message =
        format!("{prompt_tokens} tokens leave no room for an answer in the context of {}", profile.context_tokens_max);
    Err(ApiError::invalid("messages", message).code("context_length_exceeded").status(StatusCode::BAD_REQUEST))
}
