//! `plot`: learning curves as one chart.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::json;
use trimtab_train::learner::CurvePoint;
use trimtab_train::report::{Axes, Series, lines};

/// Most curves of one chart.
const CURVES_MAX: usize = 24;
/// Largest curve file in bytes.
const CURVE_BYTES_MAX: u64 = 16 << 20;

/// What is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Of {
    /// Mean reward of a turn.
    Reward,
    /// Share of the conversations over the latency budget.
    OverLatency,
    /// Share of the conversations over the usage budget.
    OverUsage,
}

/// Draws learning curves.
#[derive(Args, Debug)]
pub(super) struct Plot {
    /// What `train --env published --curve` wrote, one file for each training.
    #[arg(required = true, num_args = 1..)]
    curves: Vec<PathBuf>,
    /// What is drawn.
    #[arg(long, value_enum, default_value_t = Of::Reward)]
    of: Of,
    /// The chart, as SVG.
    #[arg(long)]
    out: PathBuf,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The parts of a curve file that are drawn.
#[derive(Deserialize)]
struct Curve {
    algorithm: String,
    curve: Vec<CurvePoint>,
}

impl Plot {
    pub(super) fn run(self) -> anyhow::Result<()> {
        ensure!(self.curves.len() <= CURVES_MAX, "{} curves; {CURVES_MAX} at most fit one chart", self.curves.len());
        let series = self.curves.iter().map(|path| self.series(path)).collect::<anyhow::Result<Vec<Series>>>()?;
        let y = match self.of {
            Of::Reward => "reward a turn",
            Of::OverLatency => "share over the latency budget",
            Of::OverUsage => "share over the usage budget",
        };
        let axes = Axes { title: "Learning curves", x: "turns learnt from", y, names: &[] };
        let svg = lines(&axes, &series)?;
        std::fs::write(&self.out, svg).with_context(|| format!("{}: cannot be written", self.out.display()))?;
        if self.json {
            println!("{}", json!({"out": self.out, "curves": series.len()}));
        } else {
            println!("{}: {} curves", self.out.display(), series.len());
        }
        Ok(())
    }

    fn series(&self, path: &Path) -> anyhow::Result<Series> {
        let name = || path.display();
        let length = std::fs::metadata(path).with_context(|| format!("{}: cannot be read", name()))?.len();
        ensure!(length <= CURVE_BYTES_MAX, "{}: {length} bytes; a curve file has at most {CURVE_BYTES_MAX}", name());
        let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", name()))?;
        let form = || format!("{}: is no curve of a published learner; write one with train --curve", name());
        let Curve { algorithm, curve } = serde_json::from_slice(&bytes).with_context(form)?;
        ensure!(!curve.is_empty(), "{}: has no points; learn from at least 1000 turns (--steps)", name());
        let value = |point: &CurvePoint| match self.of {
            Of::Reward => point.reward,
            Of::OverLatency => point.over[0],
            Of::OverUsage => point.over[1],
        };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Series {
            name: format!("{stem}: {algorithm}"),
            points: curve.iter().map(|point| (point.step as f64, f64::from(value(point)))).collect(),
        })
    }
}
