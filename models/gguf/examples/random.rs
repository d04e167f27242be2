//! Writes a GGUF file of SmolLM2-135M's sizes with random 4-bit weights, for speed alone: `random FILE`.

#[path = "../tests/gguf/writer.rs"]
mod writer;

use anyhow::{Context, Result};
use writer::{Gguf, Shape, Weights};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).context("usage: random FILE")?;
    std::fs::write(&path, Gguf::random(&Shape::smollm2_135m(), Weights::Q4_0, 1).bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}
