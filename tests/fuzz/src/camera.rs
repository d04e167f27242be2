//! Pictures: the decoder itself, raw ones, recorded frames, the stream that a camera program writes, and what a camera of the
//! network answers, over HTTP and RTSP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use trimtab_core::Millis;
use trimtab_core::limits::VIEWS_MAX;
use trimtab_device::camera::{Camera, CameraConfig, CameraError, CameraSource, Mask};
use trimtab_device::clock::ActiveClock;
use trimtab_engine::{FRAME_PIXELS_MAX, FRAME_SIDE_MAX, RgbFrame};
use trimtab_v4l2::{Colour, Layout, Matrix, PixelFormat, Range};
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
                let jpeg = frame.jpeg().expect("what may be uploaded is encoded");
                assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
                if jpeg == last {
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

/// What a server may call its answer; the first byte of an input chooses.
const KINDS: [&str; 4] = [
    "multipart/x-mixed-replace; boundary=frame",
    "multipart/x-mixed-replace;boundary=\"--frame\"",
    "multipart/x-mixed-replace",
    "application/octet-stream",
];
/// Shortest there is: so the end of an answer shows although a picture came.
const AT_ONCE: Millis = Millis::new(1);

/// An answer of any parts ends in a word about it, or in a picture, and never in more pictures than bytes.
pub(crate) fn multipart(bytes: &[u8]) {
    let (kind, parts) = bytes.split_first().map_or((0, bytes), |(kind, parts)| (usize::from(*kind), parts));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n", KINDS[kind % KINDS.len()]);
    answered("http", &[head.as_bytes(), parts].concat());
}

/// Whatever a server says in a whole conversation ends in a word about it.
pub(crate) fn rtsp(bytes: &[u8]) {
    answered("rtsp", bytes);
}

/// A camera of the network that gets this for an answer, and then the end of the connection.
fn answered(scheme: &str, bytes: &[u8]) {
    static LISTENER: LazyLock<Mutex<TcpListener>> =
        LazyLock::new(|| Mutex::new(TcpListener::bind("127.0.0.1:0").expect("loopback has ports")));
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let address = listener.local_addr().expect("a bound socket has an address");
    let source = format!("{scheme}://{address}/").parse().expect("an address of a camera");
    let config = wrist(source).with_freshness(AT_ONCE).expect("within the range");
    let camera = Camera::open(config, clock()).expect("a thread can be started");
    let (mut stream, _) = listener.accept().expect("the camera connects");
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    // The camera may have given up before the end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let asked = Instant::now();
    while !matches!(camera.latest(), Err(CameraError::Lost { .. })) {
        assert!(asked.elapsed() < WAIT, "the end of an answer was not told: {:?}", camera.latest());
        std::thread::sleep(Duration::from_micros(200));
    }
    let fault = camera.latest().expect_err("it is lost");
    told(&fault, &["camera wrist", &address.to_string()]);
    let counts = camera.counts();
    assert!(counts.frames + counts.bad <= bytes.len() as u64);
}

pub(crate) fn rtsp_seeds() -> Vec<Seed> {
    let answer = |headers: &str, body: &str| {
        format!("RTSP/1.0 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let offer = |media: &str| {
        answer("Content-Base: rtsp://door/\r\n", &format!("v=0\r\na=control:*\r\n{media}a=control:stream=0\r\n"))
    };
    let begun = [
        offer("m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\n"),
        answer("Session: 7;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n", ""),
        answer("", ""),
    ]
    .concat();
    // A part of a picture of 32 by 16, as RFC 2435 has it.
    let packet = |first: u8, is_last: bool, offset: u8, more: &[u8]| {
        let mark = 26 | u8::from(is_last) << 7;
        let head = [first, mark, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, offset];
        let length = u16::try_from(head.len() + more.len()).expect("a short packet").to_be_bytes();
        [b"$\x02", &length[..], &head, more].concat()
    };
    let grey = [0x28, 0xa2, 0x8a, 0x00, 0xa2, 0x8a, 0x28, 0x0f];
    let parts = |kind: u8, quality: u8, more: &[u8]| {
        let first = packet(0x80, false, 0, &[&[kind, quality, 4, 2], more, &grey[..4]].concat());
        let restart: &[u8] = if kind < 64 { &[] } else { &more[..4] };
        [first, packet(0x80, true, 4, &[&[kind, quality, 4, 2], restart, &grey[4..]].concat())].concat()
    };
    let own = [&[0, 0, 0, 128][..], &[9; 128]].concat();
    vec![
        ("pictures".into(), [&begun[..], &parts(1, 50, &[]), &parts(0, 99, &[])].concat()),
        ("own-steps".into(), [&begun[..], &parts(1, 200, &own), &parts(1, 200, &[0; 4])].concat()),
        ("restarts".into(), [&begun[..], &parts(65, 50, &[0, 2, 0xff, 0xff])].concat()),
        ("extended".into(), [&begun[..], &packet(0xb1, true, 0, &[1, 50, 4, 2, 0, 0, 0, 1, 9, 9, 9, 9, 1])].concat()),
        ("other-codec".into(), offer("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")),
        ("no-pictures".into(), offer("m=audio 0 RTP/AVP 0\r\n")),
        (
            "login".into(),
            b"RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"door\", nonce=\"7\"\r\n\r\n".to_vec(),
        ),
        ("asks".into(), [b"OPTIONS * RTSP/1.0\r\nCSeq: 4\r\n\r\n", &begun[..]].concat()),
    ]
}

pub(crate) fn multipart_seeds() -> Vec<Seed> {
    let (one, other) = (jpeg(8, 8, 30), jpeg(16, 12, 50));
    let part = |head: &str, jpeg: &[u8]| {
        let head = head.replace("LENGTH", &jpeg.len().to_string());
        [b"--frame\r\n", head.as_bytes(), b"\r\n\r\n", jpeg, b"\r\n"].concat()
    };
    let stated =
        [part("Content-Type: image/jpeg\r\nContent-Length: LENGTH", &one), part("content-length:LENGTH", &other)];
    let open = [part("Content-Type: image/jpeg", &one), part("X: y", &other)];
    vec![
        ("stated".into(), [&[0][..], &stated.concat(), b"--frame--\r\n"].concat()),
        ("quoted".into(), [&[1][..], &stated.concat()].concat()),
        ("open".into(), [&[0][..], &open.concat()].concat()),
        ("unnamed".into(), [&[2][..], &open.concat()].concat()),
        (
            "wrong-length".into(),
            [&[0][..], &part("Content-Length: 9", &one), &part("Content-Length: LENGTH", &other)].concat(),
        ),
        ("no-length".into(), b"\0--frame\r\nContent-Length: -1\r\n\r\n\xff\xd8".to_vec()),
        ("plain".into(), [&[3][..], &one, b"\xff\xd8\xff", &other].concat()),
    ]
}

/// A raw picture of any layout: three bytes a pixel come out, or a word about what is missing.
pub(crate) fn raw(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<6>() else { return };
    let [format, width, height, stride, padding, colour] = head.map(u32::from);
    let format = PixelFormat::ALL[format as usize % PixelFormat::ALL.len()];
    let matrices = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240];
    let range = if colour & 4 == 0 { Range::Limited } else { Range::Full };
    let colour = Colour { matrix: matrices[colour as usize % matrices.len()], range };
    let layout = match Layout::new(format, width, height, stride << 8 | padding, colour) {
        Ok(layout) => layout,
        Err(fault) => return told(&fault, &[]),
    };
    match layout.to_rgb(rest) {
        Ok(rgb) => {
            let frame = RgbFrame::new(width, height, rgb).expect("three bytes a pixel");
            assert!(rest.len() >= layout.bytes() && frame.pixels().len() as u32 == width * height * 3);
        }
        Err(fault) => {
            assert!(rest.len() < layout.bytes());
            told(&fault, &["truncated", format.name()]);
        }
    }
}

pub(crate) fn raw_seeds() -> Vec<Seed> {
    let picture = |format: u8, [width, height, padding]: [u8; 3], colour: u8, bytes: usize| {
        let numbers = (0..bytes).map(|at| (at * 37) as u8);
        [format, width, height, 0, padding, colour].into_iter().chain(numbers).collect::<Vec<u8>>()
    };
    vec![
        ("yuyv".into(), picture(1, [6, 3, 0], 0, 36)),
        ("yuyv-odd".into(), picture(1, [5, 3, 20], 5, 60)),
        ("nv12".into(), picture(2, [6, 4, 8], 1, 48)),
        ("nv12-odd".into(), picture(2, [5, 3, 0], 6, 30)),
        ("rgb24".into(), picture(3, [4, 2, 0], 0, 24)),
        ("gray".into(), picture(4, [4, 2, 7], 4, 14)),
        ("cut".into(), picture(2, [6, 4, 8], 1, 40)),
    ]
}
