//! What the language model is taught: prompts of the training split with their replies, the long ones more often than they come,
//! and some with words that no wording has, so that it learns to copy what it reads and not what it remembers.

use std::collections::HashMap;
use std::sync::LazyLock;

use trimtab_scenes::{Prompt, Rng, Scene, Split, TaskKind, training_questions, unknown_prompts};

use super::{CONTEXT, wordless};
use crate::bpe::{ACTION, END, PAD, REPLY, USER};
use crate::corpus::{CANNOT_SEE_FROM_HERE, DO_NOT_KNOW, vocabulary};

const TOKENS_A_BATCH: usize = 2048;
/// Samples that are sorted by length before they are cut into batches, so that little is padding.
const POOL: usize = 512;
/// Shares of prompts that the model cannot know and of questions about views; the rest are commands and messages, as many of each.
const UNKNOWN: f32 = 0.06;
const QUESTION: f32 = 0.08;
/// Share of commands and messages that are the longer of two.
const LONGER: f32 = 0.5;
/// Share of commands and messages that get other words, and share of their words that are replaced.
const OTHER_WORDS: f32 = 0.3;
const REPLACED: f32 = 0.5;
/// Share of other words that are made up of syllables; the others are words of the vocabulary.
const MADE_UP: f32 = 0.4;
/// Share of prompts whose wording is disturbed, and for each word of it that the reply does not need the chances that it is
/// left out, that it becomes another one, and that another one follows it.
const DISTURBED: f32 = 0.25;
const LEFT_OUT: f32 = 0.12;
const ANOTHER: f32 = 0.06;
const FOLLOWED: f32 = 0.06;
/// Chance that a word which means nothing stands before one of several commands.
const BEFORE_A_COMMAND: f32 = 0.2;
/// Words of politeness are never put in: where they may stand is what the reserved wordings try.
const POLITE: [&str; 6] = ["please", "could", "would", "can", "you", "robot"];
/// Share of commands and messages that come in no wording at all.
const NO_WORDING: f32 = 0.3;
/// Shorter words are never replaced, nor are those that say what is to be done.
const WORD_BYTES_MIN: usize = 3;
const KEPT: [&str; 16] = [
    "the", "for", "and", "from", "that", "off", "turn", "open", "close", "bring", "set", "timer", "minutes", "degrees",
    "should", "message",
];

/// Prompts and replies side by side.
pub(super) struct Batch {
    pub(super) ids: Vec<i32>,
    pub(super) rows: usize,
    pub(super) length: usize,
    /// Flat positions whose next token belongs to a reply.
    pub(super) positions: Vec<i32>,
    pub(super) next: Vec<i32>,
}

/// A prompt, the right reply, and the action that the reply announces.
pub(crate) struct Lesson {
    pub(crate) text: String,
    pub(crate) reply: String,
    pub(crate) action: Option<String>,
}

/// So many lessons that follow from `seed`.
pub(crate) fn fresh(seed: u64, count: usize) -> impl Iterator<Item = Lesson> {
    let mut rng = Rng::for_purpose(seed, "lm lessons");
    (0..count).map(move |_| lesson(&mut rng))
}

fn draw(kind: TaskKind, rng: &mut Rng) -> Lesson {
    // A command or message is the same in every scene.
    static NOWHERE: LazyLock<Scene> = LazyLock::new(|| Scene::generate(0, Split::Train));
    let Prompt { text, answer, action, .. } = Prompt::generate(kind, &NOWHERE, Split::Train, rng);
    Lesson { text, reply: answer, action }
}

fn unknown(rng: &mut Rng) -> Lesson {
    let text = (*rng.pick(unknown_prompts(Split::Train))).to_owned();
    let mut lesson = Lesson { text, reply: DO_NOT_KNOW.to_owned(), action: None };
    if rng.chance(DISTURBED) {
        lesson.text = disturbed(&lesson, rng);
    }
    lesson
}

fn lesson(rng: &mut Rng) -> Lesson {
    static QUESTIONS: LazyLock<Vec<String>> = LazyLock::new(training_questions);
    let kind = match rng.unit() {
        d if d < UNKNOWN => return unknown(rng),
        d if d < UNKNOWN + QUESTION => {
            let (text, reply) = (rng.pick::<String>(&QUESTIONS).clone(), CANNOT_SEE_FROM_HERE.to_owned());
            return Lesson { text, reply, action: None };
        }
        _ if rng.chance(0.5) => TaskKind::Assistive,
        _ => TaskKind::Message,
    };
    let mut lesson = draw(kind, rng);
    if rng.chance(LONGER) {
        let other = draw(kind, rng);
        if other.reply.len() > lesson.reply.len() {
            lesson = other;
        }
    }
    if rng.chance(OTHER_WORDS) {
        lesson = with_other_words(&lesson, rng);
    }
    if rng.chance(NO_WORDING) {
        lesson.text = wordless::text(&lesson, rng).unwrap_or(lesson.text);
    } else if rng.chance(DISTURBED) {
        lesson.text = disturbed(&lesson, rng);
    }
    lesson
}

/// The same lesson with some of the words that the reply copies from the prompt replaced in both.
fn with_other_words(lesson: &Lesson, rng: &mut Rng) -> Lesson {
    let mut others: HashMap<&str, String> = HashMap::new();
    let replied: Vec<&str> = pieces(&lesson.reply).collect();
    for word in pieces(&lesson.text) {
        let copied = word.len() >= WORD_BYTES_MIN && replied.contains(&word) && !KEPT.contains(&word);
        if copied && word.bytes().all(|b| b.is_ascii_alphabetic()) && !others.contains_key(word) && rng.chance(REPLACED)
        {
            let other = if rng.chance(MADE_UP) { made_up(rng) } else { (*rng.pick(known_words())).clone() };
            let capital = word.starts_with(|c: char| c.is_uppercase());
            others.insert(word, if capital { capitalised(&other) } else { other });
        }
    }
    let replace = |text: &str| pieces(text).map(|piece| others.get(piece).map_or(piece, String::as_str)).collect();
    Lesson { text: replace(&lesson.text), reply: replace(&lesson.reply), action: lesson.action.as_deref().map(replace) }
}

/// The prompt with some of the words that its reply does not need left out, replaced or followed by others: people do not keep to
/// wordings. Where the reply asks for what is missing, nothing is put in that could be it.
fn disturbed(lesson: &Lesson, rng: &mut Rng) -> String {
    let needed: Vec<&str> = pieces(&lesson.reply).chain(lesson.action.iter().flat_map(|a| pieces(a))).collect();
    let asks = lesson.reply.ends_with('?');
    let mut text = String::new();
    for piece in pieces(&lesson.text) {
        let is_word = piece.starts_with(|c: char| c.is_alphabetic());
        if !is_word || needed.contains(&piece) {
            text.push_str(piece);
            if lesson.action.is_some() && ends_a_command(&text) && rng.chance(BEFORE_A_COMMAND) {
                text.push_str(&format!("{} ", rng.pick::<String>(known_words())));
            }
            continue;
        }
        let draw = rng.unit();
        if draw < LEFT_OUT {
            // The space before it goes as well.
            text.truncate(text.trim_end_matches(' ').len());
        } else if !asks && draw < LEFT_OUT + ANOTHER {
            text.push_str(rng.pick::<String>(known_words()));
        } else if !asks && draw < LEFT_OUT + ANOTHER + FOLLOWED {
            text.push_str(&format!("{piece} {}", rng.pick::<String>(known_words())));
        } else {
            text.push_str(piece);
        }
    }
    text.trim_start().to_owned()
}

/// Whether `text` ends with what separates commands.
fn ends_a_command(text: &str) -> bool {
    [", ", " and "].into_iter().any(|separator| text.ends_with(separator))
}

/// Runs of letters, and what lies between them.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let first = rest.chars().next()?.is_alphabetic();
        let end = rest.find(|c: char| c.is_alphabetic() != first).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

fn made_up(rng: &mut Rng) -> String {
    const BEGIN: &[u8] = b"bdfghjklmnprstvwz";
    const MIDDLE: &[u8] = b"aeiou";
    const END: [&str; 10] = ["", "", "n", "r", "s", "l", "t", "m", "k", "nd"];
    let mut word = String::new();
    for _ in 0..2 + rng.below(2) {
        word.push(char::from(*rng.pick(BEGIN)));
        word.push(char::from(*rng.pick(MIDDLE)));
        word.push_str(rng.pick::<&str>(&END));
    }
    word
}

/// The words that are one token.
pub(super) fn known_words() -> &'static [String] {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let word = |id: u32| -> Option<String> {
            let text = vocabulary().decode(&[id]);
            let word = text.strip_prefix(' ')?.to_lowercase();
            let is_word = word.len() >= WORD_BYTES_MIN && word.bytes().all(|b| b.is_ascii_lowercase());
            (is_word && !POLITE.contains(&word.as_str())).then_some(word)
        };
        let mut words: Vec<String> = (0..vocabulary().len() as u32).filter_map(word).collect();
        words.sort();
        words.dedup();
        words
    });
    &WORDS
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A lesson as tokens, and where the reply begins.
fn sample(rng: &mut Rng) -> (Vec<u32>, usize) {
    let Lesson { text, reply, action } = lesson(rng);
    let mut ids = vec![USER];
    ids.extend(vocabulary().encode(&text));
    ids.push(REPLY);
    let reply_at = ids.len();
    ids.extend(vocabulary().encode(&reply));
    if let Some(action) = action {
        ids.push(ACTION);
        // With a space before it the first word is the same token as in the prompt.
        ids.extend(vocabulary().encode(&format!(" {action}")));
    }
    ids.push(END);
    ids.truncate(CONTEXT);
    (ids, reply_at)
}

/// The batches of one pool of samples, in random order.
pub(super) fn pool(seed: u64, number: u64) -> Vec<Batch> {
    let mut rng = Rng::for_purpose(seed.wrapping_add(number), "lm pool");
    let mut samples: Vec<(Vec<u32>, usize)> = (0..POOL).map(|_| sample(&mut rng)).collect();
    samples.sort_by_key(|(ids, _)| ids.len());
    let mut made = Vec::new();
    while let Some(longest) = samples.last().map(|(ids, _)| ids.len()) {
        let rows = (TOKENS_A_BATCH / longest).clamp(1, samples.len());
        let taken = samples.split_off(samples.len() - rows);
        let length = longest - 1;
        let mut batch = Batch { ids: Vec::new(), rows, length, positions: Vec::new(), next: Vec::new() };
        for (row, (ids, reply_at)) in taken.iter().enumerate() {
            batch.ids.extend((0..length).map(|i| ids.get(i).copied().unwrap_or(PAD) as i32));
            for (at, id) in ids.iter().enumerate().skip(*reply_at) {
                batch.positions.push((row * length + at - 1) as i32);
                batch.next.push(*id as i32);
            }
        }
        made.push(batch);
    }
    rng.shuffle(&mut made);
    made
}

#[cfg(test)]
mod tests {
    use super::{fresh, pieces};

    /// Beginnings that only reserved wordings have.
    const RESERVED: [&str; 5] =
        ["please write to ", "please could you ", "please change the ", "please go to the ", "please write a message"];

    #[test]
    fn no_lesson_is_in_a_reserved_wording() {
        for lesson in fresh(3, 20_000) {
            assert!(!RESERVED.iter().any(|begin| lesson.text.starts_with(begin)), "{}", lesson.text);
            assert!(!lesson.text.contains(", please "), "{}", lesson.text);
        }
    }

    #[test]
    fn whatever_becomes_of_a_command_names_what_its_action_names() {
        for lesson in fresh(4, 20_000) {
            let Some(action) = &lesson.action else { continue };
            let said: Vec<&str> = lesson.text.split([' ', ',', '?']).collect();
            let named =
                action.split([' ', ';']).filter(|word| !["switch", "set", "bring", "from", "timer", ""].contains(word));
            for word in named {
                assert!(said.contains(&word), "{} for {action}", lesson.text);
            }
        }
    }

    #[test]
    fn pieces_join_up_to_the_text() {
        let text = "tell Anna, in 12 minutes: größer!";
        assert_eq!(pieces(text).collect::<String>(), text);
    }
}
