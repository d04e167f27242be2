//! Byte-level BPE: any text survives, special tokens cannot be smuggled in, truncation is said.

use std::path::Path;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use trimtab_engine::{Tokenizer, WORD_BYTES_MAX};

use crate::tiny::{BOS, EOS, clip_tokenizer_json, tokenizer_json};

fn tokenizer() -> Tokenizer {
    Tokenizer::parse(Path::new("tokenizer.json"), tokenizer_json().as_bytes()).unwrap()
}

proptest! {
    #[test]
    fn any_text_survives(text in any::<String>()) {
        let tokenizer = tokenizer();
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
    }

    #[test]
    fn a_truncated_text_is_a_beginning_and_says_so(text in any::<String>(), room in 0_usize..20) {
        let tokenizer = tokenizer();
        let whole = tokenizer.encode(&text);
        let cut = tokenizer.encode_for_model(&text, room);
        prop_assert!(whole.starts_with(&cut.ids) && cut.ids.len() <= room);
        prop_assert_eq!(cut.truncated, cut.ids.len() < whole.len());
    }
}

#[test]
fn earlier_merges_come_first_and_a_word_takes_its_space() {
    let tokenizer = tokenizer();
    let byte = u32::from;
    // "the" merges to 257; " the" to 258; "on" to 259; the "th" of "thon" to 256.
    assert_eq!(tokenizer.encode("the the"), [257, 258]);
    assert_eq!(tokenizer.encode("thon"), [256, 259]);
    assert_eq!(tokenizer.encode("on."), [259, byte(b'.')]);
}

#[test]
fn special_tokens_count_in_a_template_and_never_in_a_prompt() {
    let tokenizer = tokenizer();
    let ids = tokenizer.encode_template("<bos>{prompt}<eos>", "on <eos>");
    assert_eq!((ids.first(), ids.last()), (Some(&BOS), Some(&EOS)));
    assert_eq!(ids.iter().filter(|id| **id == EOS).count(), 1);
    assert_eq!(tokenizer.decode(&ids), "on <eos>");
}

#[test]
fn a_long_run_of_one_letter_is_cut_into_bounded_words() {
    let tokenizer = tokenizer();
    let text = "n".repeat(100 * WORD_BYTES_MAX);
    assert_eq!(tokenizer.decode(&tokenizer.encode(&text)), text);
}

#[test]
fn clip_folds_case_drops_spaces_and_marks_word_ends() {
    let tokenizer = Tokenizer::parse(Path::new("tokenizer.json"), clip_tokenizer_json().as_bytes()).unwrap();

    let encoding = tokenizer.encode_for_model("ON  12!", 77);
    let end = |byte: u8| 300 + u32::from(byte);
    assert_eq!(encoding.ids, [BOS, 600, end(b'1'), end(b'2'), end(b'!'), EOS]);
    assert_eq!(tokenizer.decode(&encoding.ids), "on 1 2 ! ");
    assert_eq!(tokenizer.encode_for_model("on on on", 4).ids, [BOS, 600, 600, EOS]);
}
