//! `quantise`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use trimtab_train::quantise::{EXTERNAL_FROM, FileReport, Job, Report, TARGET_COSINE};

use super::{progress, train};

const EXAMPLE: &str = "Examples:
  trimtab-lab quantise clip-vit-b32 --calibrate frames --calibrate prompts.txt --out clip-vit-b32-int8
  trimtab-lab quantise smollm2-135m --calibrate prompts.txt --bits 4 --target-cosine 0.97 --out smollm2-135m-int4
  trimtab-lab quantise --checkpoint policy.json --data held-out --out policy.onnx";

/// Writes every model of a folder with int8 weights, or four bits, and says how much that changes its outputs; or a trained
/// policy, and checks that it decides as with float weights.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Quantise {
    /// A model folder: config.json, tokenizer.json or preprocessor_config.json, and float models in onnx.
    #[arg(required_unless_present = "checkpoint", conflicts_with = "checkpoint")]
    folder: Option<PathBuf>,
    /// A folder of pictures, for models that look at them, or a file of texts, one a line, for those that read; may be given twice.
    #[arg(long, value_name = "DIR|FILE", required_unless_present = "checkpoint", conflicts_with = "checkpoint")]
    calibrate: Vec<PathBuf>,
    /// Least mean cosine of outputs to those of the float model: layers are left wider until it is met.
    #[arg(long, value_name = "COSINE", default_value_t = TARGET_COSINE, value_parser = parse_cosine)]
    target_cosine: f64,
    /// Bits of the weights of linear layers: 8, or 4 in blocks of 32.
    #[arg(long, default_value_t = 8, value_parser = parse_bits)]
    bits: u8,
    /// Leaves scale and offset of norms where they are; otherwise they join the layers that follow.
    #[arg(long)]
    keep_norms: bool,
    /// A model with more bytes of weights has them in a file of their own.
    #[arg(long, value_name = "BYTES", default_value_t = EXTERNAL_FROM)]
    external_threshold: u64,
    /// Instead of a folder: what `train --checkpoint` kept of a policy.
    #[arg(long, requires = "data")]
    checkpoint: Option<PathBuf>,
    /// With --checkpoint: turns on which both forms must decide alike.
    #[arg(long, num_args = 1.., requires = "checkpoint")]
    data: Vec<PathBuf>,
    /// The new folder, or the policy file.
    #[arg(long)]
    out: PathBuf,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Quantise {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let folder = match (self.folder, &self.checkpoint) {
            (Some(folder), _) => folder,
            (None, Some(checkpoint)) => return train::quantise(checkpoint, &self.data, &self.out, self.json),
            (None, None) => anyhow::bail!("a folder or --checkpoint is due"),
        };
        let job = Job {
            folder,
            calibrate: self.calibrate,
            out: self.out,
            target: self.target_cosine,
            int4: self.bits == 4,
            fold: !self.keep_norms,
            external_from: self.external_threshold,
        };
        let bar = progress(0, "quantise");
        let report = job.run(&mut |file, runs| {
            bar.set_message(format!("{file}: {runs} measured"));
            bar.inc_length(1);
            bar.inc(1);
        })?;
        bar.finish_and_clear();
        if self.json {
            println!("{}", json!({"out": job.out, "report": report}));
        } else {
            print(&job, &report);
        }
        Ok(())
    }
}

fn print(job: &Job, report: &Report) {
    for (name, file) in &report.files {
        let FileReport { cosine, cosine_least, n, layers, bytes: [before, after], .. } = file;
        println!(
            "{name}: cosine {cosine:.5} to float on {n} inputs kept apart (least {cosine_least:.5}), {before} → {after} bytes"
        );
        let counts: Vec<String> = layers.iter().map(|(width, count)| format!("{count} {width}")).collect();
        println!(
            "  layers   {}; norms folded: {}; models measured: {}",
            counts.join(", "),
            file.norms_folded,
            file.runs
        );
        for wider in &file.wider {
            println!("  left {:<5} {} ({}): alone it gains {:.5}", wider.width, wider.weight, wider.node, wider.gain);
        }
        for (weight, why) in &file.float {
            println!("  float    {weight} {why}");
        }
    }
    if !report.left_out.is_empty() {
        println!("not copied: {}", report.left_out.join(", "));
    }
    println!("{}: written", job.out.display());
}

fn parse_cosine(text: &str) -> Result<f64, String> {
    let cosine = text.parse().ok().filter(|cosine: &f64| *cosine > 0.0 && *cosine < 1.0);
    cosine.ok_or_else(|| format!("{text:?}: a cosine above 0 and below 1 is due"))
}

fn parse_bits(text: &str) -> Result<u8, String> {
    match text {
        "8" => Ok(8),
        "4" => Ok(4),
        _ => Err(format!("{text:?}: 8 or 4")),
    }
}
