//! Byte-level BPE: any text survives, special tokens cannot be smuggled in, truncation is said.

use std::path::Path;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::json;
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

/// The tiny tokenizer with parts of its file replaced.
fn changed(changes: &[(&str, serde_json::Value)]) -> Tokenizer {
    let mut file: serde_json::Value = serde_json::from_str(&tokenizer_json()).unwrap();
    for (place, value) in changes {
        *file.pointer_mut(place).unwrap() = value.clone();
    }
    Tokenizer::parse(Path::new("tokenizer.json"), file.to_string().as_bytes()).unwrap()
}

#[test]
fn letters_and_accents_are_joined_where_the_file_asks_for_it() {
    let composed = changed(&[("/normalizer", json!({"type": "NFC"}))]);
    let says = |text: &str| composed.decode(&composed.encode(text));
    assert_eq!(says("e\u{301}t\u{e9}"), "\u{e9}t\u{e9}");
    assert_eq!(says("\u{1100}\u{1161}\u{11a8} \u{212b}"), "\u{ac01} \u{c5}");
    // The dot below comes first, but not across a mark that the reference does not know.
    assert_eq!(says("q\u{307}\u{323}"), "q\u{323}\u{307}");
    assert_eq!(says("q\u{1ac1}\u{323}"), "q\u{1ac1}\u{323}");
    let small = changed(&[("/normalizer", json!({"type": "Lowercase"}))]);
    assert_eq!(small.decode(&small.encode("ΣΑΣ İ")), "σασ i\u{307}");
}

#[test]
fn the_earliest_merge_comes_first_also_when_another_makes_way_for_it() {
    // The first pair in the list exists only once the second has been merged.
    let swapped = changed(&[("/model/merges", json!([["th", "e"], ["t", "h"], ["Ġ", "the"], ["o", "n"]]))]);
    assert_eq!(swapped.encode("the the"), [257, 258]);
    let whole = changed(&[("/model/merges", json!([["t", "h"]]))]);
    assert_eq!(whole.encode("the"), [256, u32::from(b'e')]);
    let mut file: serde_json::Value = serde_json::from_str(&tokenizer_json()).unwrap();
    file["model"]["merges"] = json!([["t", "h"]]);
    file["model"]["ignore_merges"] = true.into();
    let whole = Tokenizer::parse(Path::new("tokenizer.json"), file.to_string().as_bytes()).unwrap();
    assert_eq!(whole.encode("the"), [257]);
}

#[test]
fn added_tokens_count_in_a_prompt_unless_they_are_special() {
    let added = changed(&[(
        "/added_tokens",
        json!([
            {"id": BOS, "content": "<bos>", "special": true},
            {"id": EOS, "content": "<tool>", "special": false, "lstrip": true},
        ]),
    )]);
    assert_eq!(added.encode("on  <tool>on"), [259, EOS, 259]);
    assert!(!added.encode("<bos>").contains(&BOS));
}

#[test]
fn a_word_of_many_bytes_is_merged_as_one() {
    let tokenizer = tokenizer();
    let ids = tokenizer.encode(&"on".repeat(WORD_BYTES_MAX / 2));
    assert_eq!(ids.len(), WORD_BYTES_MAX / 2);
    assert!(ids.iter().all(|id| *id == 259));
}

#[test]
fn a_long_run_of_one_letter_is_cut_into_bounded_words() {
    let tokenizer = tokenizer();
    let text = "n".repeat(3 * WORD_BYTES_MAX);
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
