//! Policy files as the device would choose by them.

use std::path::Path;

use anyhow::{Context, ensure};
use trimtab_engine::PolicyFile;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::Table;

/// The file, if it was trained with the encoder that the table was collected with.
pub(super) fn chooser(path: &Path, table: &Table) -> anyhow::Result<Chooser> {
    let file = PolicyFile::load(path)?;
    let trained = file.metadata("encoder_sha256").unwrap_or_default();
    ensure!(
        trained == table.encoder_sha256(),
        "{}: trained with encoder {trained}, the table was collected with {}",
        path.display(),
        table.encoder_sha256()
    );
    let view_threshold = view_threshold(&file, path)?;
    Ok(Chooser::File { file: Box::new(file), view_threshold })
}

/// The view threshold that a policy file asks for; 0 where it asks for none.
pub(super) fn view_threshold(file: &PolicyFile, path: &Path) -> anyhow::Result<f32> {
    let threshold = file.metadata("view_threshold").map_or(Ok(0.0), str::parse);
    threshold.with_context(|| format!("{}: view_threshold is no number", path.display()))
}
