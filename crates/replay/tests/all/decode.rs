//! Recordings decoded offline: small ones of our own, and, where they are at hand, real traffic against the rows
//! that must come out of it. They must not know how a venue file is read.

use replay::{
    DecodeSummary, Recording, decode,
    recording::{Direction, Line, Transport},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use venue::{Frame, Reader, Said, Venue};

pub fn venue(name: &str) -> Arc<Venue> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{name}.toml"));
    let text = fs::read_to_string(&path).unwrap();
    Arc::new(
        Venue::parse(&market::VenueId::parse(name).unwrap(), &path.display().to_string(), &text).unwrap(),
    )
}

fn decoded(name: &str, recording: &str) -> (DecodeSummary, String) {
    let mut out = Vec::new();
    let summary = decode(&venue(name), "own.jsonl", recording.as_bytes(), &mut out).unwrap();
    (summary, String::from_utf8(out).unwrap())
}

fn line(data: &str) -> String {
    json!({"dir":"in","transport":"ws","url":"wss://v.test","t":null,"data":data}).to_string() + "\n"
}

#[test]
fn a_row_has_exactly_the_agreed_form() {
    let frame = r#"{"channel":"ticker","type":"update","data":[{"symbol":"TRX/USD","bid":0.13100,"ask":1.3110e-1,"last":0.13110,"timestamp":"2026-09-21T14:13:20.123456Z"}]}"#;
    let out =
        json!({"dir":"out","transport":"ws","url":"wss://v.test","t":null,"data":frame}).to_string() + "\n";
    let (summary, rows) =
        decoded("kraken", &(out + &line(frame) + &line("{no json") + &line(r#"{"channel":"heartbeat"}"#)));
    assert_eq!(
        rows,
        concat!(
            r#"{"line":2,"symbol":"TRX/USD","pair":"TRX-USD","last":"0.13110","bid":"0.13100","ask":"0.13110","#,
            r#""venue_time":1790000000123,"history":false,"duplicate":false}"#,
            "\n"
        )
    );
    assert_eq!((summary.frames, summary.observations, summary.unreadable), (3, 1, 1));
    assert_eq!(summary.complaints[0].0, 3);
}

#[test]
fn what_is_not_spot_has_no_pair() {
    let swap = r#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"27","px":"64390.5","sz":"31.27","side":"buy","ts":"1790000001000"}]}"#;
    let (_, rows) = decoded("okx", &line(swap));
    let row: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!((&row["symbol"], &row["pair"]), (&json!("BTC-USDT-SWAP"), &Value::Null));
}

#[test]
fn a_bad_line_stops_with_its_place() {
    let recording = line("pong") + "{}\n";
    let error =
        decode(&venue("okx"), "own.jsonl", recording.as_bytes(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("own.jsonl:2: "), "{error}");
}

/// Where real traffic may be: `RATES_SHARED`, else beside the repository.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("RATES_SHARED").map_or_else(beside, PathBuf::from).join("recordings");
    folder.is_dir().then_some(folder)
}

/// Which venue file reads which recording.
const RECORDINGS: &[(&str, &str)] = &[
    ("binance", "binance_spot.2021"),
    ("binance", "binance_spot.samples"),
    ("binance-us", "binance_us.2021"),
    ("binance-us", "binance_us.samples"),
    ("bitfinex", "bitfinex.2021"),
    ("bitfinex", "bitfinex.samples"),
    ("bitflyer", "bitflyer.2021"),
    ("bitflyer", "bitflyer.samples"),
    ("bitget", "bitget_spot.samples"),
    ("bithumb", "bithumb.samples"),
    ("bitmex", "bitmex.2021"),
    ("bitmex", "bitmex.samples"),
    ("bitstamp", "bitstamp.2022"),
    ("bitstamp", "bitstamp.samples"),
    ("bitvavo", "bitvavo.samples"),
    ("bybit", "bybit_spot.samples"),
    ("bybit-linear", "bybit_linear.samples"),
    ("cbr", "cbr_daily"),
    ("coinbase-advanced", "coinbase_advanced.samples"),
    ("coinbase-exchange", "coinbase_exchange.2021"),
    ("coinbase-exchange", "coinbase_exchange.samples"),
    ("coinbase-v2", "coinbase_v2_rates"),
    ("coingecko", "coingecko"),
    ("cryptocom", "cryptocom.samples"),
    ("deribit", "deribit.2021"),
    ("deribit", "deribit.samples"),
    ("ecb", "ecb_daily_xml"),
    ("ecb-csv", "ecb_csv"),
    ("frankfurter", "frankfurter"),
    ("gateio", "gateio_spot.2021"),
    ("gateio", "gateio_spot.samples"),
    ("gemini", "gemini_v3.samples"),
    ("hitbtc", "fmfw_hitbtc_v3.2021"),
    ("hitbtc", "hitbtc_v3.samples"),
    ("htx", "htx_spot.2021"),
    ("htx", "htx_spot.samples"),
    ("independentreserve", "independentreserve.2022"),
    ("kraken", "kraken_v2.samples"),
    ("kraken", "kraken_v2_book.2026"),
    ("kucoin", "kucoin.2021"),
    ("kucoin", "kucoin.samples"),
    ("mexc", "mexc_spot.samples"),
    ("okx", "okx.samples"),
    ("okx", "okx_v5.2022"),
    ("open-er-api", "open_er_api"),
    ("phemex", "phemex.2021"),
    ("phemex", "phemex.samples"),
    ("poloniex", "poloniex_spot.2022"),
    ("poloniex", "poloniex_spot.samples"),
    ("upbit", "upbit.2021"),
    ("upbit", "upbit.samples"),
];

/// Recordings without a price, on purpose.
const EMPTY: &[&str] = &["kraken_v2_book.2026", "independentreserve.2022"];

/// Venue files and their names in the recording of control frames.
const CONTROLLED: &[(&str, &str)] = &[
    ("binance", "binance_spot"),
    ("binance-us", "binance_us"),
    ("bitget", "bitget_spot"),
    ("bybit", "bybit_spot"),
    ("cryptocom", "cryptocom"),
    ("deribit", "deribit"),
    ("independentreserve", "independentreserve"),
];

/// A venue, and whether a symbol of it is no spot pair.
type Contract = (&'static str, fn(&str) -> bool);

/// What is no spot pair by the venue's own spelling.
const CONTRACTS: &[Contract] = &[
    ("bitflyer", |symbol| symbol.starts_with("FX_")),
    ("bitmex", |_| true),
    ("bybit-linear", |_| true),
    ("phemex", |symbol| !symbol.starts_with('s')),
];

#[test]
fn real_traffic_gives_every_expected_row_and_nothing_else() {
    let Some(folder) = shared() else {
        skipped("no recordings of real traffic at hand (RATES_SHARED)");
        return;
    };
    let mut failures = Vec::new();
    for (name, recording) in RECORDINGS {
        let text = fs::read_to_string(folder.join(format!("{recording}.jsonl"))).unwrap();
        let expected =
            fs::read_to_string(folder.join(format!("expected/{recording}.jsonl"))).unwrap_or_default();
        assert!(!expected.is_empty() || EMPTY.contains(recording), "{recording}: nothing expected");
        failures.extend(difference(name, recording, &text, &expected));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Each frame of the recording is understood, if only as something to leave alone.
#[test]
fn real_traffic_is_understood_whole() {
    let Some(folder) = shared() else {
        skipped("no recordings of real traffic at hand (RATES_SHARED)");
        return;
    };
    let mut failures = Vec::new();
    for (name, recording) in RECORDINGS {
        let venue = venue(name);
        let recording = Recording::open(&folder.join(format!("{recording}.jsonl"))).unwrap();
        let mut readers = BTreeMap::new();
        for line in recording.lines.iter().filter(|line| line.direction == Direction::In) {
            // The answer to a token call is not for the reader.
            if line.transport == Transport::Http && venue.http().is_none() {
                continue;
            }
            let reader = readers.entry(line.connection).or_insert_with(|| venue.reader_of_everything());
            let said = said_by(reader, line);
            if said.iter().any(|said| matches!(said, Said::Unknown | Said::Rejected(_))) {
                failures.push(format!("{name}: {}: {said:?}", line.number));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Frames from documentation, each by itself: the recording says what it is.
#[test]
fn control_frames_are_understood_one_by_one() {
    let Some(folder) = shared() else {
        skipped("no recordings of real traffic at hand (RATES_SHARED)");
        return;
    };
    let text = fs::read_to_string(folder.join("control_frames.docs.jsonl")).unwrap();
    let recording = Recording::read("control_frames.docs", text.as_bytes()).unwrap();
    let mut seen = 0;
    for (line, text) in recording.lines.iter().zip(text.lines()) {
        let about: Value = serde_json::from_str(text).unwrap();
        let name = match about["venue"].as_str().unwrap() {
            "binance_spot" => "binance",
            "binance_us" => "binance-us",
            "bybit_spot" => "bybit",
            "gateio_futures" => "gateio",
            "bitget_spot" => "bitget",
            "mexc_futures" => "mexc",
            other => other,
        };
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{name}.toml")).exists();
        if line.direction == Direction::Out || !there {
            continue;
        }
        seen += 1;
        let said = said_by(&mut venue(name).reader_of_everything(), line);
        let what = about["what"].as_str().unwrap();
        let good = said.iter().all(|said| {
            matches!(
                (what, said),
                ("ack", Said::Acknowledged { .. })
                    | ("error", Said::Problem(_))
                    | ("reconnect", Said::Reconnect(_))
                    | ("ping", Said::Reply(_))
                    | ("pong" | "heartbeat", Said::Heartbeat)
                    | ("data", Said::Tick(_))
            )
        });
        assert!(good && !said.is_empty(), "{}: {name}: {what}: {said:?}", line.number);
    }
    assert!(seen >= 16, "{seen}");
}

/// Single frames of many venues in one recording: each is read by its own venue's file.
#[test]
fn control_frames_give_every_expected_row_and_nothing_else() {
    let Some(folder) = shared() else {
        skipped("no recordings of real traffic at hand (RATES_SHARED)");
        return;
    };
    let recording = "control_frames.docs";
    let text = fs::read_to_string(folder.join(format!("{recording}.jsonl"))).unwrap();
    let expected = fs::read_to_string(folder.join(format!("expected/{recording}.jsonl"))).unwrap();
    for (name, theirs) in CONTROLLED {
        let is_theirs = |line: &Value| line["venue"] == *theirs;
        let numbers: Vec<u64> = text
            .lines()
            .zip(1..)
            .filter(|(line, _)| is_theirs(&serde_json::from_str(line).unwrap()))
            .map(|(_, number)| number)
            .collect();
        assert!(!numbers.is_empty(), "{theirs}: no frames");
        // What the others say is turned into what somebody said to them, so that lines keep their numbers.
        let text: String = text
            .lines()
            .zip(1..)
            .map(|(line, number)| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                if !numbers.contains(&number) {
                    line["dir"] = json!("out");
                }
                line.to_string() + "\n"
            })
            .collect();
        let is_ours = |line: &&str| {
            let row: Value = serde_json::from_str(line).unwrap();
            numbers.contains(&row["line"].as_u64().unwrap())
        };
        let expected: String = expected.lines().filter(is_ours).map(|line| line.to_owned() + "\n").collect();
        assert_eq!(difference(name, recording, &text, &expected), None);
    }
}

/// Decodes a recording and compares every row.
fn difference(name: &str, recording: &str, text: &str, expected: &str) -> Option<String> {
    let mut out = Vec::new();
    let summary = decode(&venue(name), recording, text.as_bytes(), &mut out).unwrap();
    assert_eq!(summary.unreadable, 0, "{recording}: {:?}", summary.complaints);
    let wanted = by_line(expected, |expected| row(name, expected));
    let found = by_line(std::str::from_utf8(&out).unwrap(), Value::clone);
    let lines = found.keys().chain(wanted.keys());
    let wrong: Vec<_> =
        lines.filter(|l| found.get(l) != wanted.get(l)).map(|l| (found.get(l), wanted.get(l))).collect();
    let (found, wanted) = wrong.first()?;
    let row = |rows: &Option<&Vec<Value>>, at: usize| rows.and_then(|rows| rows.get(at)).cloned();
    let different = (0..).find(|at| row(found, *at) != row(wanted, *at))?;
    let (found, wanted) = (row(found, different), row(wanted, different));
    let lines = wrong.len();
    Some(format!("{recording}: {lines} lines differ; (found, expected): {:#?}", (found, wanted)))
}

fn said_by(reader: &mut Reader, line: &Line) -> Vec<Said> {
    let frame = if line.binary { Frame::Binary(&line.data) } else { Frame::Text(&line.data) };
    let mut said = Vec::new();
    reader.read(frame, &mut said).unwrap();
    said
}

fn by_line(text: &str, row: impl Fn(&Value) -> Value) -> BTreeMap<u64, Vec<Value>> {
    let mut lines = BTreeMap::<u64, Vec<Value>>::new();
    for value in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        lines.entry(value["line"].as_u64().unwrap()).or_default().push(row(&value));
    }
    lines
}

/// An expected row as we write it.
fn row(name: &str, expected: &Value) -> Value {
    let first = |keys: [&str; 2]| keys.iter().map(|key| &expected[key]).find(|v| !v.is_null()).cloned();
    let symbol = expected["symbol_raw"].as_str();
    // Three parts and more name a swap, a future or an option; base = quote is no pair.
    let named_spot = symbol
        .is_some_and(|s| s.split('-').count() < 3 && !s.ends_with("-PERP") && !s.ends_with("-PERPETUAL"));
    let is_contract =
        |(venue, is_one): &(&str, fn(&str) -> bool)| *venue == name && symbol.is_some_and(is_one);
    let spot = !expected["base"].is_null()
        && expected["note"].is_null()
        && expected["identity"] != true
        && named_spot
        && !CONTRACTS.iter().any(is_contract);
    json!({
        "line": expected["line"],
        "symbol": symbol,
        "pair": spot.then(|| format!("{}-{}", expected["base"].as_str().unwrap(), expected["quote"].as_str().unwrap())),
        "last": first(["price_plain", "price"]),
        "bid": first(["bid_plain", "bid"]),
        "ask": first(["ask_plain", "ask"]),
        "venue_time": expected["venue_time"],
        "history": expected["hist"].as_bool().unwrap_or(false),
        "duplicate": expected["dup"].as_bool().unwrap_or(false),
    })
}

/// Says aloud, past the test runner's capture, that a test has nothing to run on.
pub fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}
