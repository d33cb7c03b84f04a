//! JSON text into a [`Doc`]: strict, one pass, no recursion, numbers kept as their text.
//! It must not know what the numbers mean, nor turn one into a float.

use crate::doc::{DEPTH_MAX, Doc, Kind, NODES_MAX};

/// Why a text is no JSON that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Syntax(usize),
    TooDeep,
    TooBig,
}

/// Bytes that end the plain part of a string: quote, backslash, control characters.
static ENDS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 32 {
        table[at] = true;
        at += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

pub(crate) fn parse(text: &str, doc: &mut Doc) -> Result<(), JsonError> {
    doc.clear();
    let bytes = text.as_bytes();
    if bytes.len() >= u32::MAX as usize {
        return Err(JsonError::TooBig);
    }
    let mut at = 0;
    'value: loop {
        at = skip_space(bytes, at);
        match bytes.get(at) {
            Some(b'"') => at = string(bytes, at, doc)?,
            Some(b'-' | b'0'..=b'9') => at = number(bytes, at, doc)?,
            Some(b'{') => {
                open(doc, Kind::Object, at)?;
                at = skip_space(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    at = key(bytes, at, doc)?;
                    continue 'value;
                }
            }
            Some(b'[') => {
                open(doc, Kind::Array, at)?;
                at = skip_space(bytes, at + 1);
                if bytes.get(at) != Some(&b']') {
                    continue 'value;
                }
            }
            Some(b't') => at = word(bytes, at, b"true", Kind::True, doc)?,
            Some(b'f') => at = word(bytes, at, b"false", Kind::False, doc)?,
            Some(b'n') => at = word(bytes, at, b"null", Kind::Null, doc)?,
            _ => return Err(JsonError::Syntax(at)),
        }
        if doc.nodes.len() > NODES_MAX {
            return Err(JsonError::TooBig);
        }
        // A value is complete: close what ends here, and go on with what follows.
        loop {
            at = skip_space(bytes, at);
            let Some(&container) = doc.open.last() else {
                return if at == bytes.len() { Ok(()) } else { Err(JsonError::Syntax(at)) };
            };
            let is_object = doc.nodes[container as usize].kind == Kind::Object;
            match bytes.get(at) {
                Some(b',') => {
                    at = skip_space(bytes, at + 1);
                    if is_object {
                        at = key(bytes, at, doc)?;
                    }
                    continue 'value;
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                _ => return Err(JsonError::Syntax(at)),
            }
            at += 1;
            doc.end(at);
        }
    }
}

#[inline]
fn open(doc: &mut Doc, kind: Kind, at: usize) -> Result<(), JsonError> {
    if doc.open.len() >= DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    doc.begin(kind, at);
    Ok(())
}

#[inline]
fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A member's key and the colon after it.
#[inline]
fn key(bytes: &[u8], at: usize, doc: &mut Doc) -> Result<usize, JsonError> {
    if bytes.get(at) != Some(&b'"') {
        return Err(JsonError::Syntax(at));
    }
    let at = string(bytes, at, doc)?;
    let at = skip_space(bytes, at);
    if bytes.get(at) == Some(&b':') { Ok(at + 1) } else { Err(JsonError::Syntax(at)) }
}

#[inline]
fn string(bytes: &[u8], quote: usize, doc: &mut Doc) -> Result<usize, JsonError> {
    let start = quote + 1;
    let mut at = start;
    let mut kind = Kind::Plain;
    loop {
        let rest = bytes.get(at..).ok_or(JsonError::Syntax(at))?;
        at += rest.iter().position(|b| ENDS_PLAIN[usize::from(*b)]).ok_or(JsonError::Syntax(bytes.len()))?;
        match bytes[at] {
            b'"' => break,
            b'\\' => {
                kind = Kind::Escaped;
                let length = match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                    Some(b'u') if is_hex(bytes.get(at + 2..at + 6)) => 6,
                    _ => return Err(JsonError::Syntax(at)),
                };
                at += length;
            }
            _ => return Err(JsonError::Syntax(at)),
        }
    }
    doc.leaf(kind, start, at);
    Ok(at + 1)
}

fn is_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
}

#[inline]
fn number(bytes: &[u8], start: usize, doc: &mut Doc) -> Result<usize, JsonError> {
    let digits = |from: usize| {
        bytes[from..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |n| from + n)
    };
    let mut at = start + usize::from(bytes[start] == b'-');
    let whole = digits(at);
    if whole == at || (bytes[at] == b'0' && whole > at + 1) {
        return Err(JsonError::Syntax(at));
    }
    at = whole;
    if bytes.get(at) == Some(&b'.') {
        let end = digits(at + 1);
        if end == at + 1 {
            return Err(JsonError::Syntax(end));
        }
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        let end = if at <= bytes.len() { digits(at) } else { at };
        if end == at {
            return Err(JsonError::Syntax(end));
        }
        at = end;
    }
    doc.leaf(Kind::Number, start, at);
    Ok(at)
}

fn word(bytes: &[u8], at: usize, word: &[u8], kind: Kind, doc: &mut Doc) -> Result<usize, JsonError> {
    if bytes[at..].starts_with(word) {
        doc.leaf(kind, at, at + word.len());
        Ok(at + word.len())
    } else {
        Err(JsonError::Syntax(at))
    }
}

/// The text of a string whose escapes [`parse`] has checked. A lone surrogate becomes U+FFFD.
pub(crate) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (plain, length) = match rest.as_bytes().get(at + 1) {
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'u') => unicode(&rest[at..]),
            Some(b'"') => ('"', 2),
            Some(b'/') => ('/', 2),
            _ => ('\\', 2),
        };
        out.push(plain);
        rest = rest.get(at + length..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// `\uXXXX`, or two of them where they are a surrogate pair; the character and how long its escape is.
fn unicode(text: &str) -> (char, usize) {
    let unit = |from: usize| {
        let escape = text.get(from..from + 6)?;
        u32::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, unit(6)) {
        let joined = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Tree;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Doc, JsonError> {
        let mut doc = Doc::default();
        parse(text, &mut doc).map(|()| doc)
    }

    #[test]
    fn members_and_items_are_found() {
        let text = r#" {"a":1.50,"b":[{"c":"x\u0041\n"},null,true],"d":{}} "#;
        let doc = read(text).unwrap();
        let tree = Tree { nodes: &doc.nodes, text };
        let a = tree.member(Tree::ROOT, "a").unwrap();
        assert_eq!(tree.raw(a), "1.50");
        let b = tree.member(Tree::ROOT, "b").unwrap();
        let items: Vec<_> = tree.items(b).collect();
        assert_eq!(items.len(), 3);
        let c = tree.member(items[0], "c").unwrap();
        assert_eq!(tree.scalar(c).unwrap(), "xA\n");
        let d = tree.member(Tree::ROOT, "d").unwrap();
        assert_eq!(tree.members(d).count(), 0);
        assert_eq!(tree.member(Tree::ROOT, "e"), None);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            "\"\\x\"",
            "\"a",
            "\"\\u12\"",
            "nul",
            "[1 2]",
            "{} {}",
            "\"\n\"",
            "pong",
            "[1}",
            "{\"a\":1]",
            "\"\\",
            "1e+",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert_eq!(read(&"[".repeat(10_000)).err(), Some(JsonError::TooDeep));
    }

    proptest! {
        /// Whatever serde_json reads (of bounded depth) we read, and whatever it refuses we refuse.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:," \\a-c0-9.eE+\-tfnrul]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(read(&text).is_ok(), theirs, "{}", text);
        }

        #[test]
        fn escapes_agree_with_serde_json(text in "\\PC{0,20}") {
            let json = serde_json::to_string(&text).unwrap().replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00");
            let doc = read(&json).unwrap();
            let tree = Tree { nodes: &doc.nodes, text: &json };
            prop_assert_eq!(tree.scalar(Tree::ROOT).unwrap(), text);
        }
    }
}
