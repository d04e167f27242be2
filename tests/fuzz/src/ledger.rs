//! A ledger that was cut short or written over.

use std::sync::LazyLock;

use serde_json::json;
use tempfile::TempDir;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Action, ConversationId, Cost, Millis, Placement, TaskKind, TurnId, Usd};
use trimtab_ledger::{LedgerError, Outgoing, Retention, Setting, Store};
use trimtab_turn::{Finish, TurnRecord};
use trimtab_wire::RequestId;

use crate::Seed;
use crate::check::told;
use crate::site::{scratch, write};

const CONVERSATION: ConversationId = ConversationId::of("stove");

/// Two bytes say where the file ends, of 65535 parts; then four bytes a change: where, of 2^24 parts, and which byte.
pub(crate) fn damaged(bytes: &[u8]) {
    static PLACE: LazyLock<(TempDir, Vec<u8>)> = LazyLock::new(|| {
        let folder = scratch();
        let whole = whole(&folder);
        (folder, whole)
    });
    let (folder, whole) = &*PLACE;
    let Some((end, changes)) = bytes.split_first_chunk::<2>() else { return };
    let mut file = whole.clone();
    for [high, middle, low, value] in changes.as_chunks::<4>().0 {
        let at = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        // The part of the file rather than the place, so that a small change of the file's size keeps an input's sense.
        file[(at * whole.len()) >> 24] = *value;
    }
    file.truncate(whole.len() * usize::from(u16::from_be_bytes(*end)) / usize::from(u16::MAX));
    let path = folder.path().join("ledger.sqlite");
    for left_over in ["-wal", "-shm"] {
        // Most often there is none.
        let _ = std::fs::remove_file(folder.path().join(format!("ledger.sqlite{left_over}")));
    }
    write(&path, &file);
    if let Err(fault) = read(&path) {
        told(&fault, &["ledger.sqlite"]);
    }
}

/// Everything that a starting device asks of its ledger.
fn read(path: &std::path::Path) -> Result<(), LedgerError> {
    let mut store = Store::open(path, Retention::default())?;
    let now = store.newest();
    store.spent(now)?;
    store.next_hold()?;
    store.open_holds(now)?;
    store.unfinished()?;
    store.outbox()?;
    store.setting("budget")?;
    store.past(CONVERSATION, now)?;
    for record in store.recent(8)? {
        store.record(record.turn)?;
    }
    store.stamp(now.plus(Millis::new(1)))
}

/// A ledger with one of everything.
fn whole(folder: &TempDir) -> Vec<u8> {
    let path = folder.path().join("whole.sqlite");
    fill(&path).unwrap_or_else(|fault| panic!("{fault}"));
    // Pages of nothing, in which most changes would change nothing.
    let file = rusqlite::Connection::open(&path).expect("it was written just now");
    file.execute_batch("DELETE FROM spare; VACUUM").expect("it may be made smaller");
    drop(file);
    std::fs::read(&path).expect("a closed ledger is one file")
}

fn fill(path: &std::path::Path) -> Result<(), LedgerError> {
    let mut store = Store::open(path, Retention::default())?;
    let cost = Cost { money: Usd::from_nano(500), ..Cost::ZERO };
    for number in 1..=3 {
        let turn = TurnId { boot: store.boot(), number };
        let opened = Millis::new(1_000 * u64::from(number));
        let hold = OpenHold { id: HoldId(number.into()), conversation: CONVERSATION, cost, opened, orphan: false };
        store.persist_hold(&hold, turn, Some(Action::LOCAL), "Is the stove on?")?;
        let outgoing = Outgoing {
            request: RequestId([number as u8; 16]),
            turn,
            hold: hold.id,
            conversation: CONVERSATION,
            node: "good".into(),
            deadline: opened.plus(Millis::new(500)),
            late: false,
        };
        store.outbox_put(opened, &outgoing)?;
        if number < 3 {
            store.close(&record(turn, opened))?;
        }
    }
    let setting = Setting { counter: 3, value: json!({"version": 3, "limits": []}) };
    store.set(Millis::new(9_000), "budget", &setting)?;
    Ok(())
}

fn record(turn: TurnId, ended: Millis) -> TurnRecord {
    TurnRecord {
        conversation_name: "kitchen".to_owned(),
        task: TaskKind::Query,
        task_mix: [0.0, 0.0, 1.0, 0.0],
        placement: Placement::Local,
        node: "local".to_owned(),
        reason: "best_score".to_owned(),
        answer: "Yes.".to_owned(),
        finish: Finish::Stop,
        completion_tokens: Some(2),
        ..TurnRecord::begun(turn, CONVERSATION, "Is the stove on?".to_owned(), ended)
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let change = |part: u32, value: u8| {
        let [_, high, middle, low] = part.to_be_bytes();
        [high, middle, low, value]
    };
    let script = |end: u16, changes: &[[u8; 4]]| [&end.to_be_bytes()[..], changes.as_flattened()].concat();
    // The header's fields lie in the first hundred bytes of some sixty thousand.
    let header: Vec<[u8; 4]> = (0..24).map(|field| change(field * 1_100, 0xff)).collect();
    let pages: Vec<[u8; 4]> = (0..16).map(|page| change((page << 20) + 40, 0x0d)).collect();
    vec![
        ("whole".into(), script(u16::MAX, &[])),
        ("half".into(), script(u16::MAX / 2, &[])),
        ("header-alone".into(), script(100, &[])),
        ("empty".into(), script(0, &[])),
        ("header-fields".into(), script(u16::MAX, &header)),
        ("page-heads".into(), script(u16::MAX, &pages)),
    ]
}
