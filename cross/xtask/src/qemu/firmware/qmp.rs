//! QEMU's own line: sets what the emulated sensors see, reads the board's lamps, and hears of resets.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// QEMU answers at once; a machine that is busy elsewhere takes its time.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait for news at a time.
const LOOK: Duration = Duration::from_millis(1);

/// The line.
pub(super) struct Qmp {
    lines: BufReader<UnixStream>,
    partial: String,
    /// Names of events that were heard and not asked for yet.
    events: Vec<String>,
}

impl Qmp {
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut qmp = Self { lines: BufReader::new(stream), partial: String::new(), events: Vec::new() };
        qmp.run("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Carries a command out and returns what it returned.
    pub(super) fn run(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        self.lines.get_mut().write_all(line.as_bytes()).with_context(|| format!("QEMU takes no {command}"))?;
        let begun = Instant::now();
        loop {
            ensure!(begun.elapsed() < ANSWER_LIMIT, "QEMU did not answer {command} within {ANSWER_LIMIT:?}");
            let Some(message) = self.next()? else { continue };
            if let Some(returned) = message.get("return") {
                return Ok(returned.clone());
            }
            if let Some(fault) = message.get("error") {
                bail!("QEMU refused {command} with {arguments}: {fault}");
            }
        }
    }

    /// Sets a property of a device that was given an id.
    pub(super) fn set(&mut self, device: &str, property: &str, value: i64) -> Result<()> {
        let path = format!("/machine/peripheral/{device}");
        self.run("qom-set", &json!({ "path": path, "property": property, "value": value }))?;
        Ok(())
    }

    /// The word at an address of the board, read without the board's knowing.
    pub(super) fn word(&mut self, address: u32) -> Result<u32> {
        self.words(address, 1)?.first().copied().context("the monitor shows no word")
    }

    /// So many words from an address of the board on.
    pub(super) fn words(&mut self, address: u32, count: usize) -> Result<Vec<u32>> {
        let command = format!("xp /{count}xw {address:#x}");
        let answer = self.run("human-monitor-command", &json!({ "command-line": command }))?;
        let text = answer.as_str().context("the monitor answers in text")?;
        // Each line begins with an address, which is not marked as a word is.
        let words = text.split("0x").skip(1).map(|it| it.split_whitespace().next().unwrap_or_default());
        words.map(|it| u32::from_str_radix(it, 16).with_context(|| format!("no word: {it:?}"))).collect()
    }

    /// Events that came since this was last asked.
    pub(super) fn events(&mut self) -> Result<Vec<String>> {
        while self.next()?.is_some() {}
        Ok(std::mem::take(&mut self.events))
    }

    /// The next line that is there, if one is; events are put aside.
    fn next(&mut self) -> Result<Option<Value>> {
        match self.lines.read_line(&mut self.partial) {
            Ok(0) => bail!("QEMU closed its line"),
            Ok(_) => {}
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(fault) => return Err(fault).context("QEMU's line"),
        }
        let message: Value = serde_json::from_str(&std::mem::take(&mut self.partial)).context("QEMU spoke no JSON")?;
        if let Some(event) = message.get("event").and_then(Value::as_str) {
            self.events.push(event.to_owned());
        }
        Ok(Some(message))
    }
}
