//! A broken venue file is refused with the line, the key and what would be right.
//! It must not know how a file is read, only what its author is told.

use market::VenueId;
use std::path::Path;

/// A whole, good file; each case breaks one thing in it.
fn good() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues/kraken.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_mistake_is_told_by_line_key_and_reason() {
    let good = good();
    for (right, wrong, key, reason) in [
        ("homepage =", "hompage =", "hompage", "did you mean homepage?"),
        ("format = 1", "fromat = 1", "fromat", "did you mean format?"),
        (
            "send = '{\"method\":\"subscribe\"",
            "sned = '{\"method\":\"subscribe\"",
            "ws.subscribe.sned",
            "send?",
        ),
        ("homepage =", "homepage_is_gone =", "homepage", "is missing"),
        ("silence =", "silense =", "ws.silense", "is not a key here; known: "),
        (
            "symbols_per_connection = 400",
            "symbols_per_connection = \"many\"",
            "ws.symbols_per_connection",
            "number",
        ),
        ("when = { channel = \"trade\" }", "when = \"trade\"", "message[1].when", "must be a table"),
        ("unit = \"iso\"", "unit = \"iso9\"", "message[0].time.unit", "must be s, ms, us"),
        (
            "when = { channel = \"status\" }",
            "when = { channel = { match = \"(\" } }",
            "message[4].when",
            "regular",
        ),
        ("format = 1", "format = 2", "format", "known: 1"),
        ("format = 1", "format = ", "(file)", "is no TOML"),
    ] {
        assert!(good.contains(right), "the file has {right}");
        let text = good.replacen(right, wrong, 1);
        let line = 1 + text.lines().position(|line| line.contains(wrong.trim_end())).unwrap();
        let told = venue::Venue::parse(&VenueId::parse("kraken").unwrap(), "k.toml", &text).unwrap_err();
        let told = told.to_string();
        // What is missing has no line of its own.
        let line = if reason == "is missing" { 1 } else { line };
        assert!(told.starts_with(&format!("k.toml:{line}: {key}")), "{wrong}: {told}");
        assert!(told.contains(reason), "{wrong}: {told}");
    }
}
