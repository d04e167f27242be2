//! Right or wrong.

use crate::prompt::Prompt;

/// Pairs that contradict each other in the reply to a single command.
const OPPOSITES: [(&str, &str); 2] = [("on", "off"), ("opening", "closing")];

/// `text` in lower case, split at everything that is neither letter nor digit.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    (text.to_lowercase().split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether `slot` is said word for word.
fn holds(said: &[String], slot: &str) -> bool {
    let slot = words(slot);
    said.windows(slot.len().max(1)).any(|w| w == slot)
}

/// Whether the opposite of what is expected is said.
fn contradicts(said: &[String], expected: &[String]) -> bool {
    let has = |list: &[String], word: &str| list.iter().any(|w| w == word);
    OPPOSITES.iter().any(|&(a, b)| {
        (has(said, a) && has(expected, b) && !has(expected, a))
            || (has(said, b) && has(expected, a) && !has(expected, b))
    })
}

/// Whether `reply` says what is expected: it is there word for word, and not its opposite. For prompts that come with a right
/// answer and nothing else.
#[must_use]
pub fn says(reply: &str, expected: &str) -> bool {
    let said = words(reply);
    holds(&said, expected) && !contradicts(&said, &words(expected))
}

/// Whether `reply` is right. A question about views: the right word is there and no other word of its vocabulary. An
/// assistive prompt or message: every slot is there word for word, and a single command is not answered by its opposite.
#[must_use]
pub fn grade(prompt: &Prompt, reply: &str) -> bool {
    let said = words(reply);
    if !prompt.needs_views {
        return prompt.slots.iter().all(|slot| holds(&said, slot)) && !contradicts(&said, &words(&prompt.answer));
    }
    let right = words(&prompt.answer);
    // "on the table" is a place: the preposition is no state.
    let says = |word: &str| {
        (0..said.len()).any(|i| said[i] == word && !(word == "on" && said.get(i + 1).is_some_and(|next| next == "the")))
    };
    let named: Vec<&str> = prompt.topic.vocabulary().into_iter().filter(|word| says(word)).collect();
    matches!(named[..], [only] if right.iter().any(|w| w == only))
}
