//! `recalibrate`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use trimtab_train::dataset::Table;
use trimtab_train::experiment::Progress;
use trimtab_train::recalibrate::{
    AGREEMENT_MIN, Job, Recalibrated, Report, SCENES_FITTED, SCENES_HELD_OUT, SHEETS, Source, complete, sheets,
};
use trimtab_train::write_whole;

use super::progress;

const EXAMPLE: &str = "Example:
  trimtab-lab recalibrate --policy policy.onnx --from models/shipped/encoder --to clip-vit-b32 --out policy-clip.onnx --write-encoder
  trimtab-lab recalibrate --policy policy.onnx --from models/shipped/encoder --to clip-vit-b32 --prompts prompts.txt --pictures frames \\
    --out policy-clip.onnx --write-encoder";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(super) struct Recalibrate {
    /// The policy file, of layout trimtab-1.
    #[arg(long)]
    policy: PathBuf,
    /// Folder of the encoder that the policy was trained with.
    #[arg(long)]
    from: PathBuf,
    /// Folder of the encoder that it is to run with.
    #[arg(long)]
    to: PathBuf,
    /// A text file of prompts as your robot hears them, one a line; without it rendered scenes are used.
    #[arg(long, requires = "pictures")]
    prompts: Option<PathBuf>,
    /// A folder of pictures (JPEG or PNG) as your robot's cameras see.
    #[arg(long, requires = "prompts")]
    pictures: Option<PathBuf>,
    /// Rendered scenes to fit to.
    #[arg(long, default_value_t = SCENES_FITTED, value_parser = parse_scenes, conflicts_with = "prompts")]
    scenes: usize,
    /// Table files, or folders of them, that collect made from rendered scenes: decisions are compared on their turns.
    #[arg(long, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Least share of held-out turns in which both must decide alike.
    #[arg(long, value_name = "LIMIT", default_value_t = AGREEMENT_MIN, value_parser = parse_share)]
    accept: f64,
    /// Writes calibration and task head into the folder of the new encoder, where it has none.
    #[arg(long)]
    write_encoder: bool,
    /// Fits and, with --write-encoder, writes them where it has some, too.
    #[arg(long)]
    replace: bool,
    /// The new policy file.
    #[arg(long)]
    out: PathBuf,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Recalibrate {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let source = match (self.prompts.clone(), self.pictures.clone()) {
            (Some(prompts), Some(pictures)) => Source::Own { prompts, pictures },
            _ => Source::Scenes { fitted: self.scenes, held_out: SCENES_HELD_OUT },
        };
        let job = Job {
            policy: self.policy.clone(),
            from: self.from.clone(),
            to: self.to.clone(),
            source,
            replace: self.replace,
        };
        let table = if self.data.is_empty() { None } else { Some(Table::read(&self.data)?) };
        job.check()?;
        let sheets = if table.is_some() {
            Vec::new()
        } else {
            let runtime = tokio::runtime::Runtime::new().context("no threads to run on")?;
            runtime.block_on(Box::pin(sheets(SHEETS)))?
        };
        let bar = progress(0, "recalibrate");
        let watch = |now: Progress| match now {
            Progress::More(jobs) => bar.inc_length(jobs as u64),
            Progress::Done => bar.inc(1),
        };
        let made = job.run(&sheets, table.as_ref(), &watch)?;
        bar.finish_and_clear();
        let refused = made.report.accept(self.accept);
        let mut written = Vec::new();
        if refused.is_ok() {
            if self.write_encoder {
                written.extend(complete(&self.to, &made)?);
            }
            write_whole(&self.out, &made.policy)
                .with_context(|| format!("{}: cannot be written", self.out.display()))?;
            written.push(self.out.clone());
        }
        if self.json {
            println!("{}", json!({"report": made.report, "limit": self.accept, "written": written}));
        } else {
            print(&made.report);
            written.iter().for_each(|path| println!("{}: written", path.display()));
        }
        refused?;
        if !self.write_encoder {
            advise(&made, &self.to.display().to_string());
        }
        Ok(())
    }
}

fn print(report: &Report) {
    let Report { fit, decisions, .. } = report;
    println!("encoder {} → {}", report.from, report.to);
    println!(
        "fitted to {} prompts and {} views, measured on {} and {} others",
        report.prompts, report.views, fit.prompts, fit.views
    );
    println!("{:<34} {:>8} {:>8}", "", "old", "new");
    let both = |what: &str, old: f64, new: f64| println!("{what:<34} {old:>8.3} {new:>8.3}");
    both("calibration error of shows", fit.shows_error.old, fit.shows_error.new);
    both("task accuracy", fit.task_accuracy.old, fit.task_accuracy.new);
    if let Some(found) = fit.unknown_found {
        both("unknown prompts found", found.old, found.new);
    }
    if let (Some(old), Some(new)) = (decisions.right_percent_old, decisions.right_percent_new) {
        both("right answers, %", old, new);
    }
    println!(
        "correlation with the old: prompt numbers {:.3} (least {:.3}), associations {:.3}",
        fit.prompt_correlation, fit.prompt_correlation_least, fit.association_correlation
    );
    println!("decide alike: {:.1} % of {} turns", 100.0 * decisions.agreement, decisions.turns);
}

/// Says what the folder still lacks.
fn advise(made: &Recalibrated, folder: &str) {
    let lacks = [(made.calibration.is_some(), "logit_scale and logit_bias"), (made.head.is_some(), "a task head")];
    let lacks: Vec<&str> = lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| what).collect();
    if !lacks.is_empty() {
        eprintln!(
            "{folder}: the figures hold with {} that were fitted for it; run again with --write-encoder",
            lacks.join(" and ")
        );
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?}: a share from 0 to 1 is due"))
}

fn parse_scenes(text: &str) -> Result<usize, String> {
    const SCENES: std::ops::RangeInclusive<usize> = 20..=5_000;
    let scenes = text.parse().ok().filter(|scenes| SCENES.contains(scenes));
    scenes.ok_or_else(|| format!("{text:?}: {} to {} scenes", SCENES.start(), SCENES.end()))
}
