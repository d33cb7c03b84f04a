//! Small readings and edits of JSON text that keep every other byte as it was.
//! It must not know what a message is for.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

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

/// A JSON value whose members keep their order and whose numbers keep their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// Anything else, as written.
    Scalar(String),
}

/// Deeper values are no venue's.
const DEPTH_MAX: usize = 32;

impl Node {
    pub(crate) fn parse(text: &str) -> Option<Node> {
        Node::parse_at(text, 0)
    }

    fn parse_at(text: &str, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        match text.trim_start().as_bytes().first()? {
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let parsed =
                    |(key, value): (String, &RawValue)| Some((key, Node::parse_at(value.get(), depth + 1)?));
                members.into_iter().map(parsed).collect::<Option<_>>().map(Node::Object)
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                items
                    .into_iter()
                    .map(|item| Node::parse_at(item.get(), depth + 1))
                    .collect::<Option<_>>()
                    .map(Node::Array)
            }
            _ => {
                serde_json::from_str::<&RawValue>(text).ok().map(|value| Node::Scalar(value.get().to_owned()))
            }
        }
    }

    /// Takes in another value: objects member by member, arrays one after the other, anything else replaced.
    pub(crate) fn merge(&mut self, other: Node) {
        match (self, other) {
            (Node::Object(members), Node::Object(others)) => {
                for (key, value) in others {
                    match members.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, member)) => member.merge(value),
                        None => members.push((key, value)),
                    }
                }
            }
            (Node::Array(items), Node::Array(others)) => items.extend(others),
            (this, other) => *this = other,
        }
    }

    /// Every version of it that lacks one member or item, at any depth; outer ones first.
    pub(crate) fn without_one(&self) -> Vec<Node> {
        let mut less = Vec::new();
        match self {
            Node::Object(members) => {
                for at in 0..members.len() {
                    let mut fewer = members.clone();
                    fewer.remove(at);
                    less.push(Node::Object(fewer));
                }
                for (at, (key, member)) in members.iter().enumerate() {
                    less.extend(member.without_one().into_iter().map(|smaller| {
                        let mut changed = members.clone();
                        changed[at] = (key.clone(), smaller);
                        Node::Object(changed)
                    }));
                }
            }
            Node::Array(items) => {
                for at in 0..items.len() {
                    let mut fewer = items.clone();
                    fewer.remove(at);
                    less.push(Node::Array(fewer));
                }
                for (at, item) in items.iter().enumerate() {
                    less.extend(item.without_one().into_iter().map(|smaller| {
                        let mut changed = items.clone();
                        changed[at] = smaller;
                        Node::Array(changed)
                    }));
                }
            }
            Node::Scalar(_) => {}
        }
        less
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Object(members) => {
                f.write_str("{")?;
                for (at, (key, value)) in members.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", serde_json::Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
            Node::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Node::Scalar(text) => f.write_str(text),
        }
    }
}

/// The members of an object in the order written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<'de>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

/// How often a message is cut down by one member or item.
const REDUCTIONS_MAX: usize = 256;

/// A message cut down to one row. `rows` counts the rows of a version of it; `None` = that version will not do.
pub(crate) fn reduced(text: &str, rows: impl Fn(&str) -> Option<usize>) -> Option<String> {
    let mut count = rows(text)?;
    if count == 1 {
        return Some(text.to_owned());
    }
    let mut node = Node::parse(text)?;
    for _ in 0..REDUCTIONS_MAX {
        let fewer = |smaller: Node| {
            rows(&smaller.to_string()).filter(|left| *left < count).map(|left| (smaller, left))
        };
        (node, count) = node.without_one().into_iter().find_map(fewer)?;
        if count == 1 {
            return Some(node.to_string());
        }
    }
    None
}

/// A string or number in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Where its text stands; of a string what is between the quotes.
    pub(crate) at: Range<usize>,
    /// Whether it stands in quotes.
    pub(crate) quoted: bool,
}

/// The strings (keys too) and bare words and numbers of a message, in order. Text that is no JSON comes as runs
/// of the characters that numbers and times are made of.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let (bytes, mut found, mut at) = (text.as_bytes(), Vec::new(), 0);
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    while at < bytes.len() {
        let start = at;
        if bytes[at] == b'"' {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            found.push(Token { at: start + 1..at.min(bytes.len()), quoted: true });
            at += 1;
        } else if bare(bytes[at]) {
            while at < bytes.len() && bare(bytes[at]) {
                at += 1;
            }
            found.push(Token { at: start..at, quoted: false });
        } else {
            at += 1;
        }
    }
    found
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

    #[test]
    fn values_merge_and_keep_their_text() {
        for (one, other, both) in [
            (r#"{"a":{"x":1.10}}"#, r#"{"a":{"y":0.20},"b":3e-5}"#, r#"{"a":{"x":1.10,"y":0.20},"b":3e-5}"#),
            ("[1]", "[2,3]", "[1,2,3]"),
            (
                r#"{"a":[{"s":"A"}],"t":1}"#,
                r#"{"a":[{"s":"B"}],"t":2}"#,
                r#"{"a":[{"s":"A"},{"s":"B"}],"t":2}"#,
            ),
        ] {
            let mut node = Node::parse(one).unwrap();
            assert_eq!(node.to_string(), one);
            node.merge(Node::parse(other).unwrap());
            assert_eq!(node.to_string(), both);
        }
        assert_eq!(Node::parse("{"), None);
        assert_eq!(Node::parse(&"[".repeat(100)), None);
        let less: Vec<String> =
            Node::parse(r#"{"a":[1,2],"b":3}"#).unwrap().without_one().iter().map(Node::to_string).collect();
        assert_eq!(less, [r#"{"b":3}"#, r#"{"a":[1,2]}"#, r#"{"a":[2],"b":3}"#, r#"{"a":[1],"b":3}"#]);
    }

    #[test]
    fn a_message_is_cut_down_to_one_row() {
        let rows = |text: &str| Some(text.matches("row").count());
        for (text, one) in [
            (r#"{"a":["row",1],"b":"row","c":2}"#, Some(r#"{"b":"row","c":2}"#)),
            (r#"["row", 1]"#, Some(r#"["row", 1]"#)),
            ("row row", None),
            ("[]", None),
        ] {
            assert_eq!(reduced(text, rows).as_deref(), one, "{text}");
        }
    }

    #[test]
    fn tokens_are_strings_and_numbers() {
        let text = r#"{"p":"1.5\"x","t":-12e5,"ok":true,"s":["","é"]}"#;
        let found: Vec<_> = tokens(text).into_iter().map(|t| (&text[t.at.clone()], t.quoted)).collect();
        let expected = [
            ("p", true),
            (r#"1.5\"x"#, true),
            ("t", true),
            ("-12e5", false),
            ("ok", true),
            ("true", false),
            ("s", true),
            ("", true),
            ("é", true),
        ];
        assert_eq!(found, expected);
        assert_eq!(tokens(r#"{"open"#).len(), 1);
        assert_eq!(tokens(r#""a\"#).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text in "[\\PC\"\\\\{}\\[\\],:0-9a-z]{0,60}") {
            for token in tokens(&text) {
                proptest::prop_assert!(text.get(token.at).is_some());
            }
            let _ = (with_id(&text, "1"), shape(&text), Node::parse(&text).map(|node| node.without_one()));
        }
    }
}
