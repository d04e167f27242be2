//! QEMU as one microcontroller: its sensors, its serial port and QEMU's own line over sockets. It ends with this program whatever
//! becomes of that.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::qmp::Qmp;

/// Until QEMU has opened its sockets.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Where the image looks for the board's key.
const KEY_ADDRESS: u32 = 0x003f_f000;
/// Where the image that plays courses looks for which.
const CHOICE_ADDRESS: u32 = 0x0100_3000;
/// The power sensor as QEMU knows it.
pub(super) const POWER: &str = "power";
/// The thermometer as QEMU knows it.
pub(super) const HEAT: &str = "heat";

/// Which sensors are soldered to the board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parts {
    pub(super) power: bool,
    pub(super) heat: bool,
}

impl Parts {
    pub(super) const ALL: Self = Self { power: true, heat: true };
}

/// A running board, ended when dropped.
pub(super) struct Machine {
    qemu: Child,
    /// QEMU's own line.
    pub(super) qmp: Qmp,
    folder: PathBuf,
}

impl Machine {
    /// Makes a board that holds still until [`Machine::run`]; returns its serial port also.
    pub(super) fn new(image: &Path, key: &[u8], parts: Parts) -> Result<(Self, UnixStream)> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let made = MADE.fetch_add(1, Ordering::Relaxed);
        // The sockets' paths have to be short.
        let folder = std::env::temp_dir().join(format!("trimtab-mcu-{}-{made}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("key"), key)?;
        let [serial, qmp] = ["serial", "qmp"].map(|name| folder.join(name));
        let mut command = emulator();
        command.arg("-S");
        command.arg("-serial").arg(format!("unix:{},server=on,wait=off", serial.display()));
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", qmp.display()));
        command.arg("-gdb").arg(format!("unix:{},server=on,wait=off", folder.join("gdb").display()));
        solder(&mut command, parts);
        if !key.is_empty() {
            let file = folder.join("key");
            command.arg("-device").arg(format!("loader,addr={KEY_ADDRESS:#x},file={},force-raw=on", file.display()));
        }
        command.arg("-kernel").arg(image);
        let log = folder.join("qemu.log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut qemu = command.spawn().context("cannot start setpriv and qemu-system-arm")?;
        let opened = open(&mut qemu, &qmp, &serial);
        match opened {
            Ok((qmp, serial)) => Ok((Self { qemu, qmp, folder }, serial)),
            Err(fault) => {
                let _ = qemu.kill();
                let _ = qemu.wait();
                Err(fault).with_context(|| fs::read_to_string(&log).unwrap_or_default())
            }
        }
    }

    /// Where the serial port's socket is.
    pub(super) fn serial(&self) -> PathBuf {
        self.folder.join("serial")
    }

    /// Where the debugger's socket is.
    pub(super) fn debugger(&self) -> PathBuf {
        self.folder.join("gdb")
    }

    /// Lets the board run.
    pub(super) fn run(&mut self) -> Result<()> {
        self.qmp.run("cont", &json!({}))?;
        Ok(())
    }

    /// Fails where QEMU has ended.
    pub(super) fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.qemu.try_wait()? {
            bail!("QEMU ended with {status}: {}", fs::read_to_string(self.folder.join("qemu.log")).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All three fail only where there is nothing left to end.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Plays course number `choice` in simulated time; returns what came over the serial port, and what the image printed. `disturbed`:
/// QEMU is asked something all the time, which is nothing to the board.
pub(super) fn play(image: &Path, choice: usize, disturbed: bool, limit: Duration) -> Result<(Vec<u8>, String)> {
    let folder = std::env::temp_dir().join(format!("trimtab-mcu-{}-course", std::process::id()));
    fs::create_dir_all(&folder)?;
    let [trace, printed, errors, line] = ["trace", "printed", "errors", "qmp"].map(|name| folder.join(name));
    let mut command = emulator();
    solder(&mut command, Parts::ALL);
    command.args(["-icount", "shift=5,sleep=off", "-semihosting-config", "enable=on,target=native"]);
    let mut to_file = OsString::from("file:");
    to_file.push(&trace);
    command.arg("-serial").arg(to_file);
    if disturbed {
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=on", line.display()));
    }
    command.arg("-device").arg(format!("loader,addr={CHOICE_ADDRESS:#x},data={choice},data-len=4"));
    command.arg("-kernel").arg(image).stdin(Stdio::null());
    command.stdout(File::create(&printed)?).stderr(File::create(&errors)?);
    let mut qemu = command.spawn().context("cannot start setpriv and qemu-system-arm")?;
    let ended = until_ended(&mut qemu, disturbed.then_some(&line), limit);
    if ended.is_err() {
        let _ = qemu.kill();
        let _ = qemu.wait();
    }
    let status = ended?;
    let text = fs::read_to_string(&printed)?;
    let errors = fs::read_to_string(&errors)?;
    ensure!(status.success(), "the course ended with {status}; it printed\n{text}{errors}");
    let bytes = fs::read(&trace).context("no trace")?;
    fs::remove_dir_all(&folder)?;
    Ok((bytes, text))
}

/// Waits until QEMU has ended, and asks it something all the time where it has a line.
fn until_ended(qemu: &mut Child, line: Option<&PathBuf>, limit: Duration) -> Result<ExitStatus> {
    let begun = Instant::now();
    let mut qmp = None;
    loop {
        if let Some(status) = qemu.try_wait()? {
            return Ok(status);
        }
        ensure!(begun.elapsed() < limit, "the course did not end within {limit:?}");
        if let Some(line) = line
            && qmp.is_none()
        {
            qmp = Qmp::connect(line).ok();
        }
        // It answers no more when it ends.
        let answer = qmp.as_mut().map(|qmp| qmp.run("query-version", &json!({})));
        if !matches!(answer, Some(Ok(_))) {
            sleep(Duration::from_millis(5));
        }
    }
}

/// Puts sensors on the board's bus.
fn solder(command: &mut Command, parts: Parts) {
    if parts.power {
        command.arg("-device").arg(format!("adm1272,id={POWER},bus=i2c,address=0x10"));
    }
    if parts.heat {
        command.arg("-device").arg(format!("tmp105,id={HEAT},bus=i2c,address=0x48"));
    }
}

/// The board without its second serial port, its sensors and its image. It has no network, whose emulation would bring timers of
/// its own.
fn emulator() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "qemu-system-arm", "-M", "mps2-an386", "-nic", "none"]);
    command.args(["-display", "none", "-monitor", "none", "-serial", "null"]);
    command
}

fn open(qemu: &mut Child, qmp: &Path, serial: &Path) -> Result<(Qmp, UnixStream)> {
    let begun = Instant::now();
    loop {
        if let Some(status) = qemu.try_wait()? {
            bail!("QEMU ended with {status}");
        }
        if qmp.exists() && serial.exists() {
            return Ok((Qmp::connect(qmp)?, UnixStream::connect(serial)?));
        }
        ensure!(begun.elapsed() < START_LIMIT, "QEMU opened no sockets within {START_LIMIT:?}");
        sleep(Duration::from_millis(2));
    }
}
