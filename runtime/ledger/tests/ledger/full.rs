//! A disk that is really full, of which somebody else takes every byte that becomes free, except while a ledger is opened.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trimtab_core::{Account, Budget, TurnId, Usd, Window};
use trimtab_ledger::replay::replay;
use trimtab_ledger::{Losses, Retention, Store, examine};

use super::{STOVE, child, money, open, record, settled};

/// Where the test that runs inside finds its full disk.
const PLACE: &str = "LEDGER_FULL";

#[test]
fn on_a_full_disk_turns_go_on_within_budget_and_every_loss_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=12m tmpfs '{0}' && {PLACE}='{0}' exec \"$0\" --exact full::inside --nocapture",
        folder.path().display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all was seen"), "{out}\n{err}");
}

/// Fills a disk, and goes on as soon as there is a byte again.
struct Eater {
    file: PathBuf,
    sleeps: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Eater {
    fn on(folder: &Path) -> Self {
        let (file, sleeps, stop): (_, Arc<AtomicBool>, Arc<AtomicBool>) =
            (folder.join("eaten"), Arc::default(), Arc::default());
        let mut eaten = File::create(&file).unwrap();
        let chunk = vec![1; 1 << 16];
        // All of it at first, then a little at a time.
        while eaten.write_all(&chunk).is_ok() {}
        while eaten.write_all(&chunk[..512]).is_ok() {}
        let (asleep, stopped) = (Arc::clone(&sleeps), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if asleep.load(Ordering::SeqCst) || eaten.write_all(&chunk[..4096]).is_err() {
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        Self { file, sleeps, stop, thread }
    }

    /// Leaves an opening its room.
    fn sleeps(&self, sleeps: bool) {
        self.sleeps.store(sleeps, Ordering::SeqCst);
        // Long enough for a write that is going on.
        std::thread::sleep(Duration::from_millis(2));
    }

    fn open(&self, path: &Path, retention: Retention) -> Store {
        self.sleeps(true);
        let store = Store::open(path, retention).unwrap();
        self.sleeps(false);
        store
    }

    fn ends(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        fs::remove_file(self.file).unwrap();
    }
}

fn records(store: &mut Store) -> u64 {
    store.after(TurnId { boot: 0, number: 0 }, 1000).unwrap().len() as u64
}

fn spare(path: &Path) -> u64 {
    let look = rusqlite::Connection::open(path).unwrap();
    look.query_row("SELECT total(length(pages)) FROM spare", [], |row| row.get::<_, f64>(0)).unwrap() as u64
}

/// Turns under a budget of the hour, one nano-dollar above what so many settlements leave; how many of them were allowed.
fn turns(store: &mut Store, count: u32, limit: u64) -> u64 {
    let now = store.newest();
    let mut budgets = store.budgets(now, &[Budget::money(Window::Hour, Usd::from_nano(limit))]).unwrap();
    let last = store.recent(1).unwrap().first().map_or(0, |record| record.turn.number);
    let mut allowed = 0;
    for number in last + 1..=last + count {
        let turn = TurnId { boot: store.boot(), number };
        let mut closing = record(turn, STOVE, now);
        closing.answer = "It is on. ".repeat(300);
        if let Ok(hold) = budgets.reserve(now, &Account::new(STOVE), money(10)) {
            let open = *budgets.open().last().unwrap();
            store.persist_hold(&open, turn, None, "Is it on?").unwrap();
            closing.settlements = vec![settled(open.id, money(4))];
            budgets.settle(now, hold, money(4));
            allowed += 1;
        }
        store.close_with(&closing, &[7; 3_000]).unwrap();
    }
    assert_eq!(store.spent(now).unwrap(), *budgets.spent());
    allowed
}

/// The test on the full disk itself, in a process that sees it.
#[test]
fn inside() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let folder = Path::new(&place);
    let path = folder.join("ledger.sqlite");
    let mut store = open(&path);
    assert_eq!(turns(&mut store, 40, u64::MAX), 40);
    assert_eq!((store.losses().unwrap(), spare(&path) > 0), (Losses::default(), true));
    drop(store);
    let eater = Eater::on(folder);

    // Killed in the middle of it, by a process that starts when the disk is full already.
    eater.sleeps(true);
    let mut worker = child(&path, "");
    let mut closed = 40;
    for line in BufReader::new(worker.stdout.take().unwrap()).lines().map_while(Result::ok) {
        assert!(!line.contains("error"), "{line}");
        eater.sleeps(!line.contains("held ") && closed == 40);
        closed += u64::from(line.contains("closed "));
        if closed == 340 {
            worker.kill().unwrap();
        }
    }
    worker.wait().unwrap();
    assert!(closed >= 340, "{closed}");

    let mut store = eater.open(&path, Retention::default());
    let unfinished = store.close_lost(store.newest()).unwrap().len() as u64;
    let losses = store.losses().unwrap();
    let kept = records(&mut store);
    // What was closed but not said yet when the kill came is one at most.
    let ended = kept + losses.records - unfinished;
    assert!(ended == closed || ended == closed + 1, "{kept} + {losses:?} - {unfinished} are not {closed}");
    assert!(losses.full && losses.records > 0, "{losses:?}");
    let now = store.newest();
    assert_eq!(store.spent(now).unwrap().this_hour, money(4 * ended));

    // A budget that allows half of what is asked for is as hard as ever.
    let held = store.open_holds(now).unwrap().iter().fold(0, |sum, hold| sum + hold.cost.money.nano());
    let limit = 4 * ended + held + 4 * 50 + 6;
    assert_eq!(turns(&mut store, 100, limit), 50);
    assert_eq!(store.spent(now).unwrap().this_hour, money(4 * (ended + 50)));
    let first = TurnId { boot: 1, number: 1 };
    let episode = store.dropped(first).unwrap().unwrap();
    assert_eq!((episode.first, episode.until), (first, None));
    assert_eq!((store.record(first).unwrap(), store.dropped(TurnId { boot: 9, number: 9 }).unwrap()), (None, None));

    // A stop and a start, and a look from outside, on the full disk.
    let kept = records(&mut store) + store.losses().unwrap().records;
    assert_eq!(kept, ended + unfinished + 100);
    drop(store);
    eater.sleeps(true);
    assert_eq!(examine(&path).unwrap().losses.records, replay(&path).unwrap().dropped);
    let mut store = eater.open(&path, Retention::default());
    assert!(store.losses().unwrap().full);
    turns(&mut store, 20, limit);

    eater.ends();
    turns(&mut store, 1, limit);
    let losses = store.losses().unwrap();
    assert_eq!((losses.full, spare(&path) > 0), (false, true));
    assert!(store.dropped(first).unwrap().unwrap().until.is_some());
    turns(&mut store, 200, limit);
    assert_eq!(store.losses().unwrap(), losses);
    assert_eq!(records(&mut store) + losses.records, kept + 221);

    // The next time is told apart, and goes on through a retention that takes records as well.
    let eater = Eater::on(folder);
    drop(store);
    let mut store = eater.open(&path, Retention { turns: 100, ..Retention::default() });
    turns(&mut store, 30, limit);
    assert!(store.losses().unwrap().full);
    drop(store);
    eater.ends();
    assert!(!open(&path).losses().unwrap().full);
    println!("all was seen");
}
