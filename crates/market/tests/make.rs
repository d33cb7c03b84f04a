//! The rules for making a rate, each as a table of cases with values worked out by hand.
//! It must not know how a board keeps its ticks.

use market::{
    Feed, Flag, Flags, Limits, Made, Pair, Price, Quoting, RateState, Sequence, Source, Tick, Timestamp,
    VenueId, make,
};

const LIMITS: Limits = Limits { stale_after_ms: 30_000, expire_after_ms: 300_000 };

#[derive(Default, Clone)]
struct Told {
    last: Option<&'static str>,
    bid: Option<&'static str>,
    ask: Option<&'static str>,
    age_ms: i64,
    flags: Flags,
    suspect: bool,
    feed: Feed,
    excluded: bool,
}

fn last(value: &'static str) -> Told {
    Told { last: Some(value), ..Told::default() }
}

fn old(value: &'static str, age_ms: i64) -> Told {
    Told { last: Some(value), age_ms, ..Told::default() }
}

fn book(bid: &'static str, ask: &'static str) -> Told {
    Told { bid: Some(bid), ask: Some(ask), ..Told::default() }
}

fn now() -> Timestamp {
    Timestamp::from_millis(10_000_000)
}

fn made_with(told: &[Told], sources_min: u32) -> Made {
    let pair = Pair::parse("BTC-USD").unwrap();
    let parse = |text: Option<&str>| text.map(|t| Price::parse(t).unwrap());
    let venues: Vec<VenueId> = (0..told.len()).map(|n| VenueId::parse(&format!("v{n}")).unwrap()).collect();
    let sources: Vec<Source> = told
        .iter()
        .map(|t| {
            let at = now().plus_millis(-t.age_ms);
            let mut source = Source::default();
            source.apply(&Tick {
                pair: pair.clone(),
                symbol: "s".into(),
                last: parse(t.last),
                bid: parse(t.bid),
                ask: parse(t.ask),
                venue_time: Some(at),
                received_at: at,
                sequence: Sequence::new("1"),
                flags: t.flags,
            });
            source
        })
        .collect();
    let quoting: Vec<Quoting<'_>> = told
        .iter()
        .zip(venues.iter().zip(&sources))
        .map(|(t, (venue, source))| Quoting {
            venue,
            source,
            limits: LIMITS,
            is_suspect: t.suspect,
            feed: t.feed,
            is_excluded: t.excluded,
        })
        .collect();
    make(&pair, &quoting, sources_min, now()).unwrap()
}

/// `state basis value spread bid/ask low..high [degraded] parts`, dashes for what is not there.
fn say(made: &Made) -> String {
    let or = |v: Option<Price>| v.map_or("-".to_owned(), |v| v.to_string());
    let rate = &made.rate;
    let parts: Vec<_> = made.parts.iter().map(|p| p.reason().unwrap_or("used")).collect();
    format!(
        "{:?} {:?} {} {} {}/{} {}..{} {:?} {}",
        rate.state,
        rate.basis,
        or(rate.value),
        rate.spread_pct.map_or("-".to_owned(), |d| d.to_string()),
        or(rate.bid),
        or(rate.ask),
        or(rate.low),
        or(rate.high),
        rate.degraded,
        parts.join(","),
    )
}

#[track_caller]
fn check(told: &[Told], expect: &str) {
    assert_eq!(say(&made_with(told, 1)), expect);
}

#[test]
fn the_value_keeps_every_published_digit() {
    check(&[last("64348.95000000")], "Fresh Last 64348.95000000 - -/- -..- [] used");
    // Odd: the tick in the middle, as published. Even: the exact mean of the middle two.
    check(&[last("101.10"), last("100"), last("102")], "Fresh Last 101.10 1.9782 -/- -..- [] used,used,used");
    check(&[last("1.10"), last("1.20")], "Fresh Last 1.15 8.6957 -/- -..- [] used,used");
    check(&[last("1.1"), last("1.2")], "Fresh Last 1.15 8.6957 -/- -..- [] used,used");
    check(
        &[last("0.00000001"), last("0.00000002")],
        "Disputed Last - 66.6667 -/- 0.00000001..0.00000002 [] used,used",
    );
    check(
        &[last("1234567890123456789012345678"), last("1234567890123456789012345679")],
        "Fresh Last 1234567890123456789012345678.5 0 -/- -..- [] used,used",
    );
}

#[test]
fn bid_and_ask() {
    check(&[book("99", "101.5")], "Fresh Mid 100.25 - 99/101.5 -..- [] used");
    let both = Told { bid: Some("99"), ask: Some("101"), ..last("100.5") };
    check(std::slice::from_ref(&both), "Fresh Last 100.5 - 99/101 -..- [] used");
    check(&[both, book("99.5", "102.5")], "Fresh Mid 100.75 0.4963 99.25/101.75 -..- [] used,used");
    // The best of each side would be 102 over 101: the middle of each stays in order.
    check(&[book("100", "101"), book("102", "103")], "Fresh Mid 101.5 1.9704 101/102 -..- [] used,used");
    // A bid alone is no value.
    check(
        &[Told { bid: Some("99"), ..Told::default() }, last("100")],
        "Fresh Last 100 - -/- -..- [] no_value,used",
    );
}

#[test]
fn outliers_are_dropped_from_three_sources_on() {
    // Median 101, MAD 1: 4.4478; 5 % is 5.05 and more. 106.05 is just not more than 5.05 off.
    check(&[last("100"), last("101"), last("106.05")], "Fresh Last 101 5.9901 -/- -..- [] used,used,used");
    check(
        &[last("100"), last("101"), last("106.06")],
        "Fresh Last 100.5 0.995 -/- -..- [] used,used,outlier",
    );
    check(&[last("100"), last("100"), last("10000")], "Fresh Last 100 0 -/- -..- [] used,used,outlier");
    // Median 100, deviations 0 4 4 8 40: MAD 4, bound 17.7912 (above 5 %).
    check(
        &[last("96"), last("104"), last("100"), last("108"), last("140")],
        "Disputed Last - 11.7647 -/- 96..108 [] used,used,used,used,outlier",
    );
    // Two are never an outlier to each other.
    check(&[last("100"), last("10000")], "Disputed Last - 196.0396 -/- 100..10000 [] used,used");
}

#[test]
fn more_than_a_tenth_apart_is_disputed() {
    check(&[last("95"), last("105")], "Fresh Last 100 10 -/- -..- [] used,used");
    check(&[last("95"), last("105.01")], "Disputed Last - 10.0095 -/- 95..105.01 [] used,used");
    check(&[last("100"), last("112")], "Disputed Last - 11.3208 -/- 100..112 [] used,used");
    // Two camps.
    check(
        &[last("100"), last("112"), last("100"), last("112")],
        "Disputed Last - 11.3208 -/- 100..112 [] used,used,used,used",
    );
}

#[test]
fn age_decides_who_takes_part() {
    check(&[old("100", 30_000)], "Fresh Last 100 - -/- -..- [] used");
    check(&[old("100", 30_001)], "Stale Last 100 - -/- -..- [\"venue_down:v0\"] used");
    check(&[old("100", 300_001)], "Expired Last - - -/- -..- [\"venue_down:v0\"] expired");
    check(&[old("90", 31_000), last("100")], "Fresh Last 100 - -/- -..- [\"venue_down:v0\"] stale,used");
    check(
        &[old("100", 400_000), old("103", 31_000), old("101", 31_000)],
        "Stale Last 102 1.9608 -/- -..- [\"venue_down:v0\", \"venue_down:v1\", \"venue_down:v2\"] expired,used,used",
    );
}

#[test]
fn a_living_book_stands_in_for_a_trade_that_is_too_old() {
    let pair = Pair::parse("A-B").unwrap();
    let venue = VenueId::parse("v").unwrap();
    let mut source = Source::default();
    let tick = |at: i64, last: Option<&str>, bid: Option<&str>, ask: Option<&str>| {
        let parse = |t: Option<&str>| t.map(|t| Price::parse(t).unwrap());
        let at = now().plus_millis(-at);
        Tick {
            pair: pair.clone(),
            symbol: "s".into(),
            last: parse(last),
            bid: parse(bid),
            ask: parse(ask),
            venue_time: None,
            received_at: at,
            sequence: Sequence::from_receipt(at),
            flags: Flags::NONE,
        }
    };
    let of = |source: &Source| {
        let quoting = Quoting {
            venue: &venue,
            source,
            limits: LIMITS,
            is_suspect: false,
            feed: Feed::Good,
            is_excluded: false,
        };
        say(&make(&pair, &[quoting], 1, now()).unwrap())
    };
    source.apply(&tick(40_000, Some("9"), None, None));
    assert_eq!(of(&source), "Stale Last 9 - -/- -..- [\"venue_down:v\"] used");
    source.apply(&tick(20_000, None, Some("10"), None));
    assert_eq!(of(&source), "Stale Last 9 - 10/- -..- [\"venue_down:v\"] used");
    source.apply(&tick(10_000, None, None, Some("11")));
    assert_eq!(of(&source), "Fresh Mid 10.5 - 10/11 -..- [] used");
    source.apply(&tick(0, Some("10.9"), None, None));
    assert_eq!(of(&source), "Fresh Last 10.9 - 10/11 -..- [] used");
}

#[test]
fn what_is_not_as_it_should_be_is_said() {
    let cached = Told { flags: Flags::NONE.with(Flag::Cached), ..last("100") };
    let skewed = Told { flags: Flags::NONE.with(Flag::ClockSkew), ..last("100") };
    check(std::slice::from_ref(&cached), "Fresh Last 100 - -/- -..- [\"cache_only\"] used");
    check(&[cached.clone(), last("100")], "Fresh Last 100 0 -/- -..- [] used,used");
    check(std::slice::from_ref(&skewed), "Fresh Last 100 - -/- -..- [\"clock_skew\"] used");
    check(&[Told { feed: Feed::Down, ..last("100") }], "Fresh Last 100 - -/- -..- [\"venue_down:v0\"] used");
    check(&[Told { suspect: true, ..last("100") }], "Suspect Last 100 - -/- -..- [] suspect");
    check(
        &[Told { suspect: true, ..last("100") }, last("101")],
        "Fresh Last 100.5 0.995 -/- -..- [] used,used",
    );
    check(
        &[Told { suspect: true, ..old("100", 40_000) }],
        "Stale Last 100 - -/- -..- [\"venue_down:v0\"] suspect",
    );
    let out = Told { excluded: true, feed: Feed::Down, ..last("50") };
    check(&[out, last("100")], "Fresh Last 100 - -/- -..- [] excluded,used");
    let made = made_with(&[Told { feed: Feed::Down, ..cached }], 2);
    assert_eq!(made.rate.degraded, ["venue_down:v0", "cache_only", "few_sources"]);
    let made = made_with(&[last("100"), skewed], 3);
    assert_eq!(made.rate.degraded, ["few_sources", "clock_skew"]);
    let unheard = Told { feed: Feed::Unheard, ..last("100") };
    check(
        std::slice::from_ref(&unheard),
        "Fresh Last 100 - -/- -..- [\"venue_down:v0\", \"cache_only\"] used",
    );
    check(&[unheard, last("100")], "Fresh Last 100 0 -/- -..- [\"venue_down:v0\"] used,used");
}

#[test]
fn the_time_is_that_of_what_the_value_rests_on() {
    let at = |told: &[Told]| now().millis_since(made_with(told, 1).rate.event_time.unwrap());
    assert_eq!(at(&[old("100", 7), old("101", 9), old("102", 5)]), 9);
    assert_eq!(at(&[old("100", 7), old("101", 9)]), 9);
    assert_eq!(at(&[old("100", 3)]), 3);
    assert_eq!(at(&[old("100", 310_000), old("100", 400_000)]), 310_000);
}

#[test]
fn when_time_changes_it_next() {
    let left = |told: &[Told]| made_with(told, 1).rate.changes_at.map(|at| at.millis_since(now()));
    assert_eq!(left(&[old("100", 1_000)]), Some(29_000));
    assert_eq!(left(&[old("100", 1_000), old("100", 20_000)]), Some(10_000));
    assert_eq!(left(&[old("100", 31_000)]), Some(269_000));
    assert_eq!(left(&[old("100", 31_000), old("100", 5_000)]), Some(25_000));
    assert_eq!(left(&[old("100", 300_001)]), None);
}

#[test]
fn nothing_overflows() {
    let most = "9999999999999999999999999999";
    check(&[last(most), last(most), last(most)], &format!("Fresh Last {most} 0 -/- -..- [] used,used,used"));
    let least = "0.0000000000000000000000000001";
    let made = made_with(&[last(most), last(least)], 1);
    assert_eq!(made.rate.state, RateState::Disputed);
    made_with(&[last(most), last(least), last("1"), book(least, most)], 1);
}
