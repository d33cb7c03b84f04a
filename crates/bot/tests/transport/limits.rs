//! Telegram's limits: the order to wait holds for everything, and no window at the server sees too many messages.
//! It must not know how the pace is kept.

use crate::harness::{PATIENCE, polling, world};
use std::time::Duration;
use store::{MessageFilter, MessageState};
use testkit::{Fault, Limits, counts::count, until};

/// G01: 429 with `retry_after` = no call of any kind until it is over; nothing is lost, the order in each chat is kept.
#[tokio::test]
async fn g01_the_order_to_wait_holds_for_all_calls() {
    let world = world(20, Duration::from_secs(30)).await;
    for chat in 1..=4 {
        world.person(chat).await;
    }
    let wait_s = count(2, 35) as u64;
    world.fake.fail_next("sendMessage", Some(2), Fault::TooMany(wait_s));
    let (_talk, _stop) = world.talk(polling());
    let _pump = world.send();
    for round in 0..3 {
        for chat in 1..=3 {
            world.put(&[(format!("chat:{chat}"), format!("{chat}-{round}"))]).await;
        }
        world.fake.say(4, 4, &format!("4-{round}"));
    }
    for chat in 1..=4 {
        world.fake.messages_at_least(chat, 3).await;
        assert_eq!(
            world.texts(chat),
            [0, 1, 2].map(|round| format!("{chat}-{round}")),
            "order in chat {chat}"
        );
    }
    let calls = world.fake.calls();
    let told = calls.iter().position(|call| call.code == 429).expect("429 was answered");
    let (told_at, wait) = (calls[told].at, Duration::from_secs(wait_s));
    let on_the_way = Duration::from_millis(250);
    let early = calls.iter().filter(|call| call.at > told_at + on_the_way && call.at < told_at + wait);
    assert_eq!(
        early.map(|call| call.method.as_str()).collect::<Vec<_>>(),
        [""; 0],
        "calls while told to wait"
    );
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// G01, where more waits for one chat than is taken at a time: what was put off by the order to wait keeps its place.
#[tokio::test]
async fn g01_a_long_queue_keeps_its_order() {
    let world = world(20, Duration::from_secs(30)).await;
    world.person(1).await;
    let all: Vec<String> = (0..250).map(|at| format!("alert {at}")).collect();
    world.put(&all.iter().map(|text| ("chat:1".to_owned(), text.clone())).collect::<Vec<_>>()).await;
    world.fake.fail_next("sendMessage", Some(1), Fault::TooMany(1));
    let _pump = world.send();
    let lines =
        || world.texts(1).iter().flat_map(|text| text.split("\n\n").map(str::to_owned)).collect::<Vec<_>>();
    until("all of it", PATIENCE, || lines().len() >= all.len()).await;
    assert_eq!(lines(), all);
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// G02: thousands wait; measured at the server: at most one a second and chat, 30 in all, 20 a minute and group. What
/// waits for one chat becomes few messages.
#[tokio::test]
async fn g02_thousands_wait_and_every_limit_is_kept() {
    let (faster, messages) = (count(20, 1) as u32, count(600, 5_000));
    let world = world(faster, Duration::from_secs(60)).await;
    let chats: Vec<i64> = (1..=(messages / 3) as i64).collect();
    for chat in &chats {
        world.person(*chat).await;
    }
    world.fake.add_group(-1, "Group", &[], &[]);
    world.know(-1).await;
    // Two for each chat, and the rest for one chat and one group.
    let mut all: Vec<_> =
        chats.iter().flat_map(|chat| [0, 1].map(|at| (format!("chat:{chat}"), format!("m{at}")))).collect();
    let crowd = messages - all.len();
    all.extend(
        (0..crowd)
            .map(|at| (if at % 2 == 0 { "chat:1" } else { "chat:-1" }.to_owned(), format!("alert {at}"))),
    );
    world.put(&all).await;
    let _pump = world.send();
    let patience = PATIENCE + Duration::from_secs(count(60, 600) as u64);
    let waiting = MessageFilter { state: Some(MessageState::Pending), ..MessageFilter::default() };
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let sending = MessageFilter { state: Some(MessageState::Sending), ..MessageFilter::default() };
        let pending = world.store.messages(&waiting, 1).await.unwrap().len();
        if pending + world.store.messages(&sending, 1).await.unwrap().len() == 0 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "not everything was sent");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(world.fake.violations(), [""; 0]);
    for chat in &chats[1..] {
        assert_eq!(world.texts(*chat), ["m0", "m1"]);
    }
    // Nothing is lost in what was merged, and the order is kept.
    for (chat, odd) in [(1, 0), (-1, 1)] {
        let sent = world.fake.messages(chat);
        let lines: Vec<_> =
            sent.iter().flat_map(|message| message.text.split("\n\n")).map(str::to_owned).collect();
        let expected: Vec<_> =
            (0..crowd).filter(|at| at % 2 == odd).map(|at| format!("alert {at}")).collect();
        let alerts: Vec<_> = lines.into_iter().filter(|line| line.starts_with("alert")).collect();
        assert_eq!(alerts, expected);
        assert!(sent.len() < expected.len() / 3, "{} messages for {} alerts", sent.len(), expected.len());
    }
}

/// G02: what cannot be merged waits: a group whose members ask for much is answered no more than 20 times a minute.
#[tokio::test]
async fn g02_a_group_is_told_no_more_than_twenty_a_minute() {
    let world = world(20, Duration::from_secs(30)).await;
    world.fake.add_person(1, "Ann", None);
    world.fake.add_group(-2, "Group", &[], &[(1, "creator")]);
    world.know(-2).await;
    let (_talk, _stop) = world.talk(polling());
    let said: Vec<_> = (0..25).map(|at| at.to_string()).collect();
    for text in &said {
        world.fake.say(-2, 1, text);
    }
    world.fake.messages_at_least(-2, said.len()).await;
    assert_eq!(world.texts(-2), said);
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// G13: a text beyond 4096 UTF-16 units arrives in parts, whole lines each, the buttons under the last.
#[tokio::test]
async fn g13_long_texts_arrive_in_parts() {
    let world = world(20, Duration::from_secs(30)).await;
    world.fake.set_limits(Limits::NONE);
    world.person(1).await;
    let (_talk, _stop) = world.talk(polling());
    let line = "<b>😀 BTC/USDT</b> 67,245.10 &amp; more\n";
    world.fake.say(1, 1, &line.repeat(400));
    until("all parts", PATIENCE, || {
        world.texts(1).iter().map(|text| text.lines().count()).sum::<usize>() == 400
    })
    .await;
    let parts = world.fake.messages(1);
    assert!(parts.iter().all(|part| part.text.lines().all(|line| line == "😀 BTC/USDT 67,245.10 & more")));
    assert_eq!(world.fake.violations(), [""; 0]);
    assert!(world.fake.calls().iter().all(|call| call.code != 400), "nothing was refused");
}
