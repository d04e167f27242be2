//! Two slots for the supervisor's record in flash, of which one survives whatever happens while the other is written.
//!
//! Records are stored in turn under two keys of a log in flash (`sequential-storage`): one is never touched while the other
//! is written, a write that power cuts off leaves what was there before, and every page wears alike. Each record has a
//! checksum of its own besides that of the log, and a generation that tells the newer one.
#![no_std]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use trimtab_supervisor::{RECORD_BYTES_MAX, Record, Stored};

/// A record with the log's key, rounded up to the word of any flash.
const BUFFER_BYTES: usize = RECORD_BYTES_MAX + 32;
/// Read at once to see whether flash is erased; pages are multiples of it.
const CHUNK_BYTES: usize = 32;
/// How often a record is written before the log is begun anew.
const TRIES: usize = 2;

/// The record was not stored; what was stored before still is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the record was not stored: the flash cannot be written")]
pub struct NotStored;

/// The range is no place for a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the store needs two pages of flash or more, from the border of one to that of another")]
pub struct Misplaced;

/// The store of one board.
pub struct Store<F: NorFlash> {
    log: MapStorage<u8, F, Cache<Uncached, Uncached, Uncached, u8>>,
}

/// A slot holds something that is no record.
struct Damaged;

impl<F: NorFlash> Store<F> {
    /// In this range of the flash, which is erased to ones before its first use.
    pub fn new(flash: F, range: Range<u32>) -> Result<Self, Misplaced> {
        if range.is_empty() || !F::ERASE_SIZE.is_multiple_of(CHUNK_BYTES) {
            return Err(Misplaced);
        }
        let config = MapConfig::try_new(range).map_err(|_| Misplaced)?;
        Ok(Self { log: MapStorage::new(flash, config, Cache::new_uncached()) })
    }

    /// What is stored. Flash without a record is damaged unless every byte of it is erased: nobody knows what it held.
    pub async fn load(&mut self) -> Stored {
        let (mut newest, mut damaged) = (None::<Record>, false);
        for key in [0, 1] {
            match self.slot(key).await {
                Ok(Some(record)) if newest.is_none_or(|newest| newest.generation <= record.generation) => {
                    newest = Some(record);
                }
                Ok(_) => {}
                Err(Damaged) => damaged = true,
            }
        }
        match newest {
            Some(record) if damaged => Stored::FellBack(record),
            Some(record) => Stored::Whole(record),
            None if !damaged && self.erased().await => Stored::Empty,
            None => Stored::Damaged,
        }
    }

    /// Stores a record in the slot of the one before the last, and reads it back. What was written over cells that are worn is written
    /// once more beside them; a log that is damaged beyond repair is begun anew.
    pub async fn save(&mut self, record: &Record) -> Result<(), NotStored> {
        let mut bytes = [0; RECORD_BYTES_MAX];
        let bytes = record.encode(&mut bytes).map_err(|_| NotStored)?;
        let key = (record.generation % 2) as u8;
        let mut tries = 0;
        loop {
            if tries == TRIES {
                self.log.erase_all().await.map_err(|_| NotStored)?;
            }
            match self.write(key, bytes).await {
                Ok(()) if self.holds(key, bytes).await => return Ok(()),
                Ok(()) if tries < TRIES => tries += 1,
                Err(Error::Storage { .. }) => return Err(NotStored),
                Err(_) if tries < TRIES => tries = TRIES,
                _ => return Err(NotStored),
            }
        }
    }

    async fn erased(&mut self) -> bool {
        for offset in self.log.flash_range().step_by(CHUNK_BYTES) {
            let mut chunk = [0; CHUNK_BYTES];
            if self.log.flash().read(offset, &mut chunk).await.is_err() || chunk != [0xff; CHUNK_BYTES] {
                return false;
            }
        }
        true
    }

    async fn holds(&mut self, key: u8, bytes: &[u8]) -> bool {
        let mut buffer = [0; BUFFER_BYTES];
        matches!(self.log.fetch_item::<&[u8]>(&mut buffer, &key).await, Ok(Some(found)) if found == bytes)
    }

    async fn slot(&mut self, key: u8) -> Result<Option<Record>, Damaged> {
        let mut buffer = [0; BUFFER_BYTES];
        let found = self.log.fetch_item::<&[u8]>(&mut buffer, &key).await.map_err(|_| Damaged)?;
        found.map(|bytes| Record::decode(bytes).map_err(|_| Damaged)).transpose()
    }

    async fn write(&mut self, key: u8, bytes: &[u8]) -> Result<(), Error<F::Error>> {
        let mut buffer = [0; BUFFER_BYTES];
        self.log.store_item(&mut buffer, &key, &bytes).await
    }
}
