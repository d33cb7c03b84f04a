//! Telegram's HTML: three characters to escape, and how long a text is once it is read.
//! It must not know what a text says.

use crate::split::readable;

/// What stands for characters that would be markup, or would turn the text around: names are chosen by strangers.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Marks that turn the direction of what follows, and controls, would garble our own words.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\n' => out.push('\n'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// How long Telegram says that a text is: UTF-16 units, without markup.
pub fn length(html: &str) -> usize {
    readable(html).encode_utf16().count()
}

/// Puts values into a text: `{name}` becomes the value, escaped; of a name that ends in `_html` the value is markup.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('}') else { break };
        let name = &rest[open + 1..open + close];
        match values.iter().find(|(known, _)| *known == name) {
            Some((name, value)) if name.ends_with("_html") => out.push_str(value),
            Some((_, value)) => out.push_str(&escape(value)),
            None => out.push_str(&rest[open..=open + close]),
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out
}

/// The names of the places in a text that are filled.
pub fn places(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_names_are_harmless() {
        assert_eq!(fill("<b>{name}</b>", &[("name", "<i>&\u{202e}x")]), "<b>&lt;i&gt;&amp;x</b>");
        assert_eq!(fill("{a_html}{b}", &[("a_html", "<b>1</b>"), ("b", "{a_html}")]), "<b>1</b>{a_html}");
    }

    #[test]
    fn length_is_of_what_is_read() {
        assert_eq!(length("<b>a&amp;b</b>"), 3);
        assert_eq!(length("🔔"), 2);
        // What is surely no tag is read.
        assert_eq!(length("1 < 2 &amp;lt;"), 10);
    }
}
