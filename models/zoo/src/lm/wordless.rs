//! Commands and messages in no wording at all: what they name stands between words that mean nothing. A model that is taught some
//! of them finds names, states and numbers by what they are, and so in wordings that it never saw.

use trimtab_scenes::Rng;

use super::lessons::{Lesson, known_words};

const WORDS_MAX: usize = 3;
const TEXT_BEGINS: [&str; 8] =
    [" that ", " that ", ": ", ": ", " saying that ", " know that ", " a message that ", " a message: "];

/// Words without meaning here, each with a space after it; at least `least`.
fn any_words(least: usize, rng: &mut Rng) -> String {
    (0..least + rng.below(WORDS_MAX)).map(|_| format!("{} ", rng.pick::<String>(known_words()))).collect()
}

/// The prompt of a lesson in no wording; `None` where nothing of the kind is known.
pub(super) fn text(lesson: &Lesson, rng: &mut Rng) -> Option<String> {
    if let Some(action) = &lesson.action {
        let commands: Option<Vec<String>> = action.split("; ").map(|one| command(one, rng)).collect();
        let commands = commands?;
        let (last, head) = commands.split_last()?;
        return Some(if head.is_empty() { last.clone() } else { format!("{} and {last}", head.join(", ")) });
    }
    message(&lesson.reply, rng).or_else(|| missing(&lesson.reply, rng))
}

fn command(action: &str, rng: &mut Rng) -> Option<String> {
    let words: Vec<&str> = action.split(' ').collect();
    let any = any_words(0, rng);
    Some(match words[..] {
        ["switch", state, room, device] => {
            let (named, some) = (named(room, device, rng), any_words(1, rng));
            if rng.chance(0.5) { format!("{some}{state} the {named}") } else { format!("{some}the {named} {state}") }
        }
        [verb @ ("open" | "close"), room, device] => format!("{any}{verb} the {}", named(room, device, rng)),
        ["set", room, device, degrees] => {
            let to = *rng.pick(&["to", "at"]);
            format!("{}the {} {to} {degrees} degrees", any_words(1, rng), named(room, device, rng))
        }
        ["bring", thing, "from", room] => {
            let some = any_words(1, rng);
            match rng.below(4) {
                0 => format!("{some}to the {room} and {}the {thing}", any_words(1, rng)),
                1 => format!("{some}the {thing} in the {room}"),
                _ => format!("{some}the {thing} from the {room}"),
            }
        }
        ["timer", minutes] => {
            let some = any_words(1, rng);
            match rng.below(3) {
                0 => format!("{some}{minutes} minute timer"),
                1 => format!("{some}timer for {minutes} minutes"),
                _ => format!("{some}in {minutes} minutes"),
            }
        }
        _ => return None,
    })
}

fn named(room: &str, device: &str, rng: &mut Rng) -> String {
    if rng.chance(0.5) { format!("{room} {device}") } else { format!("{device} in the {room}") }
}

fn message(reply: &str, rng: &mut Rng) -> Option<String> {
    let (names, body) = reply.strip_prefix("Message to ")?.strip_suffix('.')?.split_once(": ")?;
    let to = if rng.chance(0.4) { "to " } else { "" };
    Some(format!("{}{to}{names}{}{body}", any_words(1, rng), rng.pick(&TEXT_BEGINS)))
}

/// A prompt that leaves out what its reply asks for.
fn missing(reply: &str, rng: &mut Rng) -> Option<String> {
    let asked = reply.strip_suffix('?')?;
    let any = any_words(1, rng);
    if let Some(rest) = asked.strip_prefix("In which room should I ") {
        let named = rest.strip_prefix("turn ").unwrap_or(rest);
        return Some(format!("{any}{named}"));
    }
    if let Some(thing) = asked.strip_prefix("From which room should I bring ") {
        return Some(format!("{any}{thing}"));
    }
    if let Some(device) = asked.strip_prefix("To how many degrees should I set ") {
        return Some(format!("{any}{device}"));
    }
    (asked == "For how many minutes should I set the timer").then(|| format!("{any}a timer"))
}
