//! The ledger against a real file: what is counted survives anything, and every fault of the file has a remedy.

mod full;
mod restart;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{
    Account, Action, Budget, Budgets, Bytes, ConversationId, Cost, Hold, Millis, Placement, Settlement, TaskKind,
    TurnId, Usd, Window,
};
use trimtab_ledger::{FEEDBACK_MAX, Ledger, LedgerError, ORPHANS_MAX, OUTBOX_MAX, Outgoing, Retention, Setting, Store};
use trimtab_turn::{Feedback, Finish, Late, TurnRecord};
use trimtab_wire::RequestId;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn record(turn: TurnId, conversation: ConversationId, ended: Millis) -> TurnRecord {
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
        ..TurnRecord::begun(turn, conversation, "Is the stove on?".to_owned(), ended)
    }
}

fn settled(hold: HoldId, cost: Cost) -> (HoldId, Settlement) {
    let settlement = Settlement { debited: cost, overrun: Cost::ZERO };
    (hold, settlement)
}

fn money(nano: u64) -> Cost {
    Cost { money: Usd::from_nano(nano), ..Cost::ZERO }
}

fn open(path: &Path) -> Store {
    Store::open(path, Retention::default()).unwrap()
}

fn hold(id: u64, conversation: ConversationId, cost: Cost, opened: u64) -> OpenHold {
    OpenHold { id: HoldId(id), conversation, cost, opened: Millis::new(opened), orphan: false }
}

const STOVE: ConversationId = ConversationId::of("stove");

#[test]
fn a_turn_is_kept_with_its_scores_and_its_late_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut ledger = open(&path);
    let turn = TurnId { boot: ledger.boot(), number: 1 };
    let first = hold(1, STOVE, money(500), 1_000);
    ledger.persist_hold(&first, turn, Some(Action::LOCAL), "Is the stove on?").unwrap();
    assert_eq!(ledger.open_holds(Millis::new(1_000)).unwrap(), [first]);
    let mut closing = record(turn, STOVE, Millis::new(2_000));
    closing.left_open = vec![HoldId(1)];
    ledger.close(&closing).unwrap();
    assert!(matches!(ledger.close(&closing), Err(LedgerError::ClosedTurn { .. })));

    let feedback = Feedback { score: 0.5, source: "user".to_owned() };
    ledger.add_feedback(turn, feedback.clone()).unwrap();
    let late = Late { at: Millis::new(9_000), node: "good".to_owned(), cost: money(120), settled: true };
    ledger.record_late(turn, HoldId(1), &late).unwrap();
    drop(ledger);

    let mut ledger = open(&path);
    assert_eq!((ledger.boot(), ledger.newest()), (2, Millis::new(9_000)));
    let kept = ledger.record(turn).unwrap().unwrap();
    assert_eq!((kept.feedback, kept.late), (vec![feedback], Some(late)));
    assert_eq!(ledger.open_holds(ledger.newest()).unwrap(), []);
    assert_eq!(ledger.spent(Millis::new(9_000)).unwrap().this_hour, money(120));
    let past = ledger.past(STOVE, Millis::new(9_000)).unwrap();
    assert_eq!((past.turns, past.spent), (1, money(120)));
    assert_eq!(ledger.next_hold().unwrap(), HoldId(2));
    assert_eq!(ledger.recent(5).unwrap().len(), 1);
    assert_eq!(ledger.after(turn, 5).unwrap(), []);
}

#[test]
fn scores_are_checked_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger.sqlite"));
    let turn = TurnId { boot: 1, number: 1 };
    let score = |score, source: &str| Feedback { score, source: source.to_owned() };
    let error = ledger.add_feedback(turn, score(0.5, "user")).unwrap_err();
    assert!(error.to_string().starts_with("turn 1-1 is not in the ledger"), "{error}");
    ledger.close(&record(turn, STOVE, Millis::new(1))).unwrap();
    for bad in [score(1.5, "user"), score(f32::NAN, "user"), score(0.5, "")] {
        assert!(matches!(ledger.add_feedback(turn, bad), Err(LedgerError::Score { .. })));
    }
    for _ in 0..FEEDBACK_MAX {
        ledger.add_feedback(turn, score(1.0, "user")).unwrap();
    }
    assert!(matches!(ledger.add_feedback(turn, score(1.0, "user")), Err(LedgerError::Scores { .. })));
}

#[test]
fn a_killed_runtime_leaves_turns_to_close_and_few_orphans() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let deaths = ORPHANS_MAX as u64 + 5;
    for id in 1..=deaths {
        let mut ledger = open(&path);
        let turn = TurnId { boot: ledger.boot(), number: 1 };
        ledger.persist_hold(&hold(id, STOVE, money(10), id), turn, None, "Hello?").unwrap();
    }
    let mut ledger = open(&path);
    let now = ledger.newest();
    let orphans = ledger.open_holds(now).unwrap();
    assert_eq!(orphans.len(), ORPHANS_MAX);
    assert!(orphans.iter().all(|hold| hold.orphan));
    let held: Cost = orphans.iter().fold(Cost::ZERO, |sum, hold| sum.plus(hold.cost));
    assert_eq!(held.plus(ledger.spent(now).unwrap().this_day), money(10 * deaths));

    let unfinished = ledger.unfinished().unwrap();
    assert_eq!(unfinished.len() as u64, deaths);
    let last = unfinished.last().unwrap();
    assert_eq!((last.prompt.as_str(), last.holds.len()), ("Hello?", 1));
    for lost in &unfinished {
        let mut closing = record(lost.turn, lost.conversation, now);
        closing.finish = Finish::Lost;
        closing.left_open = lost.holds.iter().map(|hold| hold.id).collect();
        ledger.close(&closing).unwrap();
    }
    assert_eq!(ledger.unfinished().unwrap(), []);
    assert_eq!(u64::from(ledger.past(STOVE, now).unwrap().turns), deaths);
}

#[test]
fn the_past_is_bounded_and_what_was_spent_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let retention = Retention { turns: 5, bytes: Bytes::new(100_000), ..Retention::default() };
    let mut ledger = Store::open(&path, retention).unwrap();
    for number in 1..=30_u32 {
        let turn = TurnId { boot: 1, number };
        let at = u64::from(number) * 2 * HOUR;
        let id = u64::from(number);
        ledger.persist_hold(&hold(id, STOVE, money(9), at), turn, None, "").unwrap();
        let mut closing = record(turn, STOVE, Millis::new(at));
        closing.settlements = vec![settled(HoldId(id), money(7))];
        if number == 30 {
            closing.answer = "x".repeat(90_000);
        }
        ledger.close(&closing).unwrap();
    }
    let now = Millis::new(60 * HOUR);
    let kept: Vec<u32> = ledger.recent(100).unwrap().iter().map(|record| record.turn.number).collect();
    assert_eq!(kept, [30, 29, 28, 27, 26]);
    let past = ledger.past(STOVE, now).unwrap();
    assert_eq!((past.turns, past.spent), (30, money(7 * 30)));
    // The day that is current at hour 60 began at hour 48.
    assert_eq!(ledger.spent(now).unwrap().this_day, money(7 * 7));
    drop(ledger);
    let tight = Retention { turns: 5, bytes: Bytes::new(50_000), ..Retention::default() };
    let mut ledger = Store::open(&path, tight).unwrap();
    ledger.close(&record(TurnId { boot: 2, number: 1 }, STOVE, now)).unwrap();
    assert_eq!(ledger.recent(100).unwrap().len(), 1);
    assert_eq!(ledger.past(STOVE, now).unwrap().spent, money(7 * 30));
}

#[test]
fn the_outbox_and_settings_survive_and_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let now = Millis::new(100);
    let entry = |request: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&request.to_be_bytes());
        Outgoing {
            request: RequestId(id),
            turn: TurnId { boot: 1, number: u32::from(request) },
            hold: HoldId(u64::from(request)),
            conversation: STOVE,
            node: "good".to_owned(),
            deadline: Millis::new(10_000 + u64::from(request)),
            late: false,
        }
    };
    let mut ledger = open(&path);
    for request in 0..OUTBOX_MAX as u16 {
        ledger.outbox_put(now, &entry(request)).unwrap();
    }
    let full = ledger.outbox_put(now, &entry(9_999)).unwrap_err();
    assert!(matches!(full, LedgerError::OutboxFull { .. }));
    ledger.outbox_put(now, &entry(3)).unwrap();
    assert!(ledger.outbox_late(now, entry(3).request).unwrap());
    let setting = |counter, budget: u64| Setting { counter, value: serde_json::json!({ "energy": budget }) };
    assert!(ledger.set(now, "budget", &setting(4, 10)).unwrap());
    assert!(!ledger.set(now, "budget", &setting(4, 99)).unwrap());
    drop(ledger);

    let mut ledger = open(&path);
    assert_eq!(ledger.setting("budget").unwrap(), Some(setting(4, 10)));
    assert_eq!(ledger.setting("preference").unwrap(), None);
    let taken = ledger.outbox_take(now, entry(3).request).unwrap();
    assert_eq!(taken, Some(Outgoing { late: true, ..entry(3) }));
    assert_eq!(ledger.outbox_take(now, entry(3).request).unwrap(), None);
    assert_eq!(ledger.outbox().unwrap().len(), OUTBOX_MAX - 1);
    // A day after its deadline nobody counts on an answer any more.
    ledger.close(&record(TurnId { boot: 2, number: 1 }, STOVE, Millis::new(2 * DAY))).unwrap();
    assert_eq!(ledger.outbox().unwrap(), []);
}

#[test]
fn every_fault_of_the_file_names_it_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let fault = |path: &Path| Store::open(path, Retention::default()).map(|_| ()).unwrap_err().to_string();

    let missing = folder.path().join("none/ledger.sqlite");
    assert!(fault(&missing).contains("its folder must exist"), "{}", fault(&missing));

    let mut ledger = open(&path);
    for number in 1..200 {
        ledger.close(&record(TurnId { boot: 1, number }, STOVE, Millis::new(1))).unwrap();
    }
    assert!(fault(&path).contains("another trimtab uses this ledger"));
    drop(ledger);

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fault(&path).contains("the ledger is damaged"), "{}", fault(&path));
    fs::write(&path, "no database at all, but long enough to be looked at as one".repeat(20)).unwrap();
    assert!(fault(&path).contains("the ledger is damaged"), "{}", fault(&path));

    let foreign = folder.path().join("foreign.sqlite");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(other);
    assert!(fault(&foreign).contains("a database, but no ledger"), "{}", fault(&foreign));

    fs::write(&path, &bytes).unwrap();
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    drop(newer);
    assert!(fault(&path).contains("has schema 7, this program knows up to 3"), "{}", fault(&path));
}

/// The same as a program of its own, so that it can be killed or denied room: it reserves and settles for ever, and says so
/// after each.
#[test]
fn as_child() {
    let Ok(path) = std::env::var("LEDGER_CHILD") else { return };
    let mut ledger = match Store::open(Path::new(&path), Retention::default()) {
        Ok(ledger) => ledger,
        Err(error) => {
            println!("error {error}");
            return;
        }
    };
    let (boot, mut out) = (ledger.boot(), std::io::stdout().lock());
    let first = ledger.next_hold().unwrap().0;
    for number in 1.. {
        let turn = TurnId { boot, number };
        let id = first + u64::from(number) - 1;
        let reserved = hold(id, STOVE, money(10), 1_000);
        let mut closing = record(turn, STOVE, Millis::new(1_000));
        closing.settlements = vec![settled(HoldId(id), money(4))];
        let done = ledger.persist_hold(&reserved, turn, None, "Is it on?").and_then(|()| {
            writeln!(out, "held {id}").unwrap();
            ledger.close(&closing)
        });
        match done {
            Ok(()) => writeln!(out, "closed {id}").unwrap(),
            Err(error) => {
                writeln!(out, "error {error}").unwrap();
                return;
            }
        }
    }
}

fn child(path: &Path, shell: &str) -> std::process::Child {
    Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" --exact as_child --nocapture --test-threads 1")])
        .arg(std::env::current_exe().unwrap())
        .env("LEDGER_CHILD", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_said_to_be_durable_is_so_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let (mut held, mut closed) = (0_u64, 0_u64);
    for round in 0..12_u64 {
        let mut child = child(&path, "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stop = held + 1 + round * 7 % 5;
        let mut seen = |line: String| {
            let number = |what: &str| line.split_once(what).and_then(|(_, id)| id.trim().parse().ok());
            held = held.max(number("held ").unwrap_or(0));
            closed = closed.max(number("closed ").unwrap_or(0));
            held
        };
        while seen(lines.next().unwrap().unwrap()) < stop {}
        // Somewhere in one of the next transactions.
        std::thread::sleep(Duration::from_micros(round * 731 % 4_000));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| {
            seen(line);
        });
    }
    assert!(closed > 12);
    let mut ledger = open(&path);
    let now = ledger.newest();
    let next = ledger.next_hold().unwrap().0;
    assert!(next > held, "hold {held} was durable, the next is {next}");
    let records = ledger.after(TurnId { boot: 0, number: 0 }, 1000).unwrap().len() as u64;
    let open_now = ledger.open_holds(now).unwrap();
    let unfinished = ledger.unfinished().unwrap().len() as u64;
    // Every hold is either closed with its record or open with its turn unfinished, and each was counted once.
    assert_eq!(records + unfinished, next - 1);
    assert_eq!(open_now.len() as u64, unfinished);
    assert!(unfinished <= 12, "one a kill at most, not {unfinished}");
    assert_eq!(ledger.spent(now).unwrap().this_hour, money(4 * records));
    assert_eq!(ledger.past(STOVE, now).unwrap().spent, money(4 * records));
}

#[test]
fn without_room_it_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    drop(open(&path));
    // Files may have 200 blocks of 512 bytes, and exceeding it is an error instead of a signal.
    let output = child(&path, "trap '' XFSZ; ulimit -f 200;").wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = text.lines().find_map(|line| line.split_once("error ")).unwrap().1;
    assert!(error.contains("ledger.sqlite: "), "{error}");
    assert!(error.contains("check the disk, its quota") || error.contains("free disk space"), "{error}");
    let closed = text.lines().filter(|line| line.contains("closed ")).count() as u64;
    assert!(closed > 0);
    let mut ledger = open(&path);
    assert_eq!(ledger.after(TurnId { boot: 0, number: 0 }, 1000).unwrap().len() as u64, closed);
}

#[tokio::test]
async fn a_handle_is_shared_and_its_last_drop_frees_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path, Retention::default()).unwrap();
    assert_eq!((ledger.boot(), ledger.base()), (1, Millis::ZERO));
    let tasks: Vec<_> = (1..=20)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let closing = record(TurnId { boot: 1, number }, STOVE, Millis::new(u64::from(number)));
                ledger.with(move |store| store.close(&closing)).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    drop(ledger);
    let ledger = Ledger::open(&path, Retention::default()).unwrap();
    assert_eq!((ledger.boot(), ledger.base()), (2, Millis::new(20)));
    let count = tokio::task::spawn_blocking(move || ledger.with_blocking(|store| store.recent(100)).unwrap().len());
    assert_eq!(count.await.unwrap(), 20);
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { conversation: u64, nano: u64 },
    Raise { pick: usize, nano: u64 },
    Settle { pick: usize, share: u64 },
    Leave { pick: usize },
    Late { pick: usize, share: u64 },
    Pass { millis: u64 },
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0_u64..3, 1_u64..60).prop_map(|(conversation, nano)| Op::Reserve { conversation, nano }),
        2 => (any::<usize>(), 0_u64..1000).prop_map(|(pick, nano)| Op::Raise { pick, nano }),
        3 => (any::<usize>(), 0_u64..=120).prop_map(|(pick, share)| Op::Settle { pick, share }),
        2 => any::<usize>().prop_map(|pick| Op::Leave { pick }),
        2 => (any::<usize>(), 0_u64..=100).prop_map(|(pick, share)| Op::Late { pick, share }),
        2 => prop_oneof![0_u64..600_000, 3_000_000_u64..100_000_000].prop_map(|millis| Op::Pass { millis }),
        1 => Just(Op::Crash),
    ]
}

/// A budget nobody reaches: what is left of it tells what counts against it.
const WIDE: u64 = 1_000_000_000;

fn wide(window: Window) -> Budget {
    Budget::money(window, Usd::from_nano(WIDE))
}

/// Budgets as a new runtime builds them from the file.
fn rebuilt(ledger: &mut Store, now: Millis) -> Budgets {
    let mut budgets = Budgets::new(ledger.spent(now).unwrap(), ledger.next_hold().unwrap());
    for hold in ledger.open_holds(now).unwrap() {
        budgets.adopt(hold).unwrap();
    }
    for conversation in 0..3 {
        let id = ConversationId(conversation);
        budgets.open_conversation(id, ledger.past(id, now).unwrap().spent).unwrap();
    }
    budgets.advance(now);
    budgets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The file and the budgets in memory are two accounts of the same: at any crash they agree.
    #[test]
    fn the_file_says_what_the_budgets_said(ops in prop::collection::vec(op(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let mut ledger = open(&path);
        let mut now = Millis::new(1);
        let mut budgets = rebuilt(&mut ledger, now);
        let mut live: Vec<(Hold, ConversationId, TurnId)> = Vec::new();
        let mut left: Vec<(HoldId, TurnId, u64)> = Vec::new();
        let mut number = 0;
        for op in ops.into_iter().chain([Op::Crash]) {
            match op {
                Op::Reserve { conversation, nano } if live.len() + left.len() < ORPHANS_MAX => {
                    let id = ConversationId(conversation);
                    let hold = budgets.reserve(now, &Account::new(id), money(nano)).unwrap();
                    number += 1;
                    let turn = TurnId { boot: ledger.boot(), number };
                    let open = *budgets.open().last().unwrap();
                    ledger.persist_hold(&open, turn, None, "").unwrap();
                    live.push((hold, id, turn));
                }
                Op::Raise { pick, nano } if !live.is_empty() => {
                    let index = pick % live.len();
                    let (hold, id, turn) = &mut live[index];
                    budgets.raise(now, &Account::new(*id), hold, money(nano), Cost::ZERO).unwrap();
                    let open = *budgets.open().iter().find(|open| open.id == hold.id()).unwrap();
                    ledger.persist_hold(&open, *turn, None, "").unwrap();
                }
                Op::Settle { pick, share } if !live.is_empty() => {
                    let (hold, id, turn) = live.swap_remove(pick % live.len());
                    let actual = money(hold.cost().money.nano() * share / 100);
                    let name = hold.id();
                    let settlement = budgets.settle(now, hold, actual);
                    let mut closing = record(turn, id, now);
                    closing.settlements = vec![(name, settlement)];
                    ledger.close(&closing).unwrap();
                }
                Op::Leave { pick } if !live.is_empty() => {
                    let (hold, id, turn) = live.swap_remove(pick % live.len());
                    // Part of it is known not to be spent any more.
                    let nano = hold.cost().money.nano() / 2;
                    let name = budgets.leave_open(now, hold, money(nano));
                    let open = *budgets.open().iter().find(|open| open.id == name).unwrap();
                    ledger.persist_hold(&open, turn, None, "").unwrap();
                    let mut closing = record(turn, id, now);
                    closing.left_open = vec![name];
                    ledger.close(&closing).unwrap();
                    left.push((name, turn, nano));
                }
                Op::Late { pick, share } if !left.is_empty() => {
                    let (name, turn, nano) = left.swap_remove(pick % left.len());
                    let cost = money(nano * share / 100);
                    let settled = budgets.settle_late(now, name, cost).is_some();
                    let late = Late { at: now, node: "good".to_owned(), cost, settled };
                    ledger.record_late(turn, name, &late).unwrap();
                }
                Op::Pass { millis } => {
                    now = now.plus(Millis::new(millis));
                    budgets.advance(now);
                }
                Op::Crash => {
                    ledger.stamp(now).unwrap();
                    drop(ledger);
                    ledger = open(&path);
                    now = ledger.newest();
                    for lost in ledger.unfinished().unwrap() {
                        let mut closing = record(lost.turn, lost.conversation, now);
                        closing.left_open = lost.holds.iter().map(|hold| hold.id).collect();
                        ledger.close(&closing).unwrap();
                    }
                    for (hold, _, turn) in live.drain(..) {
                        let nano = hold.cost().money.nano();
                        left.push((budgets.leave_open(now, hold, money(nano)), turn, nano));
                    }
                    budgets.advance(now);
                    let again = rebuilt(&mut ledger, now);
                    prop_assert_eq!(again.spent(), budgets.spent());
                    let names = |budgets: &Budgets| {
                        let mut names: Vec<_> = budgets.open().iter().map(|hold| hold.id).collect();
                        names.sort();
                        names
                    };
                    prop_assert_eq!(names(&again), names(&budgets));
                    for window in [Window::Conversation, Window::Hour, Window::Day] {
                        for conversation in 0..3 {
                            let id = ConversationId(conversation);
                            prop_assert_eq!(again.left(&wide(window), &Account::new(id)), budgets.left(&wide(window), &Account::new(id)));
                        }
                    }
                    budgets = again;
                    number = 0;
                }
                Op::Reserve { .. } | Op::Raise { .. } | Op::Settle { .. } | Op::Leave { .. } | Op::Late { .. } => {}
            }
        }
    }
}
