//! The HTML that messages may hold, read as the Bot API reads it: a few tags, everything else is refused with its words.
//! It must not know what a message is for.
//! Rules: <https://core.telegram.org/bots/api#html-style>.

use serde_json::{Value, json};

/// The most entities of one message; Telegram drops what is beyond without a word.
const ENTITIES_MAX: usize = 100;

/// A text without its tags, and what they marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What a reader sees.
    pub text: String,
    /// Type, offset and length in UTF-16 units.
    pub entities: Vec<(String, usize, usize)>,
}

impl Parsed {
    /// As the Bot API shows them.
    pub(crate) fn entities_json(&self) -> Value {
        let one = |(kind, offset, length): &(String, usize, usize)| json!({"type": kind, "offset": offset, "length": length});
        self.entities.iter().map(one).collect()
    }
}

/// The length that Telegram counts.
pub fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

struct Open {
    tag: String,
    kind: String,
    at: usize,
}

/// Reads a text; the error is the end of Telegram's description.
pub fn parse_html(html: &str) -> Result<Parsed, String> {
    let mut text = String::new();
    let mut entities: Vec<(String, usize, usize)> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        let offset = html.len() - rest.len();
        match first {
            '&' => {
                let (decoded, used) = entity(rest);
                text.push(decoded);
                rest = &rest[used..];
            }
            '<' => {
                let Some(end) = rest.find('>') else {
                    return Err(format!("Unclosed start tag at byte offset {offset}"));
                };
                let inside = &rest[1..end];
                rest = &rest[end + 1..];
                let here = utf16_len(&text);
                if let Some(name) = inside.strip_prefix('/') {
                    let Some(begun) = open.pop() else {
                        return Err(format!("Unexpected end tag at byte offset {offset}"));
                    };
                    let name = name.trim().to_ascii_lowercase();
                    if !name.is_empty() && name != begun.tag {
                        return Err(format!(
                            "Unmatched end tag at byte offset {offset}, expected \"</{}>\", found \"</{name}>\"",
                            begun.tag
                        ));
                    }
                    if here > begun.at {
                        entities.push((begun.kind, begun.at, here - begun.at));
                    }
                } else {
                    let (tag, kind) = start(inside, offset)?;
                    open.push(Open { tag, kind, at: here });
                }
            }
            other => {
                text.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    if let Some(left) = open.pop() {
        return Err(format!("Can't find end tag corresponding to start tag \"{}\"", left.tag));
    }
    entities.sort_by_key(|(_, offset, length)| (*offset, std::cmp::Reverse(*length)));
    Ok(Parsed { text, entities })
}

/// What is wrong with a parsed text though Telegram would take it.
pub(crate) fn lost(parsed: &Parsed) -> Option<String> {
    (parsed.entities.len() > ENTITIES_MAX)
        .then(|| format!("{} entities: those after the {ENTITIES_MAX}th are lost", parsed.entities.len()))
}

fn start(inside: &str, offset: usize) -> Result<(String, String), String> {
    let (name, attributes) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let tag = name.to_ascii_lowercase();
    let attributes = attributes.trim();
    let kind = match tag.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "tg-spoiler" => "spoiler",
        "span" if attributes == "class=\"tg-spoiler\"" => "spoiler",
        "span" => return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {offset}")),
        "a" if attributes.starts_with("href=\"") && attributes.ends_with('"') => "text_link",
        "a" => return Err(format!("Tag \"a\" must have attribute \"href\" at byte offset {offset}")),
        "tg-emoji" if attributes.starts_with("emoji-id=\"") => "custom_emoji",
        "code" => "code",
        "pre" => "pre",
        "blockquote" if attributes.is_empty() => "blockquote",
        "blockquote" if attributes == "expandable" => "expandable_blockquote",
        _ => return Err(format!("Unsupported start tag \"{tag}\" at byte offset {offset}")),
    };
    let takes_attributes = matches!(tag.as_str(), "a" | "span" | "tg-emoji" | "blockquote" | "code");
    if !attributes.is_empty() && !takes_attributes {
        return Err(format!("Unexpected attribute in tag \"{tag}\" at byte offset {offset}"));
    }
    Ok((tag, kind.to_owned()))
}

/// The character that `&…;` stands for, and its length in bytes; an ampersand that begins nothing is itself.
fn entity(rest: &str) -> (char, usize) {
    let Some(end) = rest.bytes().take(12).position(|b| b == b';') else { return ('&', 1) };
    let named = match &rest[1..end] {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        name => name.strip_prefix('#').and_then(|number| {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }),
    };
    named.map_or(('&', 1), |c| (c, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_telegram_takes() {
        for (html, text, entities) in [
            ("plain > text & more", "plain > text & more", vec![]),
            ("<b>a</b>b", "ab", vec![("bold", 0, 1)]),
            ("😀<b>x</b>", "😀x", vec![("bold", 2, 1)]),
            ("<b>a<i>b</i></b>", "ab", vec![("bold", 0, 2), ("italic", 1, 1)]),
            ("&lt;b&gt; &amp; &#36; &#x20AC; &nbsp;", "<b> & $ € &nbsp;", vec![]),
            ("<a href=\"https://example.org\">x</a>", "x", vec![("text_link", 0, 1)]),
            ("<b></b>x", "x", vec![]),
        ] {
            let parsed = parse_html(html).unwrap();
            let got: Vec<_> = parsed.entities.iter().map(|(k, o, l)| (k.as_str(), *o, *l)).collect();
            assert_eq!((parsed.text.as_str(), got), (text, entities), "{html}");
        }
    }

    #[test]
    fn what_telegram_refuses() {
        for (html, said) in [
            ("a < b", "Unclosed start tag at byte offset 2"),
            ("a <b", "Unclosed start tag at byte offset 2"),
            ("<b>a", "Can't find end tag corresponding to start tag \"b\""),
            ("a</b>", "Unexpected end tag at byte offset 1"),
            ("<b><i>a</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""),
            ("<br>", "Unsupported start tag \"br\" at byte offset 0"),
            ("a <3 and 5>4", "Unsupported start tag \"3\" at byte offset 2"),
            ("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
        ] {
            assert_eq!(parse_html(html).unwrap_err(), said, "{html}");
        }
    }
}
