//! What only the holder of the key may command: one nonce at a time, and what became of each seal.

use crate::wire::{BootNumber, Config, Key, NackReason, Nonce, Tag, Trip, TripId};

/// Seals that were believed and are remembered, so that one that comes again is told apart from a wrong one.
const USED_MAX: usize = 4;

/// The key and the nonce of the day.
#[derive(Debug)]
pub(crate) struct Seals {
    key: Option<Key>,
    boot: BootNumber,
    entropy: [u8; 16],
    /// Nonces made in this boot.
    count: u32,
    nonce: Nonce,
    used: [Option<Tag>; USED_MAX],
    pub(crate) wrong: u32,
    pub(crate) replayed: u32,
}

impl Seals {
    pub(crate) fn new(key: Option<Key>, boot: BootNumber, entropy: [u8; 16]) -> Self {
        let mut seals = Self {
            key,
            boot,
            entropy,
            count: 0,
            nonce: Nonce::default(),
            used: [None; USED_MAX],
            wrong: 0,
            replayed: 0,
        };
        seals.renew();
        seals
    }

    /// What the next seal is made over.
    pub(crate) const fn nonce(&self) -> Nonce {
        self.nonce
    }

    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Makes a new nonce; the one before works no more.
    pub(crate) fn renew(&mut self) {
        if let Some(key) = &self.key {
            self.nonce = key.nonce(self.boot, &self.entropy, self.count);
            self.count = self.count.saturating_add(1);
        }
    }

    /// Whether a release may be believed. `last`: the trip that can be released.
    pub(crate) fn check_release(&mut self, trip: TripId, last: Option<Trip>, tag: &Tag) -> Result<(), NackReason> {
        self.check_replay(tag)?;
        let last = last.map(|last| last.id);
        if last != Some(trip) {
            return Err(NackReason::StaleTrip { last });
        }
        let nonce = self.nonce;
        self.check(tag, |key| key.releases(&nonce, trip, tag))
    }

    /// Whether a configuration may be believed.
    pub(crate) fn check_config(&mut self, config: &Config, tag: &Tag) -> Result<(), NackReason> {
        self.check_replay(tag)?;
        let nonce = self.nonce;
        self.check(tag, |key| key.configures(&nonce, config, tag))
    }

    fn check_replay(&mut self, tag: &Tag) -> Result<(), NackReason> {
        if self.used.contains(&Some(*tag)) {
            self.replayed = self.replayed.saturating_add(1);
            return Err(NackReason::ReplayedSeal);
        }
        Ok(())
    }

    fn check(&mut self, tag: &Tag, right: impl FnOnce(&Key) -> bool) -> Result<(), NackReason> {
        let key = self.key.as_ref().ok_or(NackReason::NoKey)?;
        if !right(key) {
            self.wrong = self.wrong.saturating_add(1);
            return Err(NackReason::WrongSeal);
        }
        // The newest goes in front, and pushes the oldest out.
        let mut newer = Some(*tag);
        for used in &mut self.used {
            core::mem::swap(used, &mut newer);
        }
        self.renew();
        Ok(())
    }
}
