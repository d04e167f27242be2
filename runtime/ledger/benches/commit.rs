//! What a turn takes in the ledger: two holds made durable and a record with what the turn was fed, three commits, on the disk that
//! the build is on. A ledger that survives a power cut and one that survives only the end of its process take turns, so that both
//! meet the same disk: `cargo bench -p trimtab-ledger`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::statfs;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Action, ConversationId, Cost, Joules, Millis, Placement, Settlement, TurnId};
use trimtab_ledger::{Durability, Retention, Store};
use trimtab_turn::{Finish, TurnRecord};

const ROUNDS: usize = 20;
/// Turns of one ledger before the other has its own.
const TURNS: u32 = 50;
/// What a turn adds to the journal, and to its record beside the answer.
const EVENT_BYTES: usize = 3_000;
const CONVERSATION: ConversationId = ConversationId::of("bench");
/// `f_type` of a file system in memory. Source: include/uapi/linux/magic.h.
const TMPFS: i64 = 0x0102_1994;

struct Bench {
    store: Store,
    turns: u32,
    times: Vec<Duration>,
}

impl Bench {
    fn new(folder: &Path, durability: Durability) -> Result<Self> {
        let path = folder.join(format!("{durability:?}.sqlite"));
        Ok(Self { store: Store::open_with(&path, Retention::default(), durability)?, turns: 0, times: Vec::new() })
    }

    fn turn(&mut self) -> Result<()> {
        self.turns += 1;
        let now = Millis::new(u64::from(self.turns) * 1_000);
        let turn = TurnId { boot: self.store.boot(), number: self.turns };
        let cost = Cost { energy: Joules::from_micro(900_000), ..Cost::ZERO };
        let held = [1, 2].map(|place| HoldId(u64::from(self.turns) * 2 + place));
        let settlement = Settlement { debited: cost, overrun: Cost::ZERO };
        let record = TurnRecord {
            placement: Placement::Local,
            node: "local".to_owned(),
            reason: "best_score".to_owned(),
            answer: "x".repeat(EVENT_BYTES),
            finish: Finish::Stop,
            settlements: held.iter().map(|id| (*id, settlement)).collect(),
            ..TurnRecord::begun(turn, CONVERSATION, "Is the stove on?".to_owned(), now)
        };
        let begun = Instant::now();
        for (id, action) in held.into_iter().zip([None, Some(Action::LOCAL)]) {
            let hold = OpenHold { id, conversation: CONVERSATION, cost, opened: now, orphan: false };
            self.store.persist_hold(&hold, turn, action, &record.prompt)?;
        }
        self.store.close_with(&record, &[7; EVENT_BYTES])?;
        self.times.push(begun.elapsed());
        Ok(())
    }

    /// The time that this share of the turns did not exceed.
    fn quantile(&mut self, percent: usize) -> f64 {
        self.times.sort();
        self.times.get((self.times.len() - 1) * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    }
}

fn main() -> Result<()> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(place)?;
    ensure!(statfs(place)?.f_type != TMPFS, "{}: in memory, where no commit waits for a disk", place.display());
    let folder = tempfile::tempdir_in(place).context("a folder for the ledgers")?;
    let mut benches = [Bench::new(folder.path(), Durability::Full)?, Bench::new(folder.path(), Durability::Off)?];
    for _ in 0..ROUNDS {
        for bench in &mut benches {
            for _ in 0..TURNS {
                bench.turn()?;
            }
        }
    }
    println!("{:<44} {:>9} {:>9} {:>9} {:>7}", "ledger: two holds and a record", "p50 ms", "p95 ms", "p99 ms", "turns");
    for (name, bench) in ["survives a power cut", "survives the end of the process"].into_iter().zip(&mut benches) {
        let [p50, p95, p99] = [50, 95, 99].map(|percent| bench.quantile(percent));
        println!("{name:<44} {p50:>9.3} {p95:>9.3} {p99:>9.3} {:>7}", bench.times.len());
    }
    let [full, off] = benches.each_mut().map(|bench| bench.quantile(50));
    println!("{:<44} {:>8.1}x", "ratio of the medians", full / off);
    Ok(())
}
