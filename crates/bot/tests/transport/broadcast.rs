//! A text to everybody: within the limits, without anybody else waiting, and only once even if the process dies.
//! It must not know how it is written down.

use crate::harness::{PATIENCE, polling, world};
use bot::{House, HouseError};
use std::time::{Duration, Instant};
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
    assert!(repeats <= 200, "{repeats} repeats, more than one batch; {:?}", far.elapsed());
    assert!((1..=chats).all(|chat| world.texts(chat).iter().all(|text| text.starts_with("News"))));
    assert_eq!(world.fake.violations(), [""; 0]);
}
