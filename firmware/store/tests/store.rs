//! The store on flash that loses power at every word it writes and every page it erases.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use trimtab_store::{Misplaced, NotStored, Store};
use trimtab_supervisor::wire::{BootNumber, Cause, State, Trip, TripId};
use trimtab_supervisor::{Record, Stored};

const PAGE: usize = 1024;
const PAGES: usize = 2;

/// Flash in memory, with power for so many operations: a word written, or half a page erased.
#[derive(Clone)]
struct Flash {
    cells: Vec<u8>,
    power: usize,
    /// Cells may hold what nobody wrote.
    worn: bool,
}

#[derive(Debug)]
struct PowerCut;

impl NorFlashError for PowerCut {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = PowerCut;
}

impl Flash {
    fn new() -> Self {
        Self { cells: vec![0xff; PAGE * PAGES], power: usize::MAX, worn: false }
    }

    fn spend(&mut self) -> Result<(), PowerCut> {
        self.power = self.power.checked_sub(1).ok_or(PowerCut)?;
        Ok(())
    }
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerCut> {
        let offset = offset as usize;
        bytes.copy_from_slice(&self.cells[offset..offset + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerCut> {
        assert!((from as usize).is_multiple_of(PAGE) && (to as usize).is_multiple_of(PAGE));
        for half in self.cells[from as usize..to as usize].chunks_mut(PAGE / 2) {
            self.power = self.power.checked_sub(1).ok_or(PowerCut)?;
            half.fill(0xff);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerCut> {
        assert!((offset as usize).is_multiple_of(4) && bytes.len().is_multiple_of(4));
        for (at, word) in (offset as usize..).step_by(4).zip(bytes.chunks(4)) {
            let cut = self.spend();
            for (to, from) in self.cells[at..at + 4].iter_mut().zip(word) {
                assert!(self.worn || *to == 0xff, "a word is written once");
                // A word that power leaves half written holds neither what was there nor what should be.
                *to &= if cut.is_ok() { *from } else { *from | 0x5a };
            }
            cut?;
        }
        Ok(())
    }
}

/// Flash in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("flash in memory never waits"),
    }
}

fn record(generation: u32) -> Record {
    let trip = Trip { id: TripId(generation), state: State::Throttle, cause: Cause::HostLost };
    let trip = generation.is_multiple_of(3).then_some(trip);
    Record { generation, boot: BootNumber(generation / 2), trip, next_trip: TripId(generation + 1), ..Record::NEW }
}

fn store(flash: &mut Flash) -> Store<&mut Flash> {
    Store::new(flash, 0..(PAGE * PAGES) as u32).unwrap()
}

#[test]
fn what_was_stored_last_is_loaded() {
    let mut flash = Flash::new();
    assert_eq!(now(store(&mut flash).load()), Stored::Empty);
    for generation in 1..200 {
        now(store(&mut flash).save(&record(generation))).unwrap();
        assert_eq!(now(store(&mut flash).load()), Stored::Whole(record(generation)));
    }
}

#[test]
fn power_may_be_cut_at_any_word_of_any_write() {
    let mut flash = Flash::new();
    let mut cuts = 0;
    for generation in 1..60 {
        for power in 0.. {
            let mut cut = flash.clone();
            cut.power = power;
            let done = now(store(&mut cut).save(&record(generation)));
            cut.power = usize::MAX;
            let loaded = now(store(&mut cut).load());
            let (before, after) = (Stored::Whole(record(generation - 1)), Stored::Whole(record(generation)));
            // Of the first record nothing was before: the flash is erased still, or no longer.
            let first = generation == 1 && [Stored::Empty, Stored::Damaged].contains(&loaded);
            let kept = done.is_err() && (loaded == before || first);
            assert!(loaded == after || kept, "{generation} after {power}: {loaded:?}");
            // And it goes on from there.
            now(store(&mut cut).save(&record(generation + 1))).unwrap();
            assert_eq!(
                now(store(&mut cut).load()),
                Stored::Whole(record(generation + 1)),
                "{generation} after {power}"
            );
            if done.is_ok() {
                break;
            }
            cuts += 1;
        }
        now(store(&mut flash).save(&record(generation))).unwrap();
    }
    assert!(cuts > 1_000, "{cuts}");
}

#[test]
fn flash_that_rots_is_told_and_can_be_written_again() {
    let mut flash = Flash::new();
    now(store(&mut flash).save(&record(1))).unwrap();
    now(store(&mut flash).save(&record(2))).unwrap();
    let mut known = 0;
    for at in 0..PAGE {
        let mut rotten = flash.clone();
        rotten.worn = true;
        rotten.cells[at] ^= 0x04;
        // The record of either generation, or the news that there is none; never another.
        match now(store(&mut rotten).load()) {
            Stored::Whole(found) | Stored::FellBack(found) => {
                assert!(found == record(1) || found == record(2), "byte {at}");
                known += 1;
            }
            Stored::Empty | Stored::Damaged => {}
        }
        now(store(&mut rotten).save(&record(3))).unwrap();
        assert_eq!(now(store(&mut rotten).load()), Stored::Whole(record(3)), "byte {at}");
    }
    assert!(known > PAGE - 64, "{known}");
    let cells = (0..PAGE * PAGES).map(|at| (at * 37) as u8).collect();
    let mut noise = Flash { cells, worn: true, ..Flash::new() };
    assert_eq!(now(store(&mut noise).load()), Stored::Damaged);
    now(store(&mut noise).save(&record(5))).unwrap();
    assert_eq!(now(store(&mut noise).load()), Stored::Whole(record(5)));
}

#[test]
fn places_that_are_none_and_flash_that_is_dead_are_errors() {
    for range in [0..PAGE as u32, 0..0, 1..2049] {
        assert_eq!(Store::new(Flash::new(), range).err(), Some(Misplaced));
    }
    let mut flash = Flash { power: 0, ..Flash::new() };
    assert_eq!(now(store(&mut flash).save(&record(1))), Err(NotStored));
}
