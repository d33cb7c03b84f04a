//! A text to everybody: within the limits, without anybody else waiting, and only once even if the process dies.
//! It must not know how it is written down.

use crate::harness::{PATIENCE, polling, world};
use bot::{House, HouseError};
use std::time::{Duration, Instant};
use store::{NewMessage, PRIORITY_BULK};
use testkit::{counts::count, until};

/// G19: while a broadcast goes to all chats, answers are quick; after a kill it goes on where it was.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long people wait is measured with the host's clock")]
async fn g19_a_broadcast_keeps_nobody_waiting_and_is_not_begun_again() {
    let (chats, faster) = (count(900, 100_000) as i64, count(20, 100) as u32);
    let world = world(faster, Duration::from_secs(30)).await;
    for chat in 1..=chats {
        world.person(chat).await;
    }
    let asker = chats + 1;
    world.fake.add_person(asker, "Bob", None);
    let (talking, _stop) = world.talk(polling());
    let pump = world.send();
    assert_eq!(world.parts.household.broadcast("<b>News</b>").await.unwrap(), chats as u64);
    let second = world.parts.household.broadcast("more").await;
    assert_eq!(second, Err(HouseError::Busy), "one at a time");
    until("the broadcast is under way", PATIENCE, || world.fake.messages_count() > 20).await;

    let mut waits = Vec::new();
    for at in 0..20 {
        let asked = Instant::now();
        world.fake.say(asker, asker, &format!("btc {at}"));
        world.fake.messages_at_least(asker, at + 1).await;
        waits.push(asked.elapsed());
    }
    waits.sort_unstable();
    assert!(world.fake.messages_count() < chats as usize, "the broadcast was still under way");
    assert!(waits[18] < Duration::from_secs(2), "p95 of answers: {waits:?}");

    // The process dies in the middle: what it was sending is sent once more at most.
    talking.abort();
    pump.abort();
    // A new process is not there within the second that the limits count by: calls that were cut off have arrived by then.
    tokio::time::sleep(2 * Duration::from_secs(1) / faster).await;
    let far = tokio::time::Instant::now();
    let (_talk, _stop) = world.talk(polling());
    let _pump = world.send();
    let all = || {
        world.fake.messages_count() >= chats as usize
            && (1..=chats).all(|chat| !world.fake.messages(chat).is_empty())
    };
    let patience = PATIENCE + Duration::from_secs(count(60, 7_200) as u64);
    until("everybody has it", patience, all).await;
    let repeats: usize = (1..=chats).map(|chat| world.fake.messages(chat).len() - 1).sum();
    assert!(repeats <= 32, "{repeats} repeats, more than were on their way at once; {:?}", far.elapsed());
    let is_told = |text: &String| text == "News" || text == "News\n(you may have seen this already)";
    assert!((1..=chats).all(|chat| world.texts(chat).iter().all(is_told)));
    assert_eq!(world.fake.violations(), [""; 0]);
}

/// What waits for the end of somebody's quiet hours, or for a chat that is paused, keeps no broadcast from the others.
#[tokio::test]
async fn what_may_not_be_sent_now_stalls_no_broadcast() {
    let world = world(1_000, Duration::from_secs(30)).await;
    let (held, active, paused) = (1, 2..=30, 1_001..=1_500);
    for chat in [held].into_iter().chain(active.clone()).chain(paused.clone()) {
        world.person(chat).await;
    }
    let now = world.parts.clock.now();
    let until_morning = NewMessage {
        not_before: Some(now.plus_millis(8 * 3_600_000)),
        is_held: true,
        ..NewMessage::new(format!("chat:{held}"), "test", "in the morning")
    };
    let mut waiting = vec![until_morning; 500];
    for chat in paused.clone() {
        world.store.pause_chat(chat, "blocked").await.unwrap();
        let message = NewMessage::new(format!("chat:{chat}"), "test", "an earlier broadcast");
        waiting.push(NewMessage { priority: PRIORITY_BULK, ..message });
    }
    world.store.put_messages(&waiting, None, now).await.unwrap();
    let (_talk, _stop) = world.talk(polling());
    let _pump = world.send();
    world.parts.household.broadcast("News").await.unwrap();
    for chat in active {
        world.fake.messages_at_least(chat, 1).await;
    }
    assert_eq!(world.fake.messages_at_least(held, 1).await.len(), 1);
    assert_eq!(world.texts(held), ["News"]);
    assert!(paused.into_iter().all(|chat| world.texts(chat).is_empty()));
}
