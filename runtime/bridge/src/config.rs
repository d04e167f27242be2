//! The bridge's configuration: one TOML file, read to `Raw…`, checked to [`BridgeConfig`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use trimtab_core::{Millis, Usd};
use trimtab_mqtt::{Connect, TlsFiles};
use trimtab_wire::limits::OFFERS_MAX;
use trimtab_wire::price::Prices;
use trimtab_wire::{BridgeId, FleetId, NodeName};

/// Largest configuration file, bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Longest key of an upstream, bytes.
pub const API_KEY_BYTES_MAX: usize = 4096;
/// Default of [`UpstreamConfig::timeout`].
pub const TIMEOUT: Duration = Duration::from_secs(120);
/// Default of [`UpstreamConfig::silence_max`].
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Default of [`UpstreamConfig::image_tokens`].
pub const IMAGE_TOKENS: u32 = 1024;
/// Default of [`UpstreamConfig::context_tokens_max`].
pub const CONTEXT_TOKENS_MAX: u32 = 8192;
/// Default port of a broker with TLS.
const PORT_TLS: u16 = 8883;
/// Default port of a broker without.
const PORT_PLAIN: u16 = 1883;

/// A checked configuration; the rig of the tests and the demo builds it directly.
#[derive(Debug, Clone)]
pub struct BridgeConfig {
    /// Whose requests are taken.
    pub fleet: FleetId,
    /// This bridge's name.
    pub bridge: BridgeId,
    /// How to reach the broker; identity and will are set by the bridge.
    pub broker: Connect,
    /// Where the answers are kept.
    pub state_dir: PathBuf,
    /// What can be asked; 1 to [`OFFERS_MAX`], names differ.
    pub upstreams: Vec<UpstreamConfig>,
    /// Replaces every view by a grey one of the same size: shows what the views are worth.
    pub blind: bool,
}

/// A key that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(pub String);

impl ApiKey {
    /// What a header can carry, without the white space around it.
    pub(crate) fn checked(node: &NodeName, key: &str) -> Result<Self, ConfigError> {
        let key = key.trim();
        if key.is_empty() || key.len() > API_KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let fault = format!("is no key: 1 to {API_KEY_BYTES_MAX} printable ASCII characters are");
            return Err(value(&place(node, "api_key"), fault));
        }
        Ok(Self(key.to_owned()))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// One OpenAI-compatible upstream.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// The node's name in offers and requests.
    pub node: NodeName,
    /// Up to and without `/chat/completions`.
    pub base_url: String,
    /// The model, as the upstream calls it.
    pub model: String,
    /// Sent as bearer token.
    pub api_key: Option<ApiKey>,
    /// Certificates to trust beside the system's, PEM.
    pub ca: Option<PathBuf>,
    /// What it charges.
    pub prices: Prices,
    /// Most views in one request.
    pub images_max: u8,
    /// What the upstream counts for one image, tokens; an upper bound.
    pub image_tokens: u32,
    /// Most tokens of prompt, context, images and answer together.
    pub context_tokens_max: u32,
    /// Share of right answers on the node's own benchmark, 0..=1.
    pub quality: f32,
    /// Declared median time to the first token, until calls have measured it.
    pub latency_p50: Millis,
    /// The same, 95th percentile.
    pub latency_p95: Millis,
    /// Declared time of each token of the answer.
    pub token_time: Millis,
    /// Longest call, whatever the request's deadline.
    pub timeout: Duration,
    /// Longest silence within a call.
    pub silence_max: Duration,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {}: {cause}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is no such TOML.
    #[error("configuration {}: {cause}", path.display())]
    Toml {
        /// Which.
        path: PathBuf,
        /// Where and why.
        cause: Box<toml::de::Error>,
    },
    /// A value is out of range.
    #[error("{place}: {fault}")]
    Value {
        /// Which key.
        place: String,
        /// What is wrong, and what would be right.
        fault: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    fleet: FleetId,
    bridge: BridgeId,
    broker: RawBroker,
    state_dir: PathBuf,
    upstreams: Vec<RawUpstream>,
    #[serde(default)]
    blind: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBroker {
    host: String,
    port: Option<u16>,
    tls: Option<RawTls>,
    #[serde(default)]
    allow_plaintext: bool,
    keep_alive_s: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    ca: PathBuf,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUpstream {
    node: NodeName,
    base_url: String,
    model: String,
    api_key_env: Option<String>,
    api_key_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    prices: RawPrices,
    images_max: u8,
    image_tokens: Option<u32>,
    context_tokens_max: Option<u32>,
    quality: f32,
    latency_p50_ms: u64,
    latency_p95_ms: u64,
    token_ms: u64,
    timeout_ms: Option<u64>,
    silence_max_ms: Option<u64>,
    #[serde(default)]
    allow_plaintext: bool,
}

/// USD for a million of each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrices {
    prompt: f64,
    completion: f64,
    image: f64,
}

impl BridgeConfig {
    /// Reads and checks a file. Keys of upstreams are read from `environment` or from their files.
    pub fn load(path: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = read(path, CONFIG_BYTES_MAX).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let raw: RawConfig = toml::from_str(&text)
            .map_err(|cause| ConfigError::Toml { path: path.to_owned(), cause: Box::new(cause) })?;
        Self::check(raw, environment)
    }

    fn check(raw: RawConfig, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let upstreams =
            raw.upstreams.into_iter().map(|raw| UpstreamConfig::check(raw, &environment)).collect::<Result<_, _>>()?;
        let broker = raw.broker.check(raw.bridge.as_str())?;
        let config = Self {
            fleet: raw.fleet,
            bridge: raw.bridge,
            broker,
            state_dir: raw.state_dir,
            upstreams,
            blind: raw.blind,
        };
        config.checked()
    }

    /// Checks what the types do not: number, names and figures of the upstreams.
    pub fn checked(self) -> Result<Self, ConfigError> {
        let count = self.upstreams.len();
        if count == 0 || count > OFFERS_MAX {
            return Err(value("upstreams", format!("{count} are configured; 1 to {OFFERS_MAX} are possible")));
        }
        for (index, upstream) in self.upstreams.iter().enumerate() {
            if self.upstreams.iter().skip(index + 1).any(|other| other.node == upstream.node) {
                return Err(value(&place(&upstream.node, "node"), "is there twice; names of nodes differ".to_owned()));
            }
            if !(0.0..=1.0).contains(&upstream.quality) {
                return Err(value(&place(&upstream.node, "quality"), "lies in 0..=1".to_owned()));
            }
        }
        Ok(self)
    }
}

impl RawBroker {
    fn check(self, client_id: &str) -> Result<Connect, ConfigError> {
        let tls = self.tls.map(RawTls::check).transpose()?;
        let port = self.port.unwrap_or(if tls.is_some() { PORT_TLS } else { PORT_PLAIN });
        let keep_alive = self.keep_alive_s.map_or(Connect::KEEP_ALIVE, |s| Duration::from_secs(s.into()));
        Ok(Connect {
            tls,
            allow_plaintext: self.allow_plaintext,
            keep_alive,
            ..Connect::new(client_id, &self.host, port)
        })
    }
}

impl RawTls {
    fn check(self) -> Result<TlsFiles, ConfigError> {
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(value("broker.tls.key", "is missing beside the certificate".to_owned())),
            (None, Some(_)) => return Err(value("broker.tls.certificate", "is missing beside the key".to_owned())),
        };
        Ok(TlsFiles { ca: self.ca, identity })
    }
}

impl UpstreamConfig {
    fn check(raw: RawUpstream, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let node = raw.node;
        let api_key = match (raw.api_key_env, raw.api_key_file) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                let fault = "and api_key_file are both given; keep one".to_owned();
                return Err(value(&place(&node, "api_key_env"), fault));
            }
            (Some(name), None) => Some(environment(&name).ok_or_else(|| {
                value(&place(&node, "api_key_env"), format!("variable {name} is not set in the environment"))
            })?),
            (None, Some(path)) => Some(
                read(&path, 2 * API_KEY_BYTES_MAX as u64)
                    .map_err(|cause| value(&place(&node, "api_key_file"), format!("{}: {cause}", path.display())))?,
            ),
        };
        let api_key = api_key.map(|key| ApiKey::checked(&node, &key)).transpose()?;
        check_url(&node, &raw.base_url, api_key.is_some() && !raw.allow_plaintext)?;
        let prices = Prices {
            prompt: price(&node, "prompt", raw.prices.prompt)?,
            completion: price(&node, "completion", raw.prices.completion)?,
            image: price(&node, "image", raw.prices.image)?,
        };
        Ok(Self {
            base_url: raw.base_url.trim_end_matches('/').to_owned(),
            model: raw.model,
            api_key,
            ca: raw.ca,
            prices,
            images_max: raw.images_max,
            image_tokens: raw.image_tokens.unwrap_or(IMAGE_TOKENS),
            context_tokens_max: raw.context_tokens_max.unwrap_or(CONTEXT_TOKENS_MAX),
            quality: raw.quality,
            latency_p50: Millis::new(raw.latency_p50_ms),
            latency_p95: Millis::new(raw.latency_p95_ms),
            token_time: Millis::new(raw.token_ms),
            timeout: raw.timeout_ms.map_or(TIMEOUT, Duration::from_millis),
            silence_max: raw.silence_max_ms.map_or(SILENCE_MAX, Duration::from_millis),
            node,
        })
    }
}

/// A text file, within its bound whatever kind of file it is.
fn read(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let fault = format!("more than the {limit} bytes that it may have; is it the right file?");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, fault));
    }
    Ok(text)
}

/// A URL that can be asked, and that carries no key in the clear.
pub(crate) fn check_url(node: &NodeName, url: &str, needs_tls: bool) -> Result<(), ConfigError> {
    let fault = |fault: &str| Err(value(&place(node, "base_url"), format!("{url:?} {fault}")));
    let Ok(parsed) = url.parse::<hyper::Uri>() else {
        return fault("is no URL");
    };
    let Some(host) = parsed.host() else {
        return fault("has no host; write it like https://api.example.com/v1");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match parsed.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if needs_tls && !loopback => {
            fault("would send the key in the clear; use https, or set allow_plaintext = true")
        }
        Some("http") => Ok(()),
        _ => fault("begins with neither https:// nor http://"),
    }
}

fn price(node: &NodeName, what: &str, usd_per_million: f64) -> Result<Usd, ConfigError> {
    const USD_PER_MILLION_MAX: f64 = 1e9;
    if !(0.0..=USD_PER_MILLION_MAX).contains(&usd_per_million) {
        let fault = format!("is {usd_per_million}; USD for a million, 0 to {USD_PER_MILLION_MAX}, are possible");
        return Err(value(&place(node, &format!("prices.{what}")), fault));
    }
    Ok(Usd::from_nano((usd_per_million * 1e9).ceil() as u64))
}

fn place(node: &NodeName, key: &str) -> String {
    format!("upstream {node}: {key}")
}

fn value(place: &str, fault: String) -> ConfigError {
    ConfigError::Value { place: place.to_owned(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        fleet = "home"
        bridge = "bridge-1"
        state_dir = "/var/lib/trimtab-bridge"
        [broker]
        host = "localhost"
        [[upstreams]]
        node = "good"
        base_url = "https://api.example.com/v1/"
        model = "large"
        api_key_env = "KEY"
        images_max = 4
        quality = 0.9
        latency_p50_ms = 550
        latency_p95_ms = 900
        token_ms = 30
        prices = { prompt = 2.5, completion = 10.0, image = 1000.0 }
    "#;

    fn read(text: &str) -> Result<BridgeConfig, String> {
        let raw: RawConfig = toml::from_str(text).map_err(|fault| fault.to_string())?;
        let environment = |name: &str| (name == "KEY").then(|| "secret\n".to_owned());
        BridgeConfig::check(raw, environment).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_file_becomes_a_configuration() {
        let config = read(GOOD).unwrap();
        let upstream = config.upstreams.first().unwrap();
        assert_eq!(upstream.api_key, Some(ApiKey("secret".to_owned())));
        assert_eq!(upstream.prices.prompt, Usd::from_nano(2_500_000_000));
        assert_eq!(upstream.base_url, "https://api.example.com/v1");
        assert!(!format!("{config:?}").contains("secret"), "a key is never printed");
    }

    #[test]
    fn the_example_is_a_configuration() {
        let text = include_str!("../bridge.example.toml").replace("UPSTREAM_KEY", "KEY");
        assert_eq!(read(&text).unwrap().broker.port, PORT_TLS);
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let endless = GOOD.replace("api_key_env = \"KEY\"", "api_key_file = \"/dev/zero\"");
        let fault = read(&endless).map(drop).unwrap_err();
        assert!(fault.contains("upstream good: api_key_file: /dev/zero: more than the 8192 bytes"), "{fault}");
    }

    #[test]
    fn faults_name_thing_place_and_remedy() {
        for (from, to, expect) in [
            ("fleet", "flet", "flet"),
            ("\"home\"", "\"a/b\"", "use a-z"),
            ("\"KEY\"", "\"OTHER\"", "upstream good: api_key_env: variable OTHER is not set"),
            ("https://api", "http://api", "would send the key in the clear"),
            ("https://", "ftp://", "neither https:// nor http://"),
            ("quality = 0.9", "quality = 1.9", "upstream good: quality: lies in 0..=1"),
            ("prompt = 2.5", "prompt = -1", "prices.prompt"),
            (
                "host = \"localhost\"",
                "host = \"b\"\ntls = { ca = \"ca.pem\", key = \"k.pem\" }",
                "broker.tls.certificate",
            ),
        ] {
            let fault = read(&GOOD.replace(from, to)).map(drop).unwrap_err();
            assert!(fault.contains(expect), "{from} → {to}: {fault}");
        }
    }
}
