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

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn an_answer_becomes_one_sentence_that_holds_it() {
        let cases = [
            ("red", "It is red."),
            ("on the table", "It is on the table."),
            ("the apple", "It is the apple."),
            ("two", "I can see two."),
            ("yes", "Yes, from what I can see."),
            ("I cannot see it", "I cannot see it."),
        ];
        for (answer, expected) in cases {
            assert_eq!(sentence(answer), expected);
        }
    }
}
