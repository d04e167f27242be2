//! ffmpeg as a camera of the network and as a program: killed, stalled, sending garbage, and back again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use trimtab_core::Millis;
use trimtab_device::camera::{Camera, CameraConfig, CameraError, PixelFormat};
use trimtab_device::clock::ActiveClock;

use crate::{config, told, wait_for};

/// With the clock of the device: what stalls must age.
pub(crate) fn watch(config: CameraConfig) -> Camera {
    let config = config.with_freshness(Millis::new(700)).unwrap();
    Camera::open(config, Arc::new(ActiveClock::new(Millis::ZERO))).unwrap()
}

const PICTURES: &str = "-nostdin -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=15 -c:v mjpeg -q:v 5";

/// A server for one viewer, which ends with it.
struct Server {
    child: Child,
}

impl Server {
    fn start(port: u16, more: &str) -> Self {
        let kind = "multipart/x-mixed-replace;boundary=ffmpeg";
        let child = Command::new("ffmpeg")
            .args(PICTURES.split(' '))
            .args(more.split_whitespace())
            .args(["-f", "mpjpeg", "-content_type", kind, "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/cam.mjpg"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ffmpeg starts: run `cargo xtask setup`");
        Self { child }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn lost(camera: &Camera, expected: &str) -> String {
    wait_for(expected, || match camera.latest() {
        Err(error @ CameraError::Lost { .. }) => Some(told(&error)).filter(|told| told.contains(expected)),
        _ => None,
    })
}

fn fresh(camera: &Camera, what: &str) {
    let frame = wait_for(what, || camera.latest().ok());
    let pixels = frame.pixels().unwrap();
    assert_eq!((pixels.width(), pixels.height()), (320, 240));
}

#[test]
fn a_server_is_killed_stalled_and_garbled_and_the_camera_is_back_each_time() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let camera = watch(config(&format!("http://127.0.0.1:{port}/cam.mjpg")));
    lost(&camera, "is not reachable");

    let server = Server::start(port, "");
    fresh(&camera, "pictures of the first server");
    drop(server);
    lost(&camera, &format!("http://127.0.0.1:{port}/cam.mjpg "));

    let server = Server::start(port, "");
    fresh(&camera, "pictures after a kill");
    server.signal(Signal::STOP);
    let error = wait_for("staleness", || match camera.latest() {
        Err(error @ CameraError::Stale { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("700 ms are allowed"), "{error}");
    lost(&camera, "delivered no picture for 10 s");
    drop(server);

    // Every packet is damaged in many places.
    let server = Server::start(port, "-bsf:v noise=amount=60");
    let bad = camera.counts().bad;
    wait_for("bad pictures", || {
        let _ = camera.latest();
        (camera.counts().bad > bad + 3).then_some(())
    });
    drop(server);

    let frames = camera.counts().frames;
    let _server = Server::start(port, "");
    wait_for("pictures after garbage", || (camera.counts().frames > frames + 3).then_some(()));
    fresh(&camera, "a picture after garbage");
    assert!(camera.counts().restarts >= 3);
}

/// The program that a camera started: the child of this process with this word among its arguments.
fn child_with(word: &str) -> Option<Pid> {
    let own = std::process::id();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let state = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = state.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
        let named = line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes());
        (named && parent == own).then(|| Pid::from_raw(pid))?
    })
}

#[test]
fn a_program_is_killed_and_stalled_and_the_camera_is_back_each_time() {
    let word = "title=killed-and-stalled";
    let camera = watch(config(&format!("exec:ffmpeg {PICTURES} -metadata {word} -f mjpeg -")));
    fresh(&camera, "pictures");
    kill_process(wait_for("the program", || child_with(word)), Signal::KILL).unwrap();
    wait_for("another start", || (camera.counts().restarts == 1).then_some(()));
    fresh(&camera, "pictures after a kill");
    let stalled = wait_for("the program", || child_with(word));
    kill_process(stalled, Signal::STOP).unwrap();
    lost(&camera, "ffmpeg delivered no picture for 10 s");
    fresh(&camera, "pictures after a stall");
    assert_ne!(child_with(word), Some(stalled));
    assert_eq!(camera.counts().restarts, 2);
}

#[test]
fn a_programs_garbage_is_refused_until_it_sends_pictures() {
    // Raw pictures where JPEG is expected, then JPEG.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("camera.sh");
    let raw = "-nostdin -loglevel error -f lavfi -i testsrc=size=320x240:rate=15 -t 1 -c:v mjpeg -bsf:v noise=amount=60 -f mjpeg -";
    std::fs::write(&script, format!("ffmpeg {raw}\nexec ffmpeg {PICTURES} -f mjpeg -\n")).unwrap();
    let camera = watch(config(&format!("exec:sh {}", script.display())));
    wait_for("bad pictures", || {
        let _ = camera.latest();
        (camera.counts().bad > 0).then_some(())
    });
    wait_for("good pictures", || {
        let frame = camera.latest().ok()?;
        (frame.pixels().ok()?.width() == 320).then_some(())
    });
}

#[test]
fn raw_pictures_have_the_colours_that_were_meant() {
    for (format, theirs, expected) in [
        (PixelFormat::Yuyv, "yuyv422", [254, 0, 0]),
        (PixelFormat::Nv12, "nv12", [254, 0, 0]),
        (PixelFormat::Rgb24, "rgb24", [254, 0, 0]),
        (PixelFormat::Grey, "gray", [76, 76, 76]),
    ] {
        let source = format!(
            "exec:ffmpeg -nostdin -loglevel error -re -f lavfi -i color=c=red:size=64x48:rate=10 -pix_fmt {theirs} -f rawvideo -"
        );
        let camera = watch(config(&source).with_picture(Some(format), Some((64, 48))).unwrap());
        let frame = wait_for("a picture", || camera.latest().ok());
        let pixels = frame.pixels().unwrap();
        for (got, wanted) in pixels.pixels().chunks_exact(3).flatten().zip(expected.iter().cycle()) {
            assert!(got.abs_diff(*wanted) <= 3, "{theirs}: {:?}", &pixels.pixels()[..3]);
        }
    }
}
