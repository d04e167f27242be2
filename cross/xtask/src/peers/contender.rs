//! A process that has one model loaded and runs it when told.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::Kind;

const PEER: &str = "tests/parity/peer.py";

/// A started contender.
pub(super) struct Contender {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    load_cpu: f64,
    before: u64,
}

/// Time of one part of one run, in microseconds.
#[derive(Clone, Copy)]
pub(super) struct Timed {
    pub(super) wall: f64,
    pub(super) cpu: f64,
}

/// What is known of a contender once it has ended.
pub(super) struct Peak {
    pub(super) name: String,
    /// Processor time of loading, in microseconds.
    pub(super) load_cpu: f64,
    /// Resident before the model was loaded, and at most.
    pub(super) before: u64,
    pub(super) bytes: u64,
}

impl Contender {
    pub(super) fn engine(name: &str, program: &Path, kind: Kind, folder: &Path) -> Result<Self> {
        Self::start(name, Command::new(program).arg(kind.word()).arg(folder))
    }

    pub(super) fn llama(name: &str, program: &Path, file: &Path) -> Result<Self> {
        Self::start(name, Command::new(program).arg("gguf").arg(file))
    }

    pub(super) fn onnx_runtime(
        name: &str,
        root: &Path,
        python: &Path,
        kind: Kind,
        folder: &Path,
        file: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(python);
        Self::start(name, command.arg("-B").arg(root.join(PEER)).arg(kind.word()).args([folder, file]))
    }

    fn start(name: &str, command: &mut Command) -> Result<Self> {
        let context = || format!("cannot start {name}");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(context)?;
        let (input, output) = (child.stdin.take(), child.stdout.take().with_context(context)?);
        let mut contender =
            Self { name: name.into(), child, input, output: BufReader::new(output).lines(), load_cpu: 0.0, before: 0 };
        let line = contender.line()?;
        let words: Vec<&str> = line.split(' ').collect();
        let ["ready", _wall, cpu, before] = words[..] else { bail!("{name} says {line:?} instead of being ready") };
        contender.load_cpu = cpu.parse()?;
        contender.before = before.parse()?;
        Ok(contender)
    }

    /// Has it run so many times; each run has so many parts.
    pub(super) fn run(&mut self, runs: usize, parts: usize) -> Result<Vec<Vec<Timed>>> {
        let input = self.input.as_mut().context("the contender has ended")?;
        writeln!(input, "{runs}").and_then(|()| input.flush()).with_context(|| format!("{} has ended", self.name))?;
        (0..runs).map(|_| self.timed(parts)).collect()
    }

    fn timed(&mut self, parts: usize) -> Result<Vec<Timed>> {
        let line = self.line()?;
        let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>();
        let numbers = numbers.with_context(|| format!("{} says {line:?}", self.name))?;
        ensure!(numbers.len() == 2 * parts, "{} says {line:?}, not {parts} times", self.name);
        Ok(numbers.chunks(2).map(|pair| Timed { wall: pair[0], cpu: pair[1] }).collect())
    }

    /// Lets it end; returns what it says of its memory.
    pub(super) fn finish(mut self) -> Result<Peak> {
        drop(self.input.take());
        let line = self.line()?;
        let bytes = line.strip_prefix("peak ").with_context(|| format!("{} says {line:?} at its end", self.name))?;
        let bytes = bytes.parse()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(Peak { name: std::mem::take(&mut self.name), load_cpu: self.load_cpu, before: self.before, bytes })
    }

    fn line(&mut self) -> Result<String> {
        let line = self.output.next().with_context(|| format!("{} ended; what it said stands above", self.name))?;
        Ok(line?)
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended again, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
