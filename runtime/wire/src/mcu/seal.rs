//! What only the holder of a board's key may say: HMAC-SHA-256 over a domain, a nonce of the board's, and what is said.

use core::fmt;

use hmac::{Hmac, Mac};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use super::config::Config;
use super::event::{BootNumber, TripId};
use super::frame::BODY_BYTES_MAX;

/// Keeps one use of the key from being taken for another.
const RELEASE_DOMAIN: &[u8] = b"trimtab mcu release v1\0";
const CONFIG_DOMAIN: &[u8] = b"trimtab mcu config v1\0";
const NONCE_DOMAIN: &[u8] = b"trimtab mcu nonce v1\0";

/// Length of a key, bytes.
const KEY_BYTES: usize = 32;

/// What a board and whoever may release it share. It is never shown, sent or logged.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// Of these bytes, drawn at random when the board is provisioned.
    #[must_use]
    pub const fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Seals the release of a trip.
    #[must_use]
    pub fn release(&self, nonce: &Nonce, trip: TripId) -> Tag {
        Tag::of(self.release_mac(nonce, trip))
    }

    /// Seals a configuration.
    #[must_use]
    pub fn configure(&self, nonce: &Nonce, config: &Config) -> Tag {
        Tag::of(self.config_mac(nonce, config))
    }

    /// Whether the seal of a release is right; takes as long for a wrong one as for a right one.
    #[must_use]
    pub fn releases(&self, nonce: &Nonce, trip: TripId, tag: &Tag) -> bool {
        self.release_mac(nonce, trip).verify_slice(&tag.0).is_ok()
    }

    /// Whether the seal of a configuration is right; takes as long for a wrong one as for a right one.
    #[must_use]
    pub fn configures(&self, nonce: &Nonce, config: &Config, tag: &Tag) -> bool {
        self.config_mac(nonce, config).verify_slice(&tag.0).is_ok()
    }

    /// A nonce that nobody foresees who does not know the key, and that no other boot or count gives.
    #[must_use]
    pub fn nonce(&self, boot: BootNumber, entropy: &[u8; 16], count: u32) -> Nonce {
        let mut mac = self.mac(NONCE_DOMAIN);
        mac.update(&boot.0.to_le_bytes());
        mac.update(entropy);
        mac.update(&count.to_le_bytes());
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut nonce = [0; NONCE_BYTES];
        nonce.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        Nonce(nonce)
    }

    fn mac(&self, domain: &[u8]) -> Hmac<Sha256> {
        // HMAC fills a short key up with zeros to a block; done here, it cannot fail for the key's length.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        let mut mac = <Hmac<Sha256> as Mac>::new(&block);
        mac.update(domain);
        mac
    }

    fn release_mac(&self, nonce: &Nonce, trip: TripId) -> Hmac<Sha256> {
        let mut mac = self.mac(RELEASE_DOMAIN);
        mac.update(&nonce.0);
        mac.update(&trip.0.to_le_bytes());
        mac
    }

    fn config_mac(&self, nonce: &Nonce, config: &Config) -> Hmac<Sha256> {
        let mut mac = self.mac(CONFIG_DOMAIN);
        mac.update(&nonce.0);
        let mut bytes = [0; BODY_BYTES_MAX];
        // A configuration fits in a frame, so it fits here.
        if let Ok(bytes) = postcard::to_slice(config, &mut bytes) {
            mac.update(bytes);
        }
        mac
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Length of a seal, bytes.
const TAG_BYTES: usize = 32;
/// Length of a nonce, bytes.
const NONCE_BYTES: usize = 16;

/// What a seal is made over, so that it works once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nonce(pub [u8; NONCE_BYTES]);

/// A seal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag(pub [u8; TAG_BYTES]);

/// Reads so many bytes as one piece; as an array serde would unroll them, in flash that is dear.
struct Piece<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for Piece<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(Piece).map(Self)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(Piece).map(Self)
    }
}

impl Tag {
    fn of(mac: Hmac<Sha256>) -> Self {
        Self(mac.finalize().into_bytes().into())
    }
}
