//! Walks the repository and applies the rules of the house to every file.
//! It must not hold a rule itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Venues that we have no file of (yet), but whose names belong in no Rust file either.
const WELL_KNOWN: &[&str] = &[
    "binance",
    "binanceus",
    "kraken",
    "coinbase",
    "okx",
    "okex",
    "bybit",
    "kucoin",
    "gateio",
    "gate.io",
    "bitstamp",
    "bitfinex",
    "htx",
    "huobi",
    "gemini",
    "cryptocom",
    "crypto.com",
    "bitget",
    "mexc",
    "upbit",
    "bithumb",
    "poloniex",
    "hitbtc",
    "fmfw",
    "phemex",
    "bitflyer",
    "deribit",
    "independentreserve",
    "bitvavo",
    "bitmex",
    "coingecko",
    "coinmarketcap",
    "ecb",
    "cbr",
    "frankfurter",
    "open-er-api",
    "er-api",
    "exchangerate",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every text file of the repository that is ours, by path relative to its root.
fn files() -> Vec<(String, String)> {
    fn walk(dir: &Path, root: &Path, all: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "node_modules") {
                    walk(&path, root, all);
                }
            } else if let Ok(text) = fs::read_to_string(&path) {
                // What is not text, or not tracked by design, is not ours to judge.
                if !matches!(name.as_str(), "Cargo.lock" | ".git") {
                    all.push((path.strip_prefix(root).unwrap().display().to_string(), text));
                }
            }
        }
    }
    let (root, mut all) = (root(), Vec::new());
    walk(&root, &root, &mut all);
    all.sort();
    all
}

/// Names of venues: the stems of their files, and well-known ones.
fn venue_names(files: &[(String, String)]) -> Vec<String> {
    let stems = files.iter().filter_map(|(path, _)| path.strip_prefix("venues/")?.strip_suffix(".toml"));
    let known = WELL_KNOWN.iter().map(|&name| name.to_owned());
    let mut all: Vec<String> = stems.filter(|stem| *stem != "seed").map(str::to_owned).chain(known).collect();
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_house_is_tidy() {
    let files = files();
    assert!(files.len() > 50, "only {} files found", files.len());
    let names = venue_names(&files);
    let mut wrong = Vec::new();
    for (path, text) in &files {
        wrong.extend(tidy::any_file(path, text));
        if path.ends_with(".rs") {
            wrong.extend(tidy::rust_file(path, text, &names));
        }
        if let Some(name) = path.strip_prefix("crates/").and_then(|path| path.strip_suffix("/Cargo.toml")) {
            wrong.extend(tidy::manifest(name, text));
        }
    }
    assert!(wrong.is_empty(), "{} things are not tidy:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn long_files_are_reported() {
    let mut lines: Vec<(usize, String)> = files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| (text.lines().count(), path))
        .collect();
    lines.sort();
    let median = lines[lines.len() / 2].0;
    for (count, path) in lines.iter().filter(|(count, _)| *count > tidy::LINES_MANY) {
        println_to_test_log(&format!("{path} has {count} lines, more than {}", tidy::LINES_MANY));
    }
    assert!(median <= 250, "the median file has {median} lines; the house aims at 150");
}

#[expect(clippy::print_stdout, reason = "a report of a test, seen with --nocapture")]
fn println_to_test_log(text: &str) {
    println!("{text}");
}
