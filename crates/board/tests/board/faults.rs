//! The rows of the fault table that end at the board: F03, F12 to F15, F17 and failover.

use crate::lab::*;
use board::Board;
use clock::Clock;
use market::{ConnectionState, Flag, Flags, PairState, Price, RateState, Sequence, Tick};
use proptest::prelude::*;

/// F03: frames arrive, but always the same event.
#[tokio::test(start_paused = true)]
async fn the_same_event_repeated_grows_old() {
    let mut lab = Lab::new();
    let event = lab.now();
    for _ in 0..310 {
        let mut tick = tick("BTC-USD", "100", lab.now());
        tick.venue_time = Some(event);
        lab.board.apply(&venue("v1"), &[tick.clone()]);
        tick.sequence = Sequence::new("7");
        lab.board.apply(&venue("v1"), &[tick]);
        let answer = lab.answer("BTC-USD");
        let age = lab.now().millis_since(event);
        assert_eq!(answer.age_ms(lab.now()), Some(age));
        assert_eq!(answer.rate.state == RateState::Fresh, age <= 30_000, "{age}");
        lab.pass(100).await;
    }
    assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Stale);
    assert!(!lab.events().await.is_empty());
}

/// F12a: one of four lies by a hundred times.
#[tokio::test(start_paused = true)]
async fn a_jump_of_one_among_many_changes_nothing() {
    let lab = Lab::new();
    for (from, value) in [("v1", "100.1"), ("v2", "100.2"), ("v3", "100.3")] {
        lab.say(from, "BTC-USD", value);
    }
    assert_eq!(lab.read("BTC-USD"), "Fresh 100.2 []");
    lab.pass(100).await;
    lab.say("v4", "BTC-USD", "10020");
    assert_eq!(lab.read("BTC-USD"), "Fresh 100.2 []");
    let rate = lab.answer("BTC-USD").rate.clone();
    assert_eq!((rate.sources_used, rate.sources_total), (3, 4));
    let views = lab.board.explain(&pair("BTC-USD"));
    assert_eq!(views.iter().map(|v| v.reason).collect::<Vec<_>>(), [None, None, None, Some("outlier")]);
    assert_eq!(views[3].deviation_pct.unwrap().to_string(), "9900");
    assert_eq!(views[0].age_ms, 100);
    assert!(!views[3].used && views[0].used);
}

/// F12b: the only venue jumps.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_only_venue_is_suspect_until_confirmed() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.pass(1_000).await;
    for _ in 0..5 {
        lab.say("v1", "BTC-USD", "10000");
        assert_eq!(lab.read("BTC-USD"), "Suspect 10000 []");
        assert_eq!(lab.board.explain(&pair("BTC-USD"))[0].reason, Some("suspect"));
        lab.pass(1_000).await;
    }
    lab.say("v1", "BTC-USD", "10001");
    assert_eq!(lab.read("BTC-USD"), "Fresh 10001 []");
    lab.pass(1_000).await;
    // One wild print and back.
    lab.say("v1", "BTC-USD", "1");
    lab.pass(100).await;
    lab.say("v1", "BTC-USD", "10002");
    let events = lab.events().await;
    assert_eq!(
        events[events.len() - 3..],
        ["BTC-USD fresh 10001", "BTC-USD suspect 1", "BTC-USD fresh 10002"]
    );
}

/// The same where the venue has no trades but a book.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_only_book_is_suspect_too() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.pass(40_000).await;
    for (bid, ask, expect) in [("99", "101", "Fresh 100 []"), ("990", "1010", "Suspect 1000 []")] {
        let mut book = tick("BTC-USD", "1", lab.now());
        book.last = None;
        (book.bid, book.ask) = (Price::parse(bid).ok(), Price::parse(ask).ok());
        lab.board.apply(&venue("v1"), &[book]);
        assert_eq!(lab.read("BTC-USD"), expect);
        lab.pass(1_000).await;
    }
}

/// F13: six hours without data, then 30 % more.
#[tokio::test(start_paused = true)]
async fn a_jump_after_an_outage_is_confirmed_by_itself() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    tokio::time::advance(std::time::Duration::from_secs(6 * 3_600)).await;
    assert_eq!(lab.read("BTC-USD"), "Expired - [\"venue_down:v1\"]");
    for expect in ["Suspect 130 []", "Suspect 130 []", "Suspect 130 []", "Fresh 130 []"] {
        lab.say("v1", "BTC-USD", "130");
        assert_eq!(lab.read("BTC-USD"), expect);
        lab.pass(2_000).await;
    }
}

/// A move that several venues show is no jump, not even for the one that is left alone after it.
#[tokio::test(start_paused = true)]
async fn what_several_say_is_believed_of_each() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.say("v2", "BTC-USD", "100");
    lab.pass(1_000).await;
    lab.say("v1", "BTC-USD", "70");
    assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Disputed);
    lab.say("v2", "BTC-USD", "70");
    assert_eq!(lab.read("BTC-USD"), "Fresh 70 []");
    lab.pass(29_000).await;
    lab.say("v1", "BTC-USD", "70.1");
    lab.pass(2_000).await;
    assert_eq!(lab.read("BTC-USD"), "Fresh 70.1 [\"venue_down:v2\"]");
}

/// F14: two camps.
#[tokio::test(start_paused = true)]
async fn two_camps_are_disputed() {
    let lab = Lab::new();
    for (from, value) in [("v1", "100"), ("v2", "112"), ("v3", "100"), ("v4", "112")] {
        lab.say(from, "BTC-USD", value);
    }
    let answer = lab.answer("BTC-USD");
    let body = String::from_utf8(answer.body.to_vec()).unwrap() + "0}";
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["state"], "disputed");
    assert_eq!(json["value"], serde_json::Value::Null);
    assert_eq!((json["low"].as_str(), json["high"].as_str()), (Some("100"), Some("112")));
    assert_eq!(json["spread_pct"], "11.3208");
    assert!(lab.board.convert(Price::parse("1").unwrap(), &pair("BTC-USD")).is_none());
    // A cross does not cover it up.
    lab.say("v1", "BTC-EUR", "90");
    lab.say("v1", "EUR-USD", "1.1");
    assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Disputed);
}

/// F15: a venue's clock an hour ahead, then right; and an hour behind.
#[tokio::test(start_paused = true)]
async fn a_wrong_clock() {
    let lab = Lab::new();
    let hour = 3_600_000;
    let mut ahead = tick("BTC-USD", "100", lab.now());
    ahead.venue_time = Some(lab.now().plus_millis(hour));
    lab.board.apply(&venue("v1"), &[ahead]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 [\"clock_skew\"]");
    assert_eq!(lab.answer("BTC-USD").age_ms(lab.now()), Some(0));
    lab.pass(1_000).await;
    let mut right = tick("BTC-USD", "101", lab.now());
    right.venue_time = Some(lab.now().plus_millis(-50));
    lab.board.apply(&venue("v1"), &[right]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    let mut behind = tick("ETH-USD", "10", lab.now());
    behind.venue_time = Some(lab.now().plus_millis(-hour));
    lab.board.apply(&venue("v1"), &[behind]);
    assert_eq!(lab.read("ETH-USD"), "Expired - [\"venue_down:v1\"]");
    let mut behind = tick("ETH-USD", "10", lab.now());
    behind.venue_time = Some(lab.now().plus_millis(-60_000));
    lab.board.apply(&venue("v1"), &[behind]);
    assert_eq!(lab.read("ETH-USD"), "Stale 10 [\"venue_down:v1\"]");
}

/// One of three venues falls silent: the others carry the rate, and the answer says so.
#[tokio::test(start_paused = true)]
async fn failover() {
    let lab = Lab::new();
    let live = |from: &str, state| lab.status(from, state, &[("BTC-USD", PairState::Live)]);
    for (from, value) in [("v1", "100"), ("v2", "101"), ("v3", "103")] {
        lab.say(from, "BTC-USD", value);
        live(from, ConnectionState::Live);
    }
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    // Its collector knows before the tick is old.
    live("v2", ConnectionState::Silent);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 [\"venue_down:v2\"]");
    for _ in 0..31 {
        for from in ["v1", "v3"] {
            lab.say(from, "BTC-USD", if from == "v1" { "100" } else { "103" });
            live(from, ConnectionState::Live);
        }
        live("v2", ConnectionState::BackingOff);
        lab.pass(1_000).await;
    }
    assert_eq!(lab.read("BTC-USD"), "Fresh 101.5 [\"venue_down:v2\"]");
    let rate = lab.answer("BTC-USD").rate.clone();
    assert_eq!((rate.sources_used, rate.sources_total), (2, 3));
    lab.say("v2", "BTC-USD", "102");
    live("v2", ConnectionState::Live);
    assert_eq!(lab.read("BTC-USD"), "Fresh 102 []");
}

/// Ticks from the cache: old ones change nothing, and what the venue itself says counts before them.
#[tokio::test(start_paused = true)]
async fn an_old_cache_never_overwrites() {
    let lab = Lab::new();
    let mut live = tick("BTC-USD", "100", lab.now());
    let mut cached = live.clone();
    cached.flags = Flags::NONE.with(Flag::Cached);
    lab.board.apply(&venue("v1"), &[cached.clone()]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 [\"cache_only\"]");
    let is_ready =
        |lab: &Lab| [&[][..], &[pair("BTC-USD")], &[pair("USD-BTC")]].map(|p| lab.board.is_ready(p));
    assert_eq!(is_ready(&lab), [false; 3], "the venue has said nothing since the start");
    lab.board.apply(&venue("v1"), &[live.clone()]);
    assert_eq!(is_ready(&lab), [true; 3]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    lab.board.apply(&venue("v1"), &[cached.clone()]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    lab.pass(1_000).await;
    live = tick("BTC-USD", "101", lab.now());
    lab.board.apply(&venue("v1"), &[live]);
    lab.board.apply(&venue("v1"), &[cached]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// F17, B06: any order, any duplicates, any batches give the same answers.
    #[test]
    fn any_order_gives_the_same_board(
        (ticks, shuffled, cut) in prop::collection::vec((0..3usize, 0..2usize, 0..40i64, 0..900i64), 1..24).prop_flat_map(|said| {
            let twice: Vec<_> = said.iter().chain(&said).copied().collect();
            (Just(said), Just(twice).prop_shuffle(), 1..7usize)
        })
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let board = |said: &[(usize, usize, i64, i64)], cut: usize| {
                let board = Board::new(Clock::at(start().plus_millis(1_000)), options());
                for batch in said.chunks(cut) {
                    for (from, name, at, value) in batch {
                        // Within 10 % of each other: the guard against jumps looks at the order of arrival.
                        let text = format!("10{value:03}");
                        let tick: Tick = tick(["BTC-USD", "ETH-USD"][*name], &text, start().plus_millis(*at));
                        board.apply(&venue(["v1", "v2", "v3"][*from]), &[tick]);
                    }
                }
                board
            };
            let (one, other) = (board(&ticks, 1), board(&shuffled, cut));
            let bodies = |b: &Board| b.answers().iter().map(|a| a.body.clone()).collect::<Vec<_>>();
            prop_assert_eq!(bodies(&one), bodies(&other));
            Ok(())
        })?;
    }
}
