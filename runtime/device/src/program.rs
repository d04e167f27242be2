//! Small programs of the system that are asked a question: with a time limit, and no more read than an answer may be long.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longest answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// What is shown of an answer that came with a failure.
const SHOWN_MAX: usize = 160;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramFault {
    /// There is no such program.
    #[error("not installed")]
    Missing,
    /// It does not start, or its answer cannot be read.
    #[error("does not run: {0}")]
    Broken(#[from] io::Error),
    /// It took too long and was killed.
    #[error("gave no answer within {0:?}")]
    Silent(Duration),
    /// It said that something is wrong.
    #[error("failed ({status}): {said:?}")]
    Failed {
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        said: String,
    },
}

/// What the program writes to standard output. Blocks no longer than `within`.
pub(crate) fn run(program: &Path, arguments: &[&str], within: Duration) -> Result<String, ProgramFault> {
    let deadline = Instant::now() + within;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|fault| if fault.kind() == io::ErrorKind::NotFound { ProgramFault::Missing } else { fault.into() })?;
    let mut running = Running(child);
    let said = running.answer(deadline).and_then(|said| said.ok_or(ProgramFault::Silent(within)))?;
    // It closed its output, so it is about to end; whoever does not is killed on the way out.
    let status = loop {
        if let Some(status) = running.0.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            return Err(ProgramFault::Silent(within));
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    if status.success() {
        return Ok(said);
    }
    Err(ProgramFault::Failed { status, said: said.trim().chars().take(SHOWN_MAX).collect() })
}

/// A child that does not outlive its reader.
struct Running(Child);

impl Running {
    /// All that it writes; none if it has not closed its output by then.
    fn answer(&mut self, deadline: Instant) -> Result<Option<String>, ProgramFault> {
        let Some(output) = self.0.stdout.as_mut() else { return Ok(Some(String::new())) };
        let (mut said, mut part) = (Vec::new(), [0; 2048]);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
            let mut ready = [PollFd::new(&*output, PollFlags::IN)];
            match poll(&mut ready, Some(&wait)) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(fault) => return Err(io::Error::from(fault).into()),
            }
            let length = output.read(&mut part)?;
            if length == 0 || said.len() >= ANSWER_BYTES_MAX {
                return Ok(Some(String::from_utf8_lossy(&said).into_owned()));
            }
            said.extend_from_slice(part.get(..length).unwrap_or_default());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Result<String, ProgramFault> {
        run(Path::new("sh"), &["-c", script], within)
    }

    #[test]
    fn an_answer_a_failure_a_silence_and_a_flood_are_told_apart() {
        let second = Duration::from_secs(5);
        assert_eq!(shell("echo hello", second).unwrap(), "hello\n");
        let failed = shell("echo no such device; exit 3", second).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3") && failed.contains("no such device"), "{failed}");
        let begun = Instant::now();
        let silent = shell("exec sleep 20", Duration::from_millis(100)).unwrap_err().to_string();
        assert!(silent.contains("no answer within 100ms") && begun.elapsed() < second, "{silent}");
        let flood = shell("while :; do echo flood; done", second);
        assert!(!matches!(flood, Err(ProgramFault::Missing)) && begun.elapsed() < second * 3);
        assert!(matches!(run(Path::new("no-such-program-here"), &[], second), Err(ProgramFault::Missing)));
    }
}
