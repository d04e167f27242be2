//! Where in a table a reader stopped: which dialogue, turn and field, told from the bytes before it.

/// Depth of a field of a dialogue: an array of objects.
const DIALOGUE: usize = 2;

/// Where a byte of a table lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Located {
    /// Number of the dialogue; its place in the file where the number was not read yet.
    pub(super) dialogue: Option<u64>,
    /// The turn, from 0.
    pub(super) turn: Option<usize>,
    /// The field, if the byte lies in one.
    pub(super) field: Option<String>,
}

/// An open array, with the place in it, or an open object, with the key whose value is being read.
enum Open {
    Array(usize),
    Object(Option<String>),
}

/// Says where the byte at `line` and `column`, both from 1, lies.
pub(super) fn locate(bytes: &[u8], line: usize, column: usize) -> Located {
    let before =
        bytes.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
    let end = (before + column).min(bytes.len());
    let mut open: Vec<Open> = Vec::new();
    let mut id = None;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'[' => open.push(Open::Array(0)),
            b'{' => {
                open.push(Open::Object(None));
                id = if open.len() == DIALOGUE { None } else { id };
            }
            b']' | b'}' => {
                open.pop();
            }
            b',' => match open.last_mut() {
                Some(Open::Array(place)) => *place += 1,
                Some(Open::Object(key)) => *key = None,
                None => {}
            },
            b'"' => {
                let (text, next) = string(bytes, at + 1);
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    *key = Some(text);
                }
                at = next;
                continue;
            }
            digit @ b'0'..=b'9' if open.len() == DIALOGUE => {
                if matches!(open.last(), Some(Open::Object(Some(key))) if key == "id") {
                    id = Some(id.unwrap_or(0_u64).wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
                }
            }
            _ => {}
        }
        at += 1;
    }
    place(&open, id)
}

/// The text from `start` to its closing quote, and the byte after that.
fn string(bytes: &[u8], start: usize) -> (String, usize) {
    let mut end = start;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    let end = end.min(bytes.len());
    (String::from_utf8_lossy(&bytes[start..end]).into_owned(), end + 1)
}

fn place(open: &[Open], id: Option<u64>) -> Located {
    let mut located = Located::default();
    let mut open = open.iter();
    if let Some(Open::Array(place)) = open.next() {
        located.dialogue = Some(id.unwrap_or(*place as u64));
    }
    let Some(Open::Object(Some(key))) = open.next() else { return located };
    located.field = Some(key.clone());
    let by_turn = key == "interactions" || key == "association_score";
    let Some(Open::Array(turn)) = open.next() else { return located };
    if by_turn {
        located.turn = Some(*turn);
    }
    if key == "interactions" {
        located.field = match open.next() {
            Some(Open::Object(key)) => key.clone(),
            Some(Open::Array(_)) | None => None,
        };
    }
    located
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, dialogue: u64, turn: Option<usize>, field: Option<&str>) {
        let end = text.find('^').unwrap();
        let located = locate(text.as_bytes(), 1, end);
        assert_eq!(located, Located { dialogue: Some(dialogue), turn, field: field.map(Into::into) });
    }

    #[test]
    fn a_place_is_named_by_dialogue_turn_and_field() {
        check(r#"[{"id": 19, "image_paths": [3^"#, 19, None, Some("image_paths"));
        check(
            r#"[{"id": 1, "interactions": []}, {"id": 207, "interactions": [{"a": 1}, {"score": N^"#,
            207,
            Some(1),
            Some("score"),
        );
        check(r#"[{"id": 7, "interactions": [{"question": "a \"} [", "answer": "b"}^"#, 7, Some(0), None);
        check(r#"[{"id": 7, "association_score": [[0.1, 0.2], [0.1, N^"#, 7, Some(1), Some("association_score"));
        check(r#"[{"interactions": []}, {"interactions": [{"score": N^"#, 1, Some(0), Some("score"));
    }
}
