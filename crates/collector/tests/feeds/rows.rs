//! Rows as anybody may write them, and changes while everything runs (T01, T02, T03, T05).
//! It must not know how a plan is made.

use crate::harness::{PATIENCE, World, row, settings, venue};
use async_trait::async_trait;
use collector::{Resolver, Settings, UNKNOWN_VENUE};
use market::{ConnectionState, PairState};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use store::{TradeRow, VenueFile};
use testkit::{Behaviour, FakeVenue, Happened, HttpAnswer, until, until_some, venue_file};
use tokio::time::Instant;

fn stream(fake: &FakeVenue, more: &str) -> String {
    venue_file(&format!("url = \"ws://{}/ws\"\nsilence = \"5s\"\n{more}", fake.address()), "")
}

/// T01: rows whose address is not for us, one that is, and listeners that nobody may reach.
#[tokio::test]
async fn internal_addresses_are_never_dialled() {
    let inner = FakeVenue::start(Behaviour::default()).await;
    let port = inner.address().port();
    // Another address of this machine, which alone is opened by name.
    let good = FakeVenue::start_at("127.0.0.2:0", Behaviour::default()).await;
    let addresses = [
        "ws://169.254.169.254/".to_owned(),
        format!("ws://127.0.0.1:{port}/"),
        format!("ws://0x7f.1:{port}/"),
        format!("ws://2130706433:{port}/"),
        format!("ws://017700000001:{port}/"),
        format!("ws://[::ffff:127.0.0.1]:{port}/"),
        format!("ws://[::1]:{port}/"),
        format!("ws://[64:ff9b::7f00:1]:{port}/"),
        format!("ws://[2002:7f00:1::]:{port}/"),
        format!("ws://localhost.:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        "gopher://example.com/".to_owned(),
        format!("ws://user@127.0.0.1:{port}/"),
        format!("ws://inner.example:{port}/"),
        format!("ws://both.example:{port}/"),
    ];
    let rows = |addresses: &[String]| {
        let mut rows: Vec<TradeRow> = Vec::new();
        for (at, url) in addresses.iter().enumerate() {
            rows.push(TradeRow { url: Some(url.clone()), ..row(at as i64 + 1, "a", "BTC-USD") });
        }
        rows.push(row(100, "good", "BTC-USD"));
        rows
    };
    let mut closed = settings();
    closed.allow_private = vec!["127.0.0.2/32".parse().unwrap()];
    closed.resolver = Arc::new(Names);
    let file = stream(&inner, "");
    let venues = vec![venue("a", &file), venue("good", &stream(&good, ""))];
    let started = Instant::now();
    let world = World::start(venues, rows(&addresses), closed).await;
    for id in 1..=addresses.len() as i64 {
        let told = world.row_is("a", id, PairState::BlockedAddress).await;
        let name = &addresses[id as usize - 1];
        assert!(told.is_some(), "{name}");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    world.row_is("good", 100, PairState::Live).await;
    assert_eq!(inner.count(|_| true), 0, "nobody was dialled: {:?}", inner.log());

    let mut open = settings();
    open.resolver = Arc::new(Names);
    let world = World::start(vec![venue("a", &file)], rows(&addresses[1..2]), open).await;
    world.row_is("a", 1, PairState::Live).await;
}

struct Names;

#[async_trait]
impl Resolver for Names {
    async fn addresses(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let inner = SocketAddr::from(([127, 0, 0, 1], port));
        match host {
            "inner.example" => Ok(vec![inner]),
            "both.example" => Ok(vec![SocketAddr::from(([8, 8, 8, 8], port)), inner]),
            _ => Err(std::io::Error::other("no such name")),
        }
    }
}

/// T01: redirects, and names, for requests.
#[tokio::test]
async fn requests_are_guarded_and_never_redirected() {
    let inner = FakeVenue::start(Behaviour::default()).await;
    let http = HttpAnswer {
        status: 302,
        headers: vec![("location".into(), format!("http://[::1]:{}/", inner.address().port()))],
        ..Behaviour::default().http
    };
    let fake = FakeVenue::start(Behaviour { http, ..Behaviour::default() }).await;
    let file =
        venue_file("", &format!("url = \"http://{}/p?q={{symbols}}\"\ninterval = \"1s\"", fake.address()));
    let named = format!("http://inner.example:{}/p", inner.address().port());
    let rows = vec![row(1, "a", "BTC-USD"), TradeRow { url: Some(named), ..row(2, "a", "ETH-USD") }];
    let mut settings: Settings = settings();
    settings.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    settings.resolver = Arc::new(Elsewhere);
    let world = World::start(vec![venue("a", &file)], rows, settings).await;
    world.row_is("a", 1, PairState::BlockedAddress).await;
    world.row_is("a", 2, PairState::BlockedAddress).await;
    assert_eq!(inner.count(|_| true), 0, "nobody was dialled");
}

/// A row that somebody else wrote does not send the operator's key to whomever it likes.
#[tokio::test]
async fn a_key_is_sent_to_the_venue_and_not_wherever_a_row_points() {
    let (own, opened, named) = (
        FakeVenue::start(Behaviour::default()).await,
        FakeVenue::start(Behaviour::default()).await,
        FakeVenue::start(Behaviour::default()).await,
    );
    let http = format!(
        "url = \"http://{}/p?q={{symbols}}\"\ninterval = \"200ms\"\n\
         [[http.tier]]\nkey = \"VENUE_KEY\"\nheaders = {{ x-key = \"{{key}}\" }}",
        own.address()
    );
    let at = |id, url| TradeRow { url: Some(url), ..row(id, "a", "BTC-USD") };
    let rows = vec![
        row(1, "a", "BTC-USD"),
        at(2, format!("http://{}/p", opened.address())),
        at(3, format!("http://inner.example:{}/p", named.address().port())),
    ];
    let mut settings = settings();
    settings.resolver = Arc::new(Names);
    settings.environment = Arc::new(|name| (name == "VENUE_KEY").then(|| "canary".to_owned()));
    let _world = World::start(vec![venue("a", &venue_file("", &http))], rows, settings).await;
    for (fake, is_told) in [(&own, true), (&opened, true), (&named, false)] {
        let asked = || {
            let log = fake.log();
            log.into_iter()
                .find_map(|line| if let Happened::Request(head) = line.what { Some(head) } else { None })
        };
        let head = until_some("it is asked", PATIENCE, asked).await;
        assert_eq!(head.contains("x-key: canary"), is_told, "{head}");
    }
}

struct Elsewhere;

#[async_trait]
impl Resolver for Elsewhere {
    async fn addresses(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 3], port))])
    }
}

/// T02: rows that nobody can run. Each names its column; the good one runs.
#[tokio::test]
async fn bad_rows_say_why_and_stop_nothing() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let bad = |id, change: &dyn Fn(&mut TradeRow)| {
        let mut row = row(id, "a", "BTC-USD");
        change(&mut row);
        row
    };
    let rows = vec![
        row(1, "a", "BTC-USD"),
        bad(2, &|r| r.currency_pair = None),
        bad(3, &|r| r.currency_pair = Some("BTC'; DROP TABLE trade_info--".into())),
        bad(4, &|r| r.currency_pair = Some("BTC-USD\r\nX-Evil: 1".into())),
        bad(5, &|r| r.currency_pair = Some("A".repeat(1_000_000))),
        bad(6, &|r| r.currency_pair = Some("USD-USD".into())),
        bad(7, &|r| r.url = Some("ws://exa mple\r\n".into())),
        bad(8, &|r| r.url = Some("https://127.0.0.1/".into())),
        bad(9, &|r| r.stale_after_ms = Some("soon".into())),
        bad(10, &|r| r.expire_after_ms = Some("1".into())),
        bad(11, &|r| r.interval_ms = Some("-5".into())),
        bad(12, &|r| r.enabled = false),
        // The same pair once more is no mistake, and costs nothing.
        bad(13, &|r| r.currency_pair = Some("btc-usd".into())),
        bad(20, &|r| r.venue = None),
        bad(21, &|r| r.venue = Some("nowhere".into())),
        bad(22, &|r| r.venue = Some("a\nb".into())),
        bad(23, &|r| r.venue = Some("z".repeat(1_000_000))),
    ];
    let world = World::start(vec![venue("a", &stream(&fake, ""))], rows, settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.row_is("a", 13, PairState::Live).await;
    world.row_is("a", 12, PairState::Disabled).await;
    for (venue, id, column) in [
        ("a", 2, "currency_pair: is empty"),
        ("a", 3, "currency_pair:"),
        ("a", 4, "currency_pair: holds control characters"),
        ("a", 5, "currency_pair: has 1000000 bytes"),
        ("a", 6, "currency_pair:"),
        ("a", 7, "url: holds control characters"),
        ("a", 8, "url: this venue is streamed"),
        ("a", 9, "stale_after_ms: 'soon'"),
        ("a", 10, "expire_after_ms: is 1"),
        ("a", 11, "interval_ms: '-5'"),
        (UNKNOWN_VENUE, 20, "venue: is empty"),
        (UNKNOWN_VENUE, 21, "venue: there is no venue called 'nowhere'"),
        (UNKNOWN_VENUE, 22, "venue: holds control characters"),
        (UNKNOWN_VENUE, 23, "venue: has 1000000 bytes"),
    ] {
        let reason = world.row_is(venue, id, PairState::Invalid).await.unwrap();
        assert!(reason.starts_with(column), "row {id}: {reason}");
        assert!(reason.len() < 300 && !reason.chars().any(char::is_control), "row {id}: {reason:?}");
    }
    let subscribed = |what: &Happened| matches!(what, Happened::Received(text) if text.contains("BTC-USD"));
    assert_eq!(fake.count(subscribed), 1, "the pair is subscribed once");
}

/// T05: rows come, change and go; what need not change is not touched.
#[tokio::test]
async fn changes_touch_no_other_connection() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let other = FakeVenue::start(Behaviour::default()).await;
    let venues =
        vec![venue("a", &stream(&fake, "symbols_per_connection = 3")), venue("b", &stream(&other, ""))];
    let mut rows = vec![row(1, "a", "A1,A2,A3,A4-USD"), row(2, "b", "BTC-USD")];
    let world = World::start(venues, rows.clone(), settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.row_is("b", 2, PairState::Live).await;
    let opened = |fake: &FakeVenue| fake.count(|what| *what == Happened::Opened);
    assert_eq!((opened(&fake), opened(&other)), (2, 1));

    rows.push(row(3, "a", "A5,A6-USD"));
    world.store.set(rows.clone());
    world.row_is("a", 3, PairState::Live).await;
    assert_eq!(opened(&fake), 2, "free places are filled first");

    rows.push(row(4, "a", "A7-USD"));
    world.store.set(rows.clone());
    world.row_is("a", 4, PairState::Live).await;
    assert_eq!(opened(&fake), 3, "all were full");

    rows[0].currency_pair = Some("A1,A3,A4-USD".into());
    rows[3].enabled = false;
    world.store.set(rows.clone());
    world.row_is("a", 4, PairState::Disabled).await;
    let unsubscribed = |what: &Happened| matches!(what, Happened::Received(text) if text.contains("unsub") && text.contains("[\"A2-USD\"]"));
    until("what is no longer wanted is unsubscribed", PATIENCE, || fake.count(unsubscribed) == 1).await;
    until("the empty connection is closed", PATIENCE, || fake.count(|what| *what == Happened::Closed) == 1)
        .await;
    assert_eq!((opened(&fake), opened(&other)), (3, 1));
    let status = world.status("a").unwrap();
    let ids: Vec<_> = status.connections.iter().map(|c| (c.id.to_string(), c.state, c.reconnects)).collect();
    assert_eq!(ids, [("ws-1".into(), ConnectionState::Live, 0), ("ws-2".into(), ConnectionState::Live, 0)]);
    assert!(world.pair_state("a", "A2-USD").is_none() && world.pair_state("a", "A7-USD").is_none());
}

/// T03: while the store is away, what runs goes on; at the start it is waited for.
#[tokio::test]
async fn a_store_that_is_away_stops_nothing() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world =
        World::start(vec![venue("a", &stream(&fake, ""))], vec![row(1, "a", "BTC-USD")], settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.store.is_away.store(true, Relaxed);
    world.store.set(Vec::new());
    let before = world.ticks().len();
    until("ticks go on", PATIENCE, || world.ticks().len() > before + 30).await;
    world.store.set(vec![row(1, "a", "BTC,ETH-USD")]);
    world.store.is_away.store(false, Relaxed);
    world.pair_is("a", "ETH-USD", PairState::Live).await;
    assert_eq!(fake.count(|what| *what == Happened::Opened), 1);
}

/// A venue file in the store wins over a built-in one; a broken one stops its own rows and no others.
#[tokio::test]
async fn venue_files_of_the_store_take_effect_while_running() {
    let (fake, other) =
        (FakeVenue::start(Behaviour::default()).await, FakeVenue::start(Behaviour::default()).await);
    let file = |text: &str| VenueFile { name: "new".into(), text: text.to_owned() };
    let rows = vec![row(1, "a", "BTC-USD"), row(2, "new", "ETH-USD")];
    let world = World::start(vec![venue("a", &stream(&fake, ""))], rows, settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    world.row_is(UNKNOWN_VENUE, 2, PairState::Invalid).await;
    world.store.set_files(vec![file(&stream(&other, ""))]);
    world.row_is("new", 2, PairState::Live).await;
    world.store.set_files(vec![file("nonsense = ")]);
    let reason = world.row_is("new", 2, PairState::Invalid).await.unwrap();
    assert!(reason.contains("store:new"), "{reason}");
    world.store.set_files(vec![file(&stream(&other, ""))]);
    world.row_is("new", 2, PairState::Live).await;
    assert_eq!(fake.count(|what| *what == Happened::Opened), 1, "the other venue was not touched");
}

/// T01: a venue file is no more trusted than a row.
#[tokio::test]
async fn venue_files_are_guarded_too() {
    let inner = FakeVenue::start(Behaviour::default()).await;
    let polled = format!("url = \"http://{}/p\"\ninterval = \"1s\"", inner.address());
    let mut closed = settings();
    closed.allow_private.clear();
    let venues = vec![venue("a", &stream(&inner, "")), venue("b", &venue_file("", &polled))];
    let world = World::start(venues, vec![row(1, "a", "BTC-USD"), row(2, "b", "BTC-USD")], closed).await;
    for (venue, id) in [("a", 1), ("b", 2)] {
        let reason = world.row_is(venue, id, PairState::BlockedAddress).await.unwrap();
        assert!(reason.contains("loopback"), "{reason}");
    }
    assert_eq!(inner.count(|_| true), 0, "nobody was dialled");
}
