//! The declared profile of the simulated clouds: nodes, networks and price tables, read from `cloud-profile.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trimtab_core::{Millis, Usd};

/// Longest profile file, bytes.
pub const PROFILE_BYTES_MAX: u64 = 64 * 1024;
/// Most nodes, networks or price tables.
pub const PROFILE_ENTRIES_MAX: usize = 8;
/// Longest declared time, seconds.
pub const PROFILE_SECONDS_MAX: f64 = 60.0;
/// Dearest declared price, USD for a million.
pub const PROFILE_PRICE_MAX: f64 = 1_000_000.0;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("cloud profile {path} cannot be read: restore the file, or name another")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file is longer than a profile may be.
    #[error("cloud profile {path} has {bytes} bytes; at most {PROFILE_BYTES_MAX} are read")]
    Long {
        /// Which file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The text is no TOML of the expected shape; the cause names line and key.
    #[error("cloud profile {path} does not parse: correct the named key")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// A value is outside its range.
    #[error("cloud profile {path}: {key} is {found}; {allowed}")]
    Range {
        /// Which file.
        path: PathBuf,
        /// Which key, dotted.
        key: String,
        /// What it says.
        found: String,
        /// What it may say.
        allowed: &'static str,
    },
    /// Something refers to an entry that is not there.
    #[error("cloud profile {path} has no {what} {name:?}; it has {known}")]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Kind of entry: network, price table, node.
        what: &'static str,
        /// Which one was asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
}

/// How fast a node answers, and what its bridge says of it.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpeed {
    /// What the upstream calls the model.
    pub model: String,
    /// Seconds until the first token, pictures apart.
    pub first_token_s: f64,
    /// Seconds more for each picture.
    pub per_image_s: f64,
    /// Seconds for each token of the answer.
    pub per_token_s: f64,
    /// Share of right answers, 0..=1, as declared.
    pub quality: f32,
    /// Most views in one request.
    pub images_max: u8,
    /// Tokens that a picture counts for.
    pub image_tokens: u32,
    /// Most tokens of a request and its answer.
    pub context_tokens_max: u32,
}

impl NodeSpeed {
    /// Until the first token of a request with `images` pictures.
    #[must_use]
    pub fn first_token(&self, images: usize) -> Duration {
        Duration::from_secs_f64(self.first_token_s + self.per_image_s * images as f64)
    }
    /// For each token.
    #[must_use]
    pub fn per_token(&self) -> Duration {
        Duration::from_secs_f64(self.per_token_s)
    }
}

/// A way to the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// There and back, milliseconds.
    pub round_trip_ms: u64,
    /// From the device, bits a second.
    pub up_bits_per_s: u64,
    /// To the device, bits a second.
    pub down_bits_per_s: u64,
}

impl Network {
    /// There and back.
    #[must_use]
    pub const fn round_trip(&self) -> Millis {
        Millis::new(self.round_trip_ms)
    }
    /// One way.
    #[must_use]
    pub const fn one_way(&self) -> Duration {
        Duration::from_micros(self.round_trip_ms * 500)
    }
}

/// What a node takes, USD for a million of each.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt, images not counted.
    pub prompt: f64,
    /// Tokens of the answer.
    pub completion: f64,
    /// Images.
    pub image: f64,
}

impl Price {
    /// A price in nano-USD, rounded up.
    fn nano(usd: f64) -> Usd {
        Usd::from_nano((usd * 1e9).ceil() as u64)
    }
    /// For a million prompt tokens.
    #[must_use]
    pub fn prompt(&self) -> Usd {
        Self::nano(self.prompt)
    }
    /// For a million completion tokens.
    #[must_use]
    pub fn completion(&self) -> Usd {
        Self::nano(self.completion)
    }
    /// For a million images.
    #[must_use]
    pub fn image(&self) -> Usd {
        Self::nano(self.image)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    simulated: bool,
    primary_network: String,
    primary_prices: String,
    node: BTreeMap<String, NodeSpeed>,
    network: BTreeMap<String, Network>,
    prices: BTreeMap<String, BTreeMap<String, Price>>,
}

/// A checked profile: every node is priced in every table, and the primary entries exist.
#[derive(Clone, Debug)]
pub struct CloudProfile {
    path: PathBuf,
    raw: std::sync::Arc<Checked>,
}

#[derive(Debug)]
struct Checked {
    primary_network: String,
    primary_prices: String,
    nodes: BTreeMap<String, NodeSpeed>,
    networks: BTreeMap<String, Network>,
    prices: BTreeMap<String, BTreeMap<String, Price>>,
}

impl CloudProfile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// A file that is missing, too long, malformed or inconsistent; the message names file, key and remedy.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let read = |cause| ProfileError::Read { path: path.to_path_buf(), cause };
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > PROFILE_BYTES_MAX {
            return Err(ProfileError::Long { path: path.to_path_buf(), bytes });
        }
        Self::parse(path, &std::fs::read_to_string(path).map_err(read)?)
    }

    /// Checks the text of a profile; `path` is for messages.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ProfileError> {
        let raw: RawProfile = toml::from_str(text)
            .map_err(|cause| ProfileError::Parse { path: path.to_path_buf(), cause: Box::new(cause) })?;
        let check = Check { path };
        check.raw(&raw)?;
        Ok(Self {
            path: path.to_path_buf(),
            raw: std::sync::Arc::new(Checked {
                primary_network: raw.primary_network,
                primary_prices: raw.primary_prices,
                nodes: raw.node,
                networks: raw.network,
                prices: raw.prices,
            }),
        })
    }

    /// The file it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Name of the network that policies are trained with.
    #[must_use]
    pub fn primary_network(&self) -> &str {
        &self.raw.primary_network
    }
    /// Name of the price table that policies are trained with.
    #[must_use]
    pub fn primary_prices(&self) -> &str {
        &self.raw.primary_prices
    }
    /// The nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &NodeSpeed)> {
        self.raw.nodes.iter().map(|(name, node)| (&**name, node))
    }
    /// Names of the networks, fastest uplink first.
    #[must_use]
    pub fn network_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.raw.networks.keys().map(String::as_str).collect();
        names.sort_by_key(|name| std::cmp::Reverse(self.raw.networks[*name].up_bits_per_s));
        names
    }
    /// Names of the price tables, the primary one first.
    #[must_use]
    pub fn price_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.raw.prices.keys().map(String::as_str).collect();
        names.sort_by_key(|name| *name != self.raw.primary_prices);
        names
    }
    /// A network by name.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn network(&self, name: &str) -> Result<Network, ProfileError> {
        let found = self.raw.networks.get(name).copied();
        found.ok_or_else(|| self.unknown("network", name, self.raw.networks.keys()))
    }
    /// What a node takes by one table.
    ///
    /// # Errors
    /// There is no such table or node.
    pub fn price(&self, table: &str, node: &str) -> Result<Price, ProfileError> {
        let prices =
            (self.raw.prices.get(table)).ok_or_else(|| self.unknown("price table", table, self.raw.prices.keys()))?;
        let price = prices.get(node).copied();
        price.ok_or_else(|| self.unknown("priced node", node, prices.keys()))
    }

    fn unknown<'a>(&self, what: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> ProfileError {
        ProfileError::Unknown {
            path: self.path.clone(),
            what,
            name: name.to_owned(),
            known: known.map(String::as_str).collect::<Vec<_>>().join(", "),
        }
    }
}

struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    fn fail(&self, key: String, found: &(impl ToString + ?Sized), allowed: &'static str) -> ProfileError {
        ProfileError::Range { path: self.path.to_path_buf(), key, found: found.to_string(), allowed }
    }

    fn within(&self, key: String, value: f64, max: f64, allowed: &'static str) -> Result<(), ProfileError> {
        if value.is_finite() && (0.0..=max).contains(&value) { Ok(()) } else { Err(self.fail(key, &value, allowed)) }
    }

    fn count(&self, key: &str, count: usize) -> Result<(), ProfileError> {
        if (1..=PROFILE_ENTRIES_MAX).contains(&count) {
            Ok(())
        } else {
            Err(self.fail(format!("number of [{key}] tables"), &count, "1 to 8 are allowed"))
        }
    }

    fn raw(&self, raw: &RawProfile) -> Result<(), ProfileError> {
        if !raw.simulated {
            let allowed = "it must say true: figures that rest on this file are labelled so";
            return Err(self.fail("simulated".into(), &false, allowed));
        }
        self.count("node", raw.node.len())?;
        self.count("network", raw.network.len())?;
        self.count("prices", raw.prices.len())?;
        for (name, node) in &raw.node {
            let seconds = [
                ("first_token_s", node.first_token_s),
                ("per_image_s", node.per_image_s),
                ("per_token_s", node.per_token_s),
            ];
            for (key, value) in seconds {
                let key = format!("node.{name}.{key}");
                self.within(key, value, PROFILE_SECONDS_MAX, "0 to 60 seconds are allowed")?;
            }
            let key = format!("node.{name}.quality");
            self.within(key, f64::from(node.quality), 1.0, "it is a share, 0 to 1")?;
        }
        for (name, network) in &raw.network {
            if network.round_trip_ms > 10_000 {
                let key = format!("network.{name}.round_trip_ms");
                return Err(self.fail(key, &network.round_trip_ms, "0 to 10000 are allowed"));
            }
            let rates = [("up_bits_per_s", network.up_bits_per_s), ("down_bits_per_s", network.down_bits_per_s)];
            for (key, rate) in rates {
                if rate == 0 {
                    let key = format!("network.{name}.{key}");
                    return Err(self.fail(key, &rate, "a link without any rate carries nothing"));
                }
            }
        }
        for (table, prices) in &raw.prices {
            for node in raw.node.keys() {
                if !prices.contains_key(node) {
                    let key = format!("prices.{table}.{node}");
                    return Err(self.fail(key, "missing", "every table prices every node"));
                }
            }
            for (node, price) in prices {
                let all = [("prompt", price.prompt), ("completion", price.completion), ("image", price.image)];
                for (key, value) in all {
                    let key = format!("prices.{table}.{node}.{key}");
                    self.within(key, value, PROFILE_PRICE_MAX, "0 to 1000000 USD are allowed")?;
                }
            }
        }
        if !raw.network.contains_key(&raw.primary_network) {
            let key = "primary_network".into();
            return Err(self.fail(key, &raw.primary_network, "it must name a [network] table"));
        }
        if !raw.prices.contains_key(&raw.primary_prices) {
            let key = "primary_prices".into();
            return Err(self.fail(key, &raw.primary_prices, "it must name a [prices] table"));
        }
        Ok(())
    }
}
