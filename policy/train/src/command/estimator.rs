//! `estimator`: how well the response score is predicted.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use trimtab_train::bootstrap::Interval;
use trimtab_train::dataset::LoggedTable;
use trimtab_train::estimator::evaluation::{
    Coverage, LEVELS, LeftOut, Report, coverage, gain, held_out, predict_left_out, report,
};
use trimtab_train::estimator::{Kind, Prompts};

use super::{progress, prompts};

/// What an estimator of unseen questions is measured against.
const PLAIN: Kind = Kind::ClassMeans;

#[derive(Args, Debug)]
pub(super) struct Estimator {
    /// Table files, or folders of them: what is fitted to.
    #[arg(long, required = true, num_args = 1..)]
    train: Vec<PathBuf>,
    /// Table files, or folders of them: whose scores are predicted.
    #[arg(long, num_args = 1.., required_unless_present = "leave_one_out")]
    test: Vec<PathBuf>,
    /// Which estimator; with --leave-one-out every one unless it is given.
    #[arg(long)]
    kind: Option<Kind>,
    /// Leaves each training dialogue out in turn, and its questions too, in place of a test part: accuracy with 95 % intervals by
    /// dialogue, coverage of the estimator's own intervals, and what it gains on unseen questions over the mean of each class.
    #[arg(long, conflicts_with = "test")]
    leave_one_out: bool,
    /// Folder of the text encoder; without it the shipped one.
    #[arg(long, conflicts_with = "vectors")]
    encoder: Option<PathBuf>,
    /// Vectors of the questions that any text encoder made: a JSON object of lists of numbers, by question.
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// Of the draws of intervals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

/// One estimator, dialogues left out.
#[derive(Serialize)]
struct Row {
    /// Without the turn's dialogue.
    dialogue: Report,
    /// Without the dialogue and the question.
    question: Report,
    /// How much more of clipped scores of unseen questions is explained than by the mean of each class, drawn by question.
    gain_on_unseen: Interval,
    coverage: Vec<Coverage>,
}

impl Estimator {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let train = LoggedTable::read(&self.train)?;
        if self.leave_one_out {
            return self.left_out(&train);
        }
        let test = LoggedTable::read(&self.test)?;
        let kind = self.kind.unwrap_or_default();
        let found = held_out(kind, &train, &test, &self.prompts(&[kind], &[&train, &test])?)?;
        if self.json {
            println!("{}", serde_json::to_string(&found)?);
            return Ok(());
        }
        let correlation = |pearson: Option<f64>| pearson.map_or("none".into(), |pearson| format!("{pearson:.3}"));
        println!("{}, {} turns", kind.name(), found.n);
        println!(
            "  raw           R² {:.3}  MSE {:.3}  correlation {}",
            found.r2,
            found.mse,
            correlation(found.pearson)
        );
        println!(
            "  clipped at 2  R² {:.3}  MSE {:.3}  correlation {}",
            found.r2_clip2,
            found.mse_clip2,
            correlation(found.pearson_clip2)
        );
        Ok(())
    }

    /// Vectors of the questions, where one of the kinds reads them.
    fn prompts(&self, kinds: &[Kind], logs: &[&LoggedTable]) -> anyhow::Result<Prompts> {
        if !kinds.contains(&Kind::Prompt) {
            return Ok(Prompts::new());
        }
        let Some(path) = &self.vectors else {
            return prompts::embed(&prompts::encoder(self.encoder.as_deref())?, logs);
        };
        let vectors = prompts::read(path)?;
        for turn in logs.iter().flat_map(|log| log.turns()) {
            let question = &turn.context.question;
            ensure!(vectors.contains_key(&**question), "{}: {question:?}: is missing", path.display());
        }
        Ok(vectors)
    }

    fn left_out(&self, log: &LoggedTable) -> anyhow::Result<()> {
        let kinds = self.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let (turns, vectors) = (log.turns(), self.prompts(&kinds, &[log])?);
        let unseen = |kind| predict_left_out(kind, turns, LeftOut::DialogueAndQuestion, &vectors);
        let plain = unseen(PLAIN);
        let bar = progress(kinds.len() as u64, "estimator");
        let mut rows = Vec::with_capacity(kinds.len());
        for kind in kinds {
            bar.set_message(kind.name());
            rows.push(Row {
                dialogue: report(kind, turns, LeftOut::Dialogue, &vectors, self.seed),
                question: report(kind, turns, LeftOut::DialogueAndQuestion, &vectors, self.seed),
                gain_on_unseen: gain(turns, &unseen(kind), &plain, self.seed),
                coverage: coverage(kind, turns, &LEVELS, &vectors),
            });
            bar.inc(1);
        }
        bar.finish_and_clear();
        if self.json {
            println!("{}", json!({"dataset_sha256": log.sha256(), "turns": turns.len(), "rows": rows}));
        } else {
            print(&rows);
        }
        Ok(())
    }
}

fn print(rows: &[Row]) {
    println!(
        "{:<15} {:<9} {:>23} {:>6} {:>23} {:>6}  {:>23}  coverage",
        "", "left out", "R²", "MSE", "R² clipped at 2", "MSE", "gain on unseen"
    );
    let interval = |i: &Interval| format!("{:+.3} [{:+.2}, {:+.2}]", i.value, i.low, i.high);
    for row in rows {
        let held: Vec<String> =
            row.coverage.iter().map(|c| format!("{:.1} of {:.0} %", 100.0 * c.held, 100.0 * c.nominal)).collect();
        for (report, left, tail) in [
            (&row.dialogue, "dialogue", format!("{:>23}  {}", "", held.join(", "))),
            (&row.question, "question", format!("{:>23}", interval(&row.gain_on_unseen))),
        ] {
            println!(
                "{:<15} {left:<9} {:>23} {:>6.3} {:>23} {:>6.3}  {tail}",
                report.kind.name(),
                interval(&report.r2),
                report.quality.mse,
                interval(&report.r2_clip2),
                report.quality.mse_clip2,
            );
        }
    }
}
