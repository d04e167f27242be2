//! Debian's packages for another processor, fetched without adding that processor to this machine: apt with a state, a cache and
//! a list of installed packages of its own, and this machine's own sources and keys.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::clock::must;

/// The board's architecture, as Debian calls it.
const BOARD: &str = "arm64";

/// An apt of its own.
pub(super) struct Debian {
    config: PathBuf,
}

/// Opens it where something has to be fetched, and only once.
pub(super) type Fetch<'a> = dyn Fn() -> Result<&'a Debian> + 'a;

impl Debian {
    /// Sets it up in a folder and reads what the archive has.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(folder.join("status"), "")?;
        let config = folder.join("apt.conf");
        let text = format!(
            "APT::Architecture \"{BOARD}\";\nAPT::Architectures {{ \"{BOARD}\"; \"{host}\"; }};\n\
             Dir::State \"{0}/state\";\nDir::State::status \"{0}/status\";\nDir::Cache \"{0}/cache\";\n\
             APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nDebug::NoLocking \"true\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n",
            folder.display(),
            host = host()?
        );
        fs::write(&config, text)?;
        let debian = Self { config };
        must(debian.apt("apt-get").args(["-q", "update"]))?;
        Ok(debian)
    }

    /// What a package depends on first: how Debian's packages of the newest kernel name it.
    pub(super) fn first_dependency(&self, package: &str) -> Result<String> {
        let output = self.apt("apt-cache").args(["depends", package]).output().context("cannot start apt-cache")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned);
        name.with_context(|| {
            format!("{package} is not in the archive, or depends on nothing: check Debian's sources of this machine")
        })
    }

    /// Fetches packages into a folder; those of this machine's architecture are named `package:host`.
    pub(super) fn fetch(&self, packages: &[String], folder: &Path) -> Result<()> {
        let host = host()?;
        let names = packages.iter().map(|name| name.replace(":host", &format!(":{host}")));
        must(self.apt("apt-get").current_dir(folder).args(["-q", "download"]).args(names))
    }

    /// Fetches packages for the board with all that they depend on.
    pub(super) fn fetch_with_dependencies(&self, packages: &[&str], folder: &Path) -> Result<()> {
        let archives = format!("Dir::Cache::archives={}/", folder.display());
        fs::create_dir_all(folder.join("partial"))?;
        let words = ["-q", "-y", "--no-install-recommends", "--download-only", "install"];
        must(self.apt("apt-get").args(["-o", &archives]).args(words).args(packages))
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config);
        command
    }
}

/// This machine's architecture, as Debian calls it.
fn host() -> Result<String> {
    let output = Command::new("dpkg").arg("--print-architecture").output().context("cannot start dpkg")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Unpacks packages, all into one folder.
pub(super) fn unpack(packages: &[PathBuf], into: &Path) -> Result<()> {
    for package in packages {
        must(Command::new("dpkg-deb").arg("--extract").arg(package).arg(into))?;
    }
    Ok(())
}

/// The package files of a folder whose names begin so.
pub(super) fn packages(folder: &Path, beginning: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(beginning) && name.ends_with(".deb") {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "no package {beginning}* in {}", folder.display());
    found.sort();
    Ok(found)
}

/// Programs for the administrator lie where an ordinary user's PATH does not look.
pub(super) fn tool(program: &str) -> Command {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let mut command = Command::new("env");
    command.arg(program).env("PATH", path);
    command
}
