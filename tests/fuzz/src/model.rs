//! Model folders, tokenizers and policy files, with tiny models around what is not the input.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use trimtab_core::observation::{Layout, TRIMTAB1_WIDTH};
use trimtab_engine::{
    Embedding, Encoder, GenerateOptions, LanguageModel, ModelError, PolicyFile, RgbFrame, Token, Tokenizer, Vqa,
};
use trimtab_quant::{Attr, DType, Graph, QuantiseError, QuantiseOptions, Quantiser, Width};

use crate::Seed;
use crate::check::{chain, told};
use crate::site::{scratch, write};
use crate::tiny::{self, Chance};

/// Tokens of a cut text.
const ROOM: usize = 9;
/// One more than the highest token number that a file may give.
const VOCABULARY_MAX: usize = 1 << 20;

/// Any text through every scheme of words there is.
pub(crate) fn text(bytes: &[u8]) {
    static TOKENIZERS: LazyLock<[Tokenizer; 3]> = LazyLock::new(|| {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shipped/encoder/tokenizer.json");
        let parse = |json: String| Tokenizer::parse(Path::new("tokenizer.json"), json.as_bytes());
        let three = [parse(tiny::tokenizer_json()), Tokenizer::load(&shipped), parse(tiny::clip_tokenizer_json())];
        three.map(|tokenizer| tokenizer.expect("our own tokenizers are read"))
    });
    let text = String::from_utf8_lossy(bytes);
    for tokenizer in &*TOKENIZERS {
        let whole = tokenizer.encode(&text);
        assert!(whole.iter().all(|id| (*id as usize) < tokenizer.vocabulary()));
        let cut = tokenizer.encode_for_model(&text, ROOM);
        assert!(cut.ids.len() <= ROOM);
        tokenizer.decode(&cut.ids);
    }
    for tokenizer in &TOKENIZERS[..2] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
    }
    let tiny = &TOKENIZERS[0];
    let ids = tiny.encode_template("<bos>{prompt}<eos>", &text);
    assert_eq!((ids.first(), ids.last()), (Some(&tiny::BOS), Some(&tiny::EOS)));
    let specials = ids.iter().filter(|id| [tiny::BOS, tiny::EOS].contains(id));
    assert_eq!(specials.count(), 2, "a prompt spelt a special token out");
}

pub(crate) fn text_seeds() -> Vec<Seed> {
    let texts = [
        ("question", "Is the stove on? It's 12:30 already..."),
        ("spaces", "a  \n b \t\u{a0}\u{2003}c   "),
        ("template", "<bos>{prompt}<eos> {prompt} <|endoftext|>"),
        ("scripts", "naïve ÀÉ हिन्दी 한국어 日本語 עברית ٣٤٥ ½ ² 🤖\u{200d}🔧"),
        ("long", "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnthethethethe!!!!!!!!????????0123456789"),
    ];
    texts.map(|(name, text)| (name.into(), text.as_bytes().to_vec())).into()
}

pub(crate) fn tokenizer(bytes: &[u8]) {
    match Tokenizer::parse(Path::new("tokenizer.json"), bytes) {
        Ok(tokenizer) => {
            assert!((1..=VOCABULARY_MAX).contains(&tokenizer.vocabulary()));
            let ids = tokenizer.encode_for_model("Is the stove ON? 12 thethe \u{e9}<bos>", 40).ids;
            assert!(ids.len() <= 40);
            tokenizer.decode(&ids);
            tokenizer.encode_template("<bos>{prompt}<eos>", "on");
        }
        Err(fault) => told(&fault, &["tokenizer.json"]),
    }
}

pub(crate) fn tokenizer_seeds() -> Vec<Seed> {
    vec![
        ("gpt2".into(), tiny::tokenizer_json().into_bytes()),
        ("clip".into(), tiny::clip_tokenizer_json().into_bytes()),
    ]
}

/// A policy file.
pub(crate) fn policy(bytes: &[u8]) {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(scratch);
    let path = FOLDER.path().join("policy.onnx");
    write(&path, bytes);
    let policy = match PolicyFile::load(&path) {
        Ok(policy) => policy,
        Err(fault) => return told(&fault, &["policy.onnx"]),
    };
    assert!(policy.metadata("layout").is_some());
    // The lab changes policy files; what it can read it writes back as it was.
    if let Ok(edit) = trimtab_quant::Edit::of(bytes) {
        assert_eq!(edit.to_bytes(), bytes);
    }
    let direction = Embedding::unit(vec![1.0; tiny::DIMENSION]).expect("it has a direction");
    if let Err(fault) = policy.project(&direction) {
        told(&fault, &["policy.onnx"]);
    }
    let scored = match policy.layout() {
        Layout::Trimtab1 => policy.score(&[[0.5; TRIMTAB1_WIDTH]; 2]).map(|scores| {
            assert!(scores.score.len() == 2 && scores.quality.is_none_or(|quality| quality.len() == 2));
            scores.score
        }),
        layout @ (Layout::Tmo1 | Layout::Tmo1Rc) => policy.score_tmo1(&vec![0.5; layout.width()]).map(Vec::from),
    };
    match scored {
        Ok(scores) => assert!(scores.iter().all(|score| score.is_finite())),
        Err(fault) => told(&fault, &["policy.onnx"]),
    }
}

pub(crate) fn policy_seeds() -> Vec<Seed> {
    let graph = tiny::policy_graph(&mut Chance(5), TRIMTAB1_WIDTH, &"ab".repeat(32));
    vec![("tiny".into(), graph.to_bytes().expect("our own graph is whole"))]
}

/// A float model of another exporter, as the quantiser reads it.
pub(crate) fn onnx(bytes: &[u8]) {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(scratch);
    let path = |name: &str| FOLDER.path().join(name);
    let open = |name: &str| {
        let options = QuantiseOptions { fold: true, int4: true };
        Quantiser::open(&path(name), &path("scratch"), &options)
    };
    write(&path("model.onnx"), bytes);
    let model = match open("model.onnx") {
        Ok(model) => model,
        Err(fault) => return told(&fault, &["model.onnx"]),
    };
    let widths: Vec<Width> = model.layers().map(|layer| layer.narrowest).collect();
    let narrow = model.write(&widths, &path("narrow.onnx"), 64).expect("what was read is written");
    assert!(narrow.bytes > 0);
    model.write(&vec![Width::Float; widths.len()], &path("float.onnx"), u64::MAX).expect("what was read is written");
    assert!(matches!(open("narrow.onnx"), Err(QuantiseError::Quantised { .. })));
    let again = open("float.onnx").expect("what was written is read");
    assert_eq!(again.layers().len(), widths.len());
}

pub(crate) fn onnx_seeds() -> Vec<Seed> {
    const WIDTH: usize = 32;
    let mut chance = Chance(7);
    let mut g = Graph::new("foreign");
    g.input("ids", DType::I64, &["N".into()]);
    let rows = g.initializer_f32("rows", &chance.numbers(WIDTH * WIDTH, 1.0), &[WIDTH, WIDTH]);
    let x = g.op("Gather", &[&rows, "ids"], &[("axis", Attr::Int(0))]);
    let gamma = g.initializer_f32("gamma", &chance.numbers(WIDTH, 1.0), &[WIDTH]);
    let beta = g.initializer_f32("beta", &chance.numbers(WIDTH, 1.0), &[WIDTH]);
    let x = g.op("LayerNormalization", &[&x, &gamma, &beta], &[]);
    let up = g.initializer_f32("up", &chance.numbers(WIDTH * WIDTH, 1.0), &[WIDTH, WIDTH]);
    let x = g.op("Gemm", &[&x, &up, &beta], &[("transB", Attr::Int(1))]);
    let head = g.op("Transpose", &[&rows], &[("perm", Attr::Ints(vec![1, 0]))]);
    g.node("MatMul", &[&x, &head], &["logits"], &[]);
    g.output("logits", DType::F32, &["N".into(), WIDTH.into()]);
    vec![("tied".into(), g.to_bytes().expect("our own graph is whole"))]
}

/// A file of a model folder: its path in the first line, the rest is what it holds.
pub(crate) fn folder(bytes: &[u8]) {
    static FOLDERS: LazyLock<Folders> = LazyLock::new(Folders::new);
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
    let Some((name, whole)) = FOLDERS.files.iter().find(|(name, _)| name.as_bytes() == head) else { return };
    let path = FOLDERS.root.path().join(name);
    write(&path, rest);
    FOLDERS.run(name);
    write(&path, whole);
}

/// One folder of each kind, and every JSON file in them.
struct Folders {
    root: TempDir,
    files: Vec<(String, Vec<u8>)>,
}

const JSON_FILES: [&str; 5] =
    ["config.json", "preprocessor_config.json", "tokenizer.json", "task_head.json", "card.json"];

impl Folders {
    fn new() -> Self {
        let root = scratch();
        let make = |kind: &str, write: &dyn Fn(&Path)| {
            let dir = root.path().join(kind);
            std::fs::create_dir(&dir).expect("the folder is empty");
            write(&dir);
        };
        make("encoder", &tiny::encoder);
        make("clip", &tiny::clip);
        make("lm", &tiny::language);
        make("vqa", &|dir| tiny::vqa(dir, &["red", "blue", "<text>"]));
        let mut files = Vec::new();
        for kind in ["encoder", "clip", "lm", "vqa"] {
            for file in JSON_FILES {
                let name = format!("{kind}/{file}");
                if let Ok(whole) = std::fs::read(root.path().join(&name)) {
                    files.push((name, whole));
                }
            }
        }
        Self { root, files }
    }

    /// Loads the folder of this file and uses what was loaded once.
    fn run(&self, name: &str) {
        let (kind, file) = name.split_once('/').expect("a file in a folder");
        let dir: PathBuf = self.root.path().join(kind);
        let outcome = match kind {
            "lm" => LanguageModel::load(&dir).map(|model| used(generate(&model), &dir)),
            "vqa" => Vqa::load(&dir).map(|model| used(model.answer(&[grey()], "What is it?").map(drop), &dir)),
            _ => Encoder::load(&dir).map(|encoder| used(embed(&encoder), &dir)),
        };
        if let Err(fault) = outcome {
            let text = chain(&fault);
            // The file itself, or one that does not go with it any more.
            assert!(text.contains(&dir.display().to_string()), "{file}: {text}");
        }
    }
}

fn used(outcome: Result<(), ModelError>, dir: &Path) {
    if let Err(fault) = outcome {
        told(&fault, &[&dir.display().to_string()]);
    }
}

fn grey() -> RgbFrame {
    RgbFrame::new(20, 10, vec![128; 600]).expect("three bytes a pixel")
}

fn embed(encoder: &Encoder) -> Result<(), ModelError> {
    let prompt = encoder.embed_text("Is the stove on?")?;
    let view = encoder.embed_image(&grey())?;
    let association = encoder.association(&prompt, &view);
    assert!((-1.0..=1.0).contains(&association));
    assert!(encoder.shows_probability(association).is_none_or(|shows| (0.0..=1.0).contains(&shows)));
    let task = encoder.task(&prompt);
    assert!(task.probabilities.iter().all(|share| (0.0..=1.0).contains(share)), "{task:?}");
    Ok(())
}

fn generate(model: &LanguageModel) -> Result<(), ModelError> {
    let options = GenerateOptions { max_tokens: 4, ..GenerateOptions::default() };
    let mut pieces = String::new();
    let generation = model.session().generate("Is the stove on?", &options, &mut |token: &Token<'_>| {
        pieces.push_str(token.piece);
        std::ops::ControlFlow::Continue(())
    })?;
    assert!(generation.tokens <= options.max_tokens && pieces == generation.text);
    Ok(())
}

pub(crate) fn folder_seeds() -> Vec<Seed> {
    let seed = |(name, whole): (String, Vec<u8>)| (name.replace('/', "-"), [name.as_bytes(), b"\n", &whole].concat());
    let all = Folders::new().files.into_iter();
    // Tokenizers have a target of their own.
    all.filter(|(name, _)| !name.ends_with("tokenizer.json")).map(seed).collect()
}
