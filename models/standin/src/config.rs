//! What is served, how fast it pretends to be, and how time passes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Speed and limits that a served model declares. All times are those of the pretended server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerProfile {
    /// Until the first token of an answer to text alone.
    pub first_token: Duration,
    /// More until the first token, for each picture.
    pub per_image: Duration,
    /// For each further token.
    pub per_token: Duration,
    /// Most pictures of one request.
    pub images_max: usize,
    /// Tokens that a picture counts as.
    pub image_tokens: u64,
    /// Most tokens of a request and its answer together.
    pub context_tokens_max: u64,
}

impl ServerProfile {
    /// Until the first token of an answer to a request with `images` pictures.
    pub fn before_first_token(&self, images: usize) -> Duration {
        self.first_token + self.per_image * u32::try_from(images).unwrap_or(u32::MAX)
    }
}

/// One model on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name in requests, such as `good`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its declared speed and limits.
    pub profile: ServerProfile,
}

/// What to serve, and where.
#[derive(Clone, PartialEq, Eq)]
pub struct StandInConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Key that clients must present as a bearer token.
    pub api_key: String,
    /// Models on offer.
    pub models: Vec<ServedModel>,
    /// Folder of the language model that replies where a question is not about pictures.
    pub language: PathBuf,
}

impl StandInConfig {
    /// A server on a free port of the loopback interface.
    pub fn on_loopback(api_key: impl Into<String>, models: Vec<ServedModel>, language: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: api_key.into(),
            models,
            language: language.into(),
        }
    }
}

impl std::fmt::Debug for StandInConfig {
    /// Leaves the key out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandInConfig")
            .field("listen", &self.listen)
            .field("models", &self.models)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

/// Lets the declared time pass: really, or by moving a clock that everybody reads.
pub trait Pacer: Send + Sync + 'static {
    /// Returns when `span` has passed.
    fn pause(&self, span: Duration) -> impl Future<Output = ()> + Send;
}

/// Time as it is: a pause is slept.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Pacer for WallClock {
    async fn pause(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
