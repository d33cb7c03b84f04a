//! Telegram's HTML cut to the length of a message, on line borders where there are any; tags are closed and opened again
//! over a cut. It must not know what a text says.

/// The length of a message in UTF-16 units, once it is parsed.
pub(crate) const MESSAGE_UNITS_MAX: usize = 4096;

/// The length of a caption.
pub(crate) const CAPTION_UNITS_MAX: usize = 1024;

/// Marked places in one message; Telegram drops what is beyond.
const ENTITIES_MAX: usize = 100;

/// Tags that Telegram knows.
const TAGS: &[&str] = &[
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "tg-spoiler",
    "span",
    "a",
    "tg-emoji",
    "code",
    "pre",
    "blockquote",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// An opening tag as it stands, and its name.
    Open(&'a str, &'a str),
    Close(&'a str),
    /// A character or an entity: as it stands, what it reads.
    Text(&'a str, char),
}

/// What is left when a part ends: where to go on, and what is open there.
type Cut<'a> = (usize, usize, Vec<(&'a str, &'a str)>);

/// The text in parts of at most `units_max` UTF-16 units once parsed, none empty; no part is cut inside a tag or a
/// character.
pub(crate) fn parts(html: &str, units_max: usize) -> Vec<String> {
    let tokens = tokens(html);
    let mut parts = Vec::new();
    let mut open: Vec<(&str, &str)> = Vec::new();
    let mut start = 0;
    while start < tokens.len() {
        let (end, next, open_after) = cut(&tokens, start, &open, units_max);
        let text = &tokens[start..end];
        if text.iter().any(|token| matches!(token, Token::Text(_, c) if !c.is_whitespace())) {
            let mut part: String = open.iter().map(|(raw, _)| *raw).collect();
            part.extend(text.iter().map(|token| match token {
                Token::Open(raw, _) | Token::Close(raw) | Token::Text(raw, _) => *raw,
            }));
            part.extend(open_after.iter().rev().map(|(_, name)| format!("</{name}>")));
            parts.push(part);
        }
        (start, open) = (next, open_after);
    }
    parts
}

/// Where the part that begins at `start` ends: at the last line border that fits, else at a space, else anywhere.
fn cut<'a>(tokens: &[Token<'a>], start: usize, open: &[(&'a str, &'a str)], units_max: usize) -> Cut<'a> {
    let mut open = open.to_vec();
    let (mut units, mut entities) = (0, open.len());
    let (mut line, mut space): (Option<Cut<'a>>, Option<Cut<'a>>) = (None, None);
    for (at, token) in tokens.iter().enumerate().skip(start) {
        let fits = match token {
            Token::Open(..) => entities < ENTITIES_MAX || at == start,
            Token::Text(_, c) => units + c.len_utf16() <= units_max || at == start,
            Token::Close(_) => true,
        };
        if !fits {
            return line.or(space).unwrap_or((at, at, open));
        }
        match token {
            Token::Open(raw, name) => {
                entities += 1;
                open.push((raw, name));
            }
            Token::Close(_) => {
                open.pop();
            }
            Token::Text(_, c) => {
                units += c.len_utf16();
                if *c == '\n' && at > start {
                    line = Some((at, at + 1, open.clone()));
                } else if *c == ' ' && at > start {
                    space = Some((at, at + 1, open.clone()));
                }
            }
        }
    }
    (tokens.len(), tokens.len(), Vec::new())
}

/// What a reader would see, kept whole even where the markup is broken: only what is surely a tag is taken out.
pub(crate) fn readable(html: &str) -> String {
    tokens(html)
        .iter()
        .filter_map(|token| match token {
            Token::Text(_, c) => Some(*c),
            Token::Open(..) | Token::Close(_) => None,
        })
        .collect()
}

fn tokens(html: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        let (token, used) = match first {
            '<' => tag(rest).unwrap_or((Token::Text(&rest[..1], '<'), 1)),
            '&' => entity(rest).unwrap_or((Token::Text(&rest[..1], '&'), 1)),
            c => (Token::Text(&rest[..c.len_utf8()], c), c.len_utf8()),
        };
        tokens.push(token);
        rest = &rest[used..];
    }
    tokens
}

fn tag(rest: &str) -> Option<(Token<'_>, usize)> {
    let end = rest.find('>')?;
    let raw = &rest[..=end];
    let inside = &rest[1..end];
    let name = inside.trim_start_matches('/').split(char::is_whitespace).next()?;
    if !TAGS.contains(&name) {
        return None;
    }
    let token = if inside.starts_with('/') { Token::Close(raw) } else { Token::Open(raw, name) };
    Some((token, end + 1))
}

fn entity(rest: &str) -> Option<(Token<'_>, usize)> {
    [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')]
        .into_iter()
        .find(|(raw, _)| rest.starts_with(raw))
        .map(|(raw, c)| (Token::Text(&rest[..raw.len()], c), raw.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use testkit::{parse_html, utf16_len};

    #[test]
    fn g13_cuts_are_on_line_borders() {
        for (html, max, expected) in [
            ("short", 10, vec!["short"]),
            ("one\ntwo\nthree", 8, vec!["one\ntwo", "three"]),
            ("<b>one\ntwo</b>", 4, vec!["<b>one</b>", "<b>two</b>"]),
            (
                "<a href=\"https://x.org\">one\ntwo</a>!",
                4,
                vec!["<a href=\"https://x.org\">one</a>", "<a href=\"https://x.org\">two</a>!"],
            ),
            ("one two", 5, vec!["one", "two"]),
            ("😀😀😀", 5, vec!["😀😀", "😀"]),
            ("a&amp;b", 2, vec!["a&amp;", "b"]),
            ("\n\n", 1, vec![]),
            ("12345678", 4, vec!["1234", "5678"]),
        ] {
            assert_eq!(parts(html, max), expected, "{html}");
        }
    }

    #[test]
    fn broken_markup_stays_readable() {
        for (html, text) in [
            ("<b>1 < 2</b> & 3 > 2", "1 < 2 & 3 > 2"),
            ("<b>x", "x"),
            ("<script>x</script> &lt;b&gt;", "<script>x</script> <b>"),
        ] {
            assert_eq!(readable(html), text);
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-zа-я]{1,30}",
            Just("😀".to_owned()),
            Just("&amp;".to_owned()),
            Just("\n".to_owned()),
            Just(" ".to_owned()),
            Just("\u{202e}&lt;_*[]()~`".to_owned()),
        ];
        let text = prop::collection::vec(word, 0..40).prop_map(|words| words.concat());
        (text.clone(), text, 0usize..5).prop_map(|(a, b, tag)| match tag {
            0 => format!("<b>{a}</b>{b}"),
            1 => format!("<i>{a}<code>{b}</code></i>\n"),
            2 => format!("<a href=\"https://example.org/?a=1\">{a}</a>\n{b}"),
            _ => format!("{a}\n{b}"),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(u32::try_from(testkit::counts::count(300, 2_000)).unwrap()))]

        /// G13, G09: whatever the text, every part is taken by Telegram, and nothing but white space is lost.
        #[test]
        fn g13_every_part_is_taken_and_nothing_is_lost(
            pieces in prop::collection::vec(piece(), 1..60),
            max in prop_oneof![Just(MESSAGE_UNITS_MAX), Just(CAPTION_UNITS_MAX), 2usize..50],
        ) {
            let html = pieces.concat();
            let whole = parse_html(&html).unwrap();
            let mut text = String::new();
            for part in parts(&html, max) {
                let parsed = parse_html(&part);
                prop_assert!(parsed.is_ok(), "{part}: {parsed:?}");
                let parsed = parsed.unwrap();
                prop_assert!(utf16_len(&parsed.text) <= max);
                prop_assert!(parsed.entities.len() <= ENTITIES_MAX);
                prop_assert!(!parsed.text.trim().is_empty());
                text.push_str(&parsed.text);
            }
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&text), solid(&whole.text));
            prop_assert_eq!(solid(&readable(&html)), solid(&whole.text));
        }
    }
}
