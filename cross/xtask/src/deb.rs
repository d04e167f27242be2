//! The Debian package of the device's program: the `dist` build, the shipped models, the unit, its user and a configuration.
//!
//! The package is put together as a tree of files and closed by `dpkg-deb`, which makes the files root's without root's rights.
//! What the program needs of a C library is read from the program. The same commit gives the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::clock::must;
use crate::dist::{self, BOARD_TARGET, HOST_TARGET};

/// Where packages are made.
const FOLDER: &str = "deb";
/// Models that a robot runs; the stand-ins of the clouds stay in the repository.
const MODELS: [&str; 3] = ["encoder", "lm", "policy"];
/// Files of the repository, and where they go.
const FILES: [(&str, &str); 6] = [
    ("cross/debian/trimtab.toml", "etc/trimtab/trimtab.toml"),
    ("cross/systemd/trimtab.service", "usr/lib/systemd/system/trimtab.service"),
    ("cross/systemd/trimtab.sysusers", "usr/lib/sysusers.d/trimtab.conf"),
    ("cross/udev/60-trimtab.rules", "usr/lib/udev/rules.d/60-trimtab.rules"),
    ("runtime/device/trimtab.example.toml", "usr/share/doc/trimtab/examples/trimtab.toml"),
    ("cross/debian/copyright", "usr/share/doc/trimtab/copyright"),
];
/// What runs while the package comes and goes.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
/// Shared libraries that a program of ours may ask for, and the packages that bring them.
const LIBRARIES: [(&str, &str); 5] = [
    ("libc.so.6", "libc6"),
    ("libm.so.6", "libc6"),
    ("ld-linux-aarch64.so.1", "libc6"),
    ("ld-linux-x86-64.so.2", "libc6"),
    ("libgcc_s.so.1", "libgcc-s1"),
];
/// Makes users and enables units; both are on every Debian with systemd.
const ALWAYS: [&str; 2] = ["init-system-helpers (>= 1.54)", "systemd | systemd-standalone-sysusers | systemd-sysusers"];
const MAINTAINER: &str = "The Trimtab authors <maintainers@trimtab.invalid>";

/// What to package.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For which processor
    #[arg(long, default_value = BOARD_TARGET, value_parser = [BOARD_TARGET, HOST_TARGET])]
    target: String,
}

/// Builds the program and its package; prints where it is and how large.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let package = package(root, &arguments.target)?;
    println!("{}  {} bytes", package.display(), fs::metadata(&package)?.len());
    Ok(())
}

/// Builds the package for a target; returns where it is.
pub(crate) fn package(root: &Path, target: &str) -> Result<PathBuf> {
    let program = dist::program(root, target)?;
    let architecture = architecture(target)?;
    let version = env!("CARGO_PKG_VERSION");
    let folder = dist::target(root).join(FOLDER);
    let tree = folder.join(format!("tree-{architecture}"));
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    fill(root, &tree, &program, target)?;
    describe(root, &tree, &program, architecture, version)?;
    let package = folder.join(format!("trimtab_{version}_{architecture}.deb"));
    let mut close = Command::new("dpkg-deb");
    close.args(["--root-owner-group", "-Zxz", "--build"]).arg(&tree).arg(&package);
    must(close.env("SOURCE_DATE_EPOCH", commit_time(root)))?;
    Ok(package)
}

fn architecture(target: &str) -> Result<&'static str> {
    match target {
        BOARD_TARGET => Ok("arm64"),
        HOST_TARGET => Ok("amd64"),
        other => bail!("no package for {other}; there is one for {BOARD_TARGET} and {HOST_TARGET}"),
    }
}

/// Puts every file where it is installed.
fn fill(root: &Path, tree: &Path, program: &Path, target: &str) -> Result<()> {
    put(program, &tree.join("usr/bin/trimtab"), 0o755)?;
    for (from, to) in FILES {
        put(&root.join(from), &tree.join(to), 0o644)?;
    }
    for model in MODELS {
        copy_folder(&root.join("models/shipped").join(model), &tree.join("usr/share/trimtab/models").join(model))?;
    }
    folder(&tree.join("etc/trimtab/config.d"))?;
    let documents = tree.join("usr/share/doc/trimtab");
    put(&root.join("CHANGELOG.md"), &documents.join("changelog"), 0o644)?;
    let libraries = documents.join("libraries");
    fs::write(&libraries, licences(root, target)?)?;
    mode(&libraries, 0o644)?;
    must(Command::new("gzip").args(["-9n"]).arg(documents.join("changelog")).arg(libraries))
}

/// Writes the control files: what the package is, what it needs, which files are the administrator's.
fn describe(root: &Path, tree: &Path, program: &Path, architecture: &str, version: &str) -> Result<()> {
    let mut files = Vec::new();
    list(tree, tree, &mut files)?;
    files.sort();
    let bytes: u64 = files.iter().map(|file| fs::metadata(tree.join(file)).map_or(0, |it| it.len())).sum();
    let control = tree.join("DEBIAN");
    folder(&control)?;
    let mut depends = needs(program)?;
    depends.extend(ALWAYS.map(str::to_owned));
    let text = format!(
        "Package: trimtab\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: {MAINTAINER}\nInstalled-Size: {}\n\
         Depends: {}\nSection: net\nPriority: optional\nDescription: where a robot's turns are answered, and with which views\n \
         For every turn of a conversation with a robot, Trimtab decides whether a small model on\n \
         the robot answers or a large one in the cloud, and which camera views are uploaded, under\n \
         budgets for energy, memory, latency, money and bytes that cannot be overspent.\n .\n \
         Applications talk to it as to OpenAI, on this machine.\n",
        bytes.div_ceil(1024),
        depends.join(", ")
    );
    fs::write(control.join("control"), text)?;
    let owned = files.iter().filter(|file| file.starts_with("etc/")).map(|file| format!("/{file}\n"));
    fs::write(control.join("conffiles"), owned.collect::<String>())?;
    let sums = Command::new("md5sum").current_dir(tree).args(&files).output().context("cannot start md5sum")?;
    ensure!(sums.status.success(), "md5sum failed: {}", String::from_utf8_lossy(&sums.stderr));
    fs::write(control.join("md5sums"), sums.stdout)?;
    for file in ["control", "conffiles", "md5sums"] {
        mode(&control.join(file), 0o644)?;
    }
    for script in SCRIPTS {
        put(&root.join("cross/debian").join(script), &control.join(script), 0o755)?;
    }
    Ok(())
}

/// The packages with the program's shared libraries, the C library as new as the newest of its symbols that is used.
fn needs(program: &Path) -> Result<Vec<String>> {
    let read = |what: &str| -> Result<String> {
        let output =
            Command::new("readelf").args(["-W", what]).arg(program).output().context("cannot start readelf")?;
        ensure!(output.status.success(), "readelf {what} {} failed", program.display());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut packages = BTreeSet::new();
    for line in read("-d")?.lines().filter(|line| line.contains("(NEEDED)")) {
        let library = line.split(['[', ']']).nth(1).context("readelf names no library")?;
        let known = LIBRARIES.iter().find(|(name, _)| *name == library);
        let (_, package) = known.with_context(|| format!("{library} is asked for, and no package is known for it"))?;
        packages.insert(*package);
    }
    let versions = read("-V")?;
    let newest = versions.split_ascii_whitespace().filter_map(|word| word.strip_prefix("GLIBC_")).filter_map(numbers);
    let newest = newest.max().context("the program names no version of the C library")?;
    let text = newest.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    Ok(packages
        .into_iter()
        .map(|package| if package == "libc6" { format!("libc6 (>= {text})") } else { package.to_owned() })
        .collect())
}

/// `2.34` as numbers, so that 2.4 is older.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// Every library in the program, with its licence.
fn licences(root: &Path, target: &str) -> Result<String> {
    let words =
        ["tree", "--locked", "--package", "trimtab-device", "--edges", "normal,no-proc-macro", "--prefix", "none"];
    let mut tree = Command::new("cargo");
    tree.current_dir(root).args(words).args(["--target", target, "--format", "{p}: {l}"]);
    let output = tree.output().context("cannot start cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Ours stand with the folder that they were built in, and are under this package's own licence.
    let lines: BTreeSet<&str> =
        text.lines().filter(|line| !line.contains(" (/")).map(|line| line.trim_end_matches(" (*)")).collect();
    Ok(lines.into_iter().map(|line| format!("{line}\n")).collect())
}

/// Seconds since 1970 of the commit; nought where there is no repository.
fn commit_time(root: &Path) -> String {
    let output = Command::new("git").current_dir(root).args(["log", "-1", "--format=%ct"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    if text.is_empty() { "0".to_owned() } else { text }
}

fn list(base: &Path, at: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(at)? {
        let path = entry?.path();
        if path.is_dir() {
            list(base, &path, files)?;
        } else {
            files.push(path.strip_prefix(base)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() { copy_folder(&source, &place)? } else { put(&source, &place, 0o644)? }
    }
    Ok(())
}

fn put(from: &Path, to: &Path, bits: u32) -> Result<()> {
    folder(to.parent().context("a file lies in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    mode(to, bits)
}

/// Makes a folder and those above it, readable for everybody whatever the user's mask.
fn folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        folder(above)?;
    }
    fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
    mode(path, 0o755)
}

fn mode(path: &Path, bits: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}
