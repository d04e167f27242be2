//! The board's kernel as Debian ships it, with drivers that Debian leaves out, built against it from Debian's own source: an I2C
//! bus whose chips are tables in memory, power monitors on it, a battery that is set by hand, and a camera that plays what is
//! written to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::debian::{self, Debian, Fetch, tool};
use super::{Made, empty};
use crate::clock::must;

/// Always depends on the newest kernel of its flavour; the flavour for clouds has no cameras.
const NEWEST: &str = "linux-image-arm64";
/// Drivers of the kernel's source that Debian does not build.
const SOURCES: [&str; 4] = [
    "drivers/i2c/i2c-stub.c",
    "drivers/hwmon/ina2xx.c",
    "drivers/hwmon/ina3221.c",
    "drivers/power/supply/test_power.c",
];
/// What those and the loopback camera are built as.
const EXTRA: [&str; 5] = ["i2c-stub", "ina2xx", "ina3221", "test_power", "v4l2loopback"];
/// Drivers that find the disk.
const FIRST: [&str; 3] = ["virtio_pci", "virtio_blk", "ext4"];
/// Drivers that are loaded later, from the disk.
const LATER: [&str; 6] = ["virtio_console", "vivid", "i2c-dev", "autofs4", "configfs", "fuse"];
const CROSS: &str = "aarch64-linux-gnu-";

/// What boots.
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    pub(super) first: PathBuf,
    /// `RELEASE/…`, as it belongs below `/usr/lib/modules`.
    pub(super) modules: PathBuf,
}

/// Fetches and builds it unless that is done.
pub(super) fn ready(root: &Path, cache: &Path, debian: &Fetch<'_>) -> Result<Kernel> {
    let init = fs::read_to_string(root.join("cross/qemu/init"))?;
    let recipe = format!("2\n{SOURCES:?}\n{EXTRA:?}\n{FIRST:?}\n{LATER:?}\n{init}");
    let made = Made::new(cache.join("kernel"), recipe);
    made.ready(|folder| make(root, folder, debian()?))?;
    let folder = made.folder;
    Ok(Kernel { image: folder.join("vmlinuz"), first: folder.join("first.gz"), modules: folder.join("modules") })
}

fn make(root: &Path, folder: &Path, debian: &Debian) -> Result<()> {
    let name = debian.first_dependency(NEWEST)?;
    let release = name.strip_prefix("linux-image-").context("a kernel's package has its release in the name")?;
    let line: String = release.split('.').take(2).collect::<Vec<_>>().join(".");
    let common = release.strip_suffix("-arm64").context("a kernel for the board is one for arm64")?;
    println!("kernel {release}");
    let packages = folder.join("packages");
    fs::create_dir_all(&packages)?;
    let wanted = [
        format!("linux-image-{release}"),
        format!("linux-headers-{release}"),
        format!("linux-headers-{common}-common"),
        format!("linux-kbuild-{line}:host"),
        format!("linux-source-{line}"),
        "v4l2loopback-dkms".to_owned(),
        "busybox-static".to_owned(),
    ];
    debian.fetch(&wanted, &packages)?;

    let tree = folder.join("tree");
    fs::create_dir_all(&tree)?;
    for part in ["linux-image-", "linux-headers-", "linux-kbuild-", "v4l2loopback-dkms", "busybox-static"] {
        debian::unpack(&debian::packages(&packages, part)?, &tree)?;
    }
    let extra = build_extra(&tree, &packages, release)?;
    let into = tree.join("lib/modules").join(release).join("extra");
    fs::create_dir_all(&into)?;
    for module in EXTRA {
        let file = format!("{module}.ko");
        must(Command::new(format!("{CROSS}strip")).arg("--strip-debug").arg(extra.join(&file)))?;
        fs::copy(extra.join(&file), into.join(&file))?;
    }
    must(tool("depmod").arg("-b").arg(&tree).arg(release))?;
    first_files(root, folder, &tree, release)?;
    later_modules(folder, &tree, release)?;
    let image = tree.join("boot").join(format!("vmlinuz-{release}"));
    fs::copy(&image, folder.join("vmlinuz")).with_context(|| format!("no {}", image.display()))?;
    // Some hundreds of megabytes that nobody looks at again.
    fs::remove_dir_all(&tree)?;
    fs::remove_dir_all(&packages)?;
    Ok(())
}

/// Builds the drivers that Debian leaves out; returns where they are.
fn build_extra(tree: &Path, packages: &Path, release: &str) -> Result<PathBuf> {
    let place = tree.join("extra");
    fs::create_dir_all(&place)?;
    let source = debian::packages(packages, "linux-source-")?.remove(0);
    // One archive within another; only a few files of it are wanted.
    let pick = format!(
        "dpkg-deb --fsys-tarfile \"$1\" | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' | xz -d -c | \
         tar -x -C \"$2\" --strip-components=1 --wildcards --no-anchored {}",
        SOURCES.join(" ")
    );
    must(Command::new("sh").args(["-ec", &pick, "sh"]).arg(&source).arg(&place))?;
    let mut objects = String::from("obj-m :=");
    for file in SOURCES {
        let file = place.join(file);
        fs::rename(&file, place.join(file.file_name().context("a source is a file")?))
            .with_context(|| format!("{} is not in Debian's source of the kernel", file.display()))?;
    }
    for module in EXTRA {
        objects += &format!(" {module}.o");
    }
    fs::write(place.join("Kbuild"), objects)?;
    let sources = tree.join("usr/src");
    for entry in fs::read_dir(&sources)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("v4l2loopback-") {
            for file in ["v4l2loopback.c", "v4l2loopback_formats.h"] {
                fs::copy(entry.path().join(file), place.join(file))
                    .with_context(|| format!("v4l2loopback has no {file}"))?;
            }
        }
    }
    // The headers look for their common part where it would be installed.
    let headers = sources.join(format!("linux-headers-{release}"));
    let makefile = headers.join("Makefile");
    let text = fs::read_to_string(&makefile).with_context(|| format!("cannot read {}", makefile.display()))?;
    fs::write(&makefile, text.replace("/usr/src/", &format!("{}/", sources.display())))?;
    let mut make = Command::new("make");
    make.arg("-C").arg(&headers).arg(format!("M={}", place.display()));
    must(make.args(["ARCH=arm64", &format!("CROSS_COMPILE={CROSS}"), "-s", "modules"]))?;
    Ok(place)
}

/// The files of modules with all that they need, each before those that need it.
fn with_needs(tree: &Path, release: &str, modules: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for module in modules {
        let output = tool("modprobe").arg("-d").arg(tree).args(["-S", release, "--show-depends", module]).output();
        let output = output.context("cannot start modprobe")?;
        ensure!(output.status.success(), "no module {module}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for file in text.lines().filter_map(|line| line.strip_prefix("insmod ")).map(str::trim).map(PathBuf::from) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// The file system that the kernel starts from: one shell, the drivers of the disk, and a script.
fn first_files(root: &Path, folder: &Path, tree: &Path, release: &str) -> Result<()> {
    let place = folder.join("first");
    empty(&place)?;
    for part in ["bin", "modules"] {
        fs::create_dir(place.join(part))?;
    }
    fs::copy(tree.join("bin/busybox"), place.join("bin/busybox"))?;
    let mut order = String::new();
    for file in with_needs(tree, release, &FIRST)? {
        let name = file.file_name().context("a module is a file")?.to_string_lossy().into_owned();
        fs::copy(&file, place.join("modules").join(&name))?;
        order += &format!("{name}\n");
    }
    fs::write(place.join("modules/order"), order)?;
    fs::copy(root.join("cross/qemu/init"), place.join("init"))?;
    fs::set_permissions(place.join("init"), fs::Permissions::from_mode(0o755))?;
    let pack = "find . | cpio --quiet -o -H newc -R 0:0 | gzip -1 >\"$1\"";
    must(Command::new("sh").current_dir(&place).args(["-ec", pack, "sh"]).arg(folder.join("first.gz")))?;
    Ok(fs::remove_dir_all(place)?)
}

/// The modules of the disk, with an index of their own.
fn later_modules(folder: &Path, tree: &Path, release: &str) -> Result<()> {
    let names: Vec<&str> = LATER.iter().chain(&EXTRA).copied().collect();
    let base = tree.join("lib/modules").join(release);
    let into = folder.join("modules").join(release);
    for file in with_needs(tree, release, &names)? {
        let place = into.join(file.strip_prefix(&base).context("a module lies below its release")?);
        fs::create_dir_all(place.parent().context("a module lies in a folder")?)?;
        fs::copy(&file, &place)?;
    }
    for index in ["modules.builtin", "modules.order", "modules.builtin.modinfo"] {
        fs::copy(base.join(index), into.join(index)).with_context(|| format!("the kernel has no {index}"))?;
    }
    // depmod wants the folder `lib/modules`.
    let above = folder.join("index");
    fs::create_dir_all(above.join("lib"))?;
    fs::rename(folder.join("modules"), above.join("lib/modules"))?;
    must(tool("depmod").arg("-b").arg(&above).arg(release))?;
    fs::rename(above.join("lib/modules"), folder.join("modules"))?;
    Ok(fs::remove_dir_all(above)?)
}
