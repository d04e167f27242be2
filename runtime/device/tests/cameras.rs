//! Cameras against real folders and real programs: a bad source is a missing view that says why, and comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use trimtab_core::Millis;
use trimtab_device::camera::{Camera, CameraConfig, CameraError, CameraSource, Frame, Mask, Upload};
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

#[test]
fn a_stepped_recording_shows_each_frame_as_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<_> = [200, 100, 50].map(|shade| picture(32, 24, shade)).into();
    for (name, frame) in ["b.jpg", "a.jpeg", "c.JPG"].iter().zip(&frames) {
        fs::write(folder.path().join(name), frame).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let (camera, _) = open(folder_camera(folder.path()).stepped());
    for (step, frame) in [(0, 1), (1, 0), (2, 2), (3, 1), (1, 0)] {
        assert!(camera.step_to(step));
        let shown = camera.latest().unwrap();
        assert_eq!((shown.jpeg(), shown.seq()), (&frames[frame][..], step));
        assert_eq!(shown.for_upload().unwrap().jpeg(), &frames[frame][..]);
    }
}

#[test]
fn a_recording_plays_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(16, 16, 0)).unwrap();
    fs::write(folder.path().join("1.jpg"), picture(16, 16, 255)).unwrap();
    let (camera, clock) = open(folder_camera(folder.path()).with_fps(2.0).unwrap());
    for (at, expected) in [(0, 0), (499, 0), (500, 255), (1_000, 0), (61_700, 255)] {
        clock.0.store(at, Ordering::SeqCst);
        assert_eq!(shade(&camera.latest().unwrap()), expected, "at {at} ms");
    }
    assert!(!camera.step_to(1));
}

#[test]
fn a_folder_without_frames_and_a_broken_frame_are_named_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (camera, _) = open(folder_camera(folder.path()).stepped());
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("camera wrist: ") && error.contains("holds no .jpg or .jpeg file"), "{error}");

    let whole = picture(32, 24, 90);
    fs::write(folder.path().join("0.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("1.jpg"), &whole).unwrap();
    fs::write(folder.path().join("2.jpg"), "<html>").unwrap();
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("0.jpg: truncated JPEG"), "{error}");
    camera.step_to(1);
    assert_eq!(camera.latest().unwrap().jpeg(), whole);
    camera.step_to(2);
    assert!(told(&camera.latest().unwrap_err()).contains("2.jpg: not a JPEG"));
    assert_eq!((camera.counts().frames, camera.counts().bad), (3, 2));

    let gone = open(config("dir:/nowhere/at/all")).0;
    assert!(told(&gone.latest().unwrap_err()).contains("cannot read /nowhere/at/all"));
}

#[test]
fn masks_are_black_in_everything_that_is_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(64, 64, 200)).unwrap();
    let left_half = Mask::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
    let (camera, _) = open(folder_camera(folder.path()).with_mask(left_half).unwrap());
    let frame = camera.latest().unwrap();
    let sent = RgbFrame::decode(frame.for_upload().unwrap().jpeg(), "sent").unwrap();
    for pixels in [frame.pixels().unwrap(), &sent] {
        let at = |column: usize| pixels.pixels()[(32 * 64 + column) * 3];
        assert!(at(4) < 10 && at(28) < 10, "{} {}", at(4), at(28));
        assert!(at(60) > 180, "{}", at(60));
    }
}

#[test]
fn a_wide_frame_is_shrunk_and_a_private_one_never_leaves() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("0.jpg"), picture(320, 200, 120)).unwrap();
    let config = folder_camera(folder.path()).with_upload_width(160).unwrap();
    let (camera, _) = open(config.with_upload(Upload::Never));
    let frame = camera.latest().unwrap();
    assert!(frame.for_upload().is_none());
    let pixels = RgbFrame::decode(frame.jpeg(), "shrunk").unwrap();
    assert_eq!((pixels.width(), pixels.height()), (160, 100));
}

#[test]
fn the_test_picture_moves_and_steps() {
    let (camera, clock) = open(config("pattern:").with_fps(10.0).unwrap());
    let first = camera.latest().unwrap();
    clock.0.store(50, Ordering::SeqCst);
    assert_eq!(camera.latest().unwrap().jpeg(), first.jpeg());
    clock.0.store(100, Ordering::SeqCst);
    assert_ne!(camera.latest().unwrap().jpeg(), first.jpeg());
    let (stepped, _) = open(config("pattern:").stepped());
    assert!(stepped.step_to(1));
    assert_eq!(stepped.latest().unwrap().seq(), 1);
}

/// A program made of shell lines, with two pictures beside it.
struct Studio(tempfile::TempDir);

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("dark.jpg"), picture(32, 24, 10)).unwrap();
        fs::write(folder.path().join("bright.jpg"), picture(32, 24, 240)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn camera(&self, script: &str) -> (Camera, Arc<Hand>) {
        let path = self.path("camera.sh");
        fs::write(&path, format!("cd {}\n{script}\n", self.0.path().display())).unwrap();
        open(config(&format!("exec:sh {}", path.display())))
    }
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

#[test]
fn a_program_shows_its_newest_picture_until_that_is_stale() {
    let studio = Studio::new();
    let (camera, clock) = studio.camera("cat dark.jpg bright.jpg; touch shown; exec sleep 60");
    wait_for("both pictures", || (camera.counts().frames == 2).then_some(()));
    assert!(shade(&camera.latest().unwrap()) > 200);
    assert_eq!(camera.counts().unseen, 1);
    clock.0.store(2_001, Ordering::SeqCst);
    let error = told(&camera.latest().unwrap_err());
    assert!(error.contains("is 2001 ms old, 2000 ms are allowed"), "{error}");
}

#[test]
fn a_program_that_ends_is_started_again_and_its_last_words_are_told() {
    let studio = Studio::new();
    let (camera, _) =
        studio.camera("if [ -e ran ]; then cat bright.jpg; sleep 60; fi; touch ran; echo 'no such sensor' >&2; exit 3");
    let error = wait_for("its end", || match camera.latest() {
        Err(error @ CameraError::Program { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("sh ended (exit status: 3)") && error.contains("no such sensor"), "{error}");
    wait_for("a picture of the second run", || camera.latest().ok());
    assert_eq!(camera.counts().restarts, 1);

    let none = open(config("exec:no-such-camera-program -x")).0;
    let error = wait_for("its failure", || match none.latest() {
        Err(error @ CameraError::Program { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("no-such-camera-program does not start"), "{error}");
}

#[test]
fn a_program_dies_with_everything_it_started() {
    let studio = Studio::new();
    let (camera, _) =
        studio.camera("trap '' TERM; sleep 60 & echo $! > grandchild; echo $$ > child; cat dark.jpg; wait");
    wait_for("a picture", || camera.latest().ok());
    let started: Vec<String> =
        ["child", "grandchild"].map(|name| fs::read_to_string(studio.path(name)).unwrap().trim().to_owned()).into();
    drop(camera);
    for process in started {
        // What is left of a process that nobody has waited for yet has no command line any more.
        wait_for("its death", || {
            fs::read(format!("/proc/{process}/cmdline")).map_or(true, |line| line.is_empty()).then_some(())
        });
    }
}
