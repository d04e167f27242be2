//! Files that are none, or not whole, or of a kind that is not run.

use std::path::Path;

use trimtab_engine::{GenerateOptions, LocalModel, ModelError};
use trimtab_gguf::{GgufFile, GgufOptions};

use crate::writer::{Gguf, Shape, Weights};
use crate::{kept, load};

fn fault(bytes: &[u8]) -> String {
    let fault = load(bytes, GgufOptions::default()).map(drop).unwrap_err();
    assert!(matches!(fault, ModelError::Gguf { .. } | ModelError::Run { .. }), "{fault:?}");
    let text = fault.to_string();
    assert!(text.contains("model.gguf: "), "{text}");
    text
}

/// What is said of a file that was changed before it was written.
fn changed(change: impl FnOnce(&mut Gguf)) -> String {
    let mut file = Gguf::random(&Shape::tiny(), Weights::Q8_0, 7);
    change(&mut file);
    fault(&file.bytes())
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = Gguf::random(&Shape::tiny(), Weights::Q8_0, 7).bytes();
    assert!(load(&whole, GgufOptions::default()).is_ok());
    let cuts = (0..64).chain((64..whole.len() - 32).step_by(97));
    for length in cuts {
        fault(&whole[..length]);
    }
    assert!(fault(&whole[..whole.len() - 40]).contains("cut off"));
    assert!(fault(b"").contains("does not begin with GGUF"));
    assert!(fault(b"\x08\x08onnx").contains("does not begin with GGUF"));
    let missing = GgufFile::open(Path::new("no-such-folder/model.gguf"), GgufOptions::default()).unwrap_err();
    assert!(matches!(missing, ModelError::Missing { .. }), "{missing:?}");
}

#[test]
fn what_a_header_says_is_believed_only_if_it_fits() {
    type Change = fn(&mut Gguf);
    let cases: [(&str, Change); 12] = [
        ("its architecture is \"bert\"", |file| file.text("general.architecture", "bert")),
        ("its vocabulary is of the kind \"bert\"", |file| file.text("tokenizer.ggml.model", "bert")),
        ("llama.block_count is 600", |file| file.number("llama.block_count", 600)),
        ("llama.context_length is 0", |file| file.number("llama.context_length", 0)),
        ("does not divide", |file| file.number("llama.attention.head_count", 3)),
        ("llama.rope.dimension_count is 8", |file| file.number("llama.rope.dimension_count", 8)),
        ("llama.expert_count", |file| file.number("llama.expert_count", 4)),
        ("tokenizer.ggml.eos_token_id is 300", |file| file.number("tokenizer.ggml.eos_token_id", 300)),
        ("it lacks llama.embedding_length", |file| drop(file.keys.remove("llama.embedding_length"))),
        ("it has no vocabulary", |file| drop(file.keys.remove("tokenizer.ggml.tokens"))),
        ("stored as type 99", |file| file.tensors[0].2 = 99),
        ("token_embd.weight has the shape [32, 600]", |file| file.tensors[0].1 = vec![32, 600]),
    ];
    for (told, change) in cases {
        let said = changed(change);
        assert!(said.contains(told), "{told}: {said}");
    }
    // What the header cannot tell, llama.cpp does.
    assert!(changed(|file| drop(file.tensors.pop())).contains("llama.cpp does not load it"));
    assert!(changed(|file| file.tensors[5].1.reverse()).contains("llama.cpp does not load it"));
}

#[test]
fn counts_beyond_all_bounds_take_no_memory() {
    let whole = Gguf::random(&Shape::tiny(), Weights::Q8_0, 7).bytes();
    for place in [8, 16] {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(fault(&bytes).contains("its header declares"));
    }
    let mut bytes = whole;
    // The length of the first key.
    bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(fault(&bytes).contains("more than the 256 it may have"));
}

#[test]
fn weights_that_are_no_numbers_are_heard_of_at_once() {
    let mut file = Gguf::random(&Shape::tiny(), Weights::F32, 7);
    let norm = file.tensors.iter_mut().find(|tensor| tensor.0 == "output_norm.weight").unwrap();
    norm.3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(fault(&file.bytes()).contains("not finite"));
}

#[test]
fn what_it_takes_is_known_before_it_is_loaded() {
    let bytes = Gguf::random(&Shape::tiny(), Weights::F32, 7).bytes();
    let file = kept(&bytes);
    let header = GgufFile::open(&file.path, GgufOptions::default()).unwrap();
    let weights = 300 * 64 * 2 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96);
    assert_eq!(header.loaded_bytes(), 4 * weights, "the embedding serves twice");
    assert_eq!(header.header().cache_bytes(256), 2 * 2 * 2 * 32 * 256);
    let model = header.load().unwrap();
    assert_eq!(model.loaded_bytes(), 4 * weights);
    let done = model.generate("a", &GenerateOptions::default(), &mut |_| std::ops::ControlFlow::Continue(()));
    assert_eq!(done.unwrap().prompt_tokens, 2);
}
