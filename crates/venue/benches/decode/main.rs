//! What reading one frame costs through the generic engine, beside a typed serde_json struct and an exact decimal on
//! the same frames, interleaved in one run; then what a tick of each venue costs. It must not need anything beside the
//! repository.
#![expect(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::disallowed_methods,
    reason = "a benchmark prints and divides times"
)]

mod per_tick;
mod recordings;

use market::VenueId;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use venue::{Frame, Said, Venue};

/// What a typed decoder would hold of a Binance ticker.
#[derive(Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "E")]
    time: i64,
    #[serde(borrow)]
    s: &'a str,
    c: &'a str,
    b: &'a str,
    a: &'a str,
}

#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(rename = "T")]
    time: i64,
    #[serde(borrow)]
    s: &'a str,
    p: &'a str,
    t: u64,
}

#[derive(Deserialize)]
struct Book<'a> {
    #[serde(borrow)]
    s: &'a str,
    b: &'a str,
    a: &'a str,
    u: u64,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    #[serde(borrow)]
    data: Vec<SnapshotRow<'a>>,
}

#[derive(Deserialize)]
struct SnapshotRow<'a> {
    #[serde(borrow, rename = "instId")]
    symbol: &'a str,
    last: &'a str,
    #[serde(rename = "bidPx")]
    bid: &'a str,
    #[serde(rename = "askPx")]
    ask: &'a str,
    ts: &'a str,
}

/// Of a Kraken ticker: numbers, exact because they are kept as they were written.
#[derive(Deserialize)]
struct Update<'a> {
    #[serde(borrow)]
    data: Vec<UpdateRow<'a>>,
}

#[derive(Deserialize)]
struct UpdateRow<'a> {
    #[serde(borrow)]
    symbol: &'a str,
    #[serde(borrow)]
    last: &'a RawValue,
    #[serde(borrow)]
    bid: &'a RawValue,
    #[serde(borrow)]
    ask: &'a RawValue,
    timestamp: &'a str,
}

const ROUNDS: usize = 9;
const FRAMES: u32 = 200_000;

fn main() {
    // `cargo test --benches` only wants to know that it builds and runs.
    let quick = std::env::args().any(|a| a == "--test");
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let ratio = beside_typed_code(&wanted, if quick { 100 } else { FRAMES });
    if !wanted.is_empty() {
        return;
    }
    let examples = per_tick::run(quick);
    let recorded = recordings::run(quick);
    println!("\nworst ratio of ticker and trade frames {ratio:.2} (must: 1.50)");
    println!("worst cost of a tick in examples {examples:.0} ns (must: {:.0})", per_tick::MOST_NS);
    if let Some(recorded) = recorded {
        println!("worst cost of a tick in recordings {recorded:.0} ns (must: {:.0})", per_tick::MOST_NS);
    }
    let dearest = examples.max(recorded.unwrap_or(0.0));
    if (ratio > 1.5 || dearest > per_tick::MOST_NS) && !quick {
        std::process::exit(1);
    }
}

/// The worst ratio.
fn beside_typed_code(wanted: &str, frames: u32) -> f64 {
    println!(
        "{:<34} {:>9} {:>9} {:>7}  (ns per frame, medians of {ROUNDS} rounds, interleaved)",
        "frame", "typed", "engine", "ratio"
    );
    let mut worst = 0.0f64;
    for (name, venue, base, quote, frame, typed) in cases() {
        if !name.contains(wanted) {
            continue;
        }
        let venue = Arc::new(load(venue));
        let mut reader = venue.reader();
        reader.follow(&[venue.symbol(base, quote).expect("a pair")]);
        let mut said: Vec<Said> = Vec::new();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..frames {
                typed(black_box(frame));
            }
            theirs.push(start.elapsed().as_nanos() as f64 / f64::from(frames));
            let start = Instant::now();
            for _ in 0..frames {
                said.clear();
                reader.read(Frame::Text(black_box(frame).as_bytes()), &mut said).expect("readable");
                assert!(matches!(said.first(), Some(Said::Tick(_))));
            }
            ours.push(start.elapsed().as_nanos() as f64 / f64::from(frames));
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        if !name.contains("bookTicker") {
            worst = worst.max(ours / theirs);
        }
        println!("{name:<34} {theirs:>9.0} {ours:>9.0} {:>7.2}", ours / theirs);
    }
    worst
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn load(stem: &str) -> Venue {
    let path = format!("{}/../../venues/{stem}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a venue file");
    Venue::parse(&VenueId::parse(stem).expect("a name"), &path, &text).expect("a good venue file")
}

fn exact(text: &str) -> Decimal {
    Decimal::from_str_exact(text).expect("a decimal")
}

fn typed_ticker(frame: &str) {
    let t: Ticker<'_> = serde_json::from_str(frame).expect("a ticker");
    black_box((t.s, exact(t.c), exact(t.b), exact(t.a), t.time));
}

fn typed_trade(frame: &str) {
    let t: Trade<'_> = serde_json::from_str(frame).expect("a trade");
    black_box((t.s, exact(t.p), t.time, t.t));
}

fn typed_book(frame: &str) {
    let t: Book<'_> = serde_json::from_str(frame).expect("a quote");
    black_box((t.s, exact(t.b), exact(t.a), t.u));
}

fn typed_rows(frame: &str) {
    let t: Snapshot<'_> = serde_json::from_str(frame).expect("rows");
    for row in t.data {
        let time: i64 = row.ts.parse().expect("a time");
        black_box((row.symbol, exact(row.last), exact(row.bid), exact(row.ask), time));
    }
}

fn typed_numbers(frame: &str) {
    let t: Update<'_> = serde_json::from_str(frame).expect("rows");
    for row in t.data {
        let time: jiff::Timestamp = row.timestamp.parse().expect("a time");
        black_box((row.symbol, exact(row.last.get()), exact(row.bid.get()), exact(row.ask.get()), time));
    }
}

type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, fn(&str));

fn cases() -> [Case; 5] {
    [
        (
            "binance 24hrTicker",
            "binance",
            "BTC",
            "USDT",
            r#"{"e":"24hrTicker","E":1790000000123,"s":"BTCUSDT","p":"512.11000000","P":"0.800","w":"64011.90000000","x":"63888.01000000","c":"64400.12000000","Q":"0.01000000","b":"64400.11000000","B":"2.50000000","a":"64400.12000000","A":"1.25000000","o":"63888.01000000","h":"64800.00000000","l":"63500.00000000","v":"21034.55000000","q":"1346512345.67000000","O":1789913600123,"C":1790000000123,"F":5000000001,"L":5000900000,"n":900000}"#,
            typed_ticker,
        ),
        (
            "binance trade",
            "binance",
            "BNB",
            "BTC",
            r#"{"e":"trade","E":1790000002105,"s":"BNBBTC","t":40756030,"p":"0.00900000","q":"33.82000000","b":133829535,"a":133829504,"T":1790000002100,"m":false,"M":true}"#,
            typed_trade,
        ),
        (
            "binance bookTicker",
            "binance",
            "ETH",
            "USDT",
            r#"{"u":400900217,"s":"ETHUSDT","b":"3400.01000000","B":"31.21000000","a":"3400.02000000","A":"40.66000000"}"#,
            typed_book,
        ),
        (
            "okx tickers",
            "okx",
            "BTC",
            "USDT",
            r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instType":"SPOT","instId":"BTC-USDT","last":"64400.1","lastSz":"0.0001","askPx":"64400.1","askSz":"1.3","bidPx":"64400","bidSz":"3.3","open24h":"63888.1","high24h":"64800","low24h":"63500","sodUtc0":"64000","sodUtc8":"64100","volCcy24h":"396271423.8","vol24h":"6175.1","ts":"1790000000123"}]}"#,
            typed_rows,
        ),
        (
            "kraken ticker",
            "kraken",
            "BTC",
            "USD",
            r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":64400.1,"bid_qty":0.31,"ask":64400.2,"ask_qty":1.50000000,"last":64400.1,"volume":1947.5,"vwap":64000.3,"low":63500.0,"high":64800.0,"change":512.1,"change_pct":0.80,"timestamp":"2026-09-21T14:13:20.123456Z"}]}"#,
            typed_numbers,
        ),
    ]
}
