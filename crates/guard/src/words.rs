//! Untrusted text made fit for a log line, a status and a page: no control characters, never long, no secrets.
//! It must not know what the text is about.

/// The most characters of foreign text that are repeated.
const SHOWN_MAX: usize = 120;

/// Foreign text in one short line: control and direction-changing characters become spaces, the rest is cut.
pub fn plain(text: &str) -> String {
    short(text, SHOWN_MAX)
}

/// The same with another length.
pub fn short(text: &str, chars_max: usize) -> String {
    let mut shown: String =
        text.chars().take(chars_max).map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
}

/// Shorter than this nothing is a secret, and its start is no part of one.
const SECRET_MIN: usize = 4;

/// A text in which no secret stands, nor, where the text was cut, the beginning of one at its end.
pub fn without(text: &str, secrets: &[String]) -> String {
    let mut out = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_MIN) {
        out = out.replace(secret.as_str(), "***");
        let starts = (SECRET_MIN..secret.len()).rev().filter_map(|length| secret.get(..length));
        if let Some(start) = starts.into_iter().find(|start| out.ends_with(start)) {
            out.truncate(out.len() - start.len());
            out.push_str("***");
        }
    }
    out
}

/// Control characters, and those that reverse or hide what follows.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// An address without what may be secret: `wss://host:443`, no user, path or query.
pub fn address(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// An error with its causes, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    plain(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_short_line() {
        for (text, shown) in [
            ("BTC-USDT", "BTC-USDT".to_owned()),
            ("a\r\nX-Evil: 1", "a  X-Evil: 1".to_owned()),
            ("\u{1b}[31mred", "[31mred".to_owned()),
            ("a\u{202e}b", "a b".to_owned()),
            (&"x".repeat(1_000_000), format!("{}…", "x".repeat(120))),
        ] {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn secrets_are_no_part_of_a_text_whole_or_cut() {
        let secrets = ["sk_live_1234".to_owned(), "abc".to_owned()];
        for (text, shown) in [
            ("the key sk_live_1234 is wrong: sk_live_1234", "the key *** is wrong: ***"),
            ("the key sk_live_12", "the key ***"),
            ("the key sk_", "the key sk_"),
            ("sk_live is fine here, abc too", "sk_live is fine here, abc too"),
        ] {
            assert_eq!(without(text, &secrets), shown);
        }
    }

    #[test]
    fn an_address_keeps_its_secrets() {
        let url = url::Url::parse("wss://user:pass@feed.example/ws?token=secret").unwrap();
        assert_eq!(address(&url), "wss://feed.example:443");
    }
}
