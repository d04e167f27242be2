//! What a start finds of a dead runtime, an older program and a past that is too long.

use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Millis, TurnId};
use trimtab_ledger::{LedgerError, Recording, Retention, Store};
use trimtab_turn::Late;

use crate::{DAY, HOUR, STOVE, hold, money, open, record};

#[test]
fn records_go_with_their_age_and_with_them_what_they_were_decided_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let retention = Retention { days: 2, ..Retention::default() };
    let mut ledger = Store::open(&path, retention).unwrap();
    for number in 1..=6 {
        let closing = record(TurnId { boot: 1, number }, STOVE, Millis::new(u64::from(number) * DAY));
        ledger.close_with(&closing, &[number as u8; 100]).unwrap();
    }
    let kept: Vec<u32> = ledger.recent(100).unwrap().iter().map(|record| record.turn.number).collect();
    assert_eq!(kept, [6, 5, 4]);
    let rows = Recording::open(&path).unwrap().more().unwrap();
    let events: Vec<(u32, u8)> = rows.iter().map(|row| (row.turn.number, row.events[0])).collect();
    assert_eq!(events, [(4, 4), (5, 5), (6, 6)]);
    assert_eq!(ledger.past(STOVE, Millis::new(6 * DAY)).unwrap().turns, 6);
}

/// The first schema had no journal.
#[test]
fn a_ledger_of_the_first_schema_is_brought_up_to_date_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let turn = TurnId { boot: 1, number: 1 };
    open(&path).close(&record(turn, STOVE, Millis::new(1))).unwrap();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE journal; DROP TABLE spare; DROP TABLE episodes; PRAGMA user_version = 1").unwrap();
    drop(old);
    let told = Recording::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("has schema 1, not 3; start trimtab with it once"), "{told}");
    let mut ledger = open(&path);
    assert_eq!(ledger.record(turn).unwrap().unwrap().turn, turn);
    ledger.close_with(&record(TurnId { boot: 2, number: 1 }, STOVE, Millis::new(2)), &[1]).unwrap();
    let mut recording = Recording::open(&path).unwrap();
    assert_eq!((recording.without_events().unwrap(), recording.more().unwrap().len()), (1, 1));
}

/// A runtime that dies after its hour has ended has spent in the new one; so near to the end nobody knows in which.
#[test]
fn what_a_dead_runtime_held_counts_in_the_hour_in_which_it_died() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let dies = |holds: u64, stamped: u64| {
        let mut ledger = open(&path);
        let turn = TurnId { boot: ledger.boot(), number: 1 };
        ledger.persist_hold(&hold(holds, STOVE, money(10), HOUR - 60_000), turn, None, "").unwrap();
        ledger.stamp(Millis::new(stamped)).unwrap();
        drop(ledger);
        let mut ledger = open(&path);
        let now = ledger.newest();
        (now, ledger.open_holds(now).unwrap().last().unwrap().opened)
    };
    let early = Millis::new(HOUR - 25_000);
    assert_eq!(dies(1, HOUR - 25_000), (early, early));
    let next = Millis::new(HOUR);
    assert_eq!(dies(2, HOUR - 15_000), (next, next), "its last ten seconds may have been the next hour's");
    let later = Millis::new(HOUR + 5_000);
    assert_eq!(dies(3, HOUR + 5_000), (later, later));
}

#[test]
fn an_answer_to_a_turn_without_a_record_settles_its_hold_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.sqlite"));
    let turn = TurnId { boot: 1, number: 1 };
    let left = OpenHold { orphan: true, ..hold(1, STOVE, money(500), 1_000) };
    ledger.persist_hold(&left, turn, None, "").unwrap();
    let late = Late { at: Millis::new(2_000), node: "good".to_owned(), cost: money(120), settled: true };
    assert!(matches!(ledger.record_late(turn, HoldId(1), &late), Err(LedgerError::NoTurn { .. })));
    assert_eq!(ledger.open_holds(Millis::new(2_000)).unwrap(), []);
    assert_eq!(ledger.past(STOVE, Millis::new(2_000)).unwrap().spent, money(120));
}
