//! Texts as the models read them, and the texts that the shared vocabulary is learnt from.

use std::sync::OnceLock;

use burn::tensor::{Device, Int, Tensor, TensorData};
use trimtab_scenes::{
    CANNOT_SEE, Colour, Kind, Place, Prompt, Rng, Scene, Split, TaskKind, training_questions, unknown_prompts,
    view_answers,
};

use crate::bpe::{Bpe, PAD, VOCABULARY};

/// Mean and deviation of a channel as `preprocessor_config.json` states them; a byte becomes −1…1.
pub const CHANNEL_MEAN: f32 = 0.5;
/// See [`CHANNEL_MEAN`].
pub const CHANNEL_DEVIATION: f32 = 0.5;
/// Most tokens that the text towers read.
pub const TEXT_CONTEXT: usize = 40;
/// The local language model's reply to what it would have to see.
pub const CANNOT_SEE_FROM_HERE: &str = "I cannot see that from here.";
/// The language model's reply to what it was never meant for.
pub const DO_NOT_KNOW: &str = "I do not know that.";

const CORPUS_SEED: u64 = 20;
/// Commands and messages that the vocabulary is learnt from, of each.
const CORPUS_PROMPTS: usize = 5000;

/// The vocabulary that all shipped models share; it follows from the training texts alone, and they from words alone: how a scene
/// looks changes nothing in it.
pub fn vocabulary() -> &'static Bpe {
    static SHARED: OnceLock<Bpe> = OnceLock::new();
    SHARED.get_or_init(|| {
        let mut rng = Rng::for_purpose(CORPUS_SEED, "commands");
        let mut texts: Vec<String> =
            vec![CANNOT_SEE_FROM_HERE.to_owned(), DO_NOT_KNOW.to_owned(), CANNOT_SEE.to_owned()];
        texts.extend(view_answers());
        texts.extend(unknown_prompts(Split::Train).iter().map(|&t| t.to_owned()));
        texts.extend(training_questions());
        texts.extend(descriptions());
        let nowhere = Scene::generate(CORPUS_SEED, Split::Train);
        for kind in [TaskKind::Assistive, TaskKind::Message] {
            for _ in 0..CORPUS_PROMPTS {
                let prompt = Prompt::generate(kind, &nowhere, Split::Train, &mut rng);
                texts.extend([prompt.text, prompt.answer]);
                texts.extend(prompt.action.map(|action| format!(" {action}")));
            }
        }
        Bpe::train(texts.iter().map(String::as_str), VOCABULARY)
    })
}

/// What captions say of things, in every colour, finish, place and state.
fn descriptions() -> Vec<String> {
    const OPENINGS: [&str; 5] = ["a photo of ", "", "this shows ", "there is ", "look, "];
    const LOOKS: [&str; 9] = ["plain", "striped", "dotted", "checked", "shiny", "open", "closed", "lit", "unlit"];
    let mut texts = Vec::new();
    let mut add = |name: String| texts.push(format!("{}{name}", OPENINGS[name.len() % OPENINGS.len()]));
    for kind in Kind::ALL {
        for colour in Colour::ALL {
            for look in LOOKS {
                add(format!("a {look} {} {}", colour.word(), kind.word()));
            }
            for place in Place::ALL {
                add(format!("an {} {} on the {}", colour.word(), kind.word(), place.word()));
            }
        }
    }
    for fixture in ["lamp", "stove", "door"] {
        for state in ["on", "off", "open", "closed"] {
            add(format!("a {fixture} that is {state}"));
            add(format!("an {state} {fixture}"));
        }
    }
    add("a cat".to_owned());
    add("a person".to_owned());
    texts
}

/// Texts as a tensor `[n, t]`, cut at `context` tokens and filled with padding.
#[must_use]
pub fn texts_tensor<'a>(texts: impl Iterator<Item = &'a str>, context: usize, device: &Device) -> Tensor<2, Int> {
    let bpe = vocabulary();
    let rows: Vec<Vec<u32>> = texts.map(|t| bpe.encode(t)).collect();
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0).clamp(1, context);
    let mut ids = Vec::with_capacity(rows.len() * longest);
    for row in &rows {
        ids.extend((0..longest).map(|i| row.get(i).copied().unwrap_or(PAD) as i32));
    }
    Tensor::from_data(TensorData::new(ids, [rows.len(), longest]), device)
}
