//! Every mistake in a venue file is named with its line, its key and what would be right.
//! It must not need anything beside the repository.

use market::VenueId;
use std::sync::Arc;
use venue::Venue;

const GOOD: &str = r#"format = 1
name = "Plain"
homepage = "https://example.org"
[symbols]
form = "{BASE}-{QUOTE}"
[ws]
url = "wss://example.org"
messages = "5/1s"
[ws.subscribe]
send = '{"sub":{items},"id":{id}}'
[ws.ping]
every = "20s"
[[message]]
is = "tick"
when = { s = { exists = true } }
symbol = "s"
last = "p"
time = { at = "t", unit = "ms" }
[[example]]
frame = '{"s":"BTC-USD","p":"1.50","t":1790000000123}'
ticks = [{ symbol = "BTC-USD", pair = "BTC-USD", last = "1.50", time = 1790000000123 }]
"#;

fn complaint(text: &str) -> Option<String> {
    let venue = Venue::parse(&VenueId::parse("plain").unwrap(), "plain.toml", text);
    let checked = venue.and_then(|venue| Arc::new(venue).check_examples());
    checked.err().map(|error| error.to_string())
}

#[test]
fn the_file_to_break_is_good() {
    assert_eq!(complaint(GOOD), None);
}

#[test]
fn a_mistake_is_named_with_its_line_and_key() {
    for (from, to, want) in [
        ("format = 1", "format = 2", "plain.toml:1: format: is a version"),
        ("format = 1\n", "", "plain.toml:1: format: is missing"),
        ("name = \"Plain\"", "nmae = \"Plain\"", "plain.toml:2: nmae: is not a key here; did you mean name?"),
        ("homepage", "speed = 3\nhomepage", "plain.toml:3: speed: is not a key here; known: "),
        ("{BASE}-{QUOTE}", "{BASE}", "plain.toml:5: symbols.form: spells one side only"),
        ("{BASE}-{QUOTE}", "BTC", "plain.toml:5: symbols.form: must hold {BASE} and {QUOTE}"),
        ("wss://", "gopher://", "plain.toml:7: ws.url: must begin with wss:// or ws://"),
        ("\"5/1s\"", "\"5\"", "plain.toml:8: ws.messages: must be a limit such as"),
        ("\"5/1s\"", "5", "plain.toml:8: ws.messages: must be a text in quotes"),
        ("{id}", "{sid}", "plain.toml:10: ws.subscribe.send: knows no {sid}; known: items"),
        ("\"20s\"", "\"20 parsecs\"", "plain.toml:12: ws.ping.every: must be a duration"),
        ("\"20s\"", "20", "plain.toml:12: ws.ping.every: must be a text in quotes"),
        ("is = \"tick\"", "is = \"tock\"", "plain.toml:14: message[0].is: must be tick, ack"),
        ("{ exists = true }", "{ match = \"(\" }", "plain.toml:15: message[0].when.s.match: is no regular"),
        (
            "{ exists = true }",
            "{ exists = 1 }",
            "plain.toml:15: message[0].when.s.exists: must be true or false",
        ),
        ("{ exists = true }", "{ like = 1 }", "plain.toml:15: message[0].when.s.like: is not a key here"),
        ("last = \"p\"", "last = \"p[\"", "plain.toml:17: message[0].last: `[` without `]`"),
        (
            "last = \"p\"",
            "last = \"p[*]\"",
            "plain.toml:17: message[0].last: `[*]` and `{*}` belong in `rows`",
        ),
        (
            "last = \"p\"\n",
            "",
            "plain.toml:14: message[0].is: a tick needs at least one of last, bid and ask",
        ),
        ("unit = \"ms\"", "unit = \"fortnight\"", "plain.toml:18: message[0].time.unit: must be s, ms"),
        ("last = \"1.50\"", "last = \"0\"", "plain.toml:21: example[0].ticks[0].last: a price of zero"),
        (
            "last = \"1.50\"",
            "last = \"1.5001\"",
            "plain.toml:20: example[0].frame: gives other ticks than it must",
        ),
        ("\"s\":\"BTC-USD\"", "\"s\":\"BTC-USD", "plain.toml:20: example[0].frame: cannot be read: not_json"),
        ("[[example]]", "[[example]", "plain.toml:19: (file): is no TOML"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = complaint(&GOOD.replacen(from, to, 1)).unwrap_or_else(|| "no complaint".to_owned());
        assert!(found.starts_with(want), "{from} -> {to}\n  wanted {want}\n  found  {found}");
    }
}
