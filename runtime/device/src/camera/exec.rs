//! A program that writes pictures to its standard output: libcamera, GStreamer, ffmpeg or anything else. JPEG pictures one after
//! the other, or raw ones of a size that is known beforehand.
//!
//! It runs in a process group of its own, so that what it starts dies with it.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use trimtab_v4l2::Layout;

use super::conceal::concealed;
use super::live::{Desk, Feed, LOOK};
use super::mjpeg::Splitter;
use super::slot::Exposure;

/// Time to end by itself when told to.
const GRACE: Duration = Duration::from_millis(500);
/// What is read at once.
const READ_BYTES: usize = 64 * 1024;
/// How long the last words of a program that has ended are waited for.
const WORDS_WAIT: Duration = Duration::from_millis(200);
/// What is shown of the program's last words, bytes.
const WORDS_MAX: usize = 256;
/// What is looked at for them, bytes.
const TAIL_MAX: usize = 4096;

pub(super) struct Program {
    program: String,
    args: Vec<String>,
    /// How raw pictures lie; none for JPEG.
    layout: Option<Layout>,
}

impl Program {
    pub(super) fn new(program: &str, args: &[String], layout: Option<Layout>) -> Self {
        Self { program: program.to_owned(), args: args.to_vec(), layout }
    }

    fn spawn(&self) -> io::Result<Group> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let stderr = child.stderr.take();
        let mut group = Group { child, words: Arc::default(), listener: None };
        if let Some(stderr) = stderr {
            let words = Arc::clone(&group.words);
            // Ends with the pipe, that is with the last process of the group that has it.
            let listener =
                std::thread::Builder::new().name("camera words".to_owned()).spawn(move || listen(stderr, &words));
            match listener {
                Ok(listener) => group.listener = Some(listener),
                Err(error) => {
                    group.end();
                    return Err(error);
                }
            }
        }
        Ok(group)
    }

    /// Reads pictures until the program ends, is silent or shall stop; says why if it is not its end.
    fn read(&self, group: &mut Group, desk: &mut Desk) -> Option<String> {
        let Some(mut stdout) = group.child.stdout.take() else {
            return Some("has no output".to_owned());
        };
        let mut cutter = match self.layout {
            Some(layout) => Cutter::Raw { layout, bytes: Vec::new() },
            None => Cutter::Jpeg { splitter: Splitter::new(), dropped: 0 },
        };
        let mut bytes = vec![0; READ_BYTES];
        let look = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        loop {
            if desk.is_stopping() {
                return Some("was stopped".to_owned());
            }
            if let Some(silent) = desk.silent() {
                return Some(silent);
            }
            let mut ready = [PollFd::new(&stdout, PollFlags::IN)];
            match poll(&mut ready, Some(&look)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Some(format!("cannot be read: {error}")),
            }
            match stdout.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => cutter.push(&bytes[..count], desk),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(format!("cannot be read: {error}")),
            }
        }
    }
}

impl Feed for Program {
    fn deliver(&mut self, desk: &mut Desk) -> String {
        if let Some(layout) = &self.layout {
            desk.slot.set_mode(format!("{} {}×{}", layout.format(), layout.width(), layout.height()));
        }
        let trouble = match self.spawn() {
            Ok(mut group) => {
                let why = self.read(&mut group, desk);
                let ended = group.end();
                match why {
                    Some(why) => format!("{why}{}", group.last_words()),
                    None => format!("ended ({ended}){}", group.last_words()),
                }
            }
            Err(error) => format!("does not start: {error}"),
        };
        format!("{} {trouble}", self.program)
    }
}

/// Cuts what a program writes into pictures.
enum Cutter {
    Jpeg { splitter: Splitter, dropped: u64 },
    Raw { layout: Layout, bytes: Vec<u8> },
}

impl Cutter {
    fn push(&mut self, mut read: &[u8], desk: &mut Desk) {
        match self {
            Self::Jpeg { splitter, dropped } => {
                splitter.push(read, |picture| desk.jpeg(picture));
                desk.slot.count_bad(splitter.dropped() - *dropped);
                *dropped = splitter.dropped();
            }
            Self::Raw { layout, bytes } => {
                while !read.is_empty() {
                    let (now, later) = read.split_at(read.len().min(layout.bytes() - bytes.len()));
                    bytes.reserve_exact(layout.bytes() - bytes.len());
                    bytes.extend_from_slice(now);
                    read = later;
                    if bytes.len() == layout.bytes() {
                        let bytes = std::mem::take(bytes);
                        desk.put(Exposure::Raw { layout: *layout, bytes }, Duration::ZERO);
                    }
                }
            }
        }
    }
}

/// A running program and everything it started.
struct Group {
    child: Child,
    words: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Group {
    /// Ends the whole group and says how the program itself ended.
    fn end(&mut self) -> String {
        let Some(leader) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else {
            return "unknown".to_owned();
        };
        // The leader is not waited for before its group is dead: until then its number cannot be given to another. A signal
        // to a group that has ended by itself finds nobody, which is what is wanted.
        let _ = kill_process_group(leader, Signal::TERM);
        let asked = Instant::now();
        let over = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while asked.elapsed() < GRACE && matches!(waitid(WaitId::Pid(leader), over), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = kill_process_group(leader, Signal::KILL);
        match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// What the program complained about last. Its pipe ends with its group, so the listener is nearly done; a process
    /// that left the group may keep the pipe open, and is not waited for.
    fn last_words(&self) -> String {
        let asked = Instant::now();
        while asked.elapsed() < WORDS_WAIT && self.listener.as_ref().is_some_and(|listener| !listener.is_finished()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.is_empty() { String::new() } else { format!(": {}", *words) }
    }
}

/// Keeps the last line of what a program complains about.
fn listen(mut stderr: ChildStderr, words: &Mutex<String>) {
    let mut bytes = [0; 1024];
    let mut tail = Vec::new();
    let mut cut = false;
    while let Ok(count) = stderr.read(&mut bytes) {
        if count == 0 {
            return;
        }
        tail.extend_from_slice(&bytes[..count]);
        let over = tail.len().saturating_sub(TAIL_MAX);
        cut |= over > 0;
        tail.drain(..over);
        if let Some(line) = last_line(&String::from_utf8_lossy(&tail), cut) {
            *words.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}

/// The last line that says something, as it may be shown; `cut`: the text is the end of a longer one.
fn last_line(text: &str, cut: bool) -> Option<String> {
    // Half a word may be the second half of a password.
    let whole = if cut { text.split_once(char::is_whitespace)?.1 } else { text };
    let line = concealed(whole.lines().rfind(|line| !line.trim().is_empty())?.trim());
    let from = line.ceil_char_boundary(line.len().saturating_sub(WORDS_MAX));
    Some(line[from..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_short_and_tell_no_password() {
        let told = |text: &str, cut| last_line(text, cut);
        assert_eq!(told("a\nrtsp://me:s3cret@cam/: refused\n \n", false).unwrap(), "rtsp://…@cam/: refused");
        assert_eq!(told("cret@cam/: refused", true).unwrap(), "refused");
        assert_eq!((told("cret@cam/", true), told(" \n", false)), (None, None));
        let long = format!("{}é{}", "x".repeat(300), "y".repeat(WORDS_MAX - 1));
        assert_eq!(told(&long, false).unwrap(), "y".repeat(WORDS_MAX - 1));
    }
}
