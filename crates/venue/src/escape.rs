//! The escapes of JSON strings, undone.
//! It must not know where a string stands.

/// The text of a string whose escapes the parser has checked. A lone surrogate becomes U+FFFD.
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
