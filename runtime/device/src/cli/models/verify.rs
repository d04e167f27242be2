//! `trimtab models verify`: whether a folder's files are the pinned ones, and whether its model loads and runs.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use trimtab_engine::{Encoder, FolderKind, GenerateOptions, LanguageModel, PolicyFile, RgbFrame, Vqa};

use super::super::{Common, Failure, show};
use super::admit;
use crate::lock::{LOCK_FILE, Lock};

/// What a model is tried with.
const PROMPT: &str = "Is the red mug on the table?";
const PICTURE_SIDE: u32 = 64;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The model's folder
    folder: PathBuf,
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let kind = FolderKind::of(folder);
    let mut faults = Vec::new();
    let lock = match Lock::read(folder) {
        Ok(lock) => lock,
        Err(fault) => {
            faults.push(fault.to_string());
            None
        }
    };
    faults.extend(lock.iter().flat_map(|lock| lock.faults(folder)));
    let about = match admit(common, folder) {
        Ok(()) => attempt(kind, folder),
        Err(Failure::Failed(fault)) => Err(fault),
        Err(other) => return Err(other),
    };
    let about = about.unwrap_or_else(|fault| {
        faults.push(fault);
        Value::Null
    });
    let pinned = lock.as_ref().map(|lock| json!({"id": lock.id, "revision": lock.revision, "files": lock.files.len()}));
    if common.json {
        let kind = kind.map(FolderKind::name);
        let report = json!({"ok": faults.is_empty(), "kind": kind, "pinned": pinned, "about": about, "faults": faults});
        show::line(&report.to_string());
    } else {
        show::line(&format!("{}  {}", folder.display(), kind.map_or("no model", FolderKind::name)));
        match &lock {
            Some(lock) => show::line(&format!("pinned   {}@{}, {} files", lock.id, lock.revision, lock.files.len())),
            None => show::line(&format!("pinned   no {LOCK_FILE}: the files are not checked against a source")),
        }
        for (key, value) in about.as_object().into_iter().flatten() {
            show::line(&format!("{key:<8} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        faults.iter().for_each(|fault| show::line(&format!("fault    {fault}")));
    }
    match faults.len() {
        0 => {
            if !common.json {
                show::line("all is well");
            }
            Ok(())
        }
        count => Err(Failure::Reported(format!("{count} fault(s) found"))),
    }
}

/// Loads a model and runs it once; what it is, or what is wrong.
fn attempt(kind: Option<FolderKind>, folder: &Path) -> Result<Value, String> {
    let fault = |fault: trimtab_engine::ModelError| crate::fault_text(&fault);
    let grey = || {
        let pixels = vec![128; (3 * PICTURE_SIDE * PICTURE_SIDE) as usize];
        RgbFrame::new(PICTURE_SIDE, PICTURE_SIDE, pixels).map_err(|fault| crate::fault_text(&fault))
    };
    match kind {
        Some(FolderKind::Encoder) => {
            let encoder = Encoder::load(folder).map_err(fault)?;
            encoder.embed_text(PROMPT).map_err(fault)?;
            encoder.embed_image(&grey()?).map_err(fault)?;
            let print = encoder.fingerprint().to_string();
            Ok(json!({"dim": encoder.dimension(), "fingerprint": print, "tasks": encoder.classifies_tasks()}))
        }
        Some(FolderKind::Language) => {
            let model = LanguageModel::load(folder).map_err(fault)?;
            let options = GenerateOptions { max_tokens: 1, ..GenerateOptions::default() };
            let mut go_on = |_: &trimtab_engine::Token<'_>| ControlFlow::Continue(());
            model.session().generate(PROMPT, &options, &mut go_on).map_err(fault)?;
            Ok(json!({"tokens": model.tokenizer().vocabulary(), "context": model.context()}))
        }
        Some(FolderKind::Questions) => {
            let model = Vqa::load(folder).map_err(fault)?;
            model.answer(&[grey()?], PROMPT).map_err(fault)?;
            Ok(json!({"tokens": model.tokenizer().vocabulary()}))
        }
        Some(FolderKind::Policy) => {
            let policy = PolicyFile::load(&folder.join("policy.onnx")).map_err(|fault| crate::fault_text(&fault))?;
            Ok(json!({"layout": policy.layout().name(), "fingerprint": policy.fingerprint().to_string()}))
        }
        Some(_) | None => Err(format!(
            "{}: no model: neither policy.onnx nor a config.json with projection_dim, num_hidden_layers or answers; give a model's own folder",
            folder.display()
        )),
    }
}
