//! A camera of this board, by its Video4Linux node.
//!
//! Its newest picture stays in the driver's memory until somebody looks: copying from there may be slow, and most pictures are
//! never looked at. A node that is missing, taken, unplugged or silent is told, and opened again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use trimtab_v4l2::{Device, Error, Mode, News, Stream, Wish};

use super::live::{Desk, Feed, LOOK};
use super::slot::{Exposure, Holder};

/// Frames a second that are asked for where nothing is configured: a picture is then never older than a fifteenth of a second.
pub const CAPTURE_FPS: f64 = 15.0;
/// So many frames in a row may be missing before a camera hangs.
const MISSING_MAX: f64 = 4.0;
/// A driver's time for a picture is believed as far back as this.
const AGE_MAX: Duration = Duration::from_secs(10);
/// Pause when a driver says that there is a picture, and then has none.
const AGAIN: Duration = Duration::from_millis(5);

pub(super) struct Node {
    path: PathBuf,
    wish: Wish,
}

impl Node {
    pub(super) fn new(path: PathBuf, wish: Wish) -> Self {
        Self { path, wish: Wish { fps: Some(wish.fps.unwrap_or(CAPTURE_FPS)), ..wish } }
    }

    fn start(&self) -> Result<Stream, Error> {
        let device = Device::open(&self.path)?;
        let mode = device.set(&self.wish)?;
        if let Some((width, height)) = self.wish.size
            && (mode.width, mode.height) != (width, height)
        {
            tracing::warn!(
                device = %self.path.display(),
                "{width}×{height} is not offered, {} is used; `trimtab cameras list` shows what is offered",
                describe(&mode)
            );
        }
        Stream::start(device, mode)
    }

    fn run(&self, desk: &mut Desk) -> Result<String, Error> {
        let stream = self.start()?;
        let (mode, waiter) = (*stream.mode(), stream.waiter());
        desk.slot.set_mode(describe(&mode));
        if let Some(fps) = mode.fps {
            desk.allow_silence(Duration::try_from_secs_f64(MISSING_MAX / fps).unwrap_or(Duration::MAX));
        }
        let held = Arc::new(Memory(Mutex::new(Some(stream))));
        // Whatever happens, the device is closed before it is opened again.
        let _closing = Closing(Arc::clone(&held));
        loop {
            if desk.is_stopping() {
                return Ok("was stopped".to_owned());
            }
            if let Some(silent) = desk.silent() {
                return Ok(silent);
            }
            if !waiter.wait(LOOK)? {
                continue;
            }
            let (news, age) = held.advance()?;
            desk.slot.count_lost(news.lost);
            desk.slot.count_bad(news.damaged);
            if news.pictures > 0 {
                desk.slot.count_unseen(news.pictures - 1);
                let holder: Arc<dyn Holder> = Arc::<Memory>::clone(&held);
                desk.put(Exposure::Held(holder), age.min(AGE_MAX));
            } else {
                desk.slot.rest(AGAIN);
            }
        }
    }
}

impl Feed for Node {
    fn deliver(&mut self, desk: &mut Desk) -> String {
        match self.run(desk) {
            Ok(trouble) => format!("{} {trouble}", self.path.display()),
            Err(fault) => crate::fault_text(&fault),
        }
    }
}

/// What a device was set to, for people.
fn describe(mode: &Mode) -> String {
    let Mode { format, width, height, fps, .. } = mode;
    let fps = fps.map_or_else(String::new, |fps| format!(", {fps:.1} frames a second"));
    format!("{format} {width}×{height}{fps}")
}

/// A stream that is shared with whoever looks.
struct Memory(Mutex<Option<Stream>>);

struct Closing(Arc<Memory>);

impl Drop for Closing {
    fn drop(&mut self) {
        *self.0.stream() = None;
    }
}

impl Memory {
    fn stream(&self) -> MutexGuard<'_, Option<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self) -> Result<(News, Duration), Error> {
        let mut stream = self.stream();
        let Some(stream) = stream.as_mut() else { return Ok((News::default(), Duration::ZERO)) };
        let news = stream.advance()?;
        Ok((news, stream.age().unwrap_or_default()))
    }
}

impl Holder for Memory {
    fn copy(&self) -> Option<Exposure> {
        let stream = self.stream();
        let stream = stream.as_ref()?;
        let bytes = stream.newest()?.bytes;
        match stream.mode().layout {
            Some(layout) => Some(Exposure::Raw { layout, bytes }),
            None => Some(Exposure::Jpeg(bytes)),
        }
    }
}
