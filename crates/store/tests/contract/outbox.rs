//! The part of the contract about the outbox: order, states, repeats, and that nothing is lost or taken twice.
//! It must not know any backend.

use crate::alerts::{MAX, add, alert, firing, get};
use crate::{Place, at, conflict, open};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{
    MESSAGES_MAX, Message, MessageFilter, MessageState, NewMessage, Outcome, PRIORITY_ALERT, PRIORITY_BULK,
    Settlement, Store,
};
use tokio::time::timeout;

fn message(target: &str, body: &str) -> NewMessage {
    NewMessage::new(target, "notice", body)
}

async fn put(store: &dyn Store, messages: &[NewMessage]) {
    store.put_messages(messages, None, at(10)).await.unwrap();
}

async fn take(store: &dyn Store, now: i64) -> Vec<Message> {
    store.take_messages("chat", 100, at(now)).await.unwrap()
}

/// Bodies, in the order in which they came.
fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

async fn start(store: &dyn Store, messages: &[Message], now: i64) -> bool {
    let some: Vec<_> = messages.iter().map(|message| (message.id, message.attempts)).collect();
    store.start_messages(&some, at(now)).await.unwrap()
}

async fn settle(store: &dyn Store, message: &Message, outcome: Outcome, now: i64) {
    let settlement = Settlement { id: message.id, attempts: message.attempts, outcome };
    store.settle_messages(&[settlement], at(now)).await.unwrap();
}

async fn show(store: &dyn Store, id: i64) -> Message {
    let all = store.messages(&MessageFilter::default(), 1_000).await.unwrap();
    all.into_iter().find(|message| message.id == id).unwrap()
}

pub(crate) async fn messages_are_taken_when_due_in_order_and_once(place: &dyn Place) {
    let store = open(place).await;
    let bulk = NewMessage { priority: PRIORITY_BULK, ..message("chat:1", "bulk") };
    let late = NewMessage { not_before: Some(at(50)), ..message("chat:3", "late") };
    let urgent = NewMessage { priority: PRIORITY_ALERT, ..message("chat:1", "urgent") };
    put(&*store, &[bulk, message("chat:1", "a"), message("chat:2", "b"), late, urgent]).await;
    put(&*store, &[message("webhook:1", "elsewhere"), message("chat:1", "c")]).await;
    let taken = take(&*store, 10).await;
    assert_eq!(bodies(&taken), ["urgent", "a", "b", "c", "bulk"]);
    let first = &taken[0];
    assert_eq!((first.state, first.attempts, first.is_repeat), (MessageState::Sending, 1, false));
    assert_eq!((first.kind.as_str(), first.alert_id, first.created_at), ("notice", None, at(10)));
    assert_eq!(take(&*store, 10).await, [], "what is being sent is not taken again");
    assert_eq!(bodies(&take(&*store, 50).await), ["late"]);
    assert_eq!(bodies(&store.take_messages("webhook", 100, at(10)).await.unwrap()), ["elsewhere"]);
    // A limit leaves the rest for later, and not before what is being sent has an outcome.
    put(&*store, &[message("chat:9", "1"), message("chat:9", "2")]).await;
    let one = store.take_messages("chat", 1, at(50)).await.unwrap();
    assert_eq!(bodies(&one), ["1"]);
    assert_eq!(take(&*store, 50).await, []);
    settle(&*store, &one[0], Outcome::Sent, 51).await;
    assert_eq!(bodies(&take(&*store, 52).await), ["2"]);
}

pub(crate) async fn what_is_due_is_counted_by_priority(place: &dyn Place) {
    let store = open(place).await;
    let bulk = |target: &str| NewMessage { priority: PRIORITY_BULK, ..message(target, "bulk") };
    let later = |ms| NewMessage { not_before: Some(at(ms)), ..bulk("chat:1") };
    put(&*store, &[bulk("chat:1"), bulk("chat:2"), later(50), bulk("webhook:1"), message("chat:3", "a")])
        .await;
    let due = async |priority, now| store.messages_due("chat", priority, at(now)).await.unwrap();
    assert_eq!((due(PRIORITY_BULK, 9).await, due(PRIORITY_BULK, 10).await), (0, 2));
    assert_eq!((due(PRIORITY_BULK, 50).await, due(PRIORITY_ALERT, 50).await), (3, 4));
    take(&*store, 10).await;
    assert_eq!(due(PRIORITY_BULK, 50).await, 1, "what is being sent does not wait");
}

pub(crate) async fn a_message_that_waits_holds_up_its_own_target_only(place: &dyn Place) {
    let store = open(place).await;
    put(&*store, &[message("chat:1", "a"), message("chat:1", "b"), message("chat:2", "c")]).await;
    let taken = take(&*store, 10).await;
    let retry = Outcome::Retry { at: at(100), error: "429".into() };
    settle(&*store, &taken[0], retry, 20).await;
    settle(&*store, &taken[1], Outcome::NotNow { at: at(20) }, 20).await;
    let kept = show(&*store, taken[0].id).await;
    assert_eq!((kept.state, kept.attempts, kept.not_before), (MessageState::Pending, 1, at(100)));
    assert_eq!(kept.last_error.as_deref(), Some("429"));
    assert_eq!(show(&*store, taken[1].id).await.attempts, 0, "what was not tried does not count");
    put(&*store, &[message("chat:2", "d")]).await;
    assert_eq!(take(&*store, 50).await, [], "b waits for a, d for c, which is being sent");
    settle(&*store, &taken[2], Outcome::Sent, 60).await;
    assert_eq!(bodies(&take(&*store, 60).await), ["d"]);
    let first = take(&*store, 100).await;
    assert_eq!(bodies(&first), ["a"], "b has an older time, and its place all the same");
    settle(&*store, &first[0], Outcome::Sent, 110).await;
    assert_eq!(bodies(&take(&*store, 110).await), ["b"]);
}

/// More waits than is taken at a time: what was put off has a later time then, and keeps its place.
pub(crate) async fn order_is_kept_by_more_than_is_taken_at_a_time(place: &dyn Place) {
    let store = open(place).await;
    let all: Vec<String> = (0..7).map(|at| at.to_string()).collect();
    put(&*store, &all.iter().map(|body| message("chat:1", body)).collect::<Vec<_>>()).await;
    for message in store.take_messages("chat", 3, at(10)).await.unwrap() {
        settle(&*store, &message, Outcome::NotNow { at: at(50) }, 20).await;
    }
    assert_eq!(take(&*store, 49).await, [], "what comes after them waits with them");
    put(&*store, &[message("chat:2", "elsewhere")]).await;
    let (mut seen, mut now) = (Vec::new(), 50);
    while let taken = store.take_messages("chat", 3, at(now)).await.unwrap()
        && !taken.is_empty()
    {
        for message in &taken {
            settle(&*store, message, Outcome::Sent, now).await;
            seen.push(message.body.clone());
        }
        now += 1;
    }
    seen.retain(|body| body != "elsewhere");
    assert_eq!(seen, all);
}

pub(crate) async fn held_messages_wait_together_and_hold_up_nobody(place: &dyn Place) {
    let store = open(place).await;
    let held =
        |body: &str| NewMessage { is_held: true, not_before: Some(at(1_000)), ..message("chat:1", body) };
    let elsewhere = |target: &str| NewMessage { target: target.into(), ..held(target) };
    put(&*store, &[held("a"), held("b"), message("chat:1", "urgent")]).await;
    put(&*store, &[elsewhere("chat:1/7"), elsewhere("chat:10"), elsewhere("chat:10/7")]).await;
    let taken = take(&*store, 10).await;
    assert_eq!(bodies(&taken), ["urgent"]);
    settle(&*store, &taken[0], Outcome::Sent, 11).await;
    assert_eq!(take(&*store, 999).await, []);
    assert_eq!(store.release_messages("chat:2", at(20)).await.unwrap(), 0);
    assert_eq!(store.release_messages("chat:1", at(20)).await.unwrap(), 3);
    let taken = take(&*store, 20).await;
    assert_eq!(bodies(&taken), ["a", "b", "chat:1/7"], "its topics too, and nobody else's");
    assert!(taken.iter().all(|message| message.is_held), "a digest is known by it");
}

pub(crate) async fn what_may_have_arrived_is_taken_again_and_says_so(place: &dyn Place) {
    let store = open(place).await;
    put(&*store, &[message("chat:1", "a"), message("chat:2", "b"), message("webhook:1", "c")]).await;
    let taken = take(&*store, 10).await;
    settle(&*store, &taken[0], Outcome::Ambiguous { at: at(30), error: "no answer".into() }, 20).await;
    assert_eq!(show(&*store, taken[0].id).await.state, MessageState::Ambiguous);
    let again = take(&*store, 30).await;
    assert_eq!((again[0].attempts, again[0].is_repeat), (2, true));
    settle(&*store, &again[0], Outcome::Dead { error: "gone".into() }, 31).await;
    // An outcome that comes after another attempt has begun is of no account.
    settle(&*store, &taken[0], Outcome::Sent, 32).await;
    let dead = show(&*store, taken[0].id).await;
    assert_eq!((dead.state, dead.last_error.as_deref()), (MessageState::Dead, Some("gone")));

    // Whoever sent b is dead.
    assert!(start(&*store, &taken[1..2], 12).await);
    assert_eq!(store.reclaim_messages("chat", at(10), at(40)).await.unwrap(), 0, "taken at 10, not before");
    assert_eq!(store.reclaim_messages("chat", at(11), at(40)).await.unwrap(), 1);
    let again = take(&*store, 40).await;
    assert_eq!((bodies(&again), again[0].is_repeat), (vec!["b"], true));
    settle(&*store, &again[0], Outcome::Sent, 41).await;
    let sent = show(&*store, again[0].id).await;
    assert_eq!((sent.state, sent.sent_at, sent.last_error), (MessageState::Sent, Some(at(41)), None));

    // Of what was taken and never started nothing can have arrived. It is nobody's until it is taken again.
    put(&*store, &[message("chat:3", "d"), message("chat:3", "e")]).await;
    let taken = take(&*store, 42).await;
    assert!(start(&*store, &taken[..1], 43).await);
    assert_eq!(store.reclaim_messages("chat", at(43), at(44)).await.unwrap(), 2);
    assert!(!start(&*store, &taken, 45).await, "it is not ours any more");
    let again = take(&*store, 46).await;
    let marked: Vec<bool> = again.iter().map(|message| message.is_repeat).collect();
    assert_eq!((bodies(&again), marked), (vec!["d", "e"], vec![true, false]));
    assert!(!start(&*store, &taken, 47).await, "it is somebody else's");
    assert!(start(&*store, &again, 47).await);
    // What was marked once stays so, started or not.
    assert_eq!(store.reclaim_messages("chat", at(47), at(48)).await.unwrap(), 2);
    let again = take(&*store, 49).await;
    assert_eq!(store.reclaim_messages("chat", at(50), at(51)).await.unwrap(), 2);
    assert!(take(&*store, 52).await.iter().all(|message| message.is_repeat), "{again:?}");

    assert!(!store.revive_message(sent.id, at(50)).await.unwrap());
    assert!(store.revive_message(dead.id, at(50)).await.unwrap());
    let again = take(&*store, 50).await;
    assert_eq!((bodies(&again), again[0].attempts, again[0].is_repeat), (vec!["a"], 1, true));
}

pub(crate) async fn delivery_is_written_to_the_alert_with_the_message(place: &dyn Place) {
    let store = open(place).await;
    let id = add(&*store, "chat:5").await;
    for (seq, sent_at) in [(0, 30), (1, 20)] {
        let row = get(&*store, id).await;
        assert_eq!(row.fire_seq, seq);
        assert_eq!(store.fire(&[firing(&row)], at(10)).await.unwrap(), [true]);
        let taken = take(&*store, 11).await;
        settle(&*store, &taken[0], Outcome::Sent, sent_at).await;
        assert_eq!(get(&*store, id).await.delivered_at, Some(at(30)), "never back in time");
    }
    let row = get(&*store, id).await;
    store.fire(&[firing(&row)], at(40)).await.unwrap();
    let taken = take(&*store, 41).await;
    settle(&*store, &taken[0], Outcome::Dead { error: "blocked".into() }, 42).await;
    assert_eq!(get(&*store, id).await.delivered_at, Some(at(30)), "what did not arrive is no delivery");
    let of = MessageFilter { alert_id: Some(id), ..MessageFilter::default() };
    assert_eq!(store.messages(&of, 10).await.unwrap().len(), 3);
    let dead = MessageFilter { state: Some(MessageState::Dead), target: Some("chat:5".into()), ..of };
    assert_eq!(store.messages(&dead, 10).await.unwrap().len(), 1);
}

pub(crate) async fn two_senders_never_take_the_same_message(place: &dyn Place) {
    let (one, two) = (open(place).await, open(place).await);
    let all: Vec<_> = (0..60).map(|n| message(&format!("chat:{}", n % 20), &n.to_string())).collect();
    put(&*one, &all).await;
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let (a, b) = tokio::join!(one.take_messages("chat", 5, at(20)), two.take_messages("chat", 5, at(20)));
        let (a, b) = (a.unwrap(), b.unwrap());
        let targets = |taken: &[Message]| taken.iter().map(|m| m.target.clone()).collect::<BTreeSet<_>>();
        assert!(targets(&a).is_disjoint(&targets(&b)), "one target is with one sender at a time");
        for message in a.iter().chain(&b) {
            assert!(seen.insert(message.id), "taken twice: {message:?}");
        }
        let sent = a.iter().chain(&b).map(|m| Settlement { id: m.id, attempts: 1, outcome: Outcome::Sent });
        one.settle_messages(&sent.collect::<Vec<_>>(), at(21)).await.unwrap();
        if seen.len() == 60 {
            return;
        }
    }
    panic!("only {} of 60 were taken", seen.len());
}

pub(crate) async fn messages_are_written_with_how_far_the_writer_is(place: &dyn Place) {
    let store = open(place).await;
    let mut notices = store.outbox_notices();
    notices.mark_unchanged();
    let some = [message("chat:1", "a"), message("chat:2", "b")];
    store.put_messages(&some, Some(("broadcast", "2")), at(10)).await.unwrap();
    assert!(notices.has_changed().unwrap(), "this process knows at once");
    assert_eq!(store.bot_value("broadcast").await.unwrap().as_deref(), Some("2"));
    // All or nothing: this text no column can hold, or there are too many.
    let many = vec![message("chat:1", "x"); MESSAGES_MAX + 1];
    conflict(store.put_messages(&many, Some(("broadcast", "3")), at(10)).await);
    assert_eq!(store.bot_value("broadcast").await.unwrap().as_deref(), Some("2"));

    notices.mark_unchanged();
    let other = open(place).await;
    put(&*other, &[message("chat:3", "c")]).await;
    timeout(Duration::from_secs(10), notices.changed()).await.expect("another process' message").unwrap();
    let depth = store.outbox_depth().await.unwrap();
    assert_eq!(depth.len(), 1);
    assert_eq!(
        (depth[0].channel.as_str(), depth[0].state, depth[0].count),
        ("chat", MessageState::Pending, 3)
    );
    assert_eq!(depth[0].oldest_at, at(10));
}

pub(crate) async fn old_messages_are_forgotten_once_they_are_settled(place: &dyn Place) {
    let store = open(place).await;
    put(&*store, &[message("chat:1", "a"), message("chat:2", "b"), message("chat:3", "c")]).await;
    let taken = take(&*store, 10).await;
    settle(&*store, &taken[0], Outcome::Sent, 11).await;
    settle(&*store, &taken[1], Outcome::Dead { error: "gone".into() }, 11).await;
    assert_eq!(store.prune_messages(at(10)).await.unwrap(), 0);
    assert_eq!(store.prune_messages(at(11)).await.unwrap(), 2);
    assert_eq!(store.messages(&MessageFilter::default(), 10).await.unwrap().len(), 1);
}

pub(crate) async fn an_alert_that_is_removed_has_told_what_it_fired(place: &dyn Place) {
    let store = open(place).await;
    let id = store.add_alert(&alert("chat:5"), MAX, at(1)).await.unwrap().unwrap();
    store.fire(&[firing(&get(&*store, id).await)], at(2)).await.unwrap();
    assert!(store.remove_alert("chat:5", id).await.unwrap());
    let taken = take(&*store, 3).await;
    assert_eq!(taken.len(), 1);
    settle(&*store, &taken[0], Outcome::Sent, 4).await;
}
