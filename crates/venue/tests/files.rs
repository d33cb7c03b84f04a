//! Every shipped venue file is read, and gives what its own examples say.
//! It must not need anything beside the repository.

use market::VenueId;
use std::path::Path;
use std::sync::Arc;
use venue::{Frame, Said, Venue};

#[test]
fn every_shipped_file_passes_its_own_examples() {
    assert!(check("../../venues") >= 34);
}

fn check(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|e| e != "toml") || stem == "seed" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.display().to_string();
        let venue =
            Venue::parse(&VenueId::parse(&stem).unwrap(), &file, &text).unwrap_or_else(|e| panic!("{e}"));
        let count = Arc::new(venue).check_examples().unwrap_or_else(|e| panic!("{e}"));
        assert!(count >= 1, "{file}: {count} examples");
        // Whoever waits for a price may ask why none comes every five seconds.
        let tiers = text
            .lines()
            .filter_map(|line| line.strip_prefix("interval = \""))
            .map(|line| line.split('"').next());
        let is_slow = tiers.flatten().any(|every| !matches!(every, "1s" | "2s" | "5s"));
        assert!(!is_slow || text.contains("\nseldom = \""), "{file} is polled seldom and does not say why");
        checked += 1;
    }
    checked
}

/// A file with the parts that a test is not about.
fn venue(head: &str, subscribe: &str) -> Arc<Venue> {
    let text = format!(
        r#"
format = 1
name = "Test"
homepage = "https://v.test"
{head}
[symbols]
form = "{{base}}{{quote}}"
not_spot = "perp$"
[ws]
url = "wss://v.test"
[ws.subscribe]
{subscribe}
[[message]]
is = "tick"
symbol = "s"
last = "p"
[[example]]
frame = '{{}}'
says = "ignored"
"#
    );
    Arc::new(Venue::parse(&VenueId::parse("test").unwrap(), "test", &text).unwrap_or_else(|e| panic!("{e}")))
}

#[test]
fn what_is_not_spot_has_no_pair_even_if_it_was_asked_for() {
    for (head, quote, is_spot) in [("", "usd", true), ("spot = false", "usd", false), ("", "perp", false)] {
        let venue = venue(head, "send = 'x'");
        let symbol = venue.symbol("btc", quote).unwrap();
        let mut reader = venue.reader();
        reader.follow(std::slice::from_ref(&symbol));
        let (frame, mut said) = (format!(r#"{{"s":"{}","p":"1.5"}}"#, symbol.name), Vec::new());
        reader.read(Frame::Text(frame.as_bytes()), &mut said).unwrap();
        let [Said::Tick(tick)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(tick.pair.is_some(), is_spot, "{head} {quote}");
    }
}

#[test]
fn one_message_per_item_where_a_venue_takes_one_channel_a_message() {
    let venue = venue(
        "",
        "mode = 'each'\nitem = ['{symbol}.a', '{symbol}.b']\nsend = '{\"sub\":{item},\"id\":{id}}'",
    );
    let symbols = ["btc", "eth"].map(|base| venue.symbol(base, "usd").unwrap());
    let texts: Vec<_> =
        venue.ws().unwrap().subscribe(&symbols, &symbols, &mut 1).into_iter().map(|o| o.text).collect();
    let message = |item: &str, id| format!(r#"{{"sub":"{item}","id":{id}}}"#);
    assert_eq!(
        texts,
        [message("btcusd.a", 1), message("btcusd.b", 2), message("ethusd.a", 3), message("ethusd.b", 4)]
    );
}
