//! The footprint of the device's program: its size for every board, and what it keeps in memory when idle.
//!
//! Both come from the `dist` binary, as it is installed. Memory is measured on the host, because an emulator's own memory
//! would be counted with the board's program.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::clock::must;
use crate::setup::BOARD_TARGET;

const MEGABYTE: f64 = 1e6;
const HOST_MB_MAX: f64 = 12.0;
const BOARD_MB_MAX: f64 = 10.0;
const IDLE_MB_MAX: f64 = 40.0;

const START_LIMIT: Duration = Duration::from_secs(30);
/// What a program needs after it listens until its memory stands still.
const SETTLE: Duration = Duration::from_secs(3);

/// Builds, measures, prints, and fails when a limit is exceeded.
pub(crate) fn run(root: &Path) -> Result<()> {
    let build = ["build", "--locked", "--profile", "dist", "--package", "trimtab-device"];
    must(Command::new("cargo").current_dir(root).args(build))?;
    must(Command::new("cargo").current_dir(root).args(build).args(["--target", BOARD_TARGET]))?;
    let host = root.join("target/dist/trimtab");
    let board = root.join("target").join(BOARD_TARGET).join("dist/trimtab");
    let shipped = root.join("models/shipped");
    let models = format!(
        "[models]\nencoder = \"{0}/encoder\"\nlm = \"{0}/lm\"\npolicy = \"{0}/policy/policy.onnx\"\n",
        shipped.display()
    );
    let rows = [
        ("stripped size, x86_64", megabytes(&host)?, HOST_MB_MAX),
        ("stripped size, aarch64", megabytes(&board)?, BOARD_MB_MAX),
        ("idle memory without models (RSS)", idle(&host, "")?, IDLE_MB_MAX),
        ("idle memory with the shipped models (RSS)", idle(&host, &models)?, IDLE_MB_MAX),
    ];
    println!("\n`trimtab`, dist build, MB of 10^6 bytes");
    for (what, have, limit) in &rows {
        println!("  {what:<44} {have:>6.2}   limit {limit}");
    }
    let over: Vec<&str> = rows.iter().filter(|(_, have, limit)| have > limit).map(|(what, ..)| *what).collect();
    ensure!(over.is_empty(), "over the limit: {}", over.join("; "));
    Ok(())
}

fn megabytes(file: &Path) -> Result<f64> {
    let length = fs::metadata(file).with_context(|| format!("no {}", file.display()))?.len();
    Ok(length as f64 / MEGABYTE)
}

/// The program as it idles, ended when dropped.
struct Idle(Child);

impl Drop for Idle {
    fn drop(&mut self) {
        // Both fail only where the program has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory of the program, idle, with one camera and these further lines of configuration, in megabytes.
fn idle(program: &Path, models: &str) -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("trimtab-size-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let path = folder.join("trimtab.toml");
    let text = format!(
        "[device]\nid = \"size\"\nfleet = \"size\"\nstate_dir = \"{0}/state\"\n\
         [api]\nlisten = \"127.0.0.1:{port}\"\nsocket = \"{0}/api.sock\"\n\
         [[camera]]\nname = \"front\"\nsource = \"pattern:\"\n{models}",
        folder.display()
    );
    fs::write(&path, text)?;
    let measured = resident(program, &path, port);
    fs::remove_dir_all(&folder)?;
    measured
}

fn resident(program: &Path, config: &Path, port: u16) -> Result<f64> {
    let log: PathBuf = config.with_file_name("trimtab.log");
    let out = fs::File::create(&log)?;
    let child = Command::new(program)
        .args(["run", "--config"])
        .arg(config)
        // Away from the clone, so that models are found only where the configuration names them.
        .current_dir(config.parent().context("the configuration lies in a folder")?)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut idle = Idle(child);
    let begun = Instant::now();
    while !answers(port) {
        if let Some(status) = idle.0.try_wait()? {
            bail!("{} ended with {status}:\n{}", program.display(), fs::read_to_string(&log)?);
        }
        ensure!(begun.elapsed() < START_LIMIT, "no answer within {START_LIMIT:?}:\n{}", fs::read_to_string(&log)?);
        sleep(Duration::from_millis(50));
    }
    sleep(SETTLE);
    let status = fs::read_to_string(format!("/proc/{}/status", idle.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel shows no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / MEGABYTE)
}

/// Whether the local interface lists its models.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    };
    ask().is_ok_and(|head| head == "HTTP/1.1 200")
}
