//! Builds the images, and finds places in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol};

use crate::clock::must;

/// What the emulated board's processor runs.
pub(super) const TARGET: &str = "thumbv7em-none-eabihf";
const PACKAGE: &str = "trimtab-board-mps2-an386";
const PROGRAM: &str = "supervisor-mps2-an386";
/// No operation, and a jump back to it: where the image waits for its watchdog.
const ENDLESS_LOOP: [u8; 4] = [0x00, 0xbf, 0xfd, 0xe7];

/// An image, and what the bench needs to know of it.
pub(super) struct Image {
    pub(super) file: PathBuf,
    /// Where it does nothing for ever.
    pub(super) endless_loop: u32,
    /// Where it begins to panic.
    pub(super) panic: u32,
    /// The lowest address of its stack, and how many bytes it has.
    pub(super) stack: (u32, usize),
}

impl Image {
    /// The image as it is flashed.
    pub(super) fn product(root: &Path) -> Result<Self> {
        let file = build(root, None)?;
        let bytes = fs::read(&file).with_context(|| format!("no {}", file.display()))?;
        let elf = object::File::parse(&*bytes).context("the image is no ELF file")?;
        let panic = elf.symbols().find(|it| it.name().is_ok_and(|name| name.contains("rust_begin_unwind")));
        let panic = panic.context("the image has no panic handler")?.address() as u32 & !1;
        let text = elf.section_by_name(".text").context("the image has no code")?;
        let code = text.data()?;
        let place = code.windows(4).position(|words| words == ENDLESS_LOOP).context("no endless loop in the image")?;
        let endless_loop = text.address() as u32 + place as u32;
        let symbol = |name: &str| {
            let found = elf.symbols().find(|it| it.name() == Ok(name));
            found.map(|it| it.address() as u32).with_context(|| format!("no symbol {name}"))
        };
        let (top, lowest) = (symbol("_stack_start")?, symbol("_stack_end")?);
        Ok(Self { file, endless_loop, panic, stack: (lowest, (top - lowest) as usize) })
    }
}

/// Builds the board's program with a feature, or without; gives its file.
pub(super) fn build(root: &Path, feature: Option<&str>) -> Result<PathBuf> {
    let firmware = root.join("firmware");
    let mut command = Command::new("cargo");
    command.current_dir(&firmware).args(["build", "--release", "--locked", "--quiet", "--package", PACKAGE]);
    command.args(["--target", TARGET]);
    if let Some(feature) = feature {
        command.args(["--features", feature]);
    }
    must(&mut command)?;
    let built = root.join("target/firmware").join(TARGET).join("release").join(PROGRAM);
    // The next build takes the same place.
    let kept = built.with_extension(feature.unwrap_or("product"));
    fs::copy(&built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(kept)
}
