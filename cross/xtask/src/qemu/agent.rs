//! Runs scripts on the board: over a serial port that nothing else writes to, framed by length, one after the other.
//!
//! The other end is `cross/qemu/agent`, which says what goes over the line.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Longest output that the board sends, bytes.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// The board ends a script at its limit; what is silent for longer than this beyond is gone.
const SLACK: Duration = Duration::from_secs(60);

/// The line to the board.
pub(super) struct Agent {
    line: BufReader<UnixStream>,
    next: u32,
}

/// How a script ended.
pub(super) struct Reply {
    pub(super) code: i32,
    pub(super) output: String,
}

impl Agent {
    /// Connects to QEMU's socket, which may not be there yet, and waits until the board has started.
    pub(super) fn connect(socket: &Path, within: Duration, alive: &mut dyn FnMut() -> Result<()>) -> Result<Self> {
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(fault) if begun.elapsed() > within => return Err(fault).context("QEMU opened no serial port"),
                Err(_) => {
                    alive()?;
                    sleep(Duration::from_millis(50));
                }
            }
        };
        let mut agent = Self { line: BufReader::new(stream), next: 0 };
        let ready = loop {
            alive()?;
            match agent.read_line(Duration::from_secs(1)) {
                Ok(line) => break line,
                Err(fault) if waiting(&fault) && begun.elapsed() < within => {}
                Err(fault) => return Err(fault).with_context(|| format!("the board did not start within {within:?}")),
            }
        };
        ensure!(ready == "ready\n", "the board began with {ready:?}");
        Ok(agent)
    }

    /// Runs a script; the board ends it after `limit`.
    pub(super) fn run(&mut self, script: &str, limit: Duration) -> Result<Reply> {
        self.next += 1;
        let id = self.next;
        let head = format!("run {id} {} {}\n", limit.as_secs(), script.len());
        let stream = self.line.get_mut();
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(script.as_bytes()))
            .context("the board is gone")?;
        let wait = limit + SLACK;
        let head = self.read_line(wait).with_context(|| format!("the board was silent for {wait:?}"))?;
        let words: Vec<&str> = head.split_ascii_whitespace().collect();
        let ["done", answered, code, length] = words[..] else { bail!("the board said {head:?}") };
        ensure!(answered.parse() == Ok(id), "the board answered {answered} instead of {id}");
        let (code, length) = (code.parse()?, length.parse()?);
        ensure!(length <= OUTPUT_BYTES_MAX, "the board sends {length} bytes");
        let mut output = vec![0; length];
        self.line.read_exact(&mut output).context("the board broke off")?;
        Ok(Reply { code, output: String::from_utf8_lossy(&output).into_owned() })
    }

    fn read_line(&mut self, wait: Duration) -> std::io::Result<String> {
        self.line.get_ref().set_read_timeout(Some(wait))?;
        let mut line = String::new();
        if self.line.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }
}

fn waiting(fault: &std::io::Error) -> bool {
    matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
