//! Runs the steps of a task one after another and remembers how long each took.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The steps done so far, with their wall time.
pub(crate) struct Clock {
    started: Instant,
    steps: Vec<(&'static str, Duration, bool)>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), steps: Vec::new() }
    }

    /// Runs `work` as the step `name`; its outcome and time go into the table whatever happens.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n── {name}");
        let begun = Instant::now();
        let outcome = work();
        self.steps.push((name, begun.elapsed(), outcome.is_ok()));
        outcome.with_context(|| format!("step `{name}` failed"))
    }

    /// The table of where the time went, longest names aligned, with the total last.
    pub(crate) fn table(&self) -> String {
        let width = self.steps.iter().map(|(name, ..)| name.chars().count()).chain([5]).max().unwrap_or(5);
        let total = self.started.elapsed();
        let mut out = String::from("\nwhere the time went\n");
        for (name, took, passed) in &self.steps {
            let share = 100.0 * took.as_secs_f64() / total.as_secs_f64().max(1e-9);
            let mark = if *passed { "" } else { "  FAILED" };
            let _ = writeln!(out, "  {name:<width$}  {}  {share:>3.0} %{mark}", minutes(*took));
        }
        let _ = writeln!(out, "  {:<width$}  {}", "total", minutes(total));
        out
    }
}

/// `12:34.5` for twelve minutes and thirty-four and a half seconds.
fn minutes(span: Duration) -> String {
    let tenths = span.as_millis() / 100;
    format!("{:>3}:{:02}.{}", tenths / 600, (tenths / 10) % 60, tenths % 10)
}

/// Runs a command with its line and its output in plain sight; an exit code other than zero is an error naming the command.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a command quietly and says whether it ended well; a missing program counts as no.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
