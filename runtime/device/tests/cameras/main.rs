//! Cameras against real folders, programs, servers and nodes: a bad source is a missing view that says why, and comes back.

mod command;
mod ffmpeg;
mod network;
mod node;
mod program;
mod recorded;
mod rtsp;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trimtab_core::Millis;
use trimtab_device::camera::{Camera, CameraConfig, CameraError, CameraSource, Frame};
use trimtab_device::clock::Clock;
use trimtab_engine::RgbFrame;
use trimtab_wire::ViewName;

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Millis {
        Millis::new(self.0.load(Ordering::SeqCst))
    }
}

fn picture(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let pixels = vec![shade; width as usize * height as usize * 3];
    RgbFrame::new(width, height, pixels).unwrap().to_jpeg(90).unwrap()
}

fn config(source: &str) -> CameraConfig {
    CameraConfig::new(ViewName::new("wrist").unwrap(), source.parse().unwrap())
}

fn folder_camera(folder: &Path) -> CameraConfig {
    let path = folder.to_path_buf();
    CameraConfig::new(ViewName::new("wrist").unwrap(), CameraSource::Dir { path })
}

fn open(config: CameraConfig) -> (Camera, Arc<Hand>) {
    let clock = Arc::new(Hand::default());
    (Camera::open(config, Arc::<Hand>::clone(&clock)).unwrap(), clock)
}

fn told(error: &CameraError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn shade(frame: &Frame) -> u8 {
    frame.pixels().unwrap().pixels()[0]
}

/// A JPEG whose head says another width.
fn widened(mut jpeg: Vec<u8>, width: u16) -> Vec<u8> {
    let at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
