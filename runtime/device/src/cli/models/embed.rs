//! `trimtab models embed`: pictures and texts as points of one space.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use trimtab_engine::{Embedding, RgbFrame, TextTower, VisionTower};

use super::super::{Common, Failure, show};
use super::{admit, failed};

/// Largest picture file, bytes.
const IMAGE_BYTES_MAX: u64 = 128 << 20;
/// Longest text as a heading of the table, characters.
const HEADING_CHARS_MAX: usize = 24;

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The encoder's folder
    folder: PathBuf,
    /// A JPEG or PNG picture; may be given several times
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT", allow_hyphen_values = true)]
    texts: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    images: Vec<&'a [f32]>,
    texts: Vec<&'a [f32]>,
    dim: usize,
    /// Places in `texts` of those whose end did not fit.
    truncated: &'a [usize],
}

pub(super) fn execute(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { folder, images, texts } = arguments;
    if images.is_empty() && texts.is_empty() {
        return Err(Failure::Failed("nothing to encode; give --image FILE or --text TEXT".to_owned()));
    }
    admit(common, folder)?;
    let images = look(folder, images)?;
    let (texts, truncated) = read(folder, texts)?;
    for place in &truncated {
        show::complain(&format!(
            "text {} does not fit in the encoder's context; its embedding stands for its beginning",
            place + 1
        ));
    }
    if common.json {
        let dim = images.iter().chain(&texts).next().map_or(0, |embedding| embedding.as_slice().len());
        let report = Report { images: numbers(&images), texts: numbers(&texts), dim, truncated: &truncated };
        show::line(&serde_json::to_string(&report).map_err(|fault| failed(&fault))?);
    } else {
        table(arguments, &images, &texts);
    }
    Ok(())
}

fn numbers(embeddings: &[Embedding]) -> Vec<&[f32]> {
    embeddings.iter().map(Embedding::as_slice).collect()
}

fn look(folder: &Path, images: &[PathBuf]) -> Result<Vec<Embedding>, Failure> {
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let tower = VisionTower::load(folder).map_err(|fault| failed(&fault))?;
    let embed = |path: &PathBuf| tower.embed(&picture(path)?).map_err(|fault| failed(&fault));
    images.iter().map(embed).collect()
}

fn read(folder: &Path, texts: &[String]) -> Result<(Vec<Embedding>, Vec<usize>), Failure> {
    let (mut embeddings, mut truncated) = (Vec::new(), Vec::new());
    if texts.is_empty() {
        return Ok((embeddings, truncated));
    }
    let tower = TextTower::load(folder).map_err(|fault| failed(&fault))?;
    for (place, text) in texts.iter().enumerate() {
        let read = tower.embed(text).map_err(|fault| failed(&fault))?;
        if read.truncated {
            truncated.push(place);
        }
        embeddings.push(read.embedding);
    }
    Ok((embeddings, truncated))
}

fn picture(path: &Path) -> Result<RgbFrame, Failure> {
    let place = path.display();
    let fault = |cause: std::io::Error| Failure::Failed(format!("{place}: cannot be read ({cause}); check the path"));
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(IMAGE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > IMAGE_BYTES_MAX {
        return Err(Failure::Failed(format!(
            "{place}: more than the {IMAGE_BYTES_MAX} bytes that a picture may have; give a smaller one"
        )));
    }
    RgbFrame::decode(&bytes, &place.to_string()).map_err(|fault| failed(&fault))
}

/// Cosines: a line for each picture, a column for each text; without pictures, the texts against each other.
fn table(arguments: &Arguments, images: &[Embedding], texts: &[Embedding]) {
    let names: Vec<String> = arguments.images.iter().map(|path| path.display().to_string()).collect();
    let (rows, row_names) = if images.is_empty() { (texts, &arguments.texts) } else { (images, &names) };
    let (columns, column_names) = if texts.is_empty() { (images, &names) } else { (texts, &arguments.texts) };
    let short = |name: &String| -> String { name.chars().take(HEADING_CHARS_MAX).collect() };
    let width = HEADING_CHARS_MAX;
    let mut head = format!("{:<width$}", "");
    for name in column_names {
        let _ = write!(head, "  {:>width$}", short(name));
    }
    show::line(head.trim_end());
    for (row, name) in rows.iter().zip(row_names) {
        let mut text = format!("{:<width$}", short(name));
        for column in columns {
            let _ = write!(text, "  {:>width$.4}", row.cosine(column));
        }
        show::line(&text);
    }
}
