//! A market for conversations: rates of every kind, candles of a day, venues well and unwell.
//! It must not know what is said about it.

use ::market::{
    ConnectionState, ConnectionStatus, Pair, PairState, PairStatus, Price, Sequence, Tick, Timestamp,
    VenueId, VenueStatus,
};
use board::{Board, Options};
use clock::Clock;
use std::sync::Arc;
use store::{Candle, CandleKey, Interval, Store};

/// 2026-11-26 14:05:14 UTC, a Thursday.
pub const BASE: Timestamp = Timestamp::from_millis(1_795_701_914_000);

pub fn pair(name: &str) -> Pair {
    name.parse().unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn venue(name: &str) -> VenueId {
    VenueId::parse(name).unwrap()
}

/// Says a price at a venue, so many milliseconds ago.
pub fn say(board: &Board, at: &str, name: &str, last: &str, age_ms: i64) {
    let when = board.clock().now().plus_millis(-age_ms);
    let tick = Tick {
        pair: pair(name),
        symbol: name.into(),
        last: Some(price(last)),
        bid: None,
        ask: None,
        venue_time: Some(when),
        received_at: when,
        sequence: Sequence::from_receipt(when),
        flags: Default::default(),
    };
    board.apply(&venue(at), &[tick]);
}

/// The rates. A minute of staleness, so that what is fresh stays so while a busy machine runs the tests.
pub fn board(demo: bool) -> Arc<Board> {
    let options = Options { stale_after_ms: 200_000, expire_after_ms: 2_000_000, demo, same_as: Vec::new() };
    let board = Board::new(Clock::at(BASE), options);
    let venues = ["binance", "kraken", "okx", "bybit", "bitstamp", "kucoin", "gateio", "htx"];
    let prices =
        ["67235.10", "67240.00", "67243.00", "67245.10", "67247.00", "67250.00", "67255.30", "80000.00"];
    for (at, last) in venues.iter().zip(prices) {
        say(&board, at, "BTC-USDT", last, 2_000);
    }
    for at in ["cbr", "binance", "okx"] {
        say(&board, at, "USD-RUB", "92.1540", 8_000);
    }
    for (at, name, last) in [
        ("binance", "ETH-USDT", "3480.55000000"),
        ("kraken", "BTC-USD", "67251.3"),
        ("kraken", "EUR-USD", "1.08345"),
        ("binance", "PEPE-USDT", "0.00000123400"),
        ("binance", "SOL-USDT", "182.5"),
        ("binance", "BTCB-USDT", "67100"),
        ("binance", "BCC-USDT", "412.3"),
    ] {
        say(&board, at, name, last, 2_000);
    }
    // Old: both venues went silent four minutes ago.
    for at in ["binance", "kraken"] {
        say(&board, at, "TON-USDT", "5.2010", 250_000);
    }
    // In dispute.
    say(&board, "binance", "XRP-USDT", "66900", 2_000);
    say(&board, "kraken", "XRP-USDT", "74300", 2_000);
    // Too old.
    say(&board, "htx", "DOGE-USDT", "0.1311", 3_000_000);
    tell(&board);
    board
}

/// How the venues are doing.
fn tell(board: &Board) {
    let now = board.clock().now();
    let one = |name: &str, state: ConnectionState, since_ms: i64, until_ms: Option<i64>, pairs: usize| {
        let connection = ConnectionStatus {
            id: "1".into(),
            state,
            since: now.plus_millis(-since_ms),
            reconnects: 6,
            last_error: None,
            pairs: pairs as u32,
            until: until_ms.map(|ms| now.plus_millis(ms)),
            unread: None,
            every_ms: None,
            seldom: None,
        };
        let names = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "DOGE-USDT"];
        let pairs = names.iter().take(pairs).map(|name| PairStatus {
            pair: pair(name),
            state: PairState::Live,
            last_data_at: Some(now.plus_millis(-200)),
            stale_after_ms: Some(200_000),
            expire_after_ms: Some(2_000_000),
        });
        board.apply_status(Arc::new(VenueStatus {
            v: 1,
            venue: venue(name),
            collector: "test".into(),
            sent_at: now,
            connections: vec![connection],
            rows: Vec::new(),
            pairs: pairs.collect(),
        }));
    };
    one("binance", ConnectionState::Live, 60_000, None, 3);
    one("kraken", ConnectionState::Live, 60_000, None, 1);
    one("okx", ConnectionState::Live, 60_000, None, 1);
    one("coingecko", ConnectionState::RateLimited, 24_000, Some(500_000), 1);
    one("htx", ConnectionState::Silent, 180_500, Some(500_000), 4);
    one("gemini", ConnectionState::GeoBlocked, 1_000, None, 0);
}

/// A day of candles of our own BTC-USDT: up by 2.31 %, between 65,480.00 and 67,910.50; and a week of SOL-USDT that was
/// above 190 five times, above 195 twice, above 198 once.
pub async fn fill(store: &dyn Store) {
    let of = |name: &str, minutes_ago: i64, prices: [&str; 4]| {
        let start = Interval::Minute.start_of(BASE.plus_millis(-minutes_ago * 60_000));
        let key = CandleKey { venue: None, pair: pair(name), interval: Interval::Minute, start };
        let [open, high, low, close] = prices.map(price);
        let last_at = start.plus_millis(59_000);
        Candle { key, open, high, low, close, ticks: 9, first_at: start, last_at }
    };
    let candle = |minutes_ago, prices| of("BTC-USDT", minutes_ago, prices);
    let mut all = vec![
        candle(1_438, ["65726.81", "65800.00", "65726.81", "65790.00"]),
        candle(1_000, ["65600.00", "65620.00", "65480.00", "65500.00"]),
        candle(300, ["67800.00", "67910.50", "67790.00", "67850.00"]),
    ];
    all.push(candle(1, ["67240.00", "67250.00", "67230.00", "67245.10"]));
    let highs = ["191", "196.5", "192", "199", "190.5"];
    all.push(of("SOL-USDT", 10_075, ["180", "181", "180", "180"]));
    all.extend(
        (2i64..).zip(highs).map(|(days, high)| of("SOL-USDT", days * 1_440, ["180", high, "179", "181"])),
    );
    store.put_candles(&all).await.unwrap();
}

/// Eight days of ETH-USDT that wander, in minutes for the last two and in hours before: what a chart is looked at with.
pub async fn walk(store: &dyn Store) {
    let mut seed = 42u64;
    let mut next = |most: i64| {
        // Knuth's linear congruential generator: the same walk in every run.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64 % (2 * most + 1) - most
    };
    let mut cents = 312_000i64;
    let mut all = Vec::new();
    let step = |interval: Interval,
                minutes_ago: i64,
                cents: &mut i64,
                most: i64,
                next: &mut dyn FnMut(i64) -> i64| {
        let start = interval.start_of(BASE.plus_millis(-minutes_ago * 60_000));
        let key = CandleKey { venue: None, pair: pair("ETH-USDT"), interval, start };
        let open = *cents;
        let close = open + next(most) + most / 40;
        let (high, low) = (open.max(close) + next(most).abs() / 2, open.min(close) - next(most).abs() / 2);
        *cents = close;
        let money = |cents: i64| price(&format!("{}.{:02}", cents / 100, cents % 100));
        let last_at = start.plus_millis(interval.millis() - 1);
        Candle {
            key,
            open: money(open),
            high: money(high),
            low: money(low),
            close: money(close),
            ticks: 9,
            first_at: start,
            last_at,
        }
    };
    for hours_ago in (48..200).rev() {
        all.push(step(Interval::Hour, hours_ago * 60, &mut cents, 2_500, &mut next));
    }
    let minutes_from = cents;
    for minutes_ago in (0..2_880).rev() {
        all.push(step(Interval::Minute, minutes_ago, &mut cents, 420, &mut next));
    }
    cents = minutes_from;
    for hours_ago in (0..48).rev() {
        all.push(step(Interval::Hour, hours_ago * 60, &mut cents, 2_500, &mut next));
    }
    store.put_candles(&all).await.unwrap();
}
