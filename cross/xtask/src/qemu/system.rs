//! The board's disks: a small Debian with systemd, and what is tested on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::debian::{Fetch, tool};
use super::kernel::Kernel;
use super::{Made, empty};
use crate::clock::must;
use crate::{deb, dist};

/// What the system is made of; apt adds what they depend on.
const PACKAGES: [&str; 28] = [
    "base-files",
    "base-passwd",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "init-system-helpers",
    "jq",
    "kmod",
    "libc-bin",
    "login",
    "mawk",
    "mount",
    "passwd",
    "perl-base",
    "procps",
    "sed",
    "systemd",
    "systemd-sysv",
    "tar",
    "udev",
    "usr-is-merged",
    "util-linux",
];
/// Files of the repository that the disk follows from.
const FILES: [&str; 3] = ["system.sh", "board.service", "console.service"];
/// Room on the second disk beside its files, bytes.
const SPARE: u64 = 8 << 20;

/// Makes the system's disk unless that is done; returns where it is.
pub(super) fn ready(root: &Path, cache: &Path, kernel: &Kernel, debian: &Fetch<'_>) -> Result<PathBuf> {
    let files = root.join("cross/qemu");
    let mut recipe = format!("2\n{PACKAGES:?}\n");
    for file in FILES {
        recipe += &fs::read_to_string(files.join(file)).with_context(|| format!("cannot read {file}"))?;
    }
    // A new kernel brings new modules onto the disk.
    recipe += &fs::read_to_string(cache.join("kernel/recipe"))?;
    let made = Made::new(cache.join("system"), recipe);
    made.ready(|folder| {
        let packages = folder.join("packages");
        fs::create_dir_all(&packages)?;
        debian()?.fetch_with_dependencies(&PACKAGES, &packages)?;
        let (tree, image) = (folder.join("tree"), folder.join("system.img"));
        let mut make = Command::new("fakeroot");
        make.args(["--", "sh"]).arg(files.join("system.sh")).arg(&packages).arg(&kernel.modules).arg(&files);
        must(make.arg(&tree).arg(&image))?;
        fs::remove_dir_all(&tree)?;
        Ok(fs::remove_dir_all(&packages)?)
    })?;
    Ok(made.folder.join("system.img"))
}

/// Makes the disk with the package, the agent, and the pictures of a webcam with the program that plays it.
pub(super) fn payload(root: &Path, place: &Path) -> Result<PathBuf> {
    let package = deb::package(root, dist::BOARD_TARGET)?;
    let folder = place.join("payload");
    empty(&folder)?;
    fs::copy(&package, folder.join("trimtab.deb"))?;
    let mut compile = Command::new("aarch64-linux-gnu-gcc");
    compile.args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"]).arg(folder.join("feeder"));
    must(compile.arg(root.join("cross/qemu/feeder.c")))?;
    // With the features that the tests are built with, so that nothing is compiled twice.
    let words = ["build", "--release", "--locked", "--workspace", "--example", "webcam"];
    must(Command::new("cargo").current_dir(root).args(words))?;
    must(Command::new(dist::target(root).join("release/examples/webcam")).arg(folder.join("webcam.mjpeg")))?;
    disk_of(root, &folder, place)
}

/// Makes a disk of a folder and the agent, which the board runs from it.
pub(super) fn disk_of(root: &Path, folder: &Path, place: &Path) -> Result<PathBuf> {
    fs::copy(root.join("cross/qemu/agent"), folder.join("agent"))?;
    let mut bytes = SPARE;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    let image = place.join("payload.img");
    fs::File::create(&image)?.set_len(bytes.next_multiple_of(4096))?;
    must(tool("mke2fs").args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"]).arg(folder).arg(&image))?;
    Ok(image)
}
