//! A device in a folder of its own, and an HTTP client that owes nothing to the one under test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use trimtab_device::api::Api;
use trimtab_device::config::Config;
use trimtab_device::shell::{Choice, Chooser, Device, Parts};
use trimtab_scenes::{Scene, Split};

/// Where the shipped models are.
pub(crate) fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped")
}

/// A folder with a configuration, recorded frames and state.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    extra: String,
    encoder: PathBuf,
    lm: String,
}

pub(crate) const CAMERAS: [&str; 3] = ["wrist", "overhead", "doorway"];

impl Home {
    /// With one recorded scene of three cameras, the shipped encoder and local model, and nothing limited.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene::generate(11, Split::Train);
        for (index, camera) in CAMERAS.iter().enumerate() {
            let frames = folder.path().join("frames").join(camera);
            std::fs::create_dir_all(&frames).unwrap();
            let picture = scene.render(index, 320, 240).unwrap();
            let frame = trimtab_engine::RgbFrame::new(320, 240, picture.rgb).unwrap();
            std::fs::write(frames.join("000.jpg"), frame.to_jpeg(90).unwrap()).unwrap();
        }
        Self {
            folder,
            extra: String::new(),
            encoder: shipped().join("encoder"),
            lm: shipped().join("lm").display().to_string(),
        }
    }

    /// Adds TOML.
    pub(crate) fn with(mut self, toml: &str) -> Self {
        self.extra.push_str(toml);
        self.extra.push('\n');
        self
    }

    pub(crate) fn with_encoder(mut self, encoder: PathBuf) -> Self {
        self.encoder = encoder;
        self
    }

    pub(crate) fn without_local_model(self) -> Self {
        self.with_lm("none".to_owned())
    }

    pub(crate) fn with_lm(mut self, lm: String) -> Self {
        self.lm = lm;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration and returns its path.
    pub(crate) fn write(&self) -> PathBuf {
        let mut text = String::from("[device]\nid = \"robot-7\"\nfleet = \"lab\"\nstate_dir = \"state\"\n");
        write!(text, "[api]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        write!(text, "[models]\nencoder = {:?}\nlm = {:?}\npolicy = \"none\"\n", self.encoder, self.lm).unwrap();
        for camera in CAMERAS {
            write!(text, "[[camera]]\nname = \"{camera}\"\nsource = \"dir:frames/{camera}\"\n").unwrap();
        }
        text.push_str(&self.extra);
        let path = self.path().join("trimtab.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(Some(&self.write())).unwrap()
    }

    pub(crate) async fn device(&self, chooser: Chooser) -> Device {
        Device::start(self.config(), Parts { chooser, ..Parts::default() }).await.unwrap()
    }

    /// A device that answers by itself, and its API.
    pub(crate) async fn served(&self) -> (Device, Api) {
        let device = self.device(local_first()).await;
        let api = Api::start(device.clone(), &self.config().api).await.unwrap();
        (device, api)
    }
}

/// Prefers the local model.
pub(crate) fn local_first() -> Chooser {
    prefer(|choice| if choice.action.node.is_local() { 1.0 } else { 0.0 })
}

pub(crate) fn prefer(score: impl Fn(&Choice) -> f32 + Send + Sync + 'static) -> Chooser {
    Chooser::Fixed(Arc::new(move |choices| choices.iter().map(&score).collect()))
}

/// A response as it came, with a chunked body joined.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|fault| panic!("{fault}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) async fn http(address: SocketAddr, request: &str) -> Reply {
    exchange(TcpStream::connect(address).await.unwrap(), request).await
}

/// Sends a request and reads until the other side closes.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &str) -> Reply {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if head.contains("transfer-encoding: chunked") { joined(body) } else { body.to_owned() };
    Reply { status, head: head.to_owned(), body }
}

fn joined(mut chunked: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunked.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&rest[..size]);
        chunked = &rest[size + 2..];
    }
    body
}

pub(crate) fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}
