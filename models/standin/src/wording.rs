//! Turns a short answer into a short sentence.

/// A sentence around `answer`: `red` becomes `It is red.`, `two` becomes `I can see two.`
pub(crate) fn sentence(answer: &str) -> String {
    match answer {
        "yes" => "Yes, from what I can see.".into(),
        "no" => "No, not from what I can see.".into(),
        "none" | "one" | "two" | "three" | "four" | "five" | "six" => format!("I can see {answer}."),
        _ if answer.starts_with("I ") => format!("{answer}."),
        _ => format!("It is {answer}."),
    }
}
