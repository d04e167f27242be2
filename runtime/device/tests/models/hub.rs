//! A server that hands out a folder as Hugging Face does: large files by way of a redirect, with their sha256 stated.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

/// What the server does.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    /// The commit that it names.
    pub(crate) commit: Option<String>,
    /// A file that it states a wrong sha256 of.
    pub(crate) lies_about: Option<&'static str>,
    /// A file that it breaks off in the middle of.
    pub(crate) cuts: Option<&'static str>,
}

pub(crate) struct Hub {
    pub(crate) url: String,
    pub(crate) manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    /// Serves `folder` as the model `someone/tiny`, for as long as the test runs.
    pub(crate) fn of(folder: PathBuf, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (manner, asked) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        let (theirs, log) = (Arc::clone(&manner), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let manner = theirs.lock().unwrap().clone();
                // A client that hangs up early is none of the server's business.
                let _ = answer(stream.unwrap(), &folder, &manner, &log);
            }
        });
        Self { url, manner, asked }
    }

    /// The paths asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, folder: &Path, manner: &Manner, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = first.split(' ').nth(1).unwrap().to_owned();
    log.lock().unwrap().push(path.clone());
    let (name, is_stored) = match path.strip_prefix("/store/") {
        Some(name) => (name.to_owned(), true),
        None => {
            let rest = path.strip_prefix("/someone/tiny/resolve/").unwrap_or_default();
            (rest.split_once('/').map_or_else(String::new, |(_, name)| name.to_owned()), false)
        }
    };
    let file = folder.join(&name);
    if name.is_empty() || !file.is_file() {
        return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    }
    let bytes = std::fs::read(&file)?;
    let commit = manner.commit.iter().map(|commit| format!("x-repo-commit: {commit}\r\n")).collect::<String>();
    if name.ends_with(".onnx") && !is_stored {
        let mut hash = Sha256::new();
        hash.update(if manner.lies_about == Some(name.as_str()) { &b"another file"[..] } else { &bytes });
        let hash = format!("{:x}", hash.finalize());
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: /store/{name}\r\n{commit}x-linked-etag: \"{hash}\"\r\ncontent-length: 0\r\n\r\n"
        );
    }
    write!(stream, "HTTP/1.1 200 OK\r\netag: \"0123\"\r\n{commit}content-length: {}\r\n\r\n", bytes.len())?;
    let whole = if manner.cuts == Some(name.as_str()) { bytes.len() / 2 } else { bytes.len() };
    stream.write_all(&bytes[..whole])
}
