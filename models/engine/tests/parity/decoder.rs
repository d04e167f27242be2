//! A decoder with a key–value cache gives PyTorch's logits token by token, and stays close in int8; ONNX Runtime agrees.

use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_engine::{LanguageModel, TokenId};

use crate::models::{self, Weights};
use crate::{python, vectors};

const LOGIT_DIFFERENCE_MAX: f32 = 1e-3;
/// Of int8, in the mean over the steps: where the likeliest tokens are nearly as likely a single step may differ more.
const INT8_COSINE_MIN: f64 = 0.99;
const RUNTIMES_COSINE_MIN: f64 = 0.999;

#[derive(Deserialize)]
struct Kept {
    config: Value,
    prompt: Vec<TokenId>,
    followed: Vec<TokenId>,
}

/// Logits after the prompt and after each token that followed there: by the engine, ONNX Runtime and PyTorch.
fn logits(weights: Weights) -> [Vec<Vec<f32>>; 3] {
    let kept: Kept = vectors::json("decoder.json");
    let columns = kept.config["vocab_size"].as_u64().unwrap() as usize;
    let expected = vectors::rows("decoder.bin", columns);
    let folder = models::decoder(weights);
    let mut session = LanguageModel::load(folder.path()).unwrap().session();
    let mut ours = vec![session.step(&kept.prompt).unwrap()];
    let given = &kept.followed[..kept.followed.len() - 1];
    ours.extend(given.iter().map(|id| session.step(&[*id]).unwrap()));
    let file = folder.path().join("onnx/model.onnx");
    let theirs = python::ask(&json!({"model": file, "prompt": kept.prompt, "followed": given}));
    [ours, theirs, expected]
}

#[test]
fn float_logits_are_the_originals() {
    let [ours, theirs, expected] = logits(Weights::Float);
    assert_eq!(ours.len(), 64);
    for (who, made) in [("the engine", &ours), ("ONNX Runtime", &theirs)] {
        let most = vectors::difference(made, &expected);
        assert!(most < LOGIT_DIFFERENCE_MAX, "{who}: {most}");
    }
}

#[test]
fn int8_logits_stay_close() {
    let [ours, theirs, expected] = logits(Weights::Int8);
    let (original, runtimes) = (vectors::mean_cosine(&ours, &expected), vectors::mean_cosine(&ours, &theirs));
    assert!(original >= INT8_COSINE_MIN && runtimes >= RUNTIMES_COSINE_MIN, "cosines {original}, {runtimes}");
}
