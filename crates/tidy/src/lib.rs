//! The rules of the house that a program can check, as functions over a file's text.
//! It must not know where the files are; `tests/tidy.rs` walks the repository.

/// A file may not be longer.
pub const LINES_MAX: usize = 600;

/// A longer file is reported: time to look for the line where it wants to be two.
pub const LINES_MANY: usize = 400;

/// Which crates may not use which crates, because the arrows point downward.
pub const NEVER_USES: &[(&str, &[&str])] = &[
    ("market", &["tokio", "reqwest", "axum", "sqlx", "clock", "venue", "broker", "cache", "store", "board"]),
    ("venue", &["tokio", "reqwest", "axum", "sqlx", "clock", "broker", "cache", "store", "board"]),
    ("broker", &["cache", "store", "board", "venue", "collector", "api"]),
    ("cache", &["broker", "store", "board", "venue", "collector", "api"]),
    ("store", &["broker", "cache", "board", "venue", "collector", "api"]),
    ("guard", &["broker", "cache", "store", "board", "venue", "collector", "api"]),
    ("board", &["venue", "collector", "api", "store"]),
    ("collector", &["api", "axum", "board"]),
    ("alerts", &["broker", "cache", "venue", "collector", "api", "bot", "axum"]),
    ("api", &["collector", "broker"]),
    ("bot", &["collector", "broker"]),
];

/// The core of `alerts`: these files do no I/O and read no clock.
const PURE_FILES: &[&str] = &[
    "crates/alerts/src/alert.rs",
    "crates/alerts/src/book.rs",
    "crates/alerts/src/firing.rs",
    "crates/alerts/src/judge.rs",
    "crates/alerts/src/ladder.rs",
    "crates/alerts/src/page.rs",
    "crates/alerts/src/progress.rs",
    "crates/alerts/src/quiet.rs",
    "crates/alerts/src/spec.rs",
    "crates/alerts/src/target.rs",
    "crates/alerts/src/text.rs",
    "crates/alerts/src/window.rs",
];

/// What I/O and clocks look like.
const IMPURE: &[&str] = &["tokio", "clock::", "async ", "std::fs", "std::net", "SystemTime", "Instant"];

/// Macros that must not be left behind, spelled apart so that this file may hold them.
const LEFTOVERS: &[(&str, &str)] = &[("todo", "!("), ("unimplemented", "!("), ("dbg", "!(")];

/// Paths that only one machine has.
const MACHINE_PATHS: &[(&str, &str)] =
    &[("/ho", "me/"), ("/Us", "ers/"), ("/wo", "rk/"), ("/ro", "ot/"), ("C:", "\\")];

/// What is wrong with a Rust file, one line each.
pub fn rust_file(path: &str, text: &str, venue_names: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//!") {
        wrong.push(format!("{path}:1: does not open with `//!`: what it is, what it must not know"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        wrong.push(format!("{path}:{lines}: more than {LINES_MAX} lines"));
    }
    let in_tests = path.contains("/tests/") || path.contains("/benches/");
    for (number, line) in code_lines(text) {
        for (name, rest) in LEFTOVERS {
            if line.contains(&format!("{name}{rest}")) {
                wrong.push(format!("{path}:{number}: {name} left behind"));
            }
        }
        if PURE_FILES.contains(&path)
            && let Some(word) = IMPURE.iter().find(|word| line.contains(**word))
        {
            wrong.push(format!("{path}:{number}: {word} in a file that does no I/O and reads no clock"));
        }
        if !in_tests {
            let named = venue_names.iter().filter(|name| holds_word(line, name));
            wrong
                .extend(named.map(|name| {
                    format!("{path}:{number}: names the venue {name}; that belongs in its file")
                }));
        }
    }
    wrong
}

/// What is wrong with any text file, one line each.
pub fn any_file(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (a, b) in MACHINE_PATHS {
            if holds_path(line, &format!("{a}{b}")) {
                wrong.push(format!("{path}:{}: a path of one machine: {a}{b}", number + 1));
            }
        }
    }
    wrong
}

/// What a crate's Cargo.toml uses that it must not use.
pub fn manifest(name: &str, text: &str) -> Vec<String> {
    let Some((_, never)) = NEVER_USES.iter().find(|(who, _)| *who == name) else { return Vec::new() };
    let mut section = "";
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        }
        let used = line.split(['.', '=', ' ']).next().unwrap_or_default();
        // Tests may use what they like.
        if section == "[dependencies]" && never.contains(&used) {
            wrong.push(format!("crates/{name}/Cargo.toml:{}: {name} must not use {used}", number + 1));
        }
    }
    wrong
}

/// The lines of a file up to its test module, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let before_tests = |(_, line): &(usize, &str)| !line.trim_start().starts_with("#[cfg(test)]");
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).take_while(before_tests)
}

/// Whether a line holds the word, in any case, not as a part of a longer word.
fn holds_word(line: &str, word: &str) -> bool {
    let (line, word) = (line.to_ascii_lowercase(), word.to_ascii_lowercase());
    let inner = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    line.match_indices(&word).any(|(at, found)| {
        let bytes = line.as_bytes();
        !inner(at.checked_sub(1).and_then(|before| bytes.get(before))) && !inner(bytes.get(at + found.len()))
    })
}

/// Whether a line holds a path that begins like this (and is not the tail of a longer one).
fn holds_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '~' | '}' | ')')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        vec!["kraken".to_owned(), "ecb".to_owned()]
    }

    #[test]
    fn every_rule_about_rust_files_can_fail() {
        let many = "//! Long.\n".repeat(LINES_MAX + 1);
        for (path, text, said) in [
            ("crates/a/src/lib.rs", "use x;\n", "does not open with"),
            ("crates/a/src/lib.rs", many.as_str(), "more than 600 lines"),
            ("crates/a/src/lib.rs", "//! A.\nfn f() { todo!() }\n", ":2: todo left behind"),
            (
                "crates/a/src/lib.rs",
                "//! A.\nconst X: &str = \"wss://ws.Kraken.com\";\n",
                ":2: names the venue kraken",
            ),
            ("crates/alerts/src/book.rs", "//! A.\nuse clock::Clock;\n", ":2: clock:: in a file"),
        ] {
            let wrong = rust_file(path, text, &names());
            assert!(wrong.len() == 1 && wrong[0].contains(said), "{said}: {wrong:?}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (path, text) in [
            ("crates/a/src/lib.rs", "//! Security and recbatch.\n#[cfg(test)]\nmod tests { /* kraken */ }\n"),
            ("crates/a/tests/b.rs", "//! Kraken.\n"),
        ] {
            assert_eq!(rust_file(path, text, &names()), [""; 0]);
        }
    }

    #[test]
    fn machine_paths_and_forbidden_arrows_are_found() {
        let path = format!("see {}x", ["/ho", "me/"].concat());
        assert_eq!(any_file("README.md", &path).len(), 1);
        assert_eq!(any_file("README.md", &format!("https://example.org{path}").replace("see ", "")).len(), 0);
        let text =
            "[dependencies]\nbroker.workspace = true\n[dev-dependencies]\ncollector.workspace = true\n";
        assert_eq!(manifest("api", text), ["crates/api/Cargo.toml:2: api must not use broker"]);
        assert_eq!(manifest("rates", text), [""; 0]);
    }
}
