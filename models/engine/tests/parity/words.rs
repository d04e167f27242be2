//! Tokenizers equal the reference on strings of many languages, on emoji and controls, on what is malformed and what is very long.

use std::path::{Path, PathBuf};

use serde_json::json;
use trimtab_engine::{TokenId, Tokenizer};

use crate::{python, vectors};

const STRINGS_MIN: usize = 1000;

fn check(tokenizer: &Path, texts: &[String], expected: &[Vec<TokenId>]) {
    let tokenizer = Tokenizer::load(tokenizer).unwrap();
    assert!(texts.len() == expected.len() && texts.len() >= STRINGS_MIN);
    let wrong: Vec<String> = texts
        .iter()
        .zip(expected)
        .filter_map(|(text, expected)| {
            let ids = tokenizer.encode(text);
            (ids != *expected).then(|| format!("{text:?}: {ids:?}, not {expected:?}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        texts.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

fn texts() -> Vec<String> {
    vectors::json("texts.json")
}

#[test]
fn the_scheme_of_clip_gives_the_kept_tokens() {
    check(&vectors::path("clip-tokenizer.json"), &texts(), &vectors::json::<Vec<Vec<TokenId>>>("clip-ids.json"));
}

#[test]
fn the_scheme_of_smollm_gives_the_kept_tokens() {
    check(&vectors::path("bpe-tokenizer.json"), &texts(), &vectors::json::<Vec<Vec<TokenId>>>("bpe-ids.json"));
}

#[test]
fn the_shipped_tokenizers_give_what_the_reference_gives_now() {
    let shipped = vectors::root().join("models/shipped");
    let files: [PathBuf; 2] = ["encoder", "lm"].map(|folder| shipped.join(folder).join("tokenizer.json"));
    for file in files {
        let ids: Vec<Vec<TokenId>> = python::ask(&json!({"tokenizer": file, "texts": texts()}));
        check(&file, &texts(), &ids);
    }
}

/// The exports are made by `cargo xtask parity --full`, which names their folder.
#[test]
fn the_vocabularies_of_full_size_models_give_what_the_reference_gives() {
    let Some(models) = std::env::var_os("TRIMTAB_PARITY_MODELS").map(PathBuf::from) else {
        println!("not compared: no full-size models here; `cargo xtask parity --full` makes them");
        return;
    };
    for model in ["clip-b32", "smollm2-135m"] {
        let file = models.join(model).join("tokenizer.json");
        let ids: Vec<Vec<TokenId>> = python::ask(&json!({"tokenizer": file, "texts": texts()}));
        check(&file, &texts(), &ids);
    }
}
