//! QEMU's debugger port, for one thing: to have the program of a board that is otherwise as it is sold go on somewhere else.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Number of the program counter among a Cortex-M's registers.
const PROGRAM_COUNTER: &str = "f";

/// The board stands still while this is attached.
pub(super) struct Debugger(UnixStream);

impl Debugger {
    pub(super) fn attach(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| format!("no debugger at {}", socket.display()))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut debugger = Self(stream);
        // QEMU sets single registers only for those who have asked what registers there are.
        debugger.ask("qXfer:features:read:target.xml:0,ffb")?;
        Ok(debugger)
    }

    /// Sets the program counter and lets the board run.
    pub(super) fn jump(mut self, address: u32) -> Result<()> {
        let bytes: String = address.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
        let answer = self.ask(&format!("P{PROGRAM_COUNTER}={bytes}"))?;
        ensure!(answer == "OK", "the debugger did not set the program counter: {answer:?}");
        let answer = self.ask("D")?;
        ensure!(answer == "OK", "the debugger did not let go: {answer:?}");
        Ok(())
    }

    /// Sends one packet and returns the answer's text.
    fn ask(&mut self, text: &str) -> Result<String> {
        let sum = text.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${text}#{sum:02x}").as_bytes())?;
        loop {
            let answer = self.packet().with_context(|| format!("no answer to {text:?}"))?;
            // That the board stands still is said unasked.
            if !answer.starts_with('T') {
                return Ok(answer);
            }
        }
    }

    fn packet(&mut self) -> Result<String> {
        let mut text = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte)?;
            match byte[0] {
                b'$' => text.clear(),
                b'#' => break,
                other => text.push(other),
            }
        }
        self.0.read_exact(&mut [0; 2])?;
        self.0.write_all(b"+")?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
