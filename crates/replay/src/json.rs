//! Small readings and edits of JSON text that keep every other byte as it was.
//! It must not know what a message is for.

use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, ops::Range};

/// The keys under which messages carry the number of the request they belong to.
const ID_KEYS: [&str; 3] = ["id", "req_id", "reqid"];

/// Where the id of a message stands in its text, and under which key, if it is a JSON object with one.
pub(crate) fn id_of(text: &str) -> Option<(&'static str, Range<usize>)> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    ID_KEYS.into_iter().find_map(|key| {
        let value = members.get(key)?.get();
        let start = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        Some((key, start..start + value.len()))
    })
}

/// The id's text (with quotes where it is a string).
pub(crate) fn id_text(text: &str) -> Option<&str> {
    id_of(text).and_then(|(_, at)| text.get(at))
}

/// The message with another id; unchanged where it has none.
pub(crate) fn with_id(text: &str, id: &str) -> String {
    match id_of(text) {
        Some((_, at)) => format!("{}{id}{}", &text[..at.start], &text[at.end..]),
        None => text.to_owned(),
    }
}

/// The text without its digits and spaces: equal for messages that differ by number or time alone.
pub(crate) fn shape(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit() && !c.is_ascii_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_and_replaced_in_place() {
        for (text, id, replaced) in [
            (r#"{"result":null, "id": 1}"#, Some("1"), r#"{"result":null, "id": 77}"#),
            (r#"{"req_id":"a","data":{"id":5}}"#, Some("\"a\""), r#"{"req_id":77,"data":{"id":5}}"#),
            (r#"{"data":{"id":5}}"#, None, r#"{"data":{"id":5}}"#),
            ("pong", None, "pong"),
            (r#"[{"id":5}]"#, None, r#"[{"id":5}]"#),
        ] {
            assert_eq!(id_text(text), id, "{text}");
            assert_eq!(with_id(text, "77"), replaced);
        }
    }

    #[test]
    fn a_shape_forgets_numbers() {
        assert_eq!(shape(r#"{"op": "ping", "id": 12}"#), shape(r#"{"op":"ping","id":3}"#));
        assert_ne!(shape("ping"), shape("pong"));
    }
}
