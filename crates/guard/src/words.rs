//! Untrusted text made fit for a log line, a status and a page: no control characters, never long, no secrets.
//! It must not know what the text is about.

/// The most characters of foreign text that are repeated.
const SHOWN_MAX: usize = 120;

/// Foreign text in one short line: control and direction-changing characters become spaces, the rest is cut.
pub fn plain(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN_MAX).map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown.trim().to_owned()
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
    fn an_address_keeps_its_secrets() {
        let url = url::Url::parse("wss://user:pass@feed.example/ws?token=secret").unwrap();
        assert_eq!(address(&url), "wss://feed.example:443");
    }
}
