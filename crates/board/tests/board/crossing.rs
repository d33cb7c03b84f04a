//! Crossed answers: asked for, kept, told on the stream, and never staler than their legs.

use crate::lab::*;
use market::{Basis, Price, RateState};
use std::{sync::Arc, time::Duration};

#[tokio::test(start_paused = true)]
async fn a_cross_moves_with_its_legs() {
    let lab = Lab::new();
    assert_eq!(lab.read("BTC-RUB"), "none");
    lab.say("v1", "BTC-USDT", "64000");
    assert_eq!(lab.read("BTC-RUB"), "none");
    lab.say("v2", "USDT-RUB", "90");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5760000 []");
    assert!(Arc::ptr_eq(&lab.answer("BTC-RUB"), &lab.answer("BTC-RUB")), "kept while its legs stand");
    lab.say("v2", "USDT-RUB", "91");
    lab.pass(1).await;
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5824000 []");
    assert_eq!(lab.answer("RUB-BTC").rate.legs.len(), 2);
    // A shorter way turns up.
    lab.pass(1).await;
    lab.say("v3", "RUB-BTC", "0.000002");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 500000 []");
    assert_eq!(lab.answer("BTC-RUB").rate.legs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cross_never_outlives_its_legs() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USDT", "64000");
    tokio::time::advance(Duration::from_secs(10)).await;
    lab.say("v2", "USDT-RUB", "90");
    assert_eq!(lab.answer("BTC-RUB").age_ms(lab.now()), Some(10_000));
    tokio::time::advance(Duration::from_millis(20_000)).await;
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5760000 []");
    // No timer runs here: the reader itself sees that a leg is too old.
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(lab.read("BTC-RUB"), "none");
    lab.say("v1", "BTC-USDT", "65000");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5850000 []");
}

/// Of two equally short routes the fresher one: looked at again within a second, even if nothing else happened.
#[tokio::test(start_paused = true)]
async fn the_fresher_route_takes_over() {
    let lab = Lab::new();
    for (name, value) in [("A-M", "2"), ("M-B", "3"), ("A-N", "4"), ("N-B", "5")] {
        lab.say("v1", name, value);
    }
    assert_eq!(lab.read("A-B"), "Fresh 6 []");
    lab.pass(500).await;
    lab.say("v1", "A-N", "4");
    lab.say("v1", "N-B", "5");
    lab.pass(501).await;
    assert_eq!(lab.read("A-B"), "Fresh 20 []");
}

/// A leg that loses one of its venues is still a leg, even before the timer has looked.
#[tokio::test(start_paused = true)]
async fn a_leg_that_loses_a_venue_is_still_a_leg() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USDT", "64000");
    tokio::time::advance(Duration::from_secs(10)).await;
    lab.say("v2", "BTC-USDT", "64000");
    lab.say("v2", "USDT-RUB", "90");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5760000 []");
    tokio::time::advance(Duration::from_millis(20_001)).await;
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5760000 [\"venue_down:v1\"]");
}

/// The venue of BTC-RUB falls silent: a cross stands in, says so, and goes when the venue is back.
#[tokio::test(start_paused = true)]
async fn a_cross_stands_in_for_a_silent_venue() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-RUB", "5700000");
    lab.pass(20_000).await;
    lab.say("v2", "BTC-USDT", "64000");
    lab.say("v2", "USDT-RUB", "90");
    assert_eq!(lab.answer("BTC-RUB").rate.basis, Basis::Last, "what is quoted and fresh wins");
    lab.events().await;
    lab.pass(10_100).await;
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5760000 [\"venue_down:v1\"]");
    assert_eq!(lab.answer("BTC-RUB").rate.basis, Basis::Cross);
    assert_eq!(lab.events().await, ["BTC-RUB fresh 5760000"]);
    let all = lab.board.answers();
    assert_eq!(all.iter().find(|a| a.rate.pair == pair("BTC-RUB")).unwrap().rate.basis, Basis::Cross);
    // The stream follows the legs.
    lab.say("v2", "USDT-RUB", "91");
    lab.pass(100).await;
    assert_eq!(lab.events().await, ["USDT-RUB fresh 91", "BTC-RUB fresh 5824000"]);
    // The legs fall silent too: then the pair's own tick is what is left.
    lab.pass(31_000).await;
    assert_eq!(lab.read("BTC-RUB"), "Stale 5700000 [\"venue_down:v1\"]");
    assert!(lab.events().await.contains(&"BTC-RUB stale 5700000".to_owned()));
    lab.say("v1", "BTC-RUB", "5710000");
    assert_eq!(lab.read("BTC-RUB"), "Fresh 5710000 []");
    assert_eq!(lab.events().await, ["BTC-RUB fresh 5710000"]);
}

#[tokio::test(start_paused = true)]
async fn a_cross_that_was_asked_for_is_told_on_the_stream() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-USDT", "64000");
    lab.say("v2", "USDT-RUB", "90");
    lab.answer("BTC-RUB");
    lab.pass(100).await;
    lab.events().await;
    lab.say("v2", "USDT-RUB", "91");
    lab.pass(100).await;
    assert_eq!(lab.events().await, ["USDT-RUB fresh 91", "BTC-RUB fresh 5824000"]);
    lab.pass(29_900).await;
    assert_eq!(lab.events().await, ["BTC-USDT stale 64000", "BTC-RUB expired null"]);
    // Nobody asked for a minute: it is told no more.
    lab.pass(31_000).await;
    lab.say("v1", "BTC-USDT", "65000");
    lab.say("v2", "USDT-RUB", "90");
    lab.pass(100).await;
    let events = lab.events().await;
    assert!(!events.iter().any(|e| e.starts_with("BTC-RUB fresh")), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn conversion_directly_inversely_and_crossed() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USDT", "64000.5");
    lab.say("v2", "RUB-USDT", "0.0125");
    for (amount, name, result, legs) in [
        ("2", "BTC-USDT", "128001", 0),
        ("128001", "USDT-BTC", "2", 1),
        ("0.5", "BTC-RUB", "2560020", 2),
        ("2560020", "RUB-BTC", "0.5", 2),
    ] {
        let conversion = lab.board.convert(Price::parse(amount).unwrap(), &pair(name)).unwrap();
        assert_eq!(
            (conversion.result.to_string().as_str(), conversion.rate.legs.len()),
            (result, legs),
            "{name}"
        );
    }
    assert!(lab.board.convert(Price::parse("1").unwrap(), &pair("BTC-EUR")).is_none());
}

#[tokio::test(start_paused = true)]
async fn one_venue_alone_is_never_crossed() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.say("v2", "BTC-USD", "102");
    let of = |from: &str| lab.board.answer_of_venue(&pair("BTC-USD"), &venue(from)).map(|a| brief(&a));
    assert_eq!(of("v1").as_deref(), Some("Fresh 100 []"));
    assert_eq!(of("v2").as_deref(), Some("Fresh 102 []"));
    assert_eq!(of("v3"), None);
    assert!(lab.board.answer_of_venue(&pair("USD-BTC"), &venue("v1")).is_none());
    lab.pass(31_000).await;
    assert_eq!(of("v1").as_deref(), Some("Stale 100 [\"venue_down:v1\"]"));
}

/// Ten thousand pairs around one hub: one cross does not look at all of them, and neither does the timer.
#[tokio::test(start_paused = true)]
async fn many_pairs() {
    let lab = Lab::new();
    let ticks: Vec<_> = (0..10_000).map(|n| tick(&format!("A{n}-USDT"), "2.5", start())).collect();
    lab.board.apply(&venue("v1"), &ticks);
    assert_eq!(lab.answer("A17-A9999").rate.value.unwrap().to_string(), "1");
    assert_eq!(lab.board.pairs().len(), 10_000);
    lab.pass(30_100).await;
    assert!(lab.board.answers().iter().all(|a| a.rate.state == RateState::Stale));
}
