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

mod bench;
mod checks;
mod gdb;
mod image;
mod machine;
mod noise;
mod qmp;
mod scenario;
mod table;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use image::Image;
use scenario::Scenario;
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
    let image = Image::product(root)?;
    let chosen: Vec<&Scenario> = SCENARIOS.iter().filter(|it| arguments.wants(it.name)).collect();
    let mut failed = Vec::new();
    for scenario in &chosen {
        let begun = Instant::now();
        let outcome = scenario::play(scenario, &image);
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("  {:<48} {:>6.1} s  {word}", scenario.name, begun.elapsed().as_secs_f64());
        if let Err(fault) = outcome {
            println!("      {fault:#}");
            failed.push(scenario.name);
        }
    }
    println!("{{\"scenarios\": {}, \"passed\": {}, \"skipped\": []}}", chosen.len(), chosen.len() - failed.len());
    ensure!(failed.is_empty(), "failed on the emulated microcontroller: {}", failed.join(", "));
    Ok(())
}
