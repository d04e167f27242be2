//! A child process with its output kept in a file, killed when dropped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait;

/// Most of a log that an error message repeats, bytes.
const TAIL_BYTES_MAX: usize = 4 * 1024;

/// A program that was started here; no other process is ever touched.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; standard output and error go to `<name>.log` in `folder`, after what is already there.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let errors = out.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}: {}", command.get_program().to_string_lossy()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything the program has written so far, over all its starts with this name and folder.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until `ready` gives a value; fails at once, with the end of the log, when the program ends before.
    pub fn until<T>(&mut self, what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let outcome = wait::until(what, limit, || {
            if let Some(value) = ready() {
                return Ok(Some(value));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{} ended with {status}", self.name),
                None => Ok(None),
            }
        });
        outcome.with_context(|| format!("log of {}:\n{}", self.name, self.tail()))
    }

    /// Waits until the log contains `text`.
    pub fn until_says(&mut self, text: &str, limit: Duration) -> Result<()> {
        let log = self.log.clone();
        self.until(&format!("`{text}` in the log"), limit, || {
            let written = fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&written).contains(text).then_some(())
        })
    }

    /// Whether the program still runs.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for the end of the program.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::until(&format!("the end of {}", self.name), limit, || Ok(self.child.try_wait()?))
    }

    /// Ends it as a power cut would: SIGKILL, nothing is flushed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn tail(&self) -> String {
        let output = self.output();
        let cut = output.len().saturating_sub(TAIL_BYTES_MAX);
        let start = (cut..output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(0);
        output[start..].to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where the program has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
