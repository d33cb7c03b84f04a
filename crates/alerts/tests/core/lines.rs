//! An alert on one line, and how often it would have fired.
//! It must not know who writes the line.

use crate::desk::{START_MS, at, pair, price};
use alerts::{Condition, Direction, Quiet, Side, Spec, parse, preview};
use market::{Price, Sign, Timestamp, VenueId};
use proptest::prelude::*;
use rust_decimal::Decimal;
use store::{Candle, CandleKey, Interval};

#[test]
fn lines_are_read() {
    for (line, said) in [
        ("BTC-USDT above 70000", "BTC-USDT above 70000"),
        ("btc usdt below 60000.50 repeat", "BTC-USDT below 60000.50 repeat"),
        ("BTC/USDT is above 1e5 urgent repeat", "BTC-USDT is above 100000 repeat urgent"),
        ("BTC-USDT +5% in 60m", "BTC-USDT +5% in 1h"),
        ("BTC-USDT -5% in 90m cooldown 0", "BTC-USDT -5% in 90m cooldown 0"),
        ("BTC-USDT 5% in 2d hysteresis 1%", "BTC-USDT 5% in 2d hysteresis 1%"),
        ("BTC-USDT -2.5%", "BTC-USDT -2.5%"),
        ("BTC-USDT 24h +10%", "BTC-USDT 24h +10%"),
        ("BTC-USDT spread 1% until 2030-01-01T00:00Z", "BTC-USDT spread 1% until 2030-01-01T00:00:00Z"),
        ("venue somewhere down 5m", "venue somewhere down 5m"),
        (
            "BTC-USDT above 1 quiet 22:00-8:00 europe/berlin",
            "BTC-USDT above 1 quiet 22:00-08:00 Europe/Berlin",
        ),
    ] {
        assert_eq!(parse(line).map(|spec| spec.to_string()), Ok(said.to_owned()), "{line}");
    }
    for (line, said) in [
        ("", "\"\" is no pair"),
        ("BTC", "\"BTC\" is no pair"),
        ("above 70000", "after the pair"),
        ("BTC-USDT", "after the pair"),
        ("BTC-USDT above", "after the pair"),
        ("BTC-USDT above high", "\"high\" is no price"),
        ("BTC-USDT above 0", "\"0\" is no price"),
        ("BTC-USDT above 70,000", "\"70,000\" is no price"),
        ("BTC-USDT +-5%", "\"+-5%\" is no percentage"),
        ("BTC-USDT +5% in soon", "\"soon\" is no span"),
        ("BTC-USDT +5% in -1h", "\"-1h\" is no span"),
        ("BTC-USDT +5% in 99999999999999999d", "\"99999999999999999d\" is no span"),
        ("BTC-USDT 100% in 1h", "pct: nothing falls"),
        ("BTC-USDT above 1 loudly", "\"loudly\" is not understood"),
        ("BTC-USDT above 1 quiet 22:00-08:00", "\"quiet\" is not understood"),
        ("BTC-USDT above 1 quiet 22:00-25:00 UTC", "\"25:00\" is no stretch"),
        ("BTC-USDT above 1 until tomorrow", "\"tomorrow\" is no time"),
    ] {
        let error = parse(line).map(|spec| spec.to_string()).expect_err(line).to_string();
        assert!(error.starts_with(said), "{line}: {error}");
    }
}

fn specs() -> impl Strategy<Value = Spec> {
    let side = || prop_oneof![Just(Side::Above), Just(Side::Below)];
    let direction = || prop_oneof![Just(Direction::Up), Just(Direction::Down), Just(Direction::Either)];
    let threshold = || {
        (1i64..i64::MAX, 0u32..12, any::<bool>()).prop_map(|(digits, scale, negative)| {
            let digits = if negative { -digits } else { digits };
            Price::from_decimal(Decimal::new(digits, scale), Sign::Any).expect("a price")
        })
    };
    let pct = || (1i64..9_999).prop_map(|hundredths| Decimal::new(hundredths, 2));
    let span = || (60i64..604_800).prop_map(|seconds| seconds * 1_000);
    let condition = prop_oneof![
        (side(), threshold()).prop_map(|(side, threshold)| Condition::Cross { side, threshold }),
        (side(), threshold()).prop_map(|(side, threshold)| Condition::Is { side, threshold }),
        (direction(), pct(), span()).prop_map(|(direction, pct, within_ms)| Condition::Move {
            direction,
            pct,
            within_ms
        }),
        (direction(), pct()).prop_map(|(direction, pct)| Condition::MoveFromNow { direction, pct }),
        (direction(), pct()).prop_map(|(direction, pct)| Condition::Change24h { direction, pct }),
        (1i64..999).prop_map(|hundredths| Condition::Spread { pct: Decimal::new(hundredths, 2) }),
        span().prop_map(|for_ms| Condition::SourceDown {
            venue: VenueId::parse("somewhere").expect("a venue"),
            for_ms
        }),
    ];
    let quiet = (0u16..1_440, 0u16..1_440)
        .prop_map(|(from, to)| Quiet::of_minutes(from.into(), to.into(), "Europe/Berlin"));
    let rest =
        (any::<bool>(), any::<bool>(), 0i64..100_000, 0i64..5_000, proptest::option::of(0i64..4_000_000_000));
    (condition, rest, proptest::option::of(quiet)).prop_map(|(condition, rest, quiet)| {
        let (repeat, is_urgent, cooldown_s, hysteresis, expires) = rest;
        let is_venue = matches!(condition, Condition::SourceDown { .. });
        Spec {
            repeat,
            is_urgent,
            cooldown_ms: cooldown_s * 1_000,
            hysteresis_pct: Decimal::new(hysteresis, 2),
            expires_at: expires.map(|s| Timestamp::from_millis(s * 1_000)),
            quiet: quiet.flatten(),
            ..Spec::new((!is_venue).then(pair), condition)
        }
    })
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(spec in specs()) {
        prop_assert_eq!(parse(&spec.to_string()), Ok(spec.clone()));
        prop_assert_eq!(Spec::from_json(&spec.to_json()), Ok(spec));
    }

    #[test]
    fn no_line_breaks_the_reader(line in "\\PC{0,60}", tail in "(above|is|24h|in|quiet|[+-]?[0-9.]{1,5}%|[0-9]{1,30}[dhms]| ){0,8}") {
        let _ = parse(&line);
        let _ = parse(&format!("BTC-USDT {tail}"));
    }
}

/// One candle a minute: open, highest, lowest, close.
fn candles(all: &[[&str; 4]]) -> Vec<Candle> {
    all.iter()
        .enumerate()
        .map(|(minute, [open, high, low, close])| {
            let start = Interval::Minute.start_of(at(minute as i64 * 60_000));
            let key = CandleKey { venue: None, pair: pair(), interval: Interval::Minute, start };
            let (first_at, last_at) = (start, start.plus_millis(59_000));
            let (open, high, low, close) = (price(open), price(high), price(low), price(close));
            Candle { key, open, high, low, close, ticks: 4, first_at, last_at }
        })
        .collect()
}

#[test]
fn previews_count_what_would_have_fired() {
    let up = ["99", "101", "98", "100.5"];
    let calm = ["99", "99.9", "98", "99"];
    let all = candles(&[calm, up, calm, up, calm, up]);
    let from = Timestamp::from_millis(START_MS - 60_000);
    let count = |line: &str, from| preview(&parse(line).expect("a line"), &all, from);
    assert_eq!(count("BTC-USDT above 100 cooldown 0", from), Some(3));
    assert_eq!(count("BTC-USDT above 100", from), Some(1), "a cooldown of 15 minutes");
    assert_eq!(count("BTC-USDT above 102", from), Some(0));
    assert_eq!(count("BTC-USDT is below 1000", from), Some(1));
    assert_eq!(count("BTC-USDT +3% in 5m cooldown 0", from), Some(3), "from 98 to 101, each time");
    assert_eq!(count("BTC-USDT +4% in 5m cooldown 0", from), Some(0));
    assert_eq!(count("BTC-USDT above 100 cooldown 0", all[2].key.start), Some(2));
    assert_eq!(count("BTC-USDT 24h +1%", from), Some(0), "nothing is known of the day before");
    assert_eq!(count("BTC-USDT spread 1%", from), None);
    assert_eq!(count("venue somewhere down 5m", from), None);
}
