//! A program that writes JPEG pictures to its standard output: libcamera, GStreamer or anything else.
//!
//! It runs in a process group of its own, so that what it starts dies with it. When it ends, or is silent for
//! [`SILENCE_MAX`], its group is killed and it is started again, later each time.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use trimtab_core::Millis;

use super::darkroom::Darkroom;
use super::frame::Frame;
use super::mjpeg::Splitter;
use super::slot::Slot;
use super::{CameraCounts, CameraError};
use crate::clock::Clock;

/// First pause before a program is started again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A program that delivered for so long is taken to be well: the pause is short again.
const WELL: Duration = Duration::from_secs(10);
/// Longest silence.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often the reader looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(100);
/// Time to end by itself when told to.
const GRACE: Duration = Duration::from_millis(500);
/// What is read at once.
const READ_BYTES: usize = 64 * 1024;
/// How long the last words of a program that has ended are waited for.
const WORDS_WAIT: Duration = Duration::from_millis(200);
/// What is kept of the program's last words.
const WORDS_MAX: usize = 256;

pub(super) struct Program {
    slot: Arc<Slot>,
    thread: Option<JoinHandle<()>>,
    camera: String,
    program: String,
    freshness: Millis,
    clock: Arc<dyn Clock>,
}

impl Program {
    pub(super) fn start(
        program: &str,
        args: &[String],
        freshness: Millis,
        darkroom: Darkroom,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CameraError> {
        let slot = Arc::new(Slot::default());
        let camera = darkroom.camera();
        let reader = Reader {
            program: program.to_owned(),
            args: args.to_vec(),
            slot: Arc::clone(&slot),
            darkroom,
            clock: Arc::clone(&clock),
            seq: 0,
        };
        let thread = std::thread::Builder::new()
            .name(format!("camera {camera}"))
            .spawn(move || reader.run())
            .map_err(|source| CameraError::Thread { camera: camera.clone(), source })?;
        Ok(Self { slot, thread: Some(thread), camera, program: program.to_owned(), freshness, clock })
    }

    pub(super) fn latest(&self) -> Result<Frame, CameraError> {
        let now = self.clock.now();
        match self.slot.look() {
            (Some(frame), _) if now.minus(frame.taken()) <= self.freshness => Ok(frame),
            (_, Some(trouble)) => {
                Err(CameraError::Program { camera: self.camera.clone(), program: self.program.clone(), trouble })
            }
            (Some(frame), None) => Err(CameraError::Stale {
                camera: self.camera.clone(),
                origin: self.program.clone(),
                age: now.minus(frame.taken()),
                freshness: self.freshness,
            }),
            (None, None) => Err(CameraError::Waiting { camera: self.camera.clone(), origin: self.program.clone() }),
        }
    }

    pub(super) fn counts(&self) -> CameraCounts {
        self.slot.counts()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.slot.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by the thread itself; there is nothing left to end.
            drop(thread.join());
        }
    }
}

struct Reader {
    program: String,
    args: Vec<String>,
    slot: Arc<Slot>,
    darkroom: Darkroom,
    clock: Arc<dyn Clock>,
    seq: u64,
}

impl Reader {
    fn run(mut self) {
        let mut pause = PAUSE;
        loop {
            let started = Instant::now();
            let trouble = match self.spawn() {
                Ok(mut group) => {
                    let why = self.read(&mut group);
                    let ended = group.end();
                    match why {
                        Some(why) => format!("{why}{}", group.last_words()),
                        None => format!("ended ({ended}){}", group.last_words()),
                    }
                }
                Err(error) => format!("does not start: {error}"),
            };
            if self.slot.is_stopping() {
                return;
            }
            self.slot.ail(trouble);
            if started.elapsed() >= WELL {
                pause = PAUSE;
            }
            if self.slot.rest(pause) {
                return;
            }
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
            self.slot.count_restart();
        }
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
    fn read(&mut self, group: &mut Group) -> Option<String> {
        let Some(mut stdout) = group.child.stdout.take() else {
            return Some("has no output".to_owned());
        };
        let mut splitter = Splitter::new();
        let mut bytes = vec![0; READ_BYTES];
        let mut heard = Instant::now();
        let mut dropped = 0;
        let look = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        loop {
            if self.slot.is_stopping() {
                return Some("was stopped".to_owned());
            }
            let mut ready = [PollFd::new(&stdout, PollFlags::IN)];
            match poll(&mut ready, Some(&look)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {
                    if heard.elapsed() >= SILENCE_MAX {
                        return Some(format!("was silent for {} s", SILENCE_MAX.as_secs()));
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => return Some(format!("cannot be read: {error}")),
            }
            match stdout.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => {
                    heard = Instant::now();
                    splitter.push(&bytes[..count], |picture| self.take(picture));
                    self.slot.count_bad(splitter.dropped() - dropped);
                    dropped = splitter.dropped();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(format!("cannot be read: {error}")),
            }
        }
    }

    fn take(&mut self, picture: Vec<u8>) {
        self.seq += 1;
        match self.darkroom.develop(picture, &self.program, self.clock.now(), self.seq) {
            Ok(frame) => self.slot.put(frame),
            Err(error) => {
                self.slot.count_bad(1);
                tracing::debug!(%error, "a frame is not used");
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
    while let Ok(count) = stderr.read(&mut bytes) {
        if count == 0 {
            return;
        }
        tail.extend_from_slice(&bytes[..count]);
        tail.drain(..tail.len().saturating_sub(WORDS_MAX));
        let text = String::from_utf8_lossy(&tail);
        if let Some(line) = text.lines().rfind(|line| !line.trim().is_empty()) {
            *words.lock().unwrap_or_else(PoisonError::into_inner) = line.trim().to_owned();
        }
    }
}
