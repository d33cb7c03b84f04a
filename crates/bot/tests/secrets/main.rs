//! The token on every way that can fail, with the log at its most talkative.
//! It must not know why anything fails.

#[path = "../transport/harness.rs"]
#[expect(dead_code, reason = "shared with the tests of the transport, which use all of it")]
mod harness;

use bot::{CallError, Pace};
use harness::{PATIENCE, TOKEN, client, polling, world};
use serde_json::{Value, json};
use std::time::Duration;
use store::{MessageFilter, MessageState};
use testkit::{Fault, LogLines, until};

/// G17: whatever goes wrong, the token is in no log line, no error, no outcome.
#[tokio::test(flavor = "multi_thread")]
async fn g17_the_token_is_shown_nowhere() {
    let lines = LogLines::of_everything();
    let world = world(50, Duration::from_millis(400)).await;
    world.person(1).await;
    let mut shown = Vec::new();
    let mut note = |result: Result<Value, CallError>| {
        if let Err(error) = result {
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(cause) = source {
                shown.push(format!("{cause} {cause:?}"));
                source = cause.source();
            }
            shown.push(format!("{error:#?}"));
        }
    };
    let ours = &world.parts.client;
    for fault in [
        Fault::Hang,
        Fault::AcceptThenDrop,
        Fault::BadGateway,
        Fault::Refuse(401, "Unauthorized"),
        Fault::Refuse(404, "Not Found"),
        Fault::Refuse(500, "Internal Server Error"),
        Fault::Refuse(403, "Forbidden: bot was blocked by the user"),
    ] {
        world.fake.fail_next("getMe", None, fault);
        note(ours.call::<Value>("getMe", &json!({})).await);
    }
    // Nothing listens there, no such name, no such scheme, TLS where none is spoken.
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for url in [
        format!("http://{closed}"),
        "http://no-such-host.invalid".to_owned(),
        world.fake.url().replace("http", "https"),
    ] {
        note(client(&url, Pace::TELEGRAM, Duration::from_secs(2)).call::<Value>("getMe", &json!({})).await);
    }
    assert!(shown.len() >= 10, "every way failed: {shown:?}");

    let (_talk, _stop) = world.talk(polling());
    let _pump = world.send();
    world.fake.fail_next("sendMessage", Some(1), Fault::AcceptThenHang);
    world.fake.fail_next("sendMessage", Some(1), Fault::Refuse(400, "Bad Request: SOMETHING_NEW"));
    world.fake.fail_next("getUpdates", None, Fault::AcceptThenDrop);
    world.put(&[("chat:1".into(), "one".into())]).await;
    world.fake.say(1, 1, "hello");
    until("answers", PATIENCE, || world.fake.messages(1).len() >= 2).await;
    for state in [MessageState::Dead, MessageState::Ambiguous, MessageState::Pending, MessageState::Sent] {
        let filter = MessageFilter { state: Some(state), ..MessageFilter::default() };
        shown.push(format!("{:?}", world.store.messages(&filter, 100).await.unwrap()));
    }
    shown.push(format!("{ours:?}"));
    let log = lines.text();
    assert!(log.contains("TRACE") && log.contains("getMe"), "the log is talkative");
    let secret = TOKEN.split_once(':').unwrap().1;
    for text in shown.iter().chain([&log]) {
        if let Some(line) = text.lines().find(|line| line.contains(secret) || line.contains("/bot4242")) {
            panic!("the token is shown: {line}");
        }
    }
}
