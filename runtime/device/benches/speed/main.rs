//! How fast the device's parts are, on one thread: the decision alone, one reading of a
//! sensor, a camera's picture made ready, and one run of every shipped model.
//!
//! `cargo bench -p trimtab-device` prints a table of times. `-- --tabs` prints the same for programs to read, and
//! `-- --repeat N NAME` runs one row N times and prints nothing, so that an instruction counter can take the difference of
//! two such runs. `cargo xtask bench` does all of it with the code as it is installed.

mod decision;
mod frames;
mod meter;
mod models;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Time spent on one row.
const ROW_TIME: Duration = Duration::from_millis(1000);
/// Fewest and most runs of one row.
const RUNS_MIN: usize = 5;
const RUNS_MAX: usize = 100_000;

/// Runs once, and says how long the part took that the row is about.
type Work = Box<dyn FnMut() -> Result<Duration>>;

/// One line of the table.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// Makes ready what the runs need, from the folder of the shipped models.
    ready: fn(&Path) -> Result<Work>,
}

/// Runs that are timed from beginning to end.
fn whole<T>(mut work: impl FnMut() -> Result<T> + 'static) -> Result<Work> {
    Ok(Box::new(move || {
        let begun = Instant::now();
        std::hint::black_box(work()?);
        Ok(begun.elapsed())
    }))
}

/// Shortest and median time of a row's runs, and how many there were.
fn time(work: &mut Work) -> Result<(Duration, Duration, usize)> {
    work()?;
    let (mut times, started) = (Vec::new(), Instant::now());
    while times.len() < RUNS_MIN || (times.len() < RUNS_MAX && started.elapsed() < ROW_TIME) {
        times.push(work()?);
    }
    times.sort();
    Ok((times[0], times[times.len() / 2], times.len()))
}

pub(crate) fn main() -> Result<()> {
    let shipped = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/shipped"));
    let rows = [&decision::ROWS[..], &meter::ROWS[..], &frames::ROWS[..], &models::ROWS[..]].concat();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--repeat") {
        let [count, name] = &arguments[at + 1..] else { bail!("--repeat takes a number and the name of a row") };
        let row = rows.iter().find(|row| row.name == name).with_context(|| format!("there is no row {name:?}"))?;
        let mut work = (row.ready)(&shipped)?;
        for _ in 0..count.parse::<u64>().with_context(|| format!("--repeat {count}"))? {
            work()?;
        }
        return Ok(());
    }
    let tabs = arguments.iter().any(|argument| argument == "--tabs");
    if !tabs {
        println!("{:<48} {:>12} {:>12} {:>7}", "", "shortest µs", "median µs", "runs");
    }
    for row in &rows {
        let (shortest, median, runs) = (row.ready)(&shipped).and_then(|mut work| time(&mut work)).context(row.name)?;
        let [shortest, median] = [shortest, median].map(|time| time.as_secs_f64() * 1e6);
        if tabs {
            println!("{}\t{shortest:.1}\t{median:.1}\t{runs}", row.name);
        } else {
            println!("{:<48} {shortest:>12.1} {median:>12.1} {runs:>7}", row.name);
        }
    }
    Ok(())
}
