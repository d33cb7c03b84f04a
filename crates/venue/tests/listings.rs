//! Lists of symbols: the format, its mistakes, and every list that was recorded.
//! It must not need the recordings: without them it says so and goes on.

use market::VenueId;
use std::io::Write;
use std::path::PathBuf;
use venue::{Listed, Venue};

/// A venue file that is only about its list.
fn venue(name: &str, symbols: &str, listing: &str) -> Result<Venue, venue::FileError> {
    let text = format!(
        r#"format = 1
name = "x"
homepage = "https://example.org"
facts = "invented"
[symbols]
{symbols}
[ws]
url = "wss://example.org"
[ws.subscribe]
send = '{{"s":{{items}}}}'
[listing]
{listing}
[[message]]
is = "tick"
symbol = "s"
last = "p"
[[example]]
frame = '{{"s":"a","p":"1"}}'
says = "ignored"
"#
    );
    Venue::parse(&VenueId::parse(name).unwrap(), "x.toml", &text)
}

fn in_short(listed: &[Listed]) -> Vec<String> {
    listed.iter().map(|l| format!("{} {} {} {}", l.symbol, l.base, l.quote, l.pair)).collect()
}

const HYPHEN: &str = "form = \"{BASE}-{QUOTE}\"";

#[test]
fn rows_are_chosen_and_taken_apart_only_where_that_is_certain() {
    let sided = "url = \"https://example.org/l\"\nrows = \"data[*]\"\nsymbol = \"id\"\nbase = \"b\"\nquote = \"q\"\nwhere = { on = true, kind = { not = \"swap\" } }";
    let body = r#"{"data":[{"id":"XBTUSDT","b":"XBT","q":"USDT","on":true},
        {"id":"AUSDT","b":"A","q":"USDT","on":false},{"id":"BUSDT","b":"B","q":"USDT","on":true,"kind":"swap"},
        {"id":"CUSD","b":"C","on":true},{"b":"D","q":"USD","on":true},{"id":"EE","b":"E","q":"E","on":true}]}"#;
    let venue = venue("a", HYPHEN, sided).unwrap();
    assert_eq!(venue.listing_requests()[0].url, "https://example.org/l");
    assert_eq!(in_short(&venue.read_listing(body.as_bytes()).unwrap()), ["XBTUSDT XBT USDT BTC-USDT"]);
    for (body, reason) in
        [("{\"code\":-1}", "no_rows"), ("{\"data\":[]}", "no_rows"), ("<html>", "not_json"), ("", "not_json")]
    {
        assert_eq!(venue.read_listing(body.as_bytes()).unwrap_err().reason, reason, "{body}");
    }

    let plain = "url = \"https://example.org/l\"\nrows = \"[*]\"\nsymbol = \".\"";
    let together = "form = \"{BASE}{QUOTE}\"\nquotes = [\"USDT\", \"USD\", \"TUSD\"]\nnot_spot = \"^P\"";
    let venue = self::venue("a", together, plain).unwrap();
    let listed = venue.read_listing(br#"["BTCUSDT","ETHTUSD","PBTCUSD","ABC"]"#).unwrap();
    assert_eq!(in_short(&listed), ["BTCUSDT BTC USDT BTC-USDT"], "never by guess");
}

#[test]
fn mistakes_are_named() {
    for (listing, said) in [
        ("rows = \"[*]\"\nsymbol = \".\"", "listing.url: is missing"),
        ("url = \"ftp://x\"\nrows = \"[*]\"\nsymbol = \".\"", "listing.url: must begin with https://"),
        ("url = \"https://x\"\nsymbol = \".\"", "listing.rows: is missing"),
        ("url = \"https://x\"\nrows = \"[*\"\nsymbol = \".\"", "listing.rows: `[` without `]`"),
        (
            "url = \"https://x\"\nrows = \"[*]\"\nsymbol = \".\"\nbase = \"b\"",
            "listing.base: goes with `quote`",
        ),
        (
            "url = \"https://x\"\nrows = \"[*]\"\nsymbol = \".\"\nscale = 1",
            "listing.scale: is not a key here",
        ),
    ] {
        let error = venue("a", HYPHEN, listing).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(venue("a", HYPHEN, "url = \"https://x\"\nrows = \"[*]\"\nsymbol = \".\"").is_ok());
}

/// A recording, the venue whose list it is, and how that list is read where no file is shipped yet:
/// `[symbols]`, `[listing]`, how many lines it has, and some of them.
struct Case {
    recording: &'static str,
    id: &'static str,
    symbols: &'static str,
    listing: &'static str,
    count: usize,
    some: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        recording: "binance_us",
        id: "binance-us",
        symbols: "form = \"{BASE}{QUOTE}\"",
        listing: "url = \"https://api.binance.us/api/v3/exchangeInfo\"\nrows = \"symbols[*]\"\nsymbol = \"symbol\"\n\
                  base = \"baseAsset\"\nquote = \"quoteAsset\"\nwhere = { status = \"TRADING\", isSpotTradingAllowed = true }",
        count: 117,
        some: &["BTCUSD BTC USD BTC-USD"],
    },
    Case {
        recording: "kraken",
        id: "kraken",
        symbols: "form = \"{BASE}/{QUOTE}\"",
        listing: "",
        count: 293,
        some: &["AAVE/XBT AAVE XBT AAVE-BTC", "AAVE/AUD AAVE AUD AAVE-AUD"],
    },
    Case {
        recording: "coinbase_exchange",
        id: "coinbase-exchange",
        symbols: HYPHEN,
        listing: "",
        count: 162,
        some: &["SKL-EUR SKL EUR SKL-EUR"],
    },
    Case {
        recording: "bitstamp",
        id: "bitstamp",
        symbols: "form = \"{base}{quote}\"",
        listing: "url = \"https://www.bitstamp.net/api/v2/trading-pairs-info/\"\nrows = \"[*]\"\nsymbol = \"url_symbol\"\n\
                  base = { at = \"name\", match = \"^([^/]+)/\" }\nquote = { at = \"name\", match = \"/([^/]+)$\" }\n\
                  where = { trading = \"Enabled\" }",
        count: 140,
        some: &["btcusd BTC USD BTC-USD"],
    },
    Case {
        recording: "kucoin",
        id: "kucoin",
        symbols: HYPHEN,
        listing: "url = \"https://api.kucoin.com/api/v1/symbols\"\nrows = \"data[*]\"\nsymbol = \"symbol\"\n\
                  base = \"baseCurrency\"\nquote = \"quoteCurrency\"\nwhere = { enableTrading = true }",
        count: 633,
        some: &["BCHSV-BTC BSV BTC BSV-BTC"],
    },
    Case {
        recording: "upbit",
        id: "upbit",
        symbols: "form = \"{QUOTE}-{BASE}\"",
        listing: "url = \"https://api.upbit.com/v1/market/all\"\nrows = \"[*]\"\nsymbol = \"market\"",
        count: 294,
        some: &["KRW-BTC BTC KRW BTC-KRW"],
    },
    Case {
        recording: "phemex",
        id: "phemex",
        symbols: "form = \"s{BASE}{QUOTE}\"",
        listing: "url = \"https://api.phemex.com/exchange/public/cfg/v2/products\"\nrows = \"data.products[*]\"\nsymbol = \"symbol\"\n\
                  base = \"baseCurrency\"\nquote = \"quoteCurrency\"\nwhere = { type = \"Spot\", status = \"Listed\" }",
        count: 30,
        some: &["sBTCUSDT BTC USDT BTC-USDT"],
    },
];

#[test]
fn every_recorded_list_is_read() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("RATES_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    for case in CASES {
        let path = shared.join("recordings").join(format!("{}.symbols.jsonl", case.recording));
        let Ok(recording) = std::fs::read_to_string(&path) else {
            // Past the test runner's capture.
            std::io::stderr()
                .write_all(format!("SKIPPED: {} is not here\n", path.display()).as_bytes())
                .unwrap();
            continue;
        };
        let shipped = std::fs::read_to_string(root.join("venues").join(format!("{}.toml", case.id)))
            .map(|text| Venue::parse(&VenueId::parse(case.id).unwrap(), case.id, &text).unwrap());
        let venue = match shipped {
            Ok(venue) if !venue.listing_requests().is_empty() => venue,
            _ => venue(case.id, case.symbols, case.listing).unwrap(),
        };
        let line = recording
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|line| line["dir"] == "in")
            .unwrap();
        let listed = in_short(&venue.read_listing(line["data"].as_str().unwrap().as_bytes()).unwrap());
        assert_eq!(listed.len(), case.count, "{}", case.id);
        for some in case.some {
            assert!(listed.iter().any(|line| line == some), "{}: {some}", case.id);
        }
    }
}
