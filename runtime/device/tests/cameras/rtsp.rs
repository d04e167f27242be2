//! RTSP: GStreamer's server, killed, stalled, replaced by garbage and back again; and what it takes a server of a few lines to
//! say.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::process::{Pid, Signal, kill_process};
use trimtab_device::camera::{Camera, CameraError, Credential, Frame};

use crate::ffmpeg::{lost, watch};
use crate::{config, open, told, wait_for};

/// Debian's own interpreter: its bindings of GStreamer are for that one.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cameras/rtsp_server.py");

/// GStreamer's server with the mounts of `rtsp_server.py`.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// `guarded`: how whoever looks proves who they are, or the server who it is.
    pub(crate) fn start(port: u16, guarded: &[&str]) -> Self {
        let child = Command::new(PYTHON)
            .arg(SCRIPT)
            .arg(port.to_string())
            .args(guarded)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Self { child: child.expect("GStreamer's server starts: run `cargo xtask setup`") };
        let mut line = String::new();
        let stdout = server.child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "GStreamer's server starts: run `cargo xtask setup`");
        server
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

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The bars of a television's test picture, as they are sent.
fn assert_bars(frame: &Frame) {
    let pixels = frame.pixels().unwrap();
    assert_eq!((pixels.width(), pixels.height()), (320, 240));
    let bars = [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1]];
    for (at, bar) in bars.iter().enumerate() {
        let middle = (60 * 320 + (2 * at + 1) * 320 / 14) * 3;
        for (got, is_lit) in pixels.pixels()[middle..middle + 3].iter().zip(bar) {
            let expected = if *is_lit == 1 { 150..=255 } else { 0..=40 };
            assert!(expected.contains(got), "bar {at}: {:?}", &pixels.pixels()[middle..middle + 3]);
        }
    }
}

fn fresh(camera: &Camera, what: &str) {
    let frame = wait_for(what, || camera.latest().ok());
    assert_bars(&frame);
}

#[test]
fn a_server_is_killed_stalled_and_garbled_and_the_camera_is_back_each_time() {
    let port = free_port();
    let camera = watch(config(&format!("rtsp://127.0.0.1:{port}/jpeg")));
    lost(&camera, "is not reachable (Connection refused");

    let server = Server::start(port, &[]);
    fresh(&camera, "pictures of the first server");
    // What came as it is to be uploaded was not written anew: it has the tables that packets leave out.
    let frame = wait_for("a picture", || camera.latest().ok());
    assert!(frame.jpeg().unwrap().windows(2).any(|two| two == [0xff, 0xc4]));
    drop(server);
    lost(&camera, &format!("camera wrist: rtsp://127.0.0.1:{port}/jpeg "));

    let server = Server::start(port, &[]);
    fresh(&camera, "pictures after a kill");
    server.signal(Signal::STOP);
    let error = wait_for("staleness", || match camera.latest() {
        Err(error @ CameraError::Stale { .. }) => Some(told(&error)),
        _ => None,
    });
    assert!(error.contains("700 ms are allowed"), "{error}");
    lost(&camera, "delivered no picture for 10 s");
    lost(&camera, "gave no answer within 10 s");
    server.signal(Signal::CONT);
    fresh(&camera, "pictures after a stall");
    drop(server);

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let garbage = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(&[0xd8; 4096]);
    });
    lost(&camera, "does not answer in RTSP; check its address and port");
    garbage.join().unwrap();

    let _server = Server::start(port, &[]);
    fresh(&camera, "pictures after garbage");
    assert!(camera.counts().restarts >= 5, "{:?}", camera.counts());
}

#[test]
fn damaged_pictures_are_refused_and_small_packets_are_put_together() {
    let port = free_port();
    let _server = Server::start(port, &[]);
    let small = watch(config(&format!("rtsp://127.0.0.1:{port}/small-packets")));
    fresh(&small, "pictures of many packets");
    assert_eq!(small.counts().bad, 0);
    let damaged = watch(config(&format!("rtsp://127.0.0.1:{port}/damaged")));
    wait_for("bad pictures", || {
        let _ = damaged.latest();
        (damaged.counts().bad > 3).then_some(())
    });
}

#[test]
fn what_is_not_there_or_not_decoded_is_told_with_a_remedy_that_works() {
    let port = free_port();
    let _server = Server::start(port, &[]);
    let camera = |mount: &str| watch(config(&format!("rtsp://127.0.0.1:{port}/{mount}")));
    lost(&camera("none"), "has nothing there (404); check the path in its address");
    lost(&camera("sound"), "offers no pictures; use the address of its video stream");
    let error = lost(&camera("h264"), "sends H264, which is not decoded here; switch the camera to MJPEG, or");
    assert!(error.starts_with(&format!("camera wrist: rtsp://127.0.0.1:{port}/h264 sends")), "{error}");
    let commands: Vec<&str> = error.split('"').filter(|part| part.starts_with("exec:")).collect();
    assert_eq!(commands.len(), 2, "{error}");
    for command in commands {
        fresh(&watch(config(command)), command);
    }
}

#[test]
fn a_password_is_proved_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    for method in ["basic", "digest"] {
        let port = free_port();
        let _server = Server::start(port, &[method, "ann", "open:sesame"]);
        let nobody = config(&format!("rtsp://127.0.0.1:{port}/jpeg"));
        lost(&watch(nobody.clone()), "asks for a user and password (401); name them by credential_file");
        fs::write(&secret, "ann:wrong\n").unwrap();
        let camera = nobody.with_credential(Credential::File(secret.clone())).unwrap();
        assert!(!format!("{camera:?}").contains("wrong"));
        let camera = watch(camera);
        let error = lost(&camera, "refuses the user and password (401); correct what");
        assert!(!error.contains("wrong") && !error.contains("ann"), "{error}");
        // A corrected one is read with the next connection.
        fs::write(&secret, "ann:open:sesame\n").unwrap();
        fresh(&camera, "pictures");
    }
}

/// What a server of a few lines says to a request.
type Says = Box<dyn Fn(&str) -> String + Send>;
/// More requests than a test looks at.
const REQUESTS_MAX: usize = 64;

/// A server of one connection that answers each request by a function; what it was asked comes out at the other end.
fn said(answer: impl Fn(&str) -> String + Send + 'static) -> (Camera, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = sync_channel(REQUESTS_MAX);
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = one_request(&mut reader) {
            let text = answer(&request);
            if sender.send(request).is_err() || { &stream }.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    (open(config(&format!("rtsp://127.0.0.1:{port}/door?pwd=hush"))).0, requests)
}

fn one_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    Some(request)
}

/// An answer to a request, with these headers and this body.
fn reply(request: &str, code: &str, headers: &str, body: &str) -> String {
    let number = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0");
    let length = body.len();
    format!("RTSP/1.0 {code}\r\nCSeq: {number}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

const OFFER: &str = "v=0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n";

#[test]
fn what_a_server_does_wrong_is_told_with_a_remedy() {
    let endless = format!("RTSP/1.0 200 OK\r\n{}", "X-More: more\r\n".repeat(5_000));
    let whole = |code: &'static str, body: &'static str| move |request: &str| reply(request, code, "", body);
    let fixed = |text: &str| {
        let text = text.to_owned();
        Box::new(move |_: &str| text.clone()) as Says
    };
    let cases: [(Says, &str); 9] = [
        (fixed(&endless), "sends an answer whose head has no end within 16384 bytes"),
        (
            fixed("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4000000000\r\n\r\nv=0"),
            "announces an answer of 4000000000 bytes, above the limit of 65536",
        ),
        (fixed("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not answer in RTSP"),
        (Box::new(whole("200 OK", "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n")), "sends H265, which"),
        (Box::new(whole("453 Not Enough Bandwidth", "")), "is busy (453)"),
        (Box::new(whole("500 Internal Server Error", "")), "answers with 500; look into its own log"),
        (
            Box::new(|request| reply(request, "302 Moved", "Location: rtsp://other/\r\n", "")),
            "sends elsewhere (302), to \"rtsp://other/\"; write that",
        ),
        (
            Box::new(|request| reply(request, "401 No", "WWW-Authenticate: Negotiate\r\n", "")),
            "asks for a kind of log-in that is not spoken here; allow Digest or Basic",
        ),
        (
            Box::new(|request| match request.starts_with("SETUP") {
                true => reply(request, "461 Unsupported Transport", "", ""),
                false => reply(request, "200 OK", "", OFFER),
            }),
            "does not send pictures over its own connection (461); allow RTP over TCP",
        ),
    ];
    for (answer, expected) in cases {
        let (camera, _requests) = said(answer);
        let error = lost(&camera, expected);
        assert!(error.starts_with("camera wrist: rtsp://127.0.0.1:") && error.contains("/door?… "), "{error}");
        assert!(!error.contains("hush") && error.ends_with("it is tried again by itself"), "{error}");
    }
}

#[test]
fn a_server_is_told_that_somebody_is_still_there_and_when_nobody_is() {
    let (camera, requests) = said(|request| match request.split(' ').next().unwrap_or_default() {
        "SETUP" => reply(request, "200 OK", "Session: 7;timeout=3\r\n", ""),
        // It also wants something itself.
        "PLAY" => format!("{}OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n", reply(request, "200 OK", "", "")),
        "GET_PARAMETER" => reply(request, "405 Method Not Allowed", "", ""),
        "RTSP/1.0" => String::new(),
        _ => reply(request, "200 OK", "", OFFER),
    });
    let next = || requests.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert!(next().starts_with("DESCRIBE rtsp://127.0.0.1"));
    assert!(next().contains("/door?pwd=hush/track1 RTSP/1.0\r\n"));
    let play = next();
    assert!(play.starts_with("PLAY ") && play.contains("\r\nSession: 7\r\n"), "{play}");
    assert!(next().starts_with("RTSP/1.0 501 Not Implemented\r\nCSeq: 9\r\n"));
    assert!(next().starts_with("GET_PARAMETER "));
    assert!(next().starts_with("OPTIONS "));
    drop(camera);
    assert!(next().starts_with("TEARDOWN "));
}
