//! Venues that become wrong while they are read: the state says so, and the last frame that gave nothing is kept.
//! It must not know how a frame is read.

use crate::harness::{PATIENCE, World, row, settings, venue};
use market::{ConnectionState, ConnectionStatus, PairState};
use std::{sync::Arc, time::Duration};
use testkit::{Behaviour, FakeVenue, HttpAnswer, until, until_some, venue_file};

fn stream(fake: &FakeVenue) -> String {
    let ws = format!("url = \"ws://{}\"\nsilence = \"600ms\"\nfirst_data = \"600ms\"", fake.address());
    venue_file(&ws, "").replace("name = \"Fake\"\n", "name = \"Fake\"\nstale_after = \"500ms\"\n")
}

async fn kept(world: &World, what: &str) -> ConnectionStatus {
    let find = || {
        let connection = world.status("a")?.connections.into_iter().next()?;
        connection.unread.as_ref().is_some_and(|kept| kept.frame.contains(what)).then_some(connection)
    };
    until_some(&format!("a frame with {what} is kept, in {:?}", world.status("a")), PATIENCE, find).await
}

/// What a venue may begin to say, the state of its connection then, and what is said of the frame.
#[tokio::test]
async fn a_stream_that_changes_its_protocol_shows_the_frame() {
    for (says, state, reason) in [
        ("<html>maintenance</html>", ConnectionState::CannotRead, "not_json"),
        (r#"{"kind":"price","BTC-USD":"64000"}"#, ConnectionState::CannotRead, "does not describe"),
        (r#"{"s":"BTC-USD","p":null,"price":"64000.5"}"#, ConnectionState::Silent, "last is no price"),
        (r#"{"s":null,"p":"64000.5","symbol":"BTC-USD"}"#, ConnectionState::CannotRead, "without a symbol"),
    ] {
        let fake = FakeVenue::start(Behaviour::default()).await;
        let world = World::start(vec![venue("a", &stream(&fake))], vec![row(1, "a", "BTC-USD")], settings());
        let world = world.await;
        world.connection_is("a", "ws-1", ConnectionState::Live).await;
        assert_eq!(world.status("a").unwrap().connections[0].unread, None, "all is well");
        fake.set(|b| b.tick_every = None);
        let talk = async {
            loop {
                fake.say(says);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = talk => {}
            _ = world.connection_is("a", "ws-1", state) => {}
        }
        let kept = kept(&world, &says[..12]).await.unread.unwrap();
        assert_eq!((kept.frame.as_str(), kept.bytes), (says, says.len() as u64));
        assert!(kept.reason.contains(reason), "{says}: {}", kept.reason);
        let more = || world.status("a").is_some_and(|s| s.connections[0].unread.as_ref().unwrap().count > 1);
        until("they are counted", PATIENCE, more).await;
        let told = |pair| matches!(pair, Some(PairState::NoData | PairState::Stale));
        until("the pair has no data", PATIENCE, || told(world.pair_state("a", "BTC-USD"))).await;
    }
}

/// A venue that answers in another spelling than it is asked in says nothing of ours, and that is no silence.
#[tokio::test]
async fn prices_of_others_only_are_shown() {
    let fake = FakeVenue::start(Behaviour { tick_every: None, ..Behaviour::default() }).await;
    let world =
        World::start(vec![venue("a", &stream(&fake))], vec![row(1, "a", "BTC-USD")], settings()).await;
    let talk = async {
        loop {
            fake.say(r#"{"s":"btc_usd","p":"64000.5","n":"1"}"#);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = talk => {}
        connection = kept(&world, "btc_usd") => {
            assert!(connection.unread.unwrap().reason.contains("nobody asked for"));
        }
    }
}

/// The same for answers to requests. What is kept is short and on one line, and holds no key, though the venue repeats it.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_kept_short_and_without_secrets() {
    let good = HttpAnswer { body: r#"[{"s":"BTC-USD","p":"64000.10"}]"#.into(), ..Behaviour::default().http };
    let fake = FakeVenue::start(Behaviour { http: good.clone(), ..Behaviour::default() }).await;
    let http = format!(
        "url = \"http://{}/p?q={{symbols}}\"\ninterval = \"200ms\"\n\
         [[http.tier]]\nkey = \"VENUE_KEY\"\nheaders = {{ x-key = \"Key {{key}}\" }}",
        fake.address()
    );
    let mut settings = settings();
    settings.environment = Arc::new(|name| (name == "VENUE_KEY").then(|| "canary-5316".to_owned()));
    let file = venue_file("", &http);
    let world = World::start(vec![venue("a", &file)], vec![row(1, "a", "BTC-USD")], settings).await;
    world.row_is("a", 1, PairState::Live).await;
    let say = |body: String| fake.set(|b| b.http = HttpAnswer { body, ..good.clone() });

    say(format!("<p>the key\r\n canary-5316 has no\u{202e} rights</p>{}", "canary-5316 ".repeat(1_000)));
    let connection = world.connection_is("a", "http-1", ConnectionState::CannotRead).await;
    let frame = kept(&world, "the key").await.unread.unwrap();
    let all = format!("{connection:?} {frame:?}");
    assert!(!all.contains("canary"), "{all}");
    assert!(frame.frame.starts_with("<p>the key   *** has no  rights</p>*** ***"), "{}", frame.frame);
    assert!(frame.frame.chars().count() <= 401 && frame.bytes > 12_000, "{frame:?}");

    // What the venue reports as an error is its own word, without the key in it.
    say(r#"{"error":"canary-5316 is unknown"}"#.to_owned());
    let told = || world.status("a").and_then(|s| s.connections[0].last_error.clone());
    let told =
        until_some("the error is told", PATIENCE, || told().filter(|e| e.contains("is unknown"))).await;
    assert_eq!(told, "*** is unknown");

    // A price that stands elsewhere now.
    say(r#"[{"s":"BTC-USD","price":"64000.10"}]"#.to_owned());
    let reason = kept(&world, "\"price\"").await.unread.unwrap().reason;
    assert!(reason.contains("last is no price"), "{reason}");
    world.connection_is("a", "http-1", ConnectionState::Live).await;
    assert!(!format!("{:?}", world.status("a")).contains("canary"));
}
