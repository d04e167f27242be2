//! QEMU as one board: two cores of a Raspberry Pi 4, a gigabyte, two disks, a serial console into a file and a serial port for
//! the agent. It has no network, and it ends with this program whatever becomes of that.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::agent::Agent;
use super::kernel::Kernel;

/// As on the smallest boards that run a 64-bit system in comfort.
const MEMORY: &str = "1024";
/// From power to the agent's first word; an idle machine needs ten seconds.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
/// Lines of the console that are shown after a failure.
const LINES: usize = 40;

/// The board's system, and what is tested on it.
pub(super) struct Disks<'a> {
    pub(super) system: &'a Path,
    pub(super) payload: &'a Path,
    /// What QEMU is told of further ones.
    pub(super) more: &'a [&'a str],
}

/// A running board, ended when dropped.
pub(super) struct Machine {
    qemu: Child,
    console: PathBuf,
    // The socket's path has to be short, and a clone's need not be.
    sockets: PathBuf,
}

impl Machine {
    /// Starts it. Its first two disks stay as they are: what the board writes is thrown away.
    pub(super) fn start(kernel: &Kernel, disks: &Disks<'_>, place: &Path, by_hand: bool) -> Result<Self> {
        let console = place.join("console.log");
        let sockets = std::env::temp_dir().join(format!("trimtab-board-{}", std::process::id()));
        fs::create_dir_all(&sockets)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"]);
        command.args(["-smp", "2", "-m", MEMORY, "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]);
        command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(&kernel.first);
        let shell = if by_hand { " board.console" } else { "" };
        command.arg("-append").arg(format!(
            "console=ttyAMA0 panic=-1 loglevel=5 systemd.show_status=yes systemd.unit=multi-user.target{shell}"
        ));
        for (disk, file) in [("system", disks.system), ("payload", disks.payload)] {
            let file = file.display();
            command.arg("-drive").arg(format!("if=none,id={disk},format=raw,snapshot=on,file={file}"));
            command.arg("-device").arg(format!("virtio-blk-pci,drive={disk}"));
        }
        command.args(disks.more);
        command.args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=trimtab.board"]);
        command
            .arg("-chardev")
            .arg(format!("socket,id=agent,server=on,wait=off,path={}", agent_socket(&sockets).display()));
        if by_hand {
            // An interrupt from the keyboard is for the board's shell.
            command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        } else {
            command.arg("-serial").arg(format!("file:{}", console.display())).stdin(Stdio::null());
        }
        command.stderr(File::create(place.join("qemu.log"))?);
        let qemu = command.spawn().context("cannot start setpriv and qemu-system-aarch64")?;
        Ok(Self { qemu, console, sockets })
    }

    /// The line to the board, once it has started.
    pub(super) fn agent(&mut self) -> Result<Agent> {
        let socket = agent_socket(&self.sockets);
        Agent::connect(&socket, BOOT_LIMIT, &mut || match self.qemu.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("QEMU ended with {status}"),
        })
    }

    /// Waits until somebody powers it off.
    pub(super) fn wait(&mut self) -> Result<()> {
        self.qemu.wait()?;
        Ok(())
    }

    /// The end of what it printed.
    pub(super) fn last_lines(&self) -> String {
        let text = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All three fail only where there is nothing left to end.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

fn agent_socket(folder: &Path) -> PathBuf {
    folder.join("agent")
}
