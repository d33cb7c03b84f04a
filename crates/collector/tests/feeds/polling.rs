//! Venues that are asked by HTTP and answer late, slowly, wrongly or not at all (F08, F09).
//! It must not know how a request is sent.

use crate::harness::{PATIENCE, TestStore, World, row, settings, venue};
use market::{ConnectionState, PairState};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use store::TradeRow;
use testkit::{Behaviour, FakeVenue, Happened, HttpAnswer, until, venue_file};
use tokio::time::Instant;

const BOTH: &str = r#"[{"s":"BTC-USD","p":"64000.10"},{"s":"ETH-USD","p":"3000.20"}]"#;

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer { status, body: body.to_owned(), ..Behaviour::default().http }
}

async fn fake(http: HttpAnswer) -> FakeVenue {
    FakeVenue::start(Behaviour { http, ..Behaviour::default() }).await
}

fn polled(fake: &FakeVenue, more: &str) -> String {
    venue_file(
        "",
        &format!("url = \"http://{}/p?q={{symbols}}\"\ninterval = \"200ms\"\n{more}", fake.address()),
    )
}

fn requests(fake: &FakeVenue) -> usize {
    fake.count(|what| matches!(what, Happened::Request(_)))
}

#[tokio::test]
async fn all_pairs_of_a_venue_share_one_request() {
    let fake = fake(answer(200, BOTH)).await;
    let rows = vec![row(1, "a", "BTC-USD"), row(2, "a", "ETH-USD")];
    let world = World::start(vec![venue("a", &polled(&fake, ""))], rows, settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.row_is("a", 2, PairState::Live).await;
    world.connection_is("a", "http-1", ConnectionState::Live).await;
    let pair = world.status("a").unwrap().pairs[0].clone();
    assert_eq!(
        (pair.stale_after_ms, pair.expire_after_ms),
        (Some(30_400), Some(304_000)),
        "2 x interval + 30 s"
    );
    until("it goes on", PATIENCE, || requests(&fake) >= 4).await;
    let log = fake.log();
    let asked: Vec<&String> = log
        .iter()
        .filter_map(|l| match &l.what {
            Happened::Request(head) => Some(head),
            _ => None,
        })
        .collect();
    assert!(asked.iter().all(|head| head.contains("BTC-USD") && head.contains("ETH-USD")), "{asked:?}");
    assert_eq!(fake.count(|what| *what == Happened::Accepted), 1, "the connection is kept");
    assert_eq!(world.ticks()[0].1.last.unwrap().to_string(), "64000.10");
}

/// F08: not one request before the time that the venue names, from any loop to that host.
#[tokio::test]
async fn retry_after_is_kept_by_every_loop_to_that_host() {
    for status in [429, 418] {
        let http = HttpAnswer {
            headers: vec![("retry-after".into(), "2".into())],
            ..answer(status, r#"{"error":"too many"}"#)
        };
        let (fake, other) = (fake(http).await, fake(answer(200, BOTH)).await);
        let slower = TradeRow { interval_ms: Some("300".into()), ..row(2, "a", "ETH-USD") };
        let rows = vec![row(1, "a", "BTC-USD"), slower, row(3, "b", "BTC-USD")];
        let venues = vec![venue("a", &polled(&fake, "")), venue("b", &polled(&other, ""))];
        let world = World::start(venues, rows, settings()).await;
        let connection = world.connection_is("a", "http-1", ConnectionState::RateLimited).await;
        assert!(connection.until.unwrap() > connection.since);
        world.row_is("b", 3, PairState::Live).await;
        let first = requests(&fake);
        let said = fake.log().iter().rev().find(|l| matches!(l.what, Happened::Request(_))).unwrap().at;
        until("it is asked again", PATIENCE, || requests(&fake) > first).await;
        let again = fake.log().iter().rev().find(|l| matches!(l.what, Happened::Request(_))).unwrap().at;
        assert!(again - said >= Duration::from_millis(1_950), "{status}: {:?}", again - said);
        assert!(first <= 2, "both loops may have been on their way, not more: {first}");
        assert!(requests(&other) > 5, "the other host is unaffected");
    }
}

/// F08 across a restart: the hold is in the store, and nothing is asked before it is over.
#[tokio::test]
async fn retry_after_is_kept_by_the_next_start() {
    let http = HttpAnswer {
        headers: vec![("retry-after".into(), "2".into())],
        ..answer(429, r#"{"error":"too many"}"#)
    };
    let fake = fake(http).await;
    let venues = || vec![venue("a", &polled(&fake, ""))];
    let world = World::start(venues(), vec![row(1, "a", "BTC-USD")], settings()).await;
    let told = world.connection_is("a", "http-1", ConnectionState::RateLimited).await;
    let store = world.store.clone();
    world.stop().await;
    let said = fake.log().iter().rev().find(|l| matches!(l.what, Happened::Request(_))).unwrap().at;
    let holds = store.holds.lock().clone();
    assert_eq!(holds.len(), 1, "{holds:?}");
    assert_eq!(holds[0].host, format!("http://{}", fake.address()));
    let left = holds[0].until.micros() - told.until.unwrap().micros();
    assert!((0..1_000).contains(&left), "whole milliseconds, rounded up: {left}");

    fake.set(|b| b.http = answer(200, BOTH));
    let asked = requests(&fake);
    let world = World::start_on(store, venues(), settings()).await;
    world.connection_is("a", "http-1", ConnectionState::RateLimited).await;
    assert_eq!(requests(&fake), asked, "the new start has asked nothing yet");
    world.row_is("a", 1, PairState::Live).await;
    let again = fake.log().iter().filter(|l| matches!(l.what, Happened::Request(_))).nth(asked).unwrap().at;
    assert!(again - said >= Duration::from_millis(1_950), "{:?}", again - said);
}

/// A hold that cannot be written waits for the store; a hold that is nonsense holds nobody for ever.
#[tokio::test]
async fn a_hold_waits_for_the_store_and_is_never_longer_than_a_day() {
    let fake = fake(answer(200, BOTH)).await;
    let venues = || vec![venue("a", &polled(&fake, ""))];
    let world = World::start(venues(), vec![row(1, "a", "BTC-USD")], settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.store.is_away.store(true, Relaxed);
    fake.set(|b| {
        b.http = HttpAnswer {
            headers: vec![("retry-after".into(), "60".into())],
            ..answer(429, r#"{"error":"too many"}"#)
        };
    });
    world.connection_is("a", "http-1", ConnectionState::RateLimited).await;
    world.store.is_away.store(false, Relaxed);
    until("the hold is kept", PATIENCE, || !world.store.holds.lock().is_empty()).await;
    let store = world.store.clone();
    world.stop().await;
    let far = market::Timestamp::from_millis(i64::MAX / 2_000);
    store.holds.lock()[0].until = far;
    let world = World::start_on(store, venues(), settings()).await;
    let told = world.connection_is("a", "http-1", ConnectionState::RateLimited).await;
    assert!(told.until.unwrap().millis_since(told.since) <= 86_400_000, "{told:?}");
}

/// A store whose table of holds is gone still starts the feeds.
#[tokio::test]
async fn a_lost_table_of_holds_stops_nothing() {
    let fake = fake(answer(200, BOTH)).await;
    let store = Arc::new(TestStore::new(vec![row(1, "a", "BTC-USD")]));
    store.has_no_holds.store(true, Relaxed);
    let world = World::start_on(store, vec![venue("a", &polled(&fake, ""))], settings()).await;
    world.row_is("a", 1, PairState::Live).await;
}

/// F09: no headers, and a body of one byte at a time. The time limit is for the whole request.
#[tokio::test]
async fn a_request_ends_within_its_time_whatever_the_venue_does() {
    let hangs = HttpAnswer { hangs: true, ..answer(200, BOTH) };
    let drips = HttpAnswer { drip: Some(Duration::from_millis(100)), ..answer(200, BOTH) };
    for http in [hangs, drips] {
        let fake = fake(http).await;
        let started = Instant::now();
        let file = polled(&fake, "timeout = \"500ms\"");
        let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings()).await;
        let connection = world.connection_is("a", "http-1", ConnectionState::BackingOff).await;
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
        assert!(connection.last_error.unwrap().contains("no whole answer"));
        fake.set(|b| b.http = answer(200, BOTH));
        world.row_is("a", 1, PairState::Live).await;
    }
}

#[tokio::test]
async fn failures_back_off_and_are_told_apart() {
    for (http, state, words) in [
        (answer(503, "<html>busy</html>"), ConnectionState::BackingOff, "HTTP 503"),
        (answer(451, ""), ConnectionState::GeoBlocked, "451"),
        (answer(200, "<html>"), ConnectionState::CannotRead, "not_json"),
        (answer(200, r#"{"error":"broken"}"#), ConnectionState::BackingOff, "broken"),
        (answer(200, r#"{"error":"too many"}"#), ConnectionState::RateLimited, "too many"),
        (answer(200, &"[".repeat(5 << 20)), ConnectionState::BackingOff, "longer than"),
    ] {
        let fake = fake(http).await;
        let world =
            World::start(vec![venue("a", &polled(&fake, ""))], vec![row(1, "a", "BTC-USD")], settings())
                .await;
        let connection = world.connection_is("a", "http-1", state).await;
        let error = connection.last_error.unwrap();
        assert!(error.contains(words) && !error.contains("q="), "{error}");
    }
}

/// 451: the venue is asked at its next address, at once; where none serves this place it is parked, with one state.
#[tokio::test]
async fn a_geographic_refusal_leads_to_the_alternate_address() {
    let (refuses, serves) = (fake(answer(451, BOTH)).await, fake(answer(451, "")).await);
    let urls = format!(
        "url = [\"http://{}/p?q={{symbols}}\", \"http://{}/p?q={{symbols}}\"]\ninterval = \"200ms\"",
        refuses.address(),
        serves.address()
    );
    let mut settings = settings();
    settings.timing.geo_blocked_pause = Duration::from_millis(1_500);
    let file = venue_file("", &urls);
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings).await;
    until("both were asked", PATIENCE, || requests(&refuses) > 0 && requests(&serves) > 0).await;
    let asked = Instant::now();
    serves.set(|b| b.http = answer(200, BOTH));
    world.row_is("a", 1, PairState::Live).await;
    assert!(asked.elapsed() > Duration::from_millis(1_000), "it was parked: {:?}", asked.elapsed());
    let shown = world.states("a/http-1");
    assert_eq!(shown, [ConnectionState::Connecting, ConnectionState::GeoBlocked, ConnectionState::Live]);
    // Where it was served it is asked on.
    let (before, there) = (requests(&refuses), requests(&serves));
    until("it goes on", PATIENCE, || requests(&serves) >= there + 3).await;
    assert_eq!(requests(&refuses), before);
}

/// Whatever stands in the page of an error: a price there is nobody's word.
#[tokio::test]
async fn a_price_in_an_answer_that_is_none_is_not_read() {
    for status in [203, 400, 403, 404, 429, 451, 500, 503] {
        let fake = fake(answer(status, BOTH)).await;
        let world =
            World::start(vec![venue("a", &polled(&fake, ""))], vec![row(1, "a", "BTC-USD")], settings())
                .await;
        if status == 203 {
            world.row_is("a", 1, PairState::Live).await;
            continue;
        }
        until("it was asked", PATIENCE, || requests(&fake) >= 1).await;
        let told = || world.status("a").is_some_and(|s| s.connections.iter().any(|c| c.last_error.is_some()));
        until("the status is told", PATIENCE, told).await;
        assert!(world.ticks().is_empty(), "{status}: {:?}", world.ticks());
    }
}

/// A venue that is asked every five minutes is not dark for five minutes because the network came a little late.
#[tokio::test]
async fn a_host_that_is_not_reached_is_tried_again_before_its_interval() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = venue_file("", &format!("url = \"http://{nobody}/p?q={{symbols}}\"\ninterval = \"1h\"\n"));
    let mut settings = settings();
    settings.timing.backoff.base = Duration::from_millis(100);
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings).await;
    let tries = std::cell::RefCell::new(std::collections::BTreeSet::new());
    until("it is tried again and again", PATIENCE, || {
        let next = world.status("a").and_then(|status| status.connections.first()?.until);
        tries.borrow_mut().extend(next);
        tries.borrow().len() > 5
    })
    .await;
    world.connection_is("a", "http-1", ConnectionState::BackingOff).await;
}

#[tokio::test]
async fn a_symbol_that_the_answer_does_not_mention_has_no_data() {
    let fake = fake(answer(200, r#"[{"s":"BTC-USD","p":"1.5"}]"#)).await;
    let world =
        World::start(vec![venue("a", &polled(&fake, ""))], vec![row(1, "a", "BTC,ETH-USD")], settings())
            .await;
    world.pair_is("a", "BTC-USD", PairState::Live).await;
    world.pair_is("a", "ETH-USD", PairState::NoData).await;
}

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    let http = HttpAnswer { etag: Some("\"v1\"".into()), ..answer(200, BOTH) };
    let fake = fake(http).await;
    let world =
        World::start(vec![venue("a", &polled(&fake, ""))], vec![row(1, "a", "BTC-USD")], settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    until("it is asked with the version", PATIENCE, || requests(&fake) >= 4).await;
    assert_eq!(world.ticks().len(), 1, "304 gives no ticks: {:?}", world.ticks());
    world.connection_is("a", "http-1", ConnectionState::Live).await;
}

#[tokio::test]
async fn the_budget_is_kept() {
    let fake = fake(answer(200, BOTH)).await;
    let file = polled(&fake, "symbols_per_request = 1\nbudget = \"2/600ms\"");
    let _world =
        World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC,ETH,XRP-USD")], settings()).await;
    until("eight requests", PATIENCE, || requests(&fake) >= 8).await;
    let at: Vec<Duration> =
        fake.log().iter().filter(|l| matches!(l.what, Happened::Request(_))).map(|l| l.at).collect();
    for (n, first) in at.iter().enumerate() {
        let within = at[n..].iter().take_while(|t| **t - *first < Duration::from_millis(600)).count();
        assert!(within <= 2, "{within} requests in 600 ms: {at:?}");
    }
}

#[tokio::test]
async fn a_new_pair_is_asked_for_at_once() {
    let fake = fake(answer(200, BOTH)).await;
    let file = polled(&fake, "").replace("interval = \"200ms\"", "interval = \"60s\"");
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.store.set(vec![row(1, "a", "BTC-USD"), row(2, "a", "ETH-USD")]);
    world.row_is("a", 2, PairState::Live).await;
    assert_eq!(requests(&fake), 2);
}
