//! The emulated board: a real Debian for arm64 under QEMU, with the installed package, cameras and sensors that the kernel
//! drives as if they were there.
//!
//! | File | What it does |
//! |---|---|
//! | `debian` | fetches Debian's packages for the board, as an ordinary user, in a place of their own |
//! | `kernel` | the kernel, drivers that Debian does not build, and the first file system that finds the disk |
//! | `system` | the disk, and the second one that brings what is tested |
//! | `machine` | QEMU: started, watched, ended |
//! | `agent` | runs scripts on the board over a serial port of their own |
//! | `board` | the scenarios and their report |
//! | `powercut` | power cuts while the ledger is written |
//!
//! And the other board, `firmware`: the microcontroller that watches over the robot's computer.
//!
//! What is fetched and built but for the program is kept in the tool cache, and made anew when its recipe changes.

mod agent;
mod board;
mod debian;
mod firmware;
mod kernel;
mod machine;
mod powercut;
mod system;

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::setup;
use debian::Debian;

pub(crate) use board::{Arguments as Scenarios, run as board};
pub(crate) use firmware::{Arguments as FirmwareScenarios, asleep as firmware_asleep, run as firmware};
pub(crate) use powercut::{Arguments as Cuts, run as powercut};

/// What is done on the emulated board.
#[derive(clap::Subcommand)]
pub(crate) enum Task {
    /// Install the package and run every scenario; the last line is JSON
    Board(Scenarios),
    /// Cut the power of a board that writes its ledger, at random points, and judge what is left
    Powercut(Cuts),
    /// Run the supervisor's firmware on an emulated microcontroller, with faults; the last line is JSON
    Firmware(FirmwareScenarios),
}

/// Does it.
pub(crate) fn run(root: &Path, task: &Task) -> Result<()> {
    match task {
        Task::Board(arguments) => board(root, arguments),
        Task::Powercut(arguments) => powercut(root, arguments),
        Task::Firmware(arguments) => firmware(root, arguments),
    }
}

/// What every board starts from: fetched and built once.
struct Ready {
    kernel: kernel::Kernel,
    system: PathBuf,
}

impl Ready {
    fn new(root: &Path) -> Result<Self> {
        let cache = setup::tool_cache()?.join("board");
        let debian = OnceCell::new();
        let debian = || match debian.get() {
            Some(debian) => Ok(debian),
            None => Debian::open(&cache.join("apt")).map(|opened| debian.get_or_init(|| opened)),
        };
        let kernel = kernel::ready(root, &cache, &debian)?;
        let system = system::ready(root, &cache, &kernel, &debian)?;
        Ok(Self { kernel, system })
    }
}

/// A folder of the cache whose contents follow from a text, so that another text means new contents.
struct Made {
    folder: PathBuf,
    recipe: String,
}

impl Made {
    fn new(folder: PathBuf, recipe: String) -> Self {
        Self { folder, recipe }
    }

    /// Makes it where it is not there yet or was made from another recipe. What breaks off is begun anew.
    fn ready(&self, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let mark = self.folder.join("recipe");
        if fs::read_to_string(&mark).is_ok_and(|made_from| made_from == self.recipe) {
            return Ok(());
        }
        empty(&self.folder)?;
        make(&self.folder)?;
        fs::write(&mark, &self.recipe).with_context(|| format!("cannot write {}", mark.display()))
    }
}

/// Makes a folder that is empty.
fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
