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

/// Whether `reply` is right. A question about views: the right word is there and no other word of its vocabulary. An
/// assistive prompt or message: every slot is there word for word, and a single command is not answered by its opposite.
#[must_use]
pub fn grade(prompt: &Prompt, reply: &str) -> bool {
    let said = words(reply);
    if !prompt.needs_views {
        let holds = |slot: &String| {
            let slot = words(slot);
            said.windows(slot.len().max(1)).any(|w| w == slot)
        };
        let has = |list: &[String], word: &str| list.iter().any(|w| w == word);
        let expected = words(&prompt.answer);
        let contradicted = OPPOSITES.iter().any(|&(a, b)| {
            (has(&said, a) && has(&expected, b) && !has(&expected, a))
                || (has(&said, b) && has(&expected, a) && !has(&expected, b))
        });
        return prompt.slots.iter().all(holds) && !contradicted;
    }
    let right = words(&prompt.answer);
    // "on the table" is a place: the preposition is no state.
    let says = |word: &str| {
        (0..said.len()).any(|i| said[i] == word && !(word == "on" && said.get(i + 1).is_some_and(|next| next == "the")))
    };
    let named: Vec<&str> = prompt.topic.vocabulary().into_iter().filter(|word| says(word)).collect();
    matches!(named[..], [only] if right.iter().any(|w| w == only))
}
