//! GGUF files with random weights, made here, generate as the engine's own models do, are stopped as they are, and say what
//! is wrong with them.

mod faults;
mod writer;

use std::ops::ControlFlow;
use std::path::PathBuf;

use trimtab_engine::{Engine, Finish, GenerateOptions, Generation, LocalModel, ModelError, Progress};
use trimtab_gguf::{GgufFile, GgufModel, GgufOptions};
use writer::{BEGIN, Gguf, Shape, Weights};

const PROMPT: &str = "Please turn off the lamp in the kitchen.";

/// A file in a folder of its own.
pub(crate) struct Kept {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

pub(crate) fn kept(bytes: &[u8]) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    Kept { _folder: folder, path }
}

pub(crate) fn load(bytes: &[u8], options: GgufOptions) -> Result<GgufModel, ModelError> {
    GgufFile::open(&kept(bytes).path, options)?.load()
}

fn model(shape: &Shape, weights: Weights) -> GgufModel {
    load(&Gguf::random(shape, weights, 7).bytes(), GgufOptions::default()).unwrap()
}

/// A generation, with the tokens it told.
fn told(model: &dyn LocalModel, prompt: &str, options: &GenerateOptions) -> (Generation, Vec<(u32, String, f32)>) {
    let mut tokens = Vec::new();
    let done = model.generate(prompt, options, &mut |progress| {
        if let Progress::Token { id, piece, logprob } = progress {
            tokens.push((id.unwrap(), piece.to_owned(), logprob.unwrap()));
        }
        ControlFlow::Continue(())
    });
    (done.unwrap(), tokens)
}

fn tokens(max_tokens: usize, temperature: f32, seed: u64) -> GenerateOptions {
    GenerateOptions { max_tokens, temperature, seed, ..GenerateOptions::default() }
}

#[test]
fn every_kind_of_weights_generates_and_a_seed_repeats() {
    for weights in [Weights::F32, Weights::Q8_0, Weights::Q4_0] {
        let model = model(&Shape::tiny(), weights);
        assert_eq!((model.engine(), model.context()), (Engine::Gguf, Some(256)));
        // The prompt's bytes, less those that merges join, and the token that begins texts.
        let counted = model.count_tokens(PROMPT).unwrap();
        assert_eq!(counted, PROMPT.len() - 5, "{weights:?}");
        let greedy = told(&model, PROMPT, &tokens(24, 0.0, 0));
        let (done, pieces) = &greedy;
        assert_eq!((done.prompt_tokens, done.tokens, done.finish), (counted + 1, 24, Finish::Length), "{weights:?}");
        assert!(!done.prompt_truncated);
        assert_eq!(done.text, pieces.iter().map(|(_, piece, _)| piece.as_str()).collect::<String>());
        assert!(pieces.iter().all(|(id, _, logprob)| *id < 300 && (-20.0..=0.0).contains(logprob)), "{pieces:?}");
        assert_eq!(told(&model, PROMPT, &tokens(24, 0.0, 9)), greedy, "greedy knows no seed");
        let drawn = |seed| told(&model, PROMPT, &tokens(24, 1.0, seed));
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}

#[test]
fn threads_and_neighbours_change_nothing() {
    let bytes = Gguf::random(&Shape::tiny(), Weights::Q4_0, 7).bytes();
    let one = load(&bytes, GgufOptions::default()).unwrap();
    let two = load(&bytes, GgufOptions { threads: 2, ..GgufOptions::default() }).unwrap();
    let alone = told(&one, PROMPT, &tokens(16, 0.0, 0));
    assert_eq!(told(&two, PROMPT, &tokens(16, 0.0, 0)), alone);
    std::thread::scope(|scope| {
        let together: Vec<_> = (0..3).map(|_| scope.spawn(|| told(&one, PROMPT, &tokens(16, 0.0, 0)))).collect();
        for other in together {
            assert_eq!(other.join().unwrap(), alone);
        }
    });
}

#[test]
fn a_generation_ends_where_it_is_told_to() {
    let model = model(&Shape::tiny(), Weights::Q8_0);
    let mut heard = 0;
    let done = model.generate(PROMPT, &tokens(50, 0.0, 0), &mut |progress| {
        heard += usize::from(matches!(progress, Progress::Token { .. }));
        if heard == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let done = done.unwrap();
    assert_eq!((done.finish, done.tokens, heard), (Finish::Cancelled, 3, 3));
    // A long prompt is stopped while it is read.
    let long = "turn on the lamp ".repeat(12);
    let done = model.generate(&long, &tokens(50, 0.0, 0), &mut |progress| {
        assert_eq!(progress, Progress::Waiting);
        ControlFlow::Break(())
    });
    let done = done.unwrap();
    assert_eq!((done.finish, done.tokens), (Finish::Cancelled, 0));
    assert_eq!(told(&model, PROMPT, &tokens(0, 0.0, 0)).0.finish, Finish::Length);
}

#[test]
fn a_prompt_longer_than_the_context_is_cut_and_that_is_told() {
    let bytes = Gguf::random(&Shape::tiny(), Weights::Q4_0, 7).bytes();
    let model = load(&bytes, GgufOptions { context: 100, ..GgufOptions::default() }).unwrap();
    let long = "na\u{ef}ve ".repeat(20_000);
    let (done, _) = told(&model, &long, &tokens(50, 0.0, 0));
    assert!(done.prompt_truncated);
    assert_eq!((done.prompt_tokens, done.tokens, done.finish), (99, 2, Finish::Length));
    let (done, _) = told(&model, &"n".repeat(60), &tokens(500, 0.0, 0));
    assert!(!done.prompt_truncated);
    assert_eq!((done.prompt_tokens, done.tokens, done.finish), (61, 40, Finish::Length));
}

#[test]
fn an_answer_ends_with_the_models_own_token() {
    let shape = Shape::tiny();
    let (_, told_before) = told(&model(&shape, Weights::F32), PROMPT, &tokens(12, 1.0, 3));
    // The same weights, with another token as the end: one that comes after some others.
    let place = (1..12).find(|&at| told_before[..at].iter().all(|(id, ..)| *id != told_before[at].0)).unwrap();
    let ended = model(&Shape { eos: told_before[place].0, ..shape }, Weights::F32);
    let (done, told_now) = told(&ended, PROMPT, &tokens(12, 1.0, 3));
    assert_eq!((done.finish, done.tokens), (Finish::Stop, place));
    assert_eq!(told_now, told_before[..place]);
}

#[test]
fn prompts_are_put_in_the_files_template_and_cannot_leave_it() {
    let chatml = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    let chat = model(&Shape { template: Some(chatml), ..Shape::tiny() }, Weights::Q8_0);
    let bare = model(&Shape::tiny(), Weights::Q8_0);
    let read = |model: &GgufModel, prompt: &str| told(model, prompt, &tokens(1, 0.0, 0)).0.prompt_tokens;
    let frame = "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n";
    let framing = bare.count_tokens(frame).unwrap();
    assert_eq!(read(&chat, PROMPT), read(&bare, PROMPT) + framing);
    // A special token that a prompt spells is nine characters, two of which are joined.
    assert_eq!((read(&bare, "<|begin|>"), BEGIN), (8 + 1, 256));
    // Nothing asked: the token that begins texts, and the template.
    assert_eq!((read(&bare, ""), read(&chat, "")), (1, 1 + framing));
}
