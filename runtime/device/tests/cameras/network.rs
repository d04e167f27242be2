//! Cameras of the network, played by a server of a few lines that says exactly what a test wants to be said.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use trimtab_device::camera::{Camera, CameraError, Credential};

use crate::{config, open, picture, shade, told, wait_for, widened};

/// Answers every connection by a function of the request and of how many came before.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Server {
    fn start(answer: impl Fn(&str, usize, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, ended) = (Arc::clone(&connections), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream;
                let (mut request, mut byte) = (String::new(), [0]);
                while !request.ends_with("\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    request.push(char::from(byte[0]));
                }
                answer(&request, counted.fetch_add(1, Ordering::SeqCst), &mut stream);
            }
        });
        Self { port, connections, over }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/stream?channel=1", self.port)
    }

    fn camera(&self) -> Camera {
        open(config(&self.url())).0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the one that waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n";

fn part(jpeg: &[u8]) -> Vec<u8> {
    let head = format!("--next\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    [head.as_bytes(), jpeg, b"\r\n"].concat()
}

/// In the pieces of a chunked answer, cut without regard to parts.
fn chunked(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(333).flat_map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()).collect()
}

/// A picture that stays until the other side is gone.
fn hold(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let _ = stream.read(&mut [0]);
}

fn trouble(camera: &Camera) -> String {
    wait_for("its trouble", || match camera.latest() {
        Err(error @ (CameraError::Lost { .. } | CameraError::Refused(_))) => Some(told(&error)),
        _ => None,
    })
}

#[test]
fn plain_and_chunked_answers_are_read_and_what_ends_is_asked_for_again() {
    let server = Server::start(|request, before, stream| {
        assert!(request.starts_with("GET /stream?channel=1 HTTP/1.1\r\n"), "{request}");
        let (dark, bright) = (part(&picture(32, 24, 10)), part(&picture(32, 24, 240)));
        let answer = match before {
            0 => [HEAD.as_bytes(), b"\r\n", &dark, &bright].concat(),
            _ => [HEAD.as_bytes(), b"Transfer-Encoding: chunked\r\n\r\n", &chunked(&[bright, dark].concat())].concat(),
        };
        let _ = stream.write_all(&answer);
        if before > 0 {
            hold(stream);
        }
    });
    let camera = server.camera();
    wait_for("two pictures", || (camera.counts().frames >= 2).then_some(()));
    wait_for("the dark picture of the second answer", || {
        (camera.counts().frames == 4 && shade(&camera.latest().ok()?) < 50).then_some(())
    });
    assert_eq!((camera.counts().restarts, camera.counts().bad), (1, 0));
}

#[test]
fn what_a_server_does_wrong_is_told_with_a_remedy() {
    let endless = [HEAD.as_bytes(), b"\r\n--next\r\n", &b"X-More: more\r\n".repeat(5_000)].concat();
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X-More: more\r\n".repeat(200), b"\r\n"].concat();
    let plain = |text: &str| text.as_bytes().to_vec();
    for (answer, expected) in [
        (endless, "sends a part whose head has no end within 8192 bytes"),
        (many, "does not answer in HTTP"),
        (plain("SSH-2.0-OpenSSH_9.2\r\n"), "does not answer in HTTP"),
        (
            plain("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"),
            "answers with \"text/html\", where a camera",
        ),
        (
            plain(&format!("{HEAD}\r\n--next\r\nContent-Length: 80000000\r\n\r\n")),
            "announces a picture of 80000000 bytes",
        ),
        (plain(&format!("{HEAD}\r\n--next--\r\n")), "ended its answer"),
        (plain("HTTP/1.1 404 Not Found\r\n\r\n"), "has nothing there (404); check the path"),
        (plain("HTTP/1.1 302 Found\r\nLocation: /other\r\n\r\n"), "sends elsewhere (302), to \"/other\"; write that"),
        (plain("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\n\r\n"), "allow Digest or Basic in its settings"),
        (plain("HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"a\"\r\n\r\n"), "name them by credential_file"),
        (plain("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\r\n"), "name them by credential_file"),
    ] {
        let server = Server::start(move |_, _, stream| {
            let _ = stream.write_all(&answer);
        });
        let error = trouble(&server.camera());
        let shown = format!("camera wrist: http://127.0.0.1:{}/stream?…", server.port);
        assert!(error.starts_with(&shown) && error.contains(expected), "{error}");
        assert!(error.ends_with("it is tried again by itself"), "{error}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = trouble(&open(config(&format!("http://{nobody}/"))).0);
    assert!(error.contains("is not reachable (Connection refused"), "{error}");
}

#[test]
fn a_password_is_sent_as_the_server_asks_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    for (asked, expected) in [
        ("Basic", "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"),
        // RFC 2069: without more, the proof depends on nothing but what is written here.
        ("Digest realm=\"door\", nonce=\"7\"", "response=\"55fa9eb6fce61af9e5599ad6ecf3b34f\""),
    ] {
        let server = Server::start(move |request, _, stream| {
            if request.contains(expected) {
                let _ = stream.write_all(&[HEAD.as_bytes(), b"\r\n", &part(&picture(32, 24, 90))].concat());
                hold(stream);
            } else {
                let _ = stream.write_all(format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {asked}\r\n\r\n").as_bytes());
            }
        });
        fs::write(&secret, "Aladdin:wrong\n").unwrap();
        let camera = config(&server.url()).with_credential(Credential::File(secret.clone())).unwrap();
        assert!(!format!("{camera:?}").contains("wrong"));
        let (camera, _) = open(camera);
        let error = trouble(&camera);
        assert!(error.contains("refuses the user and password (401)") && !error.contains("wrong"), "{error}");
        // A corrected one is read with the next connection.
        fs::write(&secret, "Aladdin:open sesame\n").unwrap();
        wait_for("a picture", || camera.latest().ok());
    }
}

#[test]
fn bad_parts_are_counted_and_the_next_good_one_is_shown() {
    let server = Server::start(|_, _, stream| {
        let good = picture(32, 24, 240);
        let parts = [part(&good[..good.len() / 2]), part(b"<html>"), part(&widened(good.clone(), 20_000)), part(&good)];
        let _ = stream.write_all(&[HEAD.as_bytes(), b"\r\n", &parts.concat()].concat());
        hold(stream);
    });
    let camera = server.camera();
    let frame = wait_for("the good picture", || camera.latest().ok());
    assert!(shade(&frame) > 200);
    assert_eq!((camera.counts().frames, camera.counts().bad), (1, 3));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}
