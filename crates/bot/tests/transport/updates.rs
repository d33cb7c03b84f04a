//! Updates that are asked for: order, outages, another reader, another process, a broken answer.
//! It must not know what is said.

use crate::harness::{PATIENCE, TOKEN, polling, quick, talk, world, world_on};
use std::time::Duration;
use store::Seed;
use testkit::{Fault, LogLines, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

/// Keeps the log of this test's thread.
fn log(level: tracing::Level) -> (LogLines, tracing::subscriber::DefaultGuard) {
    let lines = LogLines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_writer(lines.clone()).with_ansi(false).finish();
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn what_is_said_is_answered_in_order_and_a_broken_answer_hurts_nobody() {
    let world = world(50, Duration::from_secs(5)).await;
    world.person(1).await;
    world.person(2).await;
    let (_talk, _stop) = world.talk(polling());
    world.fake.say(2, 2, "break");
    for at in 0..5 {
        world.fake.say(1, 1, &format!("<b>{at}</b>"));
        world.fake.say(2, 2, &format!("{at}"));
    }
    for chat in [1, 2] {
        world.fake.messages_at_least(chat, 5).await;
        assert_eq!(world.texts(chat), ["0", "1", "2", "3", "4"]);
    }
    let answer = world.fake.press(1, 1, world.fake.messages(1)[0].id, "pressed");
    assert_eq!(world.fake.answer_to(&answer).await["text"], "pressed");
    until("the edit", PATIENCE, || world.texts(1)[0] == "pressed").await;
    // Again the same: Telegram says "not modified", and that is no error.
    let again = world.fake.press(1, 1, world.fake.messages(1)[0].id, "pressed");
    world.fake.answer_to(&again).await;
    assert_eq!(world.fake.violations(), [""; 0]);
    assert!(world.fake.commands("default/ru").is_some() && world.fake.commands("default/").is_some());
}

/// G08: another reader = stand by, one line a minute, take over soon after it is gone.
#[tokio::test]
async fn g08_another_reader_is_waited_out() {
    let (lines, _guard) = log(tracing::Level::INFO);
    let world = world(50, Duration::from_secs(5)).await;
    world.person(1).await;
    let (_talk, _stop) = world.talk(polling());
    until("our first question", PATIENCE, || !world.fake.calls_of("getUpdates").is_empty()).await;
    let url = world.fake.url();
    let other = tokio::spawn(async move {
        loop {
            // Asks again at once, whatever the answer: the rudest reader there is.
            let Ok(mut tcp) = TcpStream::connect(url.trim_start_matches("http://")).await else { continue };
            let body = r#"{"timeout":50,"offset":1}"#;
            let head = format!(
                "POST /bot{TOKEN}/getUpdates HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: \
                 application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = tcp.write_all(head.as_bytes()).await;
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
    });
    let conflicts = || world.fake.calls_of("getUpdates").iter().filter(|call| call.code == 409).count();
    until("some conflicts", PATIENCE, || conflicts() >= 6).await;
    other.abort();
    world.fake.say(1, 1, "hello");
    world.fake.messages_at_least(1, 1).await;
    let said = lines.text().matches("standing by").count();
    assert_eq!(said, 1, "one line a minute: {}", lines.text());
}

/// G10: after an hour's outage 500 updates wait: one notice for each chat, and what changes something is done.
#[tokio::test]
async fn g10_old_requests_are_skipped_with_one_notice_but_stop_is_done() {
    let world = world(50, Duration::from_secs(5)).await;
    let now_s = world.parts.clock.now().millis() / 1_000;
    let ago = |minutes: i64| Some(u64::try_from(now_s - 60 * minutes).unwrap());
    for chat in 1..=5 {
        world.person(chat).await;
        for at in 0..98 {
            let said = if at == 50 { "/stop".to_owned() } else { format!("btc {at}") };
            world.fake.say_in(chat, chat, None, &said, ago(64 - at / 2));
        }
        world.fake.say_in(chat, chat, None, "fresh", ago(1));
        world.fake.set_standing(chat, chat, "kicked", "member");
    }
    let (_talk, _stop) = world.talk(polling());
    for chat in 1..=5 {
        let fresh = || world.texts(chat).contains(&"fresh".to_owned());
        until("what was said just now is answered", PATIENCE, fresh).await;
    }
    until("all updates", PATIENCE, || world.fake.updates_pending() == 0).await;
    for chat in 1..=5 {
        let texts = world.texts(chat);
        let skipped: usize =
            texts.iter().filter_map(|text| text.split_once("skipped ")?.1.parse::<usize>().ok()).sum();
        assert_eq!(skipped, 97, "{texts:?}");
        assert!(texts.contains(&"/stop".to_owned()), "{texts:?}");
        assert_eq!(texts.len(), 3, "one notice, /stop, and the fresh one: {texts:?}");
    }
    assert!(world.talk.texts().iter().all(|text| !text.starts_with("btc")), "nobody was asked for old rates");
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// What Telegram forgot, because it was fetched, is not lost with the process that fetched it; what was answered is not
/// answered again.
#[tokio::test]
async fn a_dead_process_s_updates_are_heard_by_the_next_one() {
    let store = store::open("sqlite::memory:", Seed::default()).await.unwrap();
    let world = world_on(store, 50, Duration::from_secs(30)).await;
    world.person(1).await;
    world.person(2).await;
    let (talking, _stop) = world.talk(polling());
    world.fake.say(2, 2, "answered");
    world.fake.messages_at_least(2, 1).await;
    world.fake.fail_next("sendMessage", Some(1), Fault::Hang);
    world.fake.say(1, 1, "hello");
    until("the update is confirmed", PATIENCE, || {
        world.fake.updates_pending() == 0 && !world.fake.calls_of("sendMessage").is_empty()
    })
    .await;
    talking.abort();
    let (_talk, _stop) = world.talk(polling());
    world.fake.messages_at_least(1, 1).await;
    world.fake.say(2, 2, "more");
    world.fake.messages_at_least(2, 2).await;
    assert_eq!(world.texts(2), ["answered", "more"]);
}

/// While Telegram is away everything waits, and goes on when it is back.
#[tokio::test]
async fn an_outage_ends_by_itself() {
    let world = world(50, Duration::from_secs(5)).await;
    world.person(1).await;
    world.fake.set_down(true);
    let (_talk, _stop) = world.talk(polling());
    world.fake.say(1, 1, "hello");
    world.fake.set_down(false);
    world.fake.messages_at_least(1, 1).await;
    world.fake.fail_next("getUpdates", None, Fault::BadGateway);
    world.fake.fail_next("getUpdates", None, Fault::AcceptThenDrop);
    world.fake.say(1, 1, "again");
    world.fake.messages_at_least(1, 2).await;
    assert_eq!(world.texts(1), ["hello", "again"]);
}

/// Of two processes one is the bot; when it dies the other takes over.
#[tokio::test]
async fn g08_the_second_process_takes_over() {
    let world = world(50, Duration::from_secs(5)).await;
    world.person(1).await;
    let start = |holder: &'static str| {
        let (parts, store) = (world.parts.clone(), world.store.clone());
        tokio::spawn(async move {
            let stop = CancellationToken::new();
            let work = |token| talk(parts.clone(), polling(), token);
            bot::stand_by(store.as_ref(), &quick(holder), &stop, work).await;
        })
    };
    let holder = async || {
        let leases = world.store.leases().await.unwrap();
        leases
            .into_iter()
            .find(|lease| lease.name == "bot" && !lease.left.is_zero())
            .map(|lease| lease.holder)
    };
    let first = start("first");
    until("the first asks", PATIENCE, || !world.fake.calls_of("getUpdates").is_empty()).await;
    let _second = start("second");
    world.fake.say(1, 1, "one");
    world.fake.messages_at_least(1, 1).await;
    assert_eq!(holder().await.as_deref(), Some("first"));
    assert_eq!(world.fake.calls_of("getMe").len(), 1, "the second stands by");
    first.abort();
    world.fake.say(1, 1, "two");
    world.fake.messages_at_least(1, 2).await;
    assert_eq!(holder().await.as_deref(), Some("second"));
    assert_eq!(world.texts(1), ["one", "two"]);
}
