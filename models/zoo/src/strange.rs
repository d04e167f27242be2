//! Prompts like none that the device knows, in more ways than any list has: parts of two put together, words in another
//! order, words that do not exist.

use trimtab_scenes::{Rng, Split, unknown_prompts};

const SYLLABLES: [&str; 24] = [
    "ba", "cor", "di", "ent", "fu", "gra", "hol", "is", "jen", "ka", "lor", "mi", "nu", "os", "pre", "qui", "ran",
    "ste", "tor", "un", "vex", "wil", "yon", "zap",
];
/// Shortest word that may become one that does not exist: what is shorter holds a sentence together.
const CONTENT_LETTERS: usize = 4;
const INVENTED: f32 = 0.4;

/// A prompt unlike any task.
pub(crate) fn prompt(rng: &mut Rng) -> String {
    let one = |rng: &mut Rng| *rng.pick(unknown_prompts(Split::Train));
    let text = one(rng).to_owned();
    match rng.below(6) {
        0 | 1 => text,
        2 => {
            let mut words: Vec<&str> = text.split(' ').collect();
            rng.shuffle(&mut words);
            words.truncate(2 + rng.below(words.len()));
            words.join(" ")
        }
        3 => {
            let other = one(rng);
            let (first, second): (Vec<&str>, Vec<&str>) = (text.split(' ').collect(), other.split(' ').collect());
            let head = &first[..1 + rng.below(first.len())];
            let tail = &second[rng.below(second.len())..];
            [head, tail].concat().join(" ")
        }
        _ => {
            let word = |word: &str, rng: &mut Rng| {
                if word.len() >= CONTENT_LETTERS && rng.chance(INVENTED) { invented(rng) } else { word.to_owned() }
            };
            text.split(' ').map(|w| word(w, rng)).collect::<Vec<String>>().join(" ")
        }
    }
}

fn invented(rng: &mut Rng) -> String {
    (0..2 + rng.below(3)).map(|_| *rng.pick(&SYLLABLES)).collect()
}
