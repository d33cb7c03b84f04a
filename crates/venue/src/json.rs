//! JSON text into a [`Doc`]: strict, one pass, no recursion, numbers kept as their text.
//! It must not know what the numbers mean, nor turn one into a float.

use crate::doc::{DEPTH_MAX, Doc, Kind, NODES_MAX, Wanted, hint};

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

/// Reads `text` into `doc`. Members whose keys are not wanted are checked, but not kept.
pub(crate) fn parse(text: &str, wanted: &Wanted, doc: &mut Doc) -> Result<(), JsonError> {
    doc.clear();
    let bytes = text.as_bytes();
    if bytes.len() >= u32::MAX as usize {
        return Err(JsonError::TooBig);
    }
    let mut open = Open::default();
    let mut at = 0;
    'value: loop {
        at = skip_space(bytes, at);
        let start = at;
        let kind = match bytes.get(at) {
            Some(b'"') => {
                let (kind, end) = string(bytes, at)?;
                open.leaf(doc, kind, start + 1, end);
                at = end + 1;
                None
            }
            Some(b'-' | b'0'..=b'9') => {
                at = number(bytes, at)?;
                open.leaf(doc, Kind::Number, start, at);
                None
            }
            Some(b'{') => Some(Kind::Object),
            Some(b'[') => Some(Kind::Array),
            Some(b't') => {
                at = word(bytes, at, b"true")?;
                open.leaf(doc, Kind::True, start, at);
                None
            }
            Some(b'f') => {
                at = word(bytes, at, b"false")?;
                open.leaf(doc, Kind::False, start, at);
                None
            }
            Some(b'n') => {
                at = word(bytes, at, b"null")?;
                open.leaf(doc, Kind::Null, start, at);
                None
            }
            _ => return Err(JsonError::Syntax(at)),
        };
        if let Some(kind) = kind {
            open.begin(doc, kind, start)?;
            at = skip_space(bytes, at + 1);
            match (kind, bytes.get(at)) {
                (Kind::Object, Some(b'}')) | (Kind::Array, Some(b']')) => {}
                (Kind::Object, _) => {
                    at = key(bytes, at, wanted, &mut open, doc)?;
                    continue 'value;
                }
                _ => continue 'value,
            }
        }
        if doc.nodes.len() > NODES_MAX {
            return Err(JsonError::TooBig);
        }
        // A value is complete: close what ends here, and go on with what follows.
        loop {
            at = skip_space(bytes, at);
            let Some(is_object) = open.container() else {
                return if at == bytes.len() { Ok(()) } else { Err(JsonError::Syntax(at)) };
            };
            match bytes.get(at) {
                Some(b',') if is_object => {
                    at = skip_space(bytes, at + 1);
                    at = key(bytes, at, wanted, &mut open, doc)?;
                    continue 'value;
                }
                Some(b',') => {
                    at += 1;
                    continue 'value;
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                _ => return Err(JsonError::Syntax(at)),
            }
            at += 1;
            open.end(doc, at);
        }
    }
}

/// The containers that are open, a bit each (object or array), and from which depth on nothing is kept.
#[derive(Default)]
struct Open {
    depth: usize,
    objects: u64,
    /// One more than the depth of the member that is not wanted; 0 = everything is kept.
    muted: usize,
}

impl Open {
    #[inline]
    fn leaf(&mut self, doc: &mut Doc, kind: Kind, start: usize, end: usize) {
        if self.muted == 0 {
            doc.leaf(kind, start, end);
        } else {
            self.unmute();
        }
    }

    /// The value of a member that is not wanted is over.
    #[inline]
    fn unmute(&mut self) {
        if self.muted == self.depth + 1 {
            self.muted = 0;
        }
    }

    fn begin(&mut self, doc: &mut Doc, kind: Kind, start: usize) -> Result<(), JsonError> {
        if self.depth >= DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        if self.muted == 0 {
            doc.begin(kind, start);
        }
        self.objects = self.objects << 1 | u64::from(kind == Kind::Object);
        self.depth += 1;
        Ok(())
    }

    fn end(&mut self, doc: &mut Doc, end: usize) {
        self.objects >>= 1;
        self.depth -= 1;
        if self.muted == 0 {
            doc.end(end);
        } else {
            self.unmute();
        }
    }

    /// Whether the innermost container is an object; `None` outside of all.
    #[inline]
    fn container(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.objects & 1 == 1)
    }
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
fn key(bytes: &[u8], at: usize, wanted: &Wanted, open: &mut Open, doc: &mut Doc) -> Result<usize, JsonError> {
    if bytes.get(at) != Some(&b'"') {
        return Err(JsonError::Syntax(at));
    }
    // Keys are short: byte by byte is quicker here than eight at a time.
    let mut end = at + 1;
    while bytes.get(end).is_some_and(|b| !ENDS_PLAIN[usize::from(*b)]) {
        end += 1;
    }
    let kind = match bytes.get(end) {
        Some(b'"') => Kind::Plain,
        Some(_) => {
            let (kind, at) = escaped(bytes, end)?;
            end = at;
            kind
        }
        None => return Err(JsonError::Syntax(end)),
    };
    if open.muted == 0 {
        let hint = hint(&bytes[at + 1..end]);
        if kind == Kind::Escaped || wanted.holds(hint) {
            doc.key(kind, at + 1, end, hint);
        } else {
            open.muted = open.depth + 1;
        }
    }
    let at = skip_space(bytes, end + 1);
    if bytes.get(at) == Some(&b':') { Ok(at + 1) } else { Err(JsonError::Syntax(at)) }
}

/// Where the plain part of a string ends, eight bytes at a time: a byte is an end where subtracting makes its top
/// bit, and only the lowest end found is exact, which is the one asked for.
#[inline(always)]
fn plain_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(chunk.try_into().ok()?);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let ends = found & TOPS;
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|b| ENDS_PLAIN[usize::from(*b)]).map(|n| at + n)
}

/// The kind of the string that begins with the quote at `quote`, and where its closing quote is.
#[inline(always)]
fn string(bytes: &[u8], quote: usize) -> Result<(Kind, usize), JsonError> {
    match plain_end(bytes, quote + 1) {
        Some(at) if bytes[at] == b'"' => Ok((Kind::Plain, at)),
        Some(at) => escaped(bytes, at),
        None => Err(JsonError::Syntax(bytes.len())),
    }
}

/// Goes on with a string in which something else than plain text stands at `at`.
#[cold]
fn escaped(bytes: &[u8], mut at: usize) -> Result<(Kind, usize), JsonError> {
    loop {
        match bytes[at] {
            b'"' => return Ok((Kind::Escaped, at)),
            b'\\' => {
                at += match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                    Some(b'u') if is_hex(bytes.get(at + 2..at + 6)) => 6,
                    _ => return Err(JsonError::Syntax(at)),
                };
            }
            _ => return Err(JsonError::Syntax(at)),
        }
        at = plain_end(bytes, at).ok_or(JsonError::Syntax(bytes.len()))?;
    }
}

fn is_hex(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
}

#[inline]
fn number(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
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
    Ok(at)
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, JsonError> {
    if bytes[at..].starts_with(word) { Ok(at + word.len()) } else { Err(JsonError::Syntax(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Tree;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Doc, JsonError> {
        let mut doc = Doc::default();
        parse(text, &Wanted::EVERYTHING, &mut doc).map(|()| doc)
    }

    #[test]
    fn members_and_items_are_found() {
        let text = r#" {"a":1.50,"b":[{"c":"x\u0041\n"},null,true],"d":{}} "#;
        let doc = read(text).unwrap();
        let tree = Tree { nodes: &doc.nodes, text };
        let member = |at, key: &str| tree.member(at, key, hint(key.as_bytes()));
        let a = member(Tree::ROOT, "a").unwrap();
        assert_eq!(tree.raw(a), "1.50");
        let b = member(Tree::ROOT, "b").unwrap();
        let items: Vec<_> = tree.items(b).collect();
        assert_eq!(items.len(), 3);
        let c = member(items[0], "c").unwrap();
        assert_eq!(tree.scalar(c).unwrap(), "xA\n");
        let d = member(Tree::ROOT, "d").unwrap();
        assert_eq!(tree.members(d).count(), 0);
        assert_eq!(member(Tree::ROOT, "e"), None);
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

    #[test]
    fn members_that_are_not_wanted_leave_no_node() {
        let text = r#"{"skip":{"a":[1,{"b":2}]},"a":1,"skip2":[[],{}],"b":{"skip":0,"a":2},"s3":"x"}"#;
        let mut wanted = Wanted::NOTHING;
        wanted.add("a");
        wanted.add("b");
        let mut doc = Doc::default();
        parse(text, &wanted, &mut doc).unwrap();
        let tree = Tree { nodes: &doc.nodes, text };
        let raws: Vec<_> = tree.members(Tree::ROOT).map(|(k, v)| (tree.raw(k), tree.raw(v))).collect();
        assert_eq!(raws, [("a", "1"), ("b", r#"{"skip":0,"a":2}"#)]);
    }

    proptest! {
        /// Whatever serde_json reads (of bounded depth) we read, and whatever it refuses we refuse.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:," \\a-c0-9.eE+\-tfnrul]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(read(&text).is_ok(), theirs, "{}", text);
            // Not keeping a member changes nothing about what is read and what is refused.
            let mut some = Wanted::NOTHING;
            some.add("a");
            prop_assert_eq!(parse(&text, &some, &mut Doc::default()).is_ok(), theirs, "{}", text);
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
