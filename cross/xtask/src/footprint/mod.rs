//! The footprint of the firmware: flash, static memory and stack of every board, against ceilings; and who may panic, against a list.
//!
//! All of it is read from the image as it is flashed, built once more with a table of its stack frames beside the code.

mod panics;
mod stack;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind};

use crate::clock::must;
use crate::qemu;

/// A board and its ceilings, bytes.
struct Board {
    package: &'static str,
    program: &'static str,
    target: &'static str,
    /// Where its crate is, in `firmware`.
    folder: &'static str,
    flash: u64,
    /// Static data and what outlives a reset; the stack is beside it.
    memory: u64,
    /// The largest frame of one function.
    frame: u64,
}

const EMULATED: Board = Board {
    package: "trimtab-board-mps2-an386",
    program: "supervisor-mps2-an386",
    target: "thumbv7em-none-eabihf",
    folder: "board-mps2-an386",
    flash: 48 << 10,
    memory: 12 << 10,
    frame: 2_048,
};
const PICO: Board = Board {
    package: "trimtab-board-pico",
    program: "supervisor-pico",
    target: "thumbv6m-none-eabi",
    folder: "board-pico",
    flash: 55 << 10,
    memory: 12 << 10,
    frame: 2_816,
};
const BOARDS: [Board; 2] = [EMULATED, PICO];
/// Frames that are shown.
const FRAMES: usize = 5;

/// Builds, measures, prints, and fails when a ceiling is exceeded or the list of panics does not hold.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for board in &BOARDS {
        faults.extend(board.measure(root).with_context(|| format!("the image of {}", board.program))?);
    }
    let asleep = qemu::firmware_asleep(root)?;
    println!("  processor asleep, constant load, in simulated time   {:>6.2} %", 100.0 * asleep);
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

impl Board {
    /// Prints what it measures; gives what does not hold.
    fn measure(&self, root: &Path) -> Result<Vec<String>> {
        let bytes = self.build(root)?;
        let elf = object::File::parse(&*bytes).context("no ELF file")?;
        let sizes = Sizes::of(&elf)?;
        let frames = stack::frames(&elf)?;
        let largest = frames.first().map_or(0, |frame| frame.bytes);
        println!("\n`{}`, bytes", self.program);
        let mut faults = Vec::new();
        for (what, have, ceiling) in [
            ("flash", sizes.flash, self.flash),
            ("static memory", sizes.memory, self.memory),
            ("largest frame", largest, self.frame),
        ] {
            println!("  {what:<52} {have:>6}   ceiling {ceiling}");
            if have > ceiling {
                faults.push(format!("{}: {what} is {have} bytes, {} over its ceiling", self.program, have - ceiling));
            }
        }
        println!("  {:<52} {:>6}", "memory for the stack", sizes.stack);
        for frame in frames.iter().take(FRAMES) {
            println!("    {:>6}  {}", frame.bytes, frame.name);
        }
        let list = root.join("firmware").join(self.folder).join("panics.txt");
        let list = fs::read_to_string(&list).with_context(|| format!("no {}", list.display()))?;
        faults.extend(panics::judge(&elf, &list)?);
        Ok(faults)
    }

    fn build(&self, root: &Path) -> Result<Vec<u8>> {
        let place = root.join("target/firmware-measured");
        let mut command = Command::new("cargo");
        command.current_dir(root.join("firmware")).args(["build", "--release", "--locked", "--quiet"]);
        command.args(["--package", self.package, "--target", self.target, "--target-dir"]).arg(&place);
        // The table of frames is an unstable feature of the compiler, and changes nothing in the code.
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zemit-stack-sizes");
        must(&mut command)?;
        let file = place.join(self.target).join("release").join(self.program);
        fs::read(&file).with_context(|| format!("no {}", file.display()))
    }
}

/// What an image takes, bytes.
struct Sizes {
    flash: u64,
    memory: u64,
    stack: u64,
}

impl Sizes {
    fn of(elf: &object::File<'_>) -> Result<Self> {
        let (mut flash, mut memory) = (0, 0);
        for section in elf.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if sh_flags.0 & object::elf::SHF_ALLOC.0 == 0 {
                continue;
            }
            let writable = sh_flags.0 & object::elf::SHF_WRITE.0 != 0;
            let filled = section.kind() != SectionKind::UninitializedData;
            if filled {
                flash += section.size();
            }
            if writable {
                memory += section.size();
            }
        }
        let symbol = |name: &str| {
            let found = elf.symbols().find(|it| it.name() == Ok(name));
            found.map(|it| it.address()).with_context(|| format!("no symbol {name}"))
        };
        let stack = symbol("_stack_start")? - symbol("_stack_end")?;
        Ok(Self { flash, memory, stack })
    }
}
