//! What time alone does to answers: fresh, stale, expired; unknown venues; each with its event.

use crate::lab::*;
use market::{ConnectionState, PairState, RateState};
use std::{sync::Arc, time::Duration};

#[tokio::test(start_paused = true)]
async fn fresh_then_stale_then_expired_by_time_alone() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-USD", "64348.950");
    assert_eq!(lab.read("BTC-USD"), "Fresh 64348.950 []");
    lab.pass(30_000).await;
    assert_eq!(lab.read("BTC-USD"), "Fresh 64348.950 []");
    assert_eq!(lab.events().await, ["BTC-USD fresh 64348.950"]);
    lab.pass(100).await;
    assert_eq!(lab.events().await, ["BTC-USD stale 64348.950"]);
    assert_eq!(lab.read("BTC-USD"), "Stale 64348.950 [\"venue_down:v1\"]");
    assert_eq!(lab.answer("BTC-USD").age_ms(lab.now()), Some(30_100));
    lab.pass(269_900).await;
    assert_eq!(lab.events().await, Vec::<String>::new());
    lab.pass(100).await;
    assert_eq!(lab.events().await, ["BTC-USD expired null"]);
    assert_eq!(lab.read("BTC-USD"), "Expired - [\"venue_down:v1\"]");
    lab.say("v1", "BTC-USD", "64349");
    assert_eq!(lab.events().await, ["BTC-USD fresh 64349"]);
    lab.pass(30_200).await;
    assert_eq!(lab.events().await, ["BTC-USD stale 64349"]);
}

/// Between two turns of the timer a reader sees for itself what time has done.
#[tokio::test(start_paused = true)]
async fn a_reader_never_sees_stale_as_fresh() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    tokio::time::advance(Duration::from_millis(30_001)).await;
    assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Stale);
    assert_eq!(lab.events().await, ["BTC-USD fresh 100", "BTC-USD stale 100"]);
    lab.say("v1", "BTC-USD", "101");
    lab.say("v1", "BTC-RUB", "9");
    tokio::time::advance(Duration::from_millis(30_001)).await;
    assert!(lab.board.answers().iter().all(|a| a.rate.state == RateState::Stale));
}

/// A pair that ticks stays fresh, however the queue of what is due was filled before.
#[tokio::test(start_paused = true)]
async fn a_pair_that_ticks_stays_fresh() {
    let lab = Lab::new();
    for second in 0..120 {
        lab.say("v1", "BTC-USD", &format!("100.{second:03}"));
        lab.pass(1_000).await;
        assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Fresh);
    }
    lab.pass(29_100).await;
    assert_eq!(lab.answer("BTC-USD").rate.state, RateState::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_silent_collector_makes_its_venue_unknown() {
    let mut lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    assert!(lab.board.venues()[0].unknown, "no collector has spoken yet");
    lab.status("v1", ConnectionState::Live, &[("BTC-USD", PairState::Live)]);
    assert_eq!(
        lab.events().await,
        ["BTC-USD fresh 100", "{connections:[{id:v1-1,state:live}],unknown:false,venue:v1}"]
    );
    lab.pass(5_000).await;
    lab.status("v1", ConnectionState::Live, &[("BTC-USD", PairState::Live)]);
    assert_eq!(lab.events().await, Vec::<String>::new(), "the same again is no change");
    lab.say("v1", "BTC-USD", "101");
    lab.pass(15_000).await;
    assert!(!lab.board.venues()[0].unknown);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    lab.pass(100).await;
    assert!(lab.board.venues()[0].unknown);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 [\"venue_down:v1\", \"cache_only\"]");
    assert_eq!(
        lab.events().await,
        [
            "BTC-USD fresh 101",
            "{connections:[{id:v1-1,state:live}],unknown:true,venue:v1}",
            "BTC-USD fresh 101"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn two_collectors_of_one_venue_are_one() {
    let lab = Lab::new();
    let both = [("BTC-USD", PairState::Waiting), ("ETH-USD", PairState::Live)];
    lab.status("v1", ConnectionState::Live, &both);
    let other = status("v1", "c2", lab.now(), ConnectionState::BackingOff, &[("BTC-USD", PairState::Live)]);
    lab.board.apply_status(Arc::new(other));
    let view = &lab.board.venues()[0];
    let states: Vec<_> = view.status.pairs.iter().map(|p| (p.pair.to_string(), p.state)).collect();
    assert_eq!(states, [("BTC-USD".to_owned(), PairState::Live), ("ETH-USD".to_owned(), PairState::Live)]);
    assert_eq!(view.status.connections.len(), 2);
    lab.pass(10_000).await;
    lab.status("v1", ConnectionState::Live, &both);
    lab.pass(5_100).await;
    // The second has fallen silent: only the first counts.
    let view = &lab.board.venues()[0];
    assert!(!view.unknown);
    assert_eq!(view.status.connections.len(), 1);
    assert_eq!(view.status.pairs[0].state, PairState::Waiting);
}

/// A venue moves: the new collector is heard first, then the old one's last word, that its connections stopped.
#[tokio::test(start_paused = true)]
async fn a_venue_that_moves_to_another_collector_shows_no_gap() {
    let mut lab = Lab::new();
    let pairs = [("BTC-USD", PairState::Live), ("ETH-USD", PairState::Live)];
    lab.say("v1", "BTC-USD", "100");
    lab.status("v1", ConnectionState::Live, &pairs);
    lab.events().await;
    let waiting = [("BTC-USD", PairState::Waiting), ("ETH-USD", PairState::Waiting)];
    for (state, pairs) in [(ConnectionState::Connecting, &waiting), (ConnectionState::Live, &pairs)] {
        lab.board.apply_status(Arc::new(status("v1", "c2", lab.now(), state, pairs)));
        assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    }
    let parts = |lab: &Lab| {
        let view = lab.board.venues().remove(0);
        assert!(!view.unknown);
        view.parts.iter().map(|part| part.collector.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(parts(&lab), ["c1", "c2"]);
    lab.status("v1", ConnectionState::Stopped, &pairs);
    assert_eq!(parts(&lab), ["c2"], "who stopped counts no more");
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    lab.pass(5_000).await;
    lab.board.apply_status(Arc::new(status("v1", "c2", lab.now(), ConnectionState::Live, &pairs)));
    assert_eq!(parts(&lab), ["c2"]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []", "never withdrawn, never down");
    // The last one stops: nobody goes on, and that is what is shown.
    lab.board.apply_status(Arc::new(status("v1", "c2", lab.now(), ConnectionState::Stopped, &pairs)));
    assert_eq!(lab.board.venues()[0].status.connections[0].state, ConnectionState::Stopped);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 [\"venue_down:v1\"]");
}

#[tokio::test(start_paused = true)]
async fn a_collector_says_how_old_its_pairs_may_be() {
    let lab = Lab::new();
    let mut slow = status("v1", "c1", lab.now(), ConnectionState::Live, &[("USD-RUB", PairState::Live)]);
    slow.pairs[0].stale_after_ms = Some(150_000);
    slow.pairs[0].expire_after_ms = Some(1_500_000);
    lab.board.apply_status(Arc::new(slow));
    lab.say("v1", "USD-RUB", "90");
    let next = lab.answer("USD-RUB").rate.changes_at.unwrap();
    assert_eq!(next.millis_since(lab.now()), 150_000);
    // A row changed: the limit too, for the tick that is there.
    lab.status("v1", ConnectionState::Live, &[("USD-RUB", PairState::Live)]);
    lab.pass(30_100).await;
    assert_eq!(lab.answer("USD-RUB").rate.state, RateState::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_switched_off_or_removed_goes() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.say("v2", "BTC-USD", "102");
    lab.status("v1", ConnectionState::Live, &[("BTC-USD", PairState::Live)]);
    lab.status("v2", ConnectionState::Live, &[("BTC-USD", PairState::Live)]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    lab.status("v2", ConnectionState::Live, &[("BTC-USD", PairState::Disabled)]);
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    assert_eq!(lab.answer("BTC-USD").rate.sources_total, 1);
    for _ in 0..61 {
        lab.status("v1", ConnectionState::Live, &[]);
        lab.status("v2", ConnectionState::Live, &[("ETH-USD", PairState::Live)]);
        lab.pass(5_000).await;
    }
    assert_eq!(lab.read("BTC-USD"), "none");
    assert_eq!(lab.board.pairs(), [pair("ETH-USD")]);
    // What is tracked is listed, though nobody has quoted it yet; it claims nothing.
    let all = lab.board.answers();
    let [unseen] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&unseen.rate.pair, unseen.rate.state), (&pair("ETH-USD"), RateState::Expired));
    assert_eq!((unseen.rate.value, unseen.rate.event_time), (None, None));
    lab.say("v1", "BTC-USD", "101");
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
}

#[tokio::test(start_paused = true)]
async fn what_a_collector_was_told_to_stop_reading_counts_no_more() {
    let mut lab = Lab::new();
    let live = |pairs: &[&'static str]| pairs.iter().map(|pair| (*pair, PairState::Live)).collect::<Vec<_>>();
    for (venue, price) in [("v1", "100"), ("v2", "102")] {
        lab.status(venue, ConnectionState::Live, &live(&["BTC-USD", "ETH-USD"]));
        lab.say(venue, "BTC-USD", price);
    }
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    // An operator who switches a lying venue off does not wait for its last price to age.
    lab.status("v2", ConnectionState::Live, &live(&["ETH-USD"]));
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    lab.say("v2", "BTC-USD", "102");
    lab.status("v2", ConnectionState::Live, &live(&["ETH-USD"]));
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []", "nor does a tick that was on its way bring it back");
    // Back on: what is known counts again.
    lab.status("v2", ConnectionState::Live, &live(&["BTC-USD"]));
    assert_eq!(lab.read("BTC-USD"), "Fresh 101 []");
    // The last one off: nobody quotes the pair, and readers of the stream are told.
    while lab.next().await.is_some() {}
    for venue in ["v1", "v2"] {
        lab.status(venue, ConnectionState::Live, &[]);
    }
    assert_eq!(lab.read("BTC-USD"), "none");
    assert_eq!(lab.events().await.last().map(String::as_str), Some("BTC-USD expired null"));
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_collector_read_ages_and_is_not_dropped() {
    let lab = Lab::new();
    let say = |collector, pair| {
        let status = status("v1", collector, lab.now(), ConnectionState::Live, &[(pair, PairState::Live)]);
        lab.board.apply_status(Arc::new(status));
    };
    say("c1", "BTC-USD");
    say("c2", "ETH-USD");
    lab.say("v1", "BTC-USD", "100");
    for _ in 0..5 {
        lab.pass(5_000).await;
        say("c2", "ETH-USD");
    }
    assert_eq!(lab.read("BTC-USD"), "Fresh 100 []");
    lab.pass(5_001).await;
    assert_eq!(lab.read("BTC-USD"), "Stale 100 [\"venue_down:v1\"]");
}

#[tokio::test(start_paused = true)]
async fn not_older_than_asked() {
    let lab = Lab::new();
    lab.say("v1", "BTC-USD", "100");
    lab.pass(5_000).await;
    lab.say("v2", "BTC-USD", "102");
    lab.pass(1_000).await;
    let of = |age| lab.board.answer_not_older(&pair("BTC-USD"), age).map_or("none".to_owned(), |a| brief(&a));
    assert_eq!(of(6_000), "Fresh 101 []");
    assert_eq!(of(5_999), "Fresh 102 [\"venue_down:v1\"]");
    assert_eq!(of(1_000), "Fresh 102 [\"venue_down:v1\"]");
    assert_eq!(of(999), "none");
    lab.pass(30_000).await;
    assert_eq!(of(60_000), "Stale 101 [\"venue_down:v1\", \"venue_down:v2\"]");
    assert_eq!(of(31_000), "Stale 102 [\"venue_down:v1\", \"venue_down:v2\"]");
    assert_eq!(of(30_999), "none");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_a_fresh_rate_since_the_start() {
    let lab = Lab::new();
    assert!(!lab.board.is_ready(&[]));
    let old = tick("BTC-USD", "100", lab.now().plus_millis(-40_000));
    lab.board.apply(&venue("v1"), &[old]);
    assert!(!lab.board.is_ready(&[]));
    assert!(!lab.board.is_ready(&[pair("BTC-USD")]));
    lab.say("v1", "BTC-USD", "101");
    assert!(lab.board.is_ready(&[]));
    assert!(lab.board.is_ready(&[pair("BTC-USD")]));
    assert!(lab.board.is_ready(&[pair("USD-BTC")]), "its inverse can be crossed");
    assert!(!lab.board.is_ready(&[pair("BTC-USD"), pair("ETH-USD")]));
    lab.pass(31_000).await;
    assert!(lab.board.is_ready(&[pair("BTC-USD")]));
}
