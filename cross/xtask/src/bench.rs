//! Runs the benches, and counts the instructions of one decision.
//!
//! The count is a difference: n + 1 decisions against 1, so that loading and warming up fall out. It does not depend on how
//! busy the machine is. The emulated processor of valgrind has no AVX-512, so kernels that choose at run time take their AVX2
//! form there; the table says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::clock::must;
use crate::setup;

/// More make the count steadier and the run longer: emulation is some fifty times slower.
const DECISIONS: u64 = 200;

/// All benches, then the instruction count.
pub(crate) fn run(root: &Path) -> Result<()> {
    must(Command::new("cargo").current_dir(root).args([
        "bench",
        "--locked",
        "--package",
        "trimtab-engine",
        "--benches",
    ]))?;
    let program = decision_bench(root)?;
    setup::valgrind()?;
    let one = instructions(root, &program, 1)?;
    let many = instructions(root, &program, 1 + DECISIONS)?;
    ensure!(many > one, "{many} instructions for {} decisions, {one} for one", 1 + DECISIONS);
    println!("\none decision, embeddings cached: {} instructions", grouped((many - one) / DECISIONS));
    println!("  x86-64, counted by callgrind over {DECISIONS} decisions; its processor has AVX2 and no AVX-512");
    Ok(())
}

/// Where cargo put the bench's program.
fn decision_bench(root: &Path) -> Result<PathBuf> {
    let words = ["bench", "--locked", "--no-run", "--package", "trimtab-engine", "--bench", "decision"];
    let output = Command::new("cargo").current_dir(root).args(words).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo bench: {text}");
    let line =
        text.lines().find(|line| line.trim_start().starts_with("Executable")).context("cargo names no program")?;
    let path = line.split(['(', ')']).nth(1).context("cargo names no program")?;
    Ok(root.join(path))
}

/// Instructions of a whole run with this many decisions.
fn instructions(root: &Path, program: &Path, decisions: u64) -> Result<u64> {
    let out = root.join("target").join(format!("callgrind.{decisions}.out"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--repeat", &decisions.to_string()])
        .output()
        .context("cannot start valgrind")?;
    if !output.status.success() {
        bail!("valgrind: {}", String::from_utf8_lossy(&output.stderr));
    }
    let profile = fs::read_to_string(&out).with_context(|| format!("cannot read {}", out.display()))?;
    let total =
        profile.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.and_then(|rest| rest.split_whitespace().next()).context("callgrind wrote no total")?;
    Ok(total.parse()?)
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
