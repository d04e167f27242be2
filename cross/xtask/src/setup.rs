//! Finds out what the checks need and do not have, says so, and installs it.
//!
//! Everything is pinned where its registry allows: the toolchain by `rust-toolchain.toml`, `cargo-deny` by version, the
//! Python packages by a requirements file. Debian's packages come as the release has them. No foreign architecture is
//! added: the cross compiler and its C library are ordinary packages of the host's architecture.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::clock::{must, succeeds};
use crate::dist::BOARD_TARGET;

/// Where Debian's cross packages put the board's C library, for the linker and for emulation.
pub(crate) const BOARD_SYSROOT: &str = "/usr/aarch64-linux-gnu";
/// What is built for besides the host: the robots' boards, and the microcontrollers.
const TARGETS: [&str; 3] = [BOARD_TARGET, "thumbv7em-none-eabihf", "thumbv6m-none-eabi"];
const CARGO_DENY_VERSION: &str = "0.20.2";
/// Tools that outlive a clone are kept here; the default is `trimtab` in the user's cache folder.
const TOOL_CACHE_VARIABLE: &str = "TRIMTAB_TOOL_CACHE";

/// A private place for Python packages: made from a list that it then keeps, so that a changed list means a new one.
struct Environment {
    requirements: &'static str,
    folder: &'static str,
}

/// For the tests.
const TESTS: Environment = Environment { requirements: "tests/e2e/requirements.txt", folder: "target/venv" };
/// For exports of full-size models, and for what only the original implementations can say.
const ORIGINALS: Environment =
    Environment { requirements: "tests/parity/requirements.txt", folder: "target/venv-full" };

/// One thing the checks need from the system, and the Debian package that brings it.
struct Need {
    package: &'static str,
    why: &'static str,
    present: fn() -> bool,
}

const NEEDS: [Need; 25] = [
    Need { package: "build-essential", why: "C compiler for ring and SQLite", present: || on_path("cc") },
    Need { package: "cmake", why: "builds llama.cpp", present: || on_path("cmake") },
    Need { package: "libclang-dev", why: "reads llama.cpp's headers", present: has_libclang },
    Need { package: "mosquitto", why: "the broker of the end-to-end tests", present: || on_path("mosquitto") },
    Need { package: "ffmpeg", why: "plays cameras of the network and camera programs", present: || on_path("ffmpeg") },
    Need {
        package: "gir1.2-gst-rtsp-server-1.0",
        why: "plays cameras that speak RTSP: GStreamer's server",
        present: || has_python("import gi; gi.require_version('GstRtspServer', '1.0')"),
    },
    Need { package: "python3-gi", why: "starts that server", present: || has_python("import gi") },
    Need {
        package: "glib-networking",
        why: "TLS for that server",
        present: || has_python("from gi.repository import Gio; Gio.TlsBackend.get_default().supports_tls() or exit(1)"),
    },
    Need { package: "gstreamer1.0-plugins-base", why: "its test pictures", present: || has_gstreamer("videotestsrc") },
    Need { package: "gstreamer1.0-plugins-good", why: "JPEG for it", present: || has_gstreamer("jpeg") },
    Need { package: "gstreamer1.0-plugins-ugly", why: "H.264 for it", present: || has_gstreamer("x264") },
    Need {
        package: "gstreamer1.0-libav",
        why: "decodes H.264 for a camera program",
        present: || has_gstreamer("libav"),
    },
    Need { package: "gstreamer1.0-tools", why: "that program", present: || on_path("gst-launch-1.0") },
    Need { package: "mosquitto-clients", why: "an operator's MQTT client", present: || on_path("mosquitto_sub") },
    Need {
        package: "gcc-aarch64-linux-gnu",
        why: "linker for the boards",
        present: || on_path("aarch64-linux-gnu-gcc"),
    },
    Need {
        package: "libc6-dev-arm64-cross",
        why: "C library of the boards",
        present: || Path::new(BOARD_SYSROOT).join("include/stdio.h").exists(),
    },
    Need { package: "qemu-user", why: "runs the boards' program here", present: || on_path("qemu-aarch64") },
    Need { package: "qemu-system-arm", why: "the emulated boards", present: || on_path("qemu-system-arm") },
    Need { package: "cpio", why: "packs what the emulated board starts from", present: || on_path("cpio") },
    Need { package: "e2fsprogs", why: "makes its disks", present: || on_path("mke2fs") },
    Need { package: "fakeroot", why: "makes the files on them root's", present: || on_path("fakeroot") },
    Need { package: "kmod", why: "orders its kernel's modules", present: || on_path("depmod") },
    Need { package: "xz-utils", why: "opens its kernel's source", present: || on_path("xz") },
    Need { package: "python3", why: "an ordinary OpenAI client", present: || on_path("python3") },
    Need { package: "python3-venv", why: "a private place for its packages", present: venv_works },
];

/// Installs whatever is missing; prints the list first.
pub(crate) fn everything(root: &Path) -> Result<()> {
    let packages: Vec<&Need> = NEEDS.iter().filter(|need| !(need.present)()).collect();
    let targets: Vec<&str> = TARGETS.into_iter().filter(|target| !target_installed(target)).collect();
    let deny = !cargo_deny()?.exists();
    let python = !TESTS.current(root);

    let mut missing: Vec<String> =
        packages.iter().map(|need| format!("Debian package {}: {}", need.package, need.why)).collect();
    missing.extend(targets.iter().map(|target| format!("Rust target {target}")));
    if deny {
        missing.push(format!("cargo-deny {CARGO_DENY_VERSION}, into {}", cargo_deny()?.display()));
    }
    if python {
        missing.push(TESTS.description(root));
    }
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    println!("missing, installed now:");
    for thing in &missing {
        println!("  {thing}");
    }

    install_packages(&packages)?;
    if !targets.is_empty() {
        must(Command::new("rustup").current_dir(root).args(["target", "add"]).args(&targets))?;
    }
    if deny {
        install_cargo_deny(root)?;
    }
    if python {
        TESTS.install(root)?;
    }
    Ok(())
}

/// The environment for exports, which only comparisons with the originals need; returns its interpreter.
pub(crate) fn full(root: &Path) -> Result<PathBuf> {
    if !ORIGINALS.current(root) {
        println!("missing, installed now (some 3 GB to fetch, 6 GB on the disk):\n  {}", ORIGINALS.description(root));
        ORIGINALS.install(root)?;
    }
    Ok(ORIGINALS.python(root))
}

/// The instruction counter, which only the benches need.
pub(crate) fn valgrind() -> Result<()> {
    let need =
        Need { package: "valgrind", why: "counts the instructions of a decision", present: || on_path("valgrind") };
    if (need.present)() { Ok(()) } else { install_packages(&[&need]) }
}

/// The pinned `cargo-deny`, built once into the cache.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    Ok(tool_cache()?.join(format!("cargo-deny-{CARGO_DENY_VERSION}")).join("bin/cargo-deny"))
}

pub(crate) fn tool_cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os(TOOL_CACHE_VARIABLE) {
        return Ok(PathBuf::from(folder));
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache
        .map(|folder| folder.join("trimtab"))
        .with_context(|| format!("no cache folder: set HOME, XDG_CACHE_HOME or {TOOL_CACHE_VARIABLE}"))
}

fn on_path(program: &str) -> bool {
    // Debian keeps brokers and daemons in sbin, which an ordinary user's PATH leaves out.
    let listed = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&listed).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).is_file())
}

/// The library, and the headers that only a compiler of its own would bring.
fn has_libclang() -> bool {
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut installed =
        versions.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("llvm-")));
    installed.any(|llvm| {
        let headers = fs::read_dir(llvm.join("lib/clang")).into_iter().flatten().flatten();
        llvm.join("lib/libclang.so").exists()
            && headers.into_iter().any(|entry| entry.path().join("include/stdbool.h").exists())
    })
}

/// Whether a plug-in of GStreamer is installed.
fn has_gstreamer(plugin: &str) -> bool {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut plugins = folders.map(|folder| folder.join("gstreamer-1.0").join(format!("libgst{plugin}.so")));
    plugins.any(|path| path.exists())
}

/// Whether Debian's own interpreter, which its bindings are for, takes a line.
fn has_python(line: &str) -> bool {
    succeeds(Command::new("/usr/bin/python3").args(["-c", line]))
}

fn venv_works() -> bool {
    succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

fn target_installed(target: &str) -> bool {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    sysroot.is_ok_and(|output| {
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        folder.join("lib/rustlib").join(target).join("lib").is_dir()
    })
}

fn install_packages(needs: &[&Need]) -> Result<()> {
    if needs.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = needs.iter().map(|need| need.package).collect();
    let by_hand = format!("sudo apt-get update && sudo apt-get install --no-install-recommends -y {}", names.join(" "));
    if !on_path("apt-get") {
        bail!("this system has no apt-get: install the equivalents of {}", names.join(", "));
    }
    let root_user = succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    if !root_user && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        bail!("packages are missing and sudo asks for a password; run this once:\n  {by_hand}");
    }
    let apt = |words: &[&str]| {
        // `env` inside, because sudo resets the environment.
        let mut command = if root_user { Command::new("env") } else { Command::new("sudo") };
        if !root_user {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(words);
        must(&mut command)
    };
    apt(&["update"])?;
    let mut install = vec!["install", "--no-install-recommends", "-y"];
    install.extend(&names);
    apt(&install).with_context(|| format!("by hand: {by_hand}"))?;
    if let Some(still) = needs.iter().find(|need| !(need.present)()) {
        bail!(
            "package {} is installed, yet {} is not there: is another one first on the PATH?",
            still.package,
            still.why
        );
    }
    Ok(())
}

fn install_cargo_deny(root: &Path) -> Result<()> {
    let folder = tool_cache()?.join(format!("cargo-deny-{CARGO_DENY_VERSION}"));
    must(
        Command::new("cargo")
            .current_dir(root)
            .args(["install", "cargo-deny", "--locked", "--quiet", "--no-default-features", "--version"])
            .arg(CARGO_DENY_VERSION)
            .arg("--root")
            .arg(folder),
    )
}

impl Environment {
    fn place(&self, root: &Path) -> PathBuf {
        root.join(self.folder)
    }

    fn python(&self, root: &Path) -> PathBuf {
        self.place(root).join("bin/python")
    }

    fn description(&self, root: &Path) -> String {
        format!("the Python packages of {}, into {}", self.requirements, self.place(root).display())
    }

    fn current(&self, root: &Path) -> bool {
        let wanted = fs::read(root.join(self.requirements));
        let made_from = fs::read(self.place(root).join("requirements.txt"));
        matches!((wanted, made_from), (Ok(wanted), Ok(made_from)) if wanted == made_from)
    }

    fn install(&self, root: &Path) -> Result<()> {
        let folder = self.place(root);
        must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        // The lists are whole, so what a package names besides is not looked for.
        must(
            Command::new(self.python(root))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
                .arg(root.join(self.requirements)),
        )?;
        fs::copy(root.join(self.requirements), folder.join("requirements.txt"))
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        Ok(())
    }
}
