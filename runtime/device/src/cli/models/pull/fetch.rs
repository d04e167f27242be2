//! Which files make a model, and how each gets here whole.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::BodyExt as _;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use trimtab_engine::{JSON_BYTES_MAX, ONNX_BYTES_MAX};

use super::progress::Progress;
use super::server::{self, Server};
use super::{PullError, is_commit};
use crate::lock::{Lock, Pin, hex};

/// Small files beside the weights; only the first must be there.
const SMALL_FILES: [&str; 8] = [
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "task_head.json",
    "card.json",
];
/// The two towers of an encoder.
const TOWER_FILES: [&str; 2] = ["onnx/vision_model.onnx", "onnx/text_model.onnx"];
/// A model in one file; fetched where the towers are not apart.
const WHOLE_FILE: &str = "onnx/model.onnx";
/// How exporters name the file that holds a large model's weights.
const DATA_ENDINGS: [&str; 2] = ["_data", ".data"];
/// Largest file of weights beside an ONNX file, bytes.
const DATA_BYTES_MAX: u64 = 16 << 30;
/// Longest silence in the middle of a file.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A model that is here.
pub(super) struct Fetched {
    pub(super) lock: Lock,
    /// Files whose sha256 the server stated.
    pub(super) stated: BTreeSet<String>,
}

/// Fetches a model into a folder that does not exist yet.
pub(super) async fn model(base: &str, id: &str, revision: &str, out: &Path) -> Result<Fetched, PullError> {
    if out.exists() {
        return Err(PullError::Exists { path: out.to_owned() });
    }
    let server = Server::at(base)?;
    let commit = pin(&server, id, revision).await?;
    let mut pull = Pull::begin(server, id, &commit, out)?;
    for name in SMALL_FILES {
        pull.file(name, JSON_BYTES_MAX).await?;
    }
    let mut weights = 0;
    for name in TOWER_FILES {
        weights += usize::from(pull.weights(name).await?);
    }
    if weights == 0 {
        weights += usize::from(pull.weights(WHOLE_FILE).await?);
    }
    if weights == 0 {
        pull.abandon();
        return Err(PullError::NoWeights { id: id.to_owned(), revision: revision.to_owned() });
    }
    pull.finish(out)
}

/// The commit that a revision means now.
async fn pin(server: &Server, id: &str, revision: &str) -> Result<String, PullError> {
    let found = server.file(id, revision, SMALL_FILES[0]).await?;
    let Some(file) = found else {
        return Err(PullError::Status {
            url: format!("{id}@{revision}: {}", SMALL_FILES[0]),
            status: 404,
            remedy: "check the model's name, the revision and --from",
        });
    };
    match file.commit {
        Some(sent) if !is_commit(&sent) => Err(PullError::Commit { wanted: revision.to_owned(), sent }),
        Some(sent) if is_commit(revision) && sent != revision => {
            Err(PullError::Commit { wanted: revision.to_owned(), sent })
        }
        Some(sent) => Ok(sent),
        None if is_commit(revision) => Ok(revision.to_owned()),
        None => Err(PullError::Unpinned { id: id.to_owned(), revision: revision.to_owned() }),
    }
}

/// A pull under way, in a folder beside the wanted one that holds what is whole so far and a lock that says so.
struct Pull {
    server: Server,
    folder: PathBuf,
    /// Held while this process fetches.
    _guard: File,
    lock: Lock,
    stated: BTreeSet<String>,
    progress: Progress,
}

impl Pull {
    fn begin(server: Server, id: &str, commit: &str, out: &Path) -> Result<Self, PullError> {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = out.with_file_name(format!(".{name}.{commit}.partial"));
        let fault = |cause| PullError::Write { path: folder.clone(), cause };
        fs::create_dir_all(folder.join("onnx")).map_err(fault)?;
        let guard = File::create(folder.join(".pull")).map_err(fault)?;
        guard.try_lock().map_err(|_| PullError::Busy { path: folder.clone() })?;
        let fresh = Lock { id: id.to_owned(), revision: commit.to_owned(), ..Lock::default() };
        // What an earlier pull left behind is taken over only if it is of the same model and still what it was.
        let mut lock = Lock::read(&folder).ok().flatten().filter(|lock| lock.id == id).unwrap_or(fresh);
        lock.files.retain(|name, pin| Pin::of(&folder.join(name)).is_ok_and(|found| found == *pin));
        Ok(Self { server, folder, _guard: guard, lock, stated: BTreeSet::new(), progress: Progress::new() })
    }

    /// An ONNX file, and the weights beside it where they lie apart; whether it is there.
    async fn weights(&mut self, name: &str) -> Result<bool, PullError> {
        let is_there = self.file(name, ONNX_BYTES_MAX).await?;
        for ending in DATA_ENDINGS {
            if is_there {
                self.file(&format!("{name}{ending}"), DATA_BYTES_MAX).await?;
            }
        }
        Ok(is_there)
    }

    /// One file; whether the server has it.
    async fn file(&mut self, name: &str, limit: u64) -> Result<bool, PullError> {
        if let Some(pin) = self.lock.files.get(name) {
            self.progress.whole(name, pin.bytes, "  (here already)");
            return Ok(true);
        }
        let Some(file) = self.server.file(&self.lock.id, &self.lock.revision, name).await? else {
            return Ok(false);
        };
        let (url, stated) = (file.url.clone(), file.sha256.clone());
        if stated.is_some() {
            self.stated.insert(name.to_owned());
        }
        let part = self.folder.join("part");
        let pin = self.receive(name, file, limit, &part).await?;
        if let Some(stated) = stated.filter(|stated| *stated != pin.sha256) {
            return Err(PullError::Hash { url, found: pin.sha256, stated });
        }
        let place = self.folder.join(name);
        fs::rename(&part, &place).map_err(|cause| PullError::Write { path: place, cause })?;
        self.progress.whole(name, pin.bytes, "");
        self.lock.files.insert(name.to_owned(), pin);
        self.lock.write(&self.folder)?;
        Ok(true)
    }

    async fn receive(&mut self, name: &str, file: server::File, limit: u64, part: &Path) -> Result<Pin, PullError> {
        let server::File { url, mut body, bytes: expected, .. } = file;
        let write = |cause| PullError::Write { path: part.to_owned(), cause };
        let broken = |cause: String| PullError::Broken { url: url.clone(), cause };
        let large = || PullError::Large { url: url.clone(), limit };
        if expected.is_some_and(|bytes| bytes > limit) {
            return Err(large());
        }
        let mut out = File::create(part).map_err(write)?;
        let mut hash = Sha256::new();
        let mut have = 0_u64;
        loop {
            let frame = timeout(SILENCE_MAX, body.frame()).await;
            let frame = frame.map_err(|_| broken(format!("silence for {} s", SILENCE_MAX.as_secs())))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|cause| broken(crate::fault_text(&cause)))?;
            let Some(data) = frame.data_ref() else { continue };
            have += data.len() as u64;
            if have > limit {
                return Err(large());
            }
            hash.update(data);
            out.write_all(data).map_err(write)?;
            self.progress.some(name, have, expected);
        }
        if let Some(expected) = expected.filter(|&expected| expected != have) {
            return Err(broken(format!("{have} of {expected} bytes")));
        }
        out.sync_all().map_err(write)?;
        Ok(Pin { sha256: hex(&hash.finalize()), bytes: have })
    }

    /// Removes what is here of a model that will not do.
    fn abandon(self) {
        // A folder that stays behind harms nobody: a later pull takes it over.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Puts the whole folder where it is wanted.
    fn finish(self, out: &Path) -> Result<Fetched, PullError> {
        let fault = |cause| PullError::Write { path: out.to_owned(), cause };
        fs::remove_file(self.folder.join(".pull")).map_err(fault)?;
        fs::rename(&self.folder, out).map_err(fault)?;
        Ok(Fetched { lock: self.lock, stated: self.stated })
    }
}
