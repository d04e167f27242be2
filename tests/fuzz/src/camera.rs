//! Pictures: the decoder itself, recorded frames, and the stream that a camera program writes.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use trimtab_core::Millis;
use trimtab_core::limits::VIEWS_MAX;
use trimtab_device::camera::{Camera, CameraConfig, CameraSource, Mask};
use trimtab_device::clock::ActiveClock;
use trimtab_engine::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, RgbFrame};
use trimtab_wire::ViewName;
use trimtab_wire::limits::REQUEST_BYTES_MAX;

use crate::Seed;
use crate::check::{chain, told};
use crate::site::{scratch, write};

pub(crate) fn picture(bytes: &[u8]) {
    let frame = match RgbFrame::decode(bytes, "cam0/1.jpg") {
        Ok(frame) => frame,
        Err(fault) => return told(&fault, &["cam0/1.jpg"]),
    };
    let (width, height) = (frame.width(), frame.height());
    assert!((1..=FRAME_SIDE_MAX).contains(&width) && (1..=FRAME_SIDE_MAX).contains(&height));
    assert!(u64::from(width) * u64::from(height) <= FRAME_PIXELS_MAX);
    assert_eq!(frame.pixels().len() as u64, u64::from(width) * u64::from(height) * 3);
    let small = frame.resized(64, 48);
    assert_eq!(small.pixels().len(), 64 * 48 * 3);
    let written = small.to_jpeg(80).expect("a small picture can be written");
    let again = RgbFrame::decode(&written, "again").expect("what was written can be read");
    assert_eq!((again.width(), again.height()), (64, 48));
}

/// Noise that is the same every time.
fn noise(width: u32, height: u32) -> RgbFrame {
    let pixels = (0..width * height * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    RgbFrame::new(width, height, pixels).expect("three bytes a pixel")
}

fn jpeg(width: u32, height: u32, quality: u8) -> Vec<u8> {
    noise(width, height).to_jpeg(quality).expect("a small picture can be written")
}

/// A picture with a comment in it.
fn with_comment(jpeg: &[u8], comment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(comment.len() + 2).expect("a short comment").to_be_bytes();
    [&jpeg[..2], &[0xff, 0xfe], &length, comment, &jpeg[2..]].concat()
}

pub(crate) fn picture_seeds() -> Vec<Seed> {
    let thumbnail = jpeg(8, 8, 30);
    let mut restarted = jpeg(24, 16, 40);
    restarted.extend_from_slice(b"trailing bytes");
    vec![
        ("small".into(), jpeg(16, 12, 50)),
        ("wide".into(), jpeg(90, 9, 20)),
        ("one-pixel".into(), jpeg(1, 1, 90)),
        ("with-thumbnail".into(), with_comment(&jpeg(24, 16, 40), &thumbnail)),
        ("with-tail".into(), restarted),
        ("png-beginning".into(), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde".to_vec()),
    ]
}

fn wrist(source: CameraSource) -> CameraConfig {
    CameraConfig::new(ViewName::new("wrist").expect("a name"), source)
}

fn clock() -> Arc<ActiveClock> {
    Arc::new(ActiveClock::new(Millis::ZERO))
}

/// A recording of one frame, which is the input, seen by a camera as it is and by one with a mask and a narrow upload.
struct Recording {
    folder: TempDir,
    as_it_is: Camera,
    masked: Camera,
    shown: Mutex<u64>,
}

/// Narrowest upload there is.
const NARROW: u32 = 16;

impl Recording {
    fn new() -> Self {
        let folder = scratch();
        write(&folder.path().join("0.jpg"), &jpeg(16, 12, 50));
        let source = || CameraSource::Dir { path: folder.path().to_owned() };
        let left_half = Mask::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).expect("a polygon");
        let narrow = wrist(source()).stepped().with_upload_width(NARROW).and_then(|camera| camera.with_mask(left_half));
        let open = |config| Camera::open(config, clock()).expect("a folder is opened when it is looked at");
        let (as_it_is, masked) = (open(wrist(source()).stepped()), open(narrow.expect("within the ranges")));
        Self { folder, as_it_is, masked, shown: Mutex::new(0) }
    }
}

pub(crate) fn file(bytes: &[u8]) {
    static RECORDING: LazyLock<Recording> = LazyLock::new(Recording::new);
    let recording = &*RECORDING;
    let mut shown = recording.shown.lock().unwrap_or_else(PoisonError::into_inner);
    *shown += 1;
    write(&recording.folder.path().join("0.jpg"), bytes);
    for camera in [&recording.as_it_is, &recording.masked] {
        assert!(camera.step_to(*shown));
        let frame = match camera.latest() {
            Ok(frame) => frame,
            Err(fault) => {
                assert!(chain(&fault).contains("0.jpg"), "{}", chain(&fault));
                told(&fault, &["camera wrist"]);
                continue;
            }
        };
        let view = frame.for_upload().expect("upload is allowed");
        assert!(view.jpeg().len() <= REQUEST_BYTES_MAX / VIEWS_MAX, "six such views do not fit into one request");
        assert!(view.jpeg().starts_with(&[0xff, 0xd8]) && view.jpeg().ends_with(&[0xff, 0xd9]));
        match frame.pixels() {
            Ok(pixels) if std::ptr::eq(camera, &recording.masked) => {
                assert!(pixels.width() <= NARROW);
                if pixels.width() >= 4 {
                    assert_eq!(pixels.pixels()[..3], [0; 3], "what is masked was seen");
                }
            }
            Ok(_) => {}
            Err(fault) => told(&fault, &["0.jpg"]),
        }
    }
}

/// A camera program that repeats what it is told through a pipe.
struct Stream {
    _folder: TempDir,
    pipe: File,
    camera: Camera,
    picture: Vec<u8>,
    count: u64,
}

/// More than a segment of a picture can be long: whatever was begun is over after so much silence.
static SILENCE: [u8; 0x1_0200] = [0; 0x1_0200];
const WAIT: Duration = Duration::from_secs(20);

impl Stream {
    fn new() -> Self {
        let folder = scratch();
        let path = folder.path().join("pipe");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a pipe can be made");
        let source = CameraSource::Exec { program: "cat".into(), args: vec![path.display().to_string()] };
        let camera = Camera::open(wrist(source), clock()).expect("a thread can be started");
        // Returns once the program has opened its end.
        let pipe = File::options().write(true).open(&path).expect("the pipe has a reader");
        Self { _folder: folder, pipe, camera, picture: jpeg(8, 8, 30), count: 0 }
    }

    /// Writes, and waits for this picture to come out.
    fn say(&mut self, bytes: &[u8], last: &[u8]) {
        for part in [bytes, &SILENCE, last] {
            self.pipe.write_all(part).expect("the program reads on");
        }
        let asked = Instant::now();
        loop {
            if let Ok(frame) = self.camera.latest() {
                assert!(frame.jpeg().starts_with(&[0xff, 0xd8]) && frame.jpeg().ends_with(&[0xff, 0xd9]));
                if frame.jpeg() == last {
                    return;
                }
            }
            assert!(asked.elapsed() < WAIT, "a whole picture after noise was not found: {:?}", self.camera.latest());
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// After any noise and a silence, the next whole picture is found as it was sent.
pub(crate) fn stream(bytes: &[u8]) {
    static STREAM: Mutex<Option<Stream>> = Mutex::new(None);
    let mut stream = STREAM.lock().unwrap_or_else(PoisonError::into_inner);
    let stream = stream.get_or_insert_with(Stream::new);
    stream.count += 1;
    let last = with_comment(&stream.picture, &stream.count.to_be_bytes());
    stream.say(bytes, &last);
}

pub(crate) fn stream_seeds() -> Vec<Seed> {
    let (whole, other) = (jpeg(16, 12, 50), jpeg(24, 16, 40));
    let cut = &whole[..whole.len() - 20];
    vec![
        ("two".into(), [&whole[..], &other].concat()),
        ("cut".into(), [cut, &other].concat()),
        ("noise".into(), [b"\xff\xff\0noise\xff", &whole[..], b"\xff\xd8\xff\xda\0\x02"].concat()),
        ("open-segment".into(), b"\xff\xd8\xff\xe1\xff\xff".to_vec()),
        ("no-length".into(), b"\xff\xd8\xff\xe1\0\x01\xff\xd9\xff\xd8\xff\xd0\xff\xff\xff\x01\xff\xd9".to_vec()),
    ]
}
