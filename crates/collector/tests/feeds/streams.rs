//! Streams that fall silent, break, end and lie (F01, F02, F04 to F07, F10, F11, F18).
//! It must not know how a session is written.

use crate::harness::{PATIENCE, World, row, settings, venue};
use market::{ConnectionState, PairState};
use std::{collections::BTreeSet, time::Duration};
use testkit::{Behaviour, FakeVenue, FaultProxy, Handshake, Happened, Line, until, venue_file};

const SILENCE: Duration = Duration::from_millis(600);

fn stream(address: std::net::SocketAddr, more: &str) -> String {
    venue_file(
        &format!("url = \"ws://{address}/ws\"\nsilence = \"600ms\"\nfirst_data = \"600ms\"\n{more}"),
        "",
    )
}

fn opened(fake: &FakeVenue) -> usize {
    fake.count(|what| *what == Happened::Opened)
}

/// When the fake last saw a connection open.
fn last_opened(fake: &FakeVenue) -> Duration {
    fake.log().iter().rev().find(|line| line.what == Happened::Opened).map(|line| line.at).unwrap()
}

#[tokio::test]
async fn ticks_flow_and_the_states_say_so() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world = World::start(
        vec![venue("a", &stream(fake.address(), ""))],
        vec![row(1, "a", "BTC,ETH-USD")],
        settings(),
    )
    .await;
    let connection = world.connection_is("a", "ws-1", ConnectionState::Live).await;
    assert_eq!((connection.pairs, connection.reconnects), (2, 0));
    world.row_is("a", 1, PairState::Live).await;
    world.pair_is("a", "ETH-USD", PairState::Live).await;
    let (_, tick) = world.ticks()[0].clone();
    assert_eq!(tick.last.map(|p| p.to_string()), Some(format!("{}.50", tick.sequence.as_str())));
    assert_eq!(opened(&fake), 1, "both pairs share one connection");
    world.stop().await;
    until("the socket is closed", PATIENCE, || fake.count(|what| *what == Happened::Closed) == 1).await;
}

/// F01: a socket that is open and silent. F02: one that only pings.
#[tokio::test]
async fn silence_is_noticed_within_its_limit_and_pings_are_no_data() {
    for pings in [false, true] {
        let ping_every = pings.then_some(Duration::from_millis(30));
        let fake = FakeVenue::start(Behaviour { ping_every, ..Behaviour::default() }).await;
        let world = World::start(
            vec![venue("a", &stream(fake.address(), ""))],
            vec![row(1, "a", "BTC-USD")],
            settings(),
        )
        .await;
        world.connection_is("a", "ws-1", ConnectionState::Live).await;
        fake.set(|b| b.tick_every = None);
        let sent = |line: &testkit::Logged| matches!(line.what, Happened::Sent(..));
        let connection = world.connection_is("a", "ws-1", ConnectionState::Silent).await;
        assert!(connection.last_error.unwrap().contains("no data"), "pings: {pings}");
        until("the socket is replaced", PATIENCE, || opened(&fake) >= 2).await;
        let last_data = fake.log().iter().rev().find(|line| sent(line)).map(|line| line.at).unwrap();
        let noticed = last_opened(&fake) - last_data;
        assert!(
            noticed >= SILENCE && noticed <= SILENCE + Duration::from_secs(1),
            "{noticed:?}, pings: {pings}"
        );
        fake.set(|b| b.tick_every = Some(Duration::from_millis(20)));
        world.connection_is("a", "ws-1", ConnectionState::Live).await;
    }
}

/// F01 by a line that swallows everything.
#[tokio::test]
async fn a_black_hole_is_noticed_too() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let proxy = FaultProxy::start(fake.address()).await;
    let world = World::start(
        vec![venue("a", &stream(proxy.address(), ""))],
        vec![row(1, "a", "BTC-USD")],
        settings(),
    )
    .await;
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
    proxy.set(Line::Blackhole);
    world.connection_is("a", "ws-1", ConnectionState::Silent).await;
    proxy.set(Line::Open);
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
}

/// F04: one of many pairs falls silent.
#[tokio::test]
async fn one_silent_pair_is_flagged_alone_and_asked_for_again() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let names: Vec<String> = (0..40).map(|n| format!("A{n}")).collect();
    let mut rows = vec![row(1, "a", &format!("{}-USD", names.join(",")))];
    rows[0].stale_after_ms = Some("500".into());
    let world = World::start(vec![venue("a", &stream(fake.address(), ""))], rows, settings()).await;
    world.row_is("a", 1, PairState::Live).await;
    fake.set(|b| b.silent = BTreeSet::from(["A7-USD".to_owned()]));
    world.pair_is("a", "A7-USD", PairState::Stale).await;
    let status = world.status("a").unwrap();
    assert_eq!(status.pairs.iter().filter(|p| p.state == PairState::Live).count(), 39);
    let again = |what: &Happened| matches!(what, Happened::Received(text) if text.contains("\"sub\"") && text.contains("[\"A7-USD\"]"));
    until("that pair alone is asked for again", PATIENCE, || fake.count(again) >= 1).await;
    assert_eq!(opened(&fake), 1, "the connection was not touched");
    for other in ["A0-USD", "A39-USD"] {
        assert_complete(&world.sequences(other), other);
    }
    fake.set(|b| b.silent.clear());
    world.pair_is("a", "A7-USD", PairState::Live).await;
}

/// No number between the first and the last is missing.
fn assert_complete(sequences: &[u64], name: &str) {
    let seen: BTreeSet<u64> = sequences.iter().copied().collect();
    let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
    let missing: Vec<u64> = (first..=last).filter(|n| !seen.contains(n)).collect();
    assert!(missing.is_empty(), "{name} lacks {missing:?} of {first} to {last}");
}

/// F05: resets and refusals. How the waits grow is proven by the tests of the backoff itself.
#[tokio::test]
async fn the_first_retry_is_at_once_and_all_subscriptions_come_back() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let proxy = FaultProxy::start(fake.address()).await;
    let mut settings = settings();
    settings.timing.backoff.reset_after = Duration::from_millis(300);
    let world = World::start(
        vec![venue("a", &stream(proxy.address(), ""))],
        vec![row(1, "a", "BTC,ETH,XRP-USD")],
        settings,
    )
    .await;
    world.row_is("a", 1, PairState::Live).await;
    until("data flowed for a while", PATIENCE, || world.sequences("BTC-USD").len() > 30).await;
    let closed = |what: &Happened| *what == Happened::Closed;
    proxy.set(Line::Reset);
    world.connection_is("a", "ws-1", ConnectionState::BackingOff).await;
    proxy.set(Line::Open);
    let connection = world.connection_is("a", "ws-1", ConnectionState::Live).await;
    assert!(connection.reconnects >= 1 && connection.last_error.is_some());
    until("the old socket is seen closed", PATIENCE, || fake.count(closed) >= 1).await;
    for pair in ["BTC-USD", "ETH-USD", "XRP-USD"] {
        world.pair_is("a", pair, PairState::Live).await;
    }
    let log = fake.log();
    let subscribed = |line: &&testkit::Logged| {
        line.connection >= 2
            && matches!(&line.what, Happened::Received(text) if text.contains("BTC-USD") && text.contains("ETH-USD") && text.contains("XRP-USD"))
    };
    assert!(log.iter().any(|line| subscribed(&line)), "all three in one request: {log:?}");
}

/// As if data had flowed for long, so that no wait grows.
fn quick_settings() -> collector::Settings {
    let mut settings = settings();
    settings.timing.backoff.reset_after = Duration::from_millis(300);
    settings
}

/// F06: connections end after a while; the new one delivers before the old one goes. F07: the venue tells of
/// the end shortly before it.
#[tokio::test]
async fn planned_ends_lose_nothing() {
    for (lifetime, notice, file) in
        [(Duration::from_millis(2_000), false, "lifetime = \"1s\""), (Duration::from_millis(1_600), true, "")]
    {
        let tick_every = Some(Duration::from_millis(5));
        let fake = FakeVenue::start(Behaviour {
            tick_every,
            lifetime: Some(lifetime),
            notice,
            ..Behaviour::default()
        })
        .await;
        let world = World::start(
            vec![venue("a", &stream(fake.address(), file))],
            vec![row(1, "a", "BTC,ETH-USD")],
            quick_settings(),
        )
        .await;
        until("it was replaced twice", PATIENCE, || opened(&fake) >= 3).await;
        until("and data goes on", PATIENCE, || {
            world.status("a").is_some_and(|s| s.connections[0].reconnects >= 2)
        })
        .await;
        for pair in ["BTC-USD", "ETH-USD"] {
            assert_complete(&world.sequences(pair), pair);
        }
        let states = world.states("a/ws-1");
        assert_eq!(
            states,
            [ConnectionState::Connecting, ConnectionState::Live],
            "it never stopped being live; notice: {notice}"
        );
        let log = fake.log();
        let at = |connection, what: Happened| {
            log.iter().find(|l| l.connection == connection && l.what == what).map(|l| l.at)
        };
        let first_of_new = log
            .iter()
            .find(|l| l.connection == 2 && matches!(l.what, Happened::Sent(..)))
            .map(|l| l.at)
            .unwrap();
        assert!(first_of_new < at(1, Happened::Closed).unwrap(), "make before break; notice: {notice}");
    }
}

/// A replacement that never delivers does not cost the connection that does.
#[tokio::test]
async fn a_failing_replacement_leaves_the_old_connection_alone() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world = World::start(
        vec![venue("a", &stream(fake.address(), "lifetime = \"800ms\""))],
        vec![row(1, "a", "BTC-USD")],
        settings(),
    )
    .await;
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
    fake.set(|b| b.handshake = Handshake::Refuse(503, Vec::new()));
    let refused = || fake.count(|what| *what == Happened::Accepted) >= 3;
    until("the replacement was tried twice", PATIENCE, refused).await;
    assert_eq!(world.states("a/ws-1"), [ConnectionState::Connecting, ConnectionState::Live]);
    fake.set(|b| b.handshake = Handshake::Accept);
    until("and then takes over", PATIENCE, || opened(&fake) >= 2).await;
    assert_complete(&world.sequences("BTC-USD"), "BTC-USD");
}

/// F10: frames that mean harm; F11: values that are no prices.
#[tokio::test]
async fn hostile_frames_cost_nothing_but_themselves() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world =
        World::start(vec![venue("a", &stream(fake.address(), ""))], vec![row(1, "a", "BTC-USD")], settings())
            .await;
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
    fake.say(&"[".repeat(10_000));
    fake.say("not json");
    fake.say("");
    fake.say_binary(&[0xff, 0xfe, 0x00]);
    fake.say_binary(&[0x1f, 0x8b, 1, 2, 3]);
    for value in [
        "0",
        "-1",
        "\"NaN\"",
        "\"Inf\"",
        "1e400",
        "1e-400",
        "\"\"",
        "null",
        "\"1,234.5\"",
        "true",
        "[]",
        "1234567890123456789012345678901234567890",
    ] {
        fake.say(&format!(r#"{{"s":"BTC-USD","p":{value},"n":"1"}}"#));
    }
    let before = world.sequences("BTC-USD").len();
    until("ticks go on", PATIENCE, || world.sequences("BTC-USD").len() > before + 20).await;
    assert_eq!(opened(&fake), 1, "no frame was worth a reconnect");
    assert!(
        world.ticks().iter().all(|(_, tick)| tick.last.is_some_and(|p| p.to_string().ends_with(".50"))),
        "only true prices"
    );
    let error = world.status("a").unwrap().connections[0].last_error.clone().unwrap();
    assert!(error.contains("can't be read"), "{error}");
}

#[tokio::test]
async fn a_frame_beyond_the_limit_ends_the_connection_and_nothing_else() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world =
        World::start(vec![venue("a", &stream(fake.address(), ""))], vec![row(1, "a", "BTC-USD")], settings())
            .await;
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
    fake.say(&"x".repeat(8 << 20));
    until("it is made anew", PATIENCE, || opened(&fake) >= 2).await;
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
}

#[tokio::test]
async fn nothing_readable_is_called_so() {
    let fake = FakeVenue::start(Behaviour { tick_every: None, ..Behaviour::default() }).await;
    let world =
        World::start(vec![venue("a", &stream(fake.address(), ""))], vec![row(1, "a", "BTC-USD")], settings())
            .await;
    until("it is open", PATIENCE, || opened(&fake) >= 1).await;
    let talk = async {
        loop {
            fake.say("<html>maintenance</html>");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = talk => {}
        connection = world.connection_is("a", "ws-1", ConnectionState::CannotRead) => {
            assert!(connection.last_error.unwrap().contains("maintenance"));
        }
    }
}

/// F18: one bad name refuses a whole request.
#[tokio::test]
async fn a_bad_name_in_a_batch_is_found_and_left_out() {
    for (names_symbol, names_request) in [(true, true), (false, true), (false, false)] {
        let unknown = BTreeSet::from(["BAD-USD".to_owned()]);
        let fake =
            FakeVenue::start(Behaviour { unknown, names_symbol, names_request, ..Behaviour::default() })
                .await;
        // The others are not waited for as long as for a first price: the connection would be taken for silent before.
        let file = stream(fake.address(), "")
            .replace("600ms", "8s")
            .replace("first_data = \"8s", "first_data = \"60s");
        let world =
            World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC,BAD,ETH-USD")], settings()).await;
        world.pair_is("a", "BAD-USD", PairState::Delisted).await;
        world.pair_is("a", "BTC-USD", PairState::Live).await;
        world.pair_is("a", "ETH-USD", PairState::Live).await;
        let reason = world.row_is("a", 1, PairState::Delisted).await.unwrap();
        assert!(reason.contains("BAD-USD"), "{reason}");
        assert_eq!(opened(&fake), 1);
    }
}

/// An acknowledgement proves nothing.
#[tokio::test]
async fn acknowledged_without_data_is_no_data() {
    let fake = FakeVenue::start(Behaviour {
        silent: BTreeSet::from(["ETH-USD".to_owned()]),
        ..Behaviour::default()
    })
    .await;
    let world = World::start(
        vec![venue("a", &stream(fake.address(), ""))],
        vec![row(1, "a", "BTC,ETH-USD")],
        settings(),
    )
    .await;
    world.pair_is("a", "BTC-USD", PairState::Live).await;
    world.pair_is("a", "ETH-USD", PairState::NoData).await;
    fake.set(|b| b.silent.clear());
    world.pair_is("a", "ETH-USD", PairState::Live).await;
}

#[tokio::test]
async fn refused_handshakes_are_told_apart() {
    for (status, headers, state) in [
        (429, vec![("retry-after", "30".to_owned())], ConnectionState::RateLimited),
        (451, vec![], ConnectionState::GeoBlocked),
        (503, vec![], ConnectionState::BackingOff),
        (302, vec![("location", "ws://169.254.169.254/".to_owned())], ConnectionState::BlockedAddress),
    ] {
        let fake = FakeVenue::start(Behaviour {
            handshake: Handshake::Refuse(status, headers),
            ..Behaviour::default()
        })
        .await;
        let world = World::start(
            vec![venue("a", &stream(fake.address(), ""))],
            vec![row(1, "a", "BTC-USD")],
            settings(),
        )
        .await;
        let connection = world.connection_is("a", "ws-1", state).await;
        assert!(connection.last_error.unwrap().contains(&status.to_string()));
        if status == 429 {
            let left = connection.until.unwrap().millis_since(connection.since);
            assert!((29_000..=30_500).contains(&left), "{left}");
            assert_eq!(fake.count(|what| *what == Happened::Accepted), 1);
        }
    }
}

/// A venue that refuses this place is parked, and its other address is tried; a restart is not needed.
#[tokio::test]
async fn a_geographic_refusal_shows_and_the_alternate_address_is_tried() {
    let refuses =
        FakeVenue::start(Behaviour { handshake: Handshake::Refuse(451, vec![]), ..Behaviour::default() })
            .await;
    let serves =
        FakeVenue::start(Behaviour { handshake: Handshake::Refuse(451, vec![]), ..Behaviour::default() })
            .await;
    let urls = format!("url = [\"ws://{}/\", \"ws://{}/\"]", refuses.address(), serves.address());
    let file = venue_file(&urls, "");
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings()).await;
    let parked = world.connection_is("a", "ws-1", ConnectionState::GeoBlocked).await;
    assert!(parked.last_error.unwrap().contains("451"));
    let accepted = |fake: &FakeVenue| fake.count(|what| *what == Happened::Accepted);
    until("both were tried", PATIENCE, || accepted(&refuses) > 0 && accepted(&serves) > 0).await;
    // While both refuse it is one state, told and logged once, not one per try.
    let shown = world.states("a/ws-1");
    assert_eq!(shown.iter().filter(|s| **s == ConnectionState::GeoBlocked).count(), 1, "{shown:?}");
    serves.set(|b| b.handshake = Handshake::Accept);
    world.row_is("a", 1, PairState::Live).await;
    assert_eq!(refuses.count(|what| *what == Happened::Opened), 0);
    assert_eq!(opened(&serves), 1);
}

/// A token call that is refused for being one too many holds its host like any other request.
#[tokio::test]
async fn a_token_call_that_is_refused_holds_its_host() {
    let http = testkit::HttpAnswer {
        status: 429,
        headers: vec![("retry-after".into(), "60".into())],
        ..Behaviour::default().http
    };
    let fake = FakeVenue::start(Behaviour { http, ..Behaviour::default() }).await;
    let address = fake.address();
    let token = format!(
        "[ws.token]\nmethod = \"POST\"\nurl = \"http://{address}/t\"\nvariables = {{ token = \"t\" }}\n"
    );
    let file = stream(address, "").replacen("[ws.subscribe]", &format!("{token}[ws.subscribe]"), 1);
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings()).await;
    let told = world.connection_is("a", "ws-1", ConnectionState::RateLimited).await;
    assert!(told.until.unwrap().millis_since(told.since) >= 59_000, "{told:?}");
    until("the hold is kept", PATIENCE, || !world.store.holds.lock().is_empty()).await;
    assert_eq!(world.store.holds.lock()[0].host, format!("http://{address}"));
    assert_eq!(fake.count(|what| matches!(what, Happened::Request(_))), 1);
}

/// Messages keep to the venue's limit, and many symbols are spread over connections.
#[tokio::test]
async fn limits_of_messages_and_symbols_are_kept() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let file = stream(fake.address(), "symbols_per_connection = 100\nmessages = \"3/500ms\"")
        .replace("items_max = 50", "items_max = 10");
    let names: Vec<String> = (0..250).map(|n| format!("A{n}")).collect();
    let world = World::start(
        vec![venue("a", &file)],
        vec![row(1, "a", &format!("{}-USD", names.join(",")))],
        settings(),
    )
    .await;
    world.row_is("a", 1, PairState::Live).await;
    assert_eq!(opened(&fake), 3);
    for connection in 1..=3 {
        let sent: Vec<Duration> = fake
            .log()
            .iter()
            .filter(|l| {
                l.connection == connection && matches!(l.what, Happened::Received(_) | Happened::Control)
            })
            .map(|l| l.at)
            .collect();
        for (at, first) in sent.iter().enumerate() {
            let within = sent[at..].iter().take_while(|t| **t - *first < Duration::from_millis(500)).count();
            assert!(within <= 3, "{within} messages in 500 ms");
        }
    }
}

/// A venue that tells every connection to reconnect is not hammered, and one that floods us with errors does
/// not hide that it is live.
#[tokio::test]
async fn notices_and_errors_without_end_are_borne() {
    let fake = FakeVenue::start(Behaviour::default()).await;
    let world =
        World::start(vec![venue("a", &stream(fake.address(), ""))], vec![row(1, "a", "BTC-USD")], settings())
            .await;
    let storm = async {
        loop {
            for _ in 0..100 {
                fake.say(r#"{"error":"no reason"}"#);
            }
            fake.say(r#"{"bye":1}"#);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let enough = until("two seconds of ticks", PATIENCE, || world.sequences("BTC-USD").len() > 100);
    tokio::select! {
        () = storm => {}
        () = enough => {}
    }
    world.connection_is("a", "ws-1", ConnectionState::Live).await;
    assert!((2..=4).contains(&opened(&fake)), "{} connections", opened(&fake));
    assert_complete(&world.sequences("BTC-USD"), "BTC-USD");
}

/// T04, at a tenth of its size: as few connections and messages as the limits allow.
#[tokio::test]
async fn a_thousand_rows_start_at_once() {
    let fake =
        FakeVenue::start(Behaviour { tick_every: Some(Duration::from_millis(300)), ..Behaviour::default() })
            .await;
    let rows: Vec<_> = (1..=1_000).map(|n| row(n, "a", &format!("A{n}-USD"))).collect();
    let file = stream(fake.address(), "symbols_per_connection = 400").replace("\"600ms\"", "\"5s\"");
    let started = tokio::time::Instant::now();
    let world = World::start(vec![venue("a", &file)], rows, settings()).await;
    let live = |world: &World| {
        world
            .status("a")
            .is_some_and(|s| s.pairs.iter().filter(|p| p.state == PairState::Live).count() == 1_000)
    };
    until("all pairs are live", PATIENCE, || live(&world)).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(opened(&fake), 3);
    assert_eq!(fake.count(|what| matches!(what, Happened::Received(_))), 20, "50 symbols a message");
}

/// A venue that nobody can reach does not leave its pairs waiting for ever.
#[tokio::test]
async fn waiting_ends_even_where_nobody_answers() {
    let fake = FakeVenue::start(Behaviour { handshake: Handshake::Hang, ..Behaviour::default() }).await;
    let mut rows = vec![row(1, "a", "BTC-USD")];
    rows[0].stale_after_ms = Some("300".into());
    let world = World::start(vec![venue("a", &stream(fake.address(), ""))], rows, settings()).await;
    world.pair_is("a", "BTC-USD", PairState::Waiting).await;
    world.pair_is("a", "BTC-USD", PairState::NoData).await;
}
