//! The supervisor's firmware on an emulated Cortex-M: the image as it is flashed, with emulated sensors on its bus, real bytes on its
//! serial port, and faults as they happen.
//!
//! | File | What it does |
//! |---|---|
//! | `image` | builds the images |
//! | `machine` | QEMU: started, ended |
//! | `qmp` | what the sensors see, what the lamps show, what became of the board |
//! | `gdb` | has the board's program go on where it should not |
//! | `bench` | the host end of the link, and all that was heard, in order |
//! | `scenario` | what a scenario is made of, and how it is played |
//! | `table`, `checks`, `noise` | the scenarios |
//! | `runtime` | the device's runtime at the other end of the serial port |
//! | `operator` | who listens to what that runtime tells |
//! | `courses` | what is played in simulated time, and judged to the microsecond |

mod bench;
mod checks;
mod courses;
mod gdb;
mod image;
mod machine;
mod noise;
mod operator;
mod qmp;
mod runtime;
mod scenario;
mod table;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use image::Image;
use table::SCENARIOS;

/// Which scenarios.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only those whose name has one of these words in it; all where none is given
    words: Vec<String>,
}

impl Arguments {
    /// Every scenario.
    pub(crate) fn all() -> Self {
        Self { words: Vec::new() }
    }

    fn wants(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

/// Builds the images, plays the scenarios and prints the report; fails unless every one of them passed.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let mut report = Report::default();
    let courses = image::build(root, Some("course"))?;
    for course in courses::wanted(|name| arguments.wants(name)) {
        report.add(course.name(), || course.play(&courses));
    }
    let image = Image::product(root)?;
    let mut deepest = 0;
    for scenario in SCENARIOS.iter().filter(|it| arguments.wants(it.name)) {
        report.add(scenario.name, || {
            deepest = deepest.max(scenario::play(scenario, &image)?);
            Ok(())
        });
    }
    let wanted: Vec<_> = runtime::SCENARIOS.iter().filter(|(name, _)| arguments.wants(name)).collect();
    if !wanted.is_empty() {
        let program = runtime::program(root)?;
        for (name, play) in wanted {
            report.add(name, || play(&image, &program));
        }
    }
    println!("  the stack was {deepest} bytes deep at most, of {}", image.stack.1);
    ensure!(deepest < image.stack.1, "the stack overflowed");
    report.close()
}

/// Share of the time that the processor sleeps in the course of constant load.
pub(crate) fn asleep(root: &Path) -> Result<f64> {
    courses::asleep(&image::build(root, Some("course"))?)
}

/// What was played, and what of it failed.
#[derive(Default)]
struct Report {
    played: usize,
    failed: Vec<&'static str>,
}

impl Report {
    fn add(&mut self, name: &'static str, play: impl FnOnce() -> Result<()>) {
        let begun = Instant::now();
        let outcome = play();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("  {name:<48} {:>6.1} s  {word}", begun.elapsed().as_secs_f64());
        self.played += 1;
        if let Err(fault) = outcome {
            println!("      {fault:#}");
            self.failed.push(name);
        }
    }

    fn close(&self) -> Result<()> {
        let passed = self.played - self.failed.len();
        println!("{{\"scenarios\": {}, \"passed\": {passed}, \"skipped\": []}}", self.played);
        ensure!(self.played > 0, "no scenario has such a name");
        ensure!(self.failed.is_empty(), "failed on the emulated microcontroller: {}", self.failed.join(", "));
        Ok(())
    }
}
