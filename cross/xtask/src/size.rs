//! The footprint of the device's program: its size for every target, what it keeps in memory when idle, and the most that it takes
//! while it loads and answers.
//!
//! All of it is of the `dist` program, as it is installed. Memory is measured on the host alone, because under emulation the
//! emulator's own memory would be counted with the board's program.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::dist::{self, BOARD_TARGET, HOST_TARGET};

const MEGABYTE: f64 = 1e6;
const HOST_BYTES_MAX: u64 = 12_000_000;
const BOARD_BYTES_MAX: u64 = 10_000_000;
const MEMORY_BYTES_MAX: u64 = 40_000_000;
/// Turns after which memory has been as large as it gets.
const TURNS: usize = 50;
/// What is asked in each: both models run, and with nobody to upload to the answer is made here.
const QUESTION: &str =
    r#"{"model":"trimtab","messages":[{"role":"user","content":"switch the lamp in the kitchen on"}]}"#;

const START_LIMIT: Duration = Duration::from_secs(30);
/// What a program needs after it listens until its memory stands still.
const SETTLE: Duration = Duration::from_secs(3);

/// Longest time of one answer of the local interface.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// One measured figure and its limit.
struct Figure {
    key: &'static str,
    what: &'static str,
    bytes: u64,
    limit: u64,
}

/// Builds, measures, prints, and fails when a limit is exceeded.
pub(crate) fn run(root: &Path, json: bool) -> Result<()> {
    let host = dist::program(root, HOST_TARGET)?;
    let board = board(root)?;
    let shipped = root.join("models/shipped");
    let models = format!(
        "[models]\nencoder = \"{0}/encoder\"\nlm = \"{0}/lm\"\npolicy = \"{0}/policy/policy.onnx\"\n",
        shipped.display()
    );
    let memory = |key, what, bytes| Figure { key, what, bytes, limit: MEMORY_BYTES_MAX };
    let (bare, loaded) = (measure(&host, "", 0)?, measure(&host, &models, TURNS)?);
    let figures = [
        Figure { key: "size_x86_64", what: "stripped size, x86_64", bytes: length(&host)?, limit: HOST_BYTES_MAX },
        board,
        memory("idle_without_models", "idle memory without models (RSS, x86_64)", bare.idle),
        memory("idle_with_models", "idle memory with the shipped models (RSS, x86_64)", loaded.idle),
        memory("peak_with_models", "the most with them, over 50 turns (RSS, x86_64)", loaded.peak),
    ];
    if json {
        let fields = figures.iter().map(|it| {
            format!("\"{}\": {{\"bytes\": {}, \"limit\": {}, \"kept\": {}}}", it.key, it.bytes, it.limit, it.kept())
        });
        println!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
    } else {
        println!("\n`trimtab`, dist build, MB of 10^6 bytes");
        for figure in &figures {
            println!("  {}", figure.line());
        }
    }
    keep(&figures)
}

/// Builds the boards' program and fails when it is too large.
pub(crate) fn check_board(root: &Path) -> Result<()> {
    let figure = board(root)?;
    println!("{}", figure.line());
    keep(&[figure])
}

fn board(root: &Path) -> Result<Figure> {
    let bytes = length(&dist::program(root, BOARD_TARGET)?)?;
    Ok(Figure { key: "size_aarch64", what: "stripped size, aarch64", bytes, limit: BOARD_BYTES_MAX })
}

impl Figure {
    const fn kept(&self) -> bool {
        self.bytes <= self.limit
    }

    fn line(&self) -> String {
        let [have, limit] = [self.bytes, self.limit].map(|bytes| bytes as f64 / MEGABYTE);
        format!("{:<52} {have:>6.2}   limit {limit:.0}", self.what)
    }
}

/// Fails with every limit that is exceeded, and by how much.
fn keep(figures: &[Figure]) -> Result<()> {
    let over = figures.iter().filter(|figure| !figure.kept()).map(|figure| {
        format!("{} is {} bytes, {} over its limit", figure.what, figure.bytes, figure.bytes - figure.limit)
    });
    let over: Vec<String> = over.collect();
    ensure!(over.is_empty(), "too large: {}", over.join("; "));
    Ok(())
}

fn length(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| format!("no {}", file.display()))?.len())
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

/// Bytes resident.
struct Memory {
    idle: u64,
    /// At most until the turns were over.
    peak: u64,
}

/// Memory of the program with three cameras and these further lines of configuration, before and over so many turns.
fn measure(program: &Path, models: &str, turns: usize) -> Result<Memory> {
    let folder = std::env::temp_dir().join(format!("trimtab-size-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let path = folder.join("trimtab.toml");
    let cameras = ["front", "left", "right"]
        .map(|name| format!("[[camera]]\nname = \"{name}\"\nsource = \"pattern:\"\n"))
        .concat();
    let text = format!(
        "[device]\nid = \"size\"\nfleet = \"size\"\nstate_dir = \"{0}/state\"\n\
         [api]\nlisten = \"127.0.0.1:{port}\"\nsocket = \"{0}/api.sock\"\n\
         {cameras}{models}",
        folder.display()
    );
    fs::write(&path, text)?;
    let measured = memory(program, &path, port, turns);
    fs::remove_dir_all(&folder)?;
    measured
}

fn memory(program: &Path, config: &Path, port: u16, turns: usize) -> Result<Memory> {
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
    let resident = |key: &str| -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", idle.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let line = line.with_context(|| format!("the kernel shows no {key}"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    };
    let at_rest = resident("VmRSS:")?;
    for turn in 1..=turns {
        let answer = ask(port, "POST /v1/chat/completions", QUESTION).with_context(|| format!("turn {turn}"))?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "turn {turn}: {answer}");
    }
    Ok(Memory { idle: at_rest, peak: resident("VmHWM:")? })
}

/// Whether the local interface lists its models.
fn answers(port: u16) -> bool {
    ask(port, "GET /v1/models", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// What the local interface answers, with its head.
fn ask(port: u16, what: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(
        stream,
        "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
