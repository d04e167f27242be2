//! The engine against ONNX Runtime, and llama.cpp where that runs such models, on full-size ones: the same input, one thread each, in
//! turn within one run.
//!
//! | term | meaning |
//! |---|---|
//! | contender | a process that has one model loaded and runs it when told |
//! | round | every contender runs a few times, one after the other; every second round in the opposite order |
//! | ratio | of processor time, the engine's median of a round over the other's of the same round |
//! | interval | in which the median of the ratios lies in 95 of 100 resamplings of the rounds |
//!
//! Processor time is what is compared, because whatever else a machine does lengthens the wall's and not this; wall time stands
//! beside it. A limit that is exceeded is said in the table and fails the run.

mod contender;
mod counts;
mod forms;
mod interval;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{dist, setup};
use contender::{Contender, Timed};
use interval::{Estimate, median};

/// Fewest rounds that an interval is made of.
const ROUNDS_MIN: usize = 15;
/// Runs of one contender in one round; the median of them counts.
const RUNS_TOWER: usize = 5;
const RUNS_DECODER: usize = 1;

/// How to compare.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Compare the engine with ONNX Runtime and llama.cpp on full-size models, instead of the shipped ones by themselves
    #[arg(long)]
    peers: bool,
    /// The folder of the models [default: target/parity/models, made when it is missing]
    #[arg(long, requires = "peers")]
    models: Option<PathBuf>,
    /// How many rounds
    #[arg(long, requires = "peers", default_value_t = ROUNDS_MIN)]
    rounds: usize,
    /// Only the contests whose name holds this
    #[arg(long, requires = "peers", default_value = "")]
    only: String,
    /// Count the instructions of the image towers on emulated boards, instead of timing
    #[arg(long, requires = "peers", conflicts_with_all = ["rounds", "as_tested"])]
    boards: bool,
    /// The engine as it is tested instead of as it is installed: built faster, for trying things out
    #[arg(long, requires = "peers")]
    as_tested: bool,
}

impl Arguments {
    pub(crate) fn wanted(&self) -> bool {
        self.peers
    }
}

/// One comparison: who runs, and what the ratios must not exceed.
struct Contest {
    name: &'static str,
    /// Folder of the model in float, and what is added to its name for the form that the engine is judged in.
    folder: &'static str,
    form: &'static str,
    kind: Kind,
    /// Most that the engine may take, in times of ONNX Runtime's fastest form and of the engine's own float.
    peer_max: Option<f64>,
    float_max: Option<f64>,
    /// A file of the same sizes for llama.cpp, and most that the engine may take of each part, in times of it.
    llama: Option<(&'static str, [f64; 2])>,
    /// Most memory at the peak, in times of ONNX Runtime's.
    memory_max: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vision,
    Decoder,
}

const CONTESTS: [Contest; 3] = [
    Contest {
        name: "ViT-B/32 image tower, int8",
        folder: "clip-b32",
        form: "int8",
        kind: Kind::Vision,
        peer_max: Some(1.0),
        float_max: Some(0.35),
        llama: None,
        memory_max: Some(1.2),
    },
    Contest {
        name: "TinyCLIP-size image tower, int8",
        folder: "tinyclip",
        form: "int8",
        kind: Kind::Vision,
        peer_max: Some(1.15),
        float_max: None,
        llama: None,
        memory_max: Some(1.2),
    },
    Contest {
        name: "135 M decoder, 4 bits",
        folder: "smollm2-135m",
        form: "int4",
        kind: Kind::Decoder,
        peer_max: None,
        float_max: None,
        llama: Some(("smollm2-135m-random.gguf", [3.0, 1.0 / 0.6])),
        memory_max: None,
    },
];

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Decoder => "decoder",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Vision => "onnx/vision_model.onnx",
            Self::Decoder => "onnx/model.onnx",
        }
    }

    /// What is timed of one run, in the order in which contenders say it.
    const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Vision => &["run"],
            Self::Decoder => &["prompt", "token"],
        }
    }

    const fn runs(self) -> usize {
        match self {
            Self::Vision => RUNS_TOWER,
            Self::Decoder => RUNS_DECODER,
        }
    }
}

/// Compares and prints; fails when a limit is exceeded.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    ensure!(arguments.rounds >= ROUNDS_MIN, "an interval takes {ROUNDS_MIN} rounds or more");
    let models = arguments.models.clone().unwrap_or_else(|| root.join("target/parity/models"));
    if arguments.boards {
        return counts::run(root, &models, &arguments.only);
    }
    let program = if arguments.as_tested { dist::tested_peer(root)? } else { dist::peer(root)? };
    let python = setup::full(root)?;
    let mut exceeded = Vec::new();
    for contest in CONTESTS.iter().filter(|contest| contest.name.contains(&arguments.only)) {
        println!("\n{}", contest.name);
        let peer = forms::fastest(root, &python, &models, contest)?;
        exceeded.extend(hold(contest, &models, &program, &python, root, &peer, arguments.rounds)?);
    }
    println!("\nOne thread each; the engine {}.", if arguments.as_tested { "as tested" } else { "as installed" });
    ensure!(exceeded.is_empty(), "over the limit: {}", exceeded.join("; "));
    Ok(())
}

/// Holds one contest; returns the limits that were exceeded.
fn hold(
    contest: &Contest,
    models: &Path,
    program: &Path,
    python: &Path,
    root: &Path,
    peer: &Path,
    rounds: usize,
) -> Result<Vec<String>> {
    let (kind, float) = (contest.kind, models.join(contest.folder));
    let judged = models.join(format!("{}-{}", contest.folder, contest.form));
    let ours = |name: &str, folder: &Path| Contender::engine(name, program, kind, folder);
    let theirs = |name: &str, file: &Path| Contender::onnx_runtime(name, root, python, kind, &float, file);
    let llama = contest.llama.map(|(file, _)| models.join(file));
    let mut contenders = vec![
        ours(&format!("engine {}", contest.form), &judged)?,
        theirs(&format!("ONNX Runtime {}, {}", contest.form, forms::name(peer)), peer)?,
        ours("engine fp32", &float)?,
        theirs("ONNX Runtime fp32", &float.join(kind.file()))?,
    ];
    if let Some(file) = &llama {
        contenders.push(Contender::llama("llama.cpp Q4_0, as a local engine", &dist::llama_peer(root, file)?, file)?);
    }
    // The median of each round's runs: by contender, by round, by part.
    let mut medians: Vec<Vec<Vec<Timed>>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let runs = contenders[index].run(kind.runs(), kind.parts().len())?;
            medians[index].push((0..kind.parts().len()).map(|part| middle(&runs, part)).collect());
        }
    }
    let peaks = contenders.into_iter().map(Contender::finish).collect::<Result<Vec<_>>>()?;

    let mut exceeded = Vec::new();
    println!(
        "  {:<44} {:>9} {:>9} {:>9} {:>9}  ratio of the first to it, 95 %",
        "", "part", "cpu ms", "wall ms", "load ms"
    );
    for (index, peak) in peaks.iter().enumerate() {
        for (part, word) in kind.parts().iter().enumerate() {
            let of = |index: usize| medians[index].iter().map(|parts| parts[part].cpu).collect::<Vec<f64>>();
            let walls: Vec<f64> = medians[index].iter().map(|parts| parts[part].wall).collect();
            let estimate = Estimate::of_ratios(&of(0), &of(index));
            let limit = match index {
                1 => contest.peer_max,
                2 => contest.float_max,
                4 => contest.llama.map(|(_, most)| most[part]),
                _ => None,
            };
            let ratio = if index == 0 { String::new() } else { estimate.judged(limit) };
            println!(
                "  {:<44} {word:>9} {:>9.2} {:>9.2} {:>9.0}  {ratio}",
                peak.name,
                median(&of(index)) / 1e3,
                median(&walls) / 1e3,
                peak.load_cpu / 1e3
            );
            if limit.is_some_and(|limit| estimate.middle > limit) {
                exceeded.push(format!("{}, {word}: {:.3} times {}", contest.name, estimate.middle, peak.name));
            }
        }
    }
    let first = &peaks[0];
    for peak in &peaks {
        let own = (peak.bytes - peak.before) as f64 / 1e6;
        println!(
            "  {:<44} {:>9} {:>9.1} MB, {own:.1} of it since before loading",
            peak.name,
            "memory",
            peak.bytes as f64 / 1e6
        );
    }
    let memory = (first.bytes - first.before) as f64 / (peaks[1].bytes - peaks[1].before) as f64;
    println!("  the first's own memory is {memory:.2} times the second's");
    if contest.memory_max.is_some_and(|limit| memory > limit) {
        exceeded.push(format!("{}: {memory:.2} times the memory of {}", contest.name, peaks[1].name));
    }
    Ok(exceeded)
}

fn middle(runs: &[Vec<Timed>], part: usize) -> Timed {
    let of = |field: fn(&Timed) -> f64| median(&runs.iter().map(|run| field(&run[part])).collect::<Vec<_>>());
    Timed { wall: of(|timed| timed.wall), cpu: of(|timed| timed.cpu) }
}
