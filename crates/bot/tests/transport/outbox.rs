//! Messages of the outbox when something goes wrong on their way: no answer, no such chat, another number, bad markup.
//! It must not know alerts.

use crate::harness::{PATIENCE, World, polling, world};
use market::Timestamp;
use std::time::Duration;
use store::{ChatRow, Message, MessageFilter, MessageState};
use testkit::{Fault, until};
use tokio::net::{TcpSocket, TcpStream};

async fn rows(world: &World, state: MessageState) -> Vec<Message> {
    let filter = MessageFilter { state: Some(state), ..MessageFilter::default() };
    world.store.messages(&filter, 100).await.unwrap()
}

async fn until_rows(world: &World, state: MessageState, count: usize) -> Vec<Message> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = rows(world, state).await;
        if found.len() >= count {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{count} rows {state}: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// G04: Telegram took it, the answer never came: sent once more, marked; what is never answered is given up after that.
#[tokio::test]
async fn g04_no_answer_means_one_marked_repeat() {
    let world = world(20, Duration::from_millis(700)).await;
    world.person(1).await;
    world.person(2).await;
    world.fake.fail_next("sendMessage", Some(1), Fault::AcceptThenHang);
    for _ in 0..2 {
        world.fake.fail_next("sendMessage", Some(2), Fault::AcceptThenDrop);
    }
    world
        .put(&[
            ("chat:1".into(), "one".into()),
            ("chat:1".into(), "two".into()),
            ("chat:2".into(), "x".into()),
        ])
        .await;
    let _pump = world.send();
    until_rows(&world, MessageState::Sent, 2).await;
    let dead = until_rows(&world, MessageState::Dead, 1).await;
    assert_eq!(world.texts(1)[0], "one");
    assert_eq!(world.texts(1)[1], "one (repeat)");
    // What waited behind it was not tried, so it is no repeat.
    assert_eq!(world.texts(1)[2..], ["two"]);
    assert_eq!(world.texts(2), ["x", "x (repeat)"]);
    assert!(dead[0].last_error.as_ref().unwrap().starts_with("sent twice, answered never"), "{dead:?}");
}

/// An outage of Telegram is no reason to give anything up: what could not be done is tried until it can be, and what was
/// not answered is not sent a last time before Telegram answers something else.
#[tokio::test]
async fn an_outage_of_telegram_loses_nothing() {
    let world = world(20, Duration::from_millis(700)).await;
    world.person(1).await;
    world.person(2).await;
    for code in ["500", "502"] {
        world.fake.fail_next(
            "sendMessage",
            Some(1),
            Fault::Refuse(code.parse().unwrap(), "Internal Server Error"),
        );
        world.fake.fail_next("sendMessage", Some(1), Fault::BadGateway);
    }
    world.fake.fail_next("sendMessage", Some(2), Fault::Hang);
    for _ in 0..3 {
        world.fake.fail_next("getMe", None, Fault::BadGateway);
    }
    world.put(&[("chat:1".into(), "one".into()), ("chat:2".into(), "x".into())]).await;
    let _pump = world.send();
    until_rows(&world, MessageState::Sent, 2).await;
    assert_eq!(world.texts(1), ["one (repeat)"]);
    assert_eq!(world.texts(2), ["x (repeat)"]);
    let calls = world.fake.calls();
    let of = |method: &str, chat| calls.iter().filter(|c| c.method == method && c.chat == chat).count();
    assert_eq!((of("sendMessage", Some(1)), of("sendMessage", Some(2))), (5, 2));
    let last = calls.iter().rposition(|call| call.chat == Some(2)).expect("it was sent");
    let asked = calls[..last].iter().filter(|call| call.method == "getMe").count();
    assert!(asked >= 4, "it was asked until it answered, {asked} times");
}

/// What certainly did not arrive is tried again, unmarked.
#[tokio::test]
async fn no_connection_is_no_repeat() {
    let mut world = world(20, Duration::from_secs(5)).await;
    world.person(1).await;
    // Bound and not listening yet: whoever dials is refused, and nobody else can have the port.
    let door = TcpSocket::new_v4().unwrap();
    door.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", door.local_addr().unwrap());
    world.parts = world.parts_at(&url);
    world.put(&[("chat:1".into(), "one".into())]).await;
    let _pump = world.send();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while rows(&world, MessageState::Pending).await.iter().all(|row| row.last_error.is_none()) {
        assert!(tokio::time::Instant::now() < deadline, "not one try in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (door, fake) = (door.listen(16).unwrap(), world.fake.url());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = door.accept().await {
            let mut far = TcpStream::connect(fake.trim_start_matches("http://")).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    until_rows(&world, MessageState::Sent, 1).await;
    assert_eq!(world.texts(1), ["one"]);
}

/// G05: blocked = paused, nothing deleted, no further sends; unblocked = what waited is sent.
#[tokio::test]
async fn g05_blocked_pauses_and_loses_nothing() {
    let world = world(20, Duration::from_secs(5)).await;
    world.person(1).await;
    world.fake.refuse(1, Some((403, "Forbidden: bot was blocked by the user")));
    let alert = store::NewAlert { owner: "chat:1".into(), target: "chat:1".into(), ..Default::default() };
    world.store.add_alert(&alert, 50, world.parts.clock.now()).await.unwrap().unwrap();
    world.put(&[("chat:1".into(), "one".into()), ("chat:1".into(), "two".into())]).await;
    let _pump = world.send();
    let (_talk, _stop) = world.talk(polling());
    until("the refused send", PATIENCE, || !world.fake.calls_of("sendMessage").is_empty()).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while world.store.chat(1).await.unwrap().unwrap().paused.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "not paused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.put(&[("chat:1".into(), "three".into())]).await;
    // Two seconds are forty of Telegram's here: a sender that did not care would have tried.
    let quiet_until = tokio::time::Instant::now() + Duration::from_secs(2);
    until("two seconds", PATIENCE, || tokio::time::Instant::now() > quiet_until).await;
    assert_eq!(world.fake.calls_of("sendMessage").len(), 1, "no further sends");
    assert_eq!(world.store.alerts_of("chat:1").await.unwrap().len(), 1);
    assert_eq!(rows(&world, MessageState::Dead).await, []);

    world.fake.set_standing(1, 1, "kicked", "member");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while world.store.chat(1).await.unwrap().unwrap().paused.is_some() {
        assert!(tokio::time::Instant::now() < deadline, "not resumed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Long before the sender would look again by itself, which is after a minute.
    until("what waited is delivered", Duration::from_secs(20), || world.texts(1).len() == 3).await;
    assert_eq!(world.texts(1), ["one", "two", "three"]);
}

/// G06: no such chat = paused, with the reason, and left alone.
#[tokio::test]
async fn g06_no_such_chat_pauses_with_the_reason() {
    let world = world(20, Duration::from_secs(5)).await;
    world.know(9).await;
    world.put(&[("chat:9".into(), "one".into())]).await;
    let _pump = world.send();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let reason = loop {
        if let Some(reason) = world.store.chat(9).await.unwrap().unwrap().paused {
            break reason;
        }
        assert!(tokio::time::Instant::now() < deadline, "not paused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(reason.contains("chat not found"), "{reason}");
    assert_eq!(world.fake.calls_of("sendMessage").len(), 1);
}

/// G07: a group that got another number: everything is rewritten, the message arrives once, there.
#[tokio::test]
async fn g07_a_group_is_followed_to_its_new_number() {
    let world = world(20, Duration::from_secs(5)).await;
    let (old, new) = (-500, -1_000_000_000_500);
    world.fake.add_group(old, "Group", &[], &[(1, "creator")]);
    world.know(old).await;
    let owner = format!("chat:{old}");
    let alert = store::NewAlert { owner: owner.clone(), target: owner.clone(), ..Default::default() };
    world.store.add_alert(&alert, 50, world.parts.clock.now()).await.unwrap().unwrap();
    world.fake.migrate(old, new, false);
    world.put(&[(owner.clone(), "one".into()), (owner.clone(), "two".into())]).await;
    let _pump = world.send();
    until_rows(&world, MessageState::Sent, 2).await;
    assert_eq!(world.texts(new), ["one", "two"]);
    assert_eq!(world.texts(old), [""; 0]);
    assert_eq!(world.store.chat(old).await.unwrap(), None);
    assert_eq!(world.store.alerts_of(&format!("chat:{new}")).await.unwrap()[0].target, format!("chat:{new}"));
    // A person there is answered there, too.
    let (_talk, _stop) = world.talk(polling());
    world.fake.say(new, 1, "hello");
    world.fake.messages_at_least(new, 3).await;
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// G09: markup that Telegram refuses goes out as plain text, nothing of it lost; a topic that is gone is given up.
#[tokio::test]
async fn g09_refused_markup_goes_out_as_plain_text() {
    let world = world(20, Duration::from_secs(5)).await;
    world.person(1).await;
    world.fake.add_group(-1_000_000_000_001, "Forum", &[5], &[]);
    world.know(-1_000_000_000_001).await;
    let target = "chat:-1000000000001";
    world
        .put(&[
            ("chat:1".into(), "<b>1 < 2 & [x](y) _*~`</b>".into()),
            (format!("{target}/5"), "in the topic".into()),
            (format!("{target}/6"), "its topic is gone".into()),
        ])
        .await;
    let _pump = world.send();
    until_rows(&world, MessageState::Sent, 3).await;
    assert_eq!(world.texts(1), ["1 < 2 & [x](y) _*~`"]);
    let forum = world.fake.messages(-1_000_000_000_001);
    let mut got: Vec<_> = forum.iter().map(|message| (message.text.as_str(), message.thread)).collect();
    got.sort_unstable();
    assert_eq!(got, [("in the topic", Some(5)), ("its topic is gone", None)]);
}

/// A person whose quiet hours began an hour ago and last for two more.
async fn quiet_person(world: &World) -> (Timestamp, ChatRow) {
    world.person(1).await;
    let now = world.parts.clock.now();
    let mut chat = world.store.chat(1).await.unwrap().unwrap();
    let minute = now.millis() / 60_000 % 1_440;
    chat.quiet = Some(((minute + 1_380) % 1_440, (minute + 120) % 1_440));
    world.store.put_chat(&chat).await.unwrap();
    (now, chat)
}

/// G18: what was held is due, and meanwhile the chat has other quiet hours: it waits for the end of these, and comes as
/// soon as there are none.
#[tokio::test]
async fn g18_changed_quiet_hours_count_when_what_was_held_is_due() {
    let world = world(20, Duration::from_secs(5)).await;
    let (now, mut chat) = quiet_person(&world).await;
    let held = |body: &str| store::NewMessage {
        is_held: true,
        not_before: Some(now),
        ..store::NewMessage::new("chat:1", "test", body)
    };
    world.store.put_messages(&[held("one"), held("two")], None, now).await.unwrap();
    let _pump = world.send();
    let waits =
        |message: &Message| message.not_before.millis_since(now) > 118 * 60_000 && message.attempts == 0;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !rows(&world, MessageState::Pending).await.iter().all(waits) {
        assert!(tokio::time::Instant::now() < deadline, "not put off");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.texts(1), [""; 0]);
    chat.quiet = None;
    world.store.put_chat(&chat).await.unwrap();
    assert_eq!(world.store.release_messages("chat:1", world.parts.clock.now()).await.unwrap(), 2);
    until_rows(&world, MessageState::Sent, 2).await;
    assert!(!world.texts(1).is_empty());
}

/// G18: within quiet hours what is held waits, and what is not goes, though both are due together.
#[tokio::test]
async fn g18_what_is_held_does_not_go_with_what_is_urgent() {
    let world = world(20, Duration::from_secs(5)).await;
    let (now, _) = quiet_person(&world).await;
    let message =
        |body: &str, is_held| store::NewMessage { is_held, ..store::NewMessage::new("chat:1", "test", body) };
    let all = [message("held", true), message("urgent", false), message("held, too", true)];
    world.store.put_messages(&all, None, now).await.unwrap();
    let _pump = world.send();
    until_rows(&world, MessageState::Sent, 1).await;
    let waiting = until_rows(&world, MessageState::Pending, 2).await;
    assert!(waiting.iter().all(|row| row.is_held && row.not_before.millis_since(now) > 118 * 60_000));
    assert_eq!(world.texts(1), ["urgent"]);
}
