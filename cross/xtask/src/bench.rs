//! Times the decision and every model in the code that is installed, and counts their instructions: one table.
//!
//! A count is a difference, n + 1 runs against one, so that loading and warming up fall out. It does not depend on how busy
//! the machine is. The processor that valgrind plays has no AVX-512, so kernels that are chosen at run time take their AVX2
//! and FMA form there, whatever the times beside them were measured with; the table says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{dist, setup};

/// More make the count of something small steadier, and the run longer: counting is some fifty times slower than running.
const DECISIONS: u64 = 200;
const RUNS: u64 = 2;
/// Rows of which many runs are counted.
const SMALL: [&str; 2] = ["decision:", "policy: candidates"];

/// One line of the table as the benches give it.
struct Row {
    name: String,
    shortest: String,
    median: String,
    runs: String,
}

/// Builds, times, counts and prints.
pub(crate) fn run(root: &Path) -> Result<()> {
    let program = dist::benches(root)?;
    setup::valgrind()?;
    let rows = times(&program)?;
    let out = program.with_extension("callgrind");
    println!("{:<48} {:>12} {:>12} {:>7} {:>16}", "", "shortest µs", "median µs", "runs", "instructions");
    for Row { name, shortest, median, runs } in &rows {
        let extra = if SMALL.iter().any(|small| name.starts_with(small)) { DECISIONS } else { RUNS };
        let one = instructions(&program, name, 1, &out)?;
        let many = instructions(&program, name, 1 + extra, &out)?;
        ensure!(many > one, "{name}: {many} instructions for {} runs, {one} for one", 1 + extra);
        let count = grouped((many - one) / extra);
        println!("{name:<48} {shortest:>12} {median:>12} {runs:>7} {count:>16}");
    }
    println!("\ndist build, one thread. Times: {}.", processor()?);
    println!(
        "Instructions: x86-64 under callgrind, which has AVX2 and FMA and no AVX-512; what a row does between its timed\n\
         parts (ending a decided turn, filling a cache) is counted too."
    );
    Ok(())
}

/// Runs the benches by the clock.
fn times(program: &Path) -> Result<Vec<Row>> {
    let output = Command::new(program).arg("--tabs").output().context("cannot start the benches")?;
    ensure!(output.status.success(), "the benches: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let row = |line: &str| {
        let [name, shortest, median, runs] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("the benches print {line:?}")
        };
        let [name, shortest, median, runs] = [name, shortest, median, runs].map(str::to_owned);
        Ok(Row { name, shortest, median, runs })
    };
    text.lines().map(row).collect()
}

/// Instructions of a whole process that runs one row so many times.
fn instructions(program: &Path, row: &str, runs: u64, out: &Path) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--repeat", &runs.to_string(), row])
        .output()
        .context("cannot start valgrind")?;
    ensure!(output.status.success(), "valgrind: {}", String::from_utf8_lossy(&output.stderr));
    let profile = fs::read_to_string(out).with_context(|| format!("cannot read {}", out.display()))?;
    let total =
        profile.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.and_then(|rest| rest.split_whitespace().next()).context("callgrind wrote no total")?;
    Ok(total.parse()?)
}

/// The processor behind the times, and whether it has what the counted one lacks.
fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned()
    };
    let wide = if field("flags").split(' ').any(|flag| flag == "avx512f") { "with" } else { "without" };
    Ok(format!("{}, {wide} AVX-512", field("model name")))
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
