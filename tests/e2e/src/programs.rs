//! Where the built programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// Set by `cargo xtask test` to the folder of the programs it has just built, so that they are not built a second time with
/// the features of fewer crates.
pub const PROGRAMS_VARIABLE: &str = "TRIMTAB_PROGRAMS";

/// The target of the boards.
pub const BOARD_TARGET: &str = "aarch64-unknown-linux-gnu";

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}

/// `trimtab`, `trimtab-bridge` or `trimtab-fleet` for this machine, built from the present sources.
pub fn program(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if let Some(folder) = std::env::var_os(PROGRAMS_VARIABLE) {
            return Ok(PathBuf::from(folder));
        }
        let packages = ["trimtab-device", "trimtab-bridge", "trimtab-fleet"];
        let words = packages.iter().flat_map(|package| ["--package", package]);
        build(["--release"].into_iter().chain(words)).map_err(|fault| format!("{fault:#}"))?;
        Ok(target_folder().join("release"))
    });
    let folder = folder.as_ref().map_err(|fault| anyhow!("{fault}"))?;
    let path = folder.join(name);
    ensure!(path.is_file(), "no program {name} in {}: `cargo build --release` its package", folder.display());
    Ok(path)
}

/// The device's program as it is installed on a board, built from the present sources.
pub fn board_program() -> Result<PathBuf> {
    build(["--profile", "dist", "--package", "trimtab-device", "--target", BOARD_TARGET])
        .context("`cargo xtask setup` installs the target and its linker")?;
    Ok(target_folder().join(BOARD_TARGET).join("dist/trimtab"))
}

fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn build<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let output = Command::new(env!("CARGO")).current_dir(root()).args(["build", "--quiet"]).args(words).output()?;
    ensure!(output.status.success(), "cargo build: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
