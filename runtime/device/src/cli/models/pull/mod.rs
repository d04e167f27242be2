//! `trimtab models pull`: fetches a model in Hugging Face's layout.
//!
//! Files come from `<base>/<id>/resolve/<revision>/<file>` into a folder beside the wanted one, which takes its place when
//! all are whole. A revision that can move is replaced by the commit that the server names, so that all files are of one
//! commit and the lock says which. Files that an earlier pull of the same commit finished are not fetched again.

mod fetch;
mod progress;
mod server;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::{Common, Failure, on_runtime, show};
use super::{failed, megabytes};
use crate::config::Config;
use crate::lock::{LOCK_FILE, LockError};

/// Where models come from, unless `--from` names another server.
const BASE: &str = "https://huggingface.co";
/// Longest id or revision, bytes.
const NAME_BYTES_MAX: usize = 200;
/// Digits of a commit's name.
const COMMIT_DIGITS: usize = 40;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The model and its revision: a commit, branch or tag
    #[arg(value_name = "ID@REVISION", value_parser = wanted)]
    model: Wanted,
    /// Server to fetch from
    #[arg(long, value_name = "URL", default_value = BASE)]
    from: String,
    /// The model's folder, which must not exist yet [default: its name in models of the state folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    id: String,
    revision: String,
}

/// Why a model was not fetched.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("{url:?} is no address of a server; write it as https://example.org")]
    Url { url: String },
    #[error("{url}: no connection ({cause}); check the network and --from")]
    Unreachable { url: String, cause: String },
    #[error("{url}: the transfer broke off ({cause}); run the command again, it goes on where it stopped")]
    Broken { url: String, cause: String },
    #[error("{url}: the server answers {status}; {remedy}")]
    Status { url: String, status: u16, remedy: &'static str },
    #[error("{url}: more than {limit} bytes, more than such a file may have; use a smaller model")]
    Large { url: String, limit: u64 },
    #[error("{url}: sha256 is {found}, the server states {stated}; run the command again, or do not trust this server")]
    Hash { url: String, found: String, stated: String },
    #[error("the server names no commit for {revision}, which can move; name one, as in {id}@<40 hexadecimal digits>")]
    Unpinned { id: String, revision: String },
    #[error("asked for commit {wanted}, the server sends {sent}; check the revision, or do not trust this server")]
    Commit { wanted: String, sent: String },
    #[error(
        "{id}@{revision} has no ONNX file of a known name under onnx/; export it to ONNX, or choose a model that is exported"
    )]
    NoWeights { id: String, revision: String },
    #[error("{}: is there already; remove it, or name another folder with --out", path.display())]
    Exists { path: PathBuf },
    #[error("{}: another pull is fetching this model; wait for it", path.display())]
    Busy { path: PathBuf },
    #[error("{}: cannot be written ({cause}); check space and permissions, or name another folder with --out", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let Wanted { id, revision } = &arguments.model;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => {
            let name = id.rsplit_once('/').map_or(id.as_str(), |(_, name)| name);
            Config::load(common.config.as_deref())?.state_dir.join("models").join(name)
        }
    };
    on_runtime(async {
        let fetched = fetch::model(&arguments.from, id, revision, &out).await.map_err(|fault| failed(&fault))?;
        let files: Vec<_> = fetched
            .lock
            .files
            .iter()
            .map(|(name, pin)| {
                let stated = fetched.stated.contains(name);
                json!({"path": name, "bytes": pin.bytes, "sha256": pin.sha256, "stated_by_server": stated})
            })
            .collect();
        if common.json {
            let lock = &fetched.lock;
            show::line(&json!({"id": lock.id, "revision": lock.revision, "folder": out, "files": files}).to_string());
            return Ok(());
        }
        let bytes = fetched.lock.files.values().map(|pin| pin.bytes).sum();
        show::line(&format!("{}  {}, {} files, pinned in {LOCK_FILE}", out.display(), megabytes(bytes), files.len()));
        show::line(&format!("try it: trimtab models verify {}", out.display()));
        Ok(())
    })
}

fn wanted(text: &str) -> Result<Wanted, String> {
    let form = || "write it as someone/model@revision, for example someone/tiny-clip@main".to_owned();
    let (id, revision) = text.rsplit_once('@').ok_or_else(form)?;
    let is_name = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && part.bytes().any(|byte| byte != b'.')
    };
    let is_path = |text: &str, most: usize| {
        text.len() <= NAME_BYTES_MAX && text.split('/').count() <= most && text.split('/').all(is_name)
    };
    if !is_path(id, 2) || !is_path(revision, 3) {
        return Err(form());
    }
    Ok(Wanted { id: id.to_owned(), revision: revision.to_owned() })
}

/// Whether a revision can never mean anything else.
fn is_commit(revision: &str) -> bool {
    revision.len() == COMMIT_DIGITS && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
