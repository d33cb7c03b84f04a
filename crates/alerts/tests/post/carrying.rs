//! The loop with senders and a store that fail: nothing is lost, what may have arrived is marked, order is kept.
//! It must not know webhooks.

use crate::lab::{LOOK_EVERY, Lab, PATIENCE};
use alerts::{Sender, Sending};
use async_trait::async_trait;
use market::Timestamp;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use store::{
    Message, MessageFilter, MessageState, NewMessage, Outbox, OutboxDepth, Outcome, PRIORITY_ALERT,
    PRIORITY_BULK, Settlement, Store, StoreError,
};
use testkit::until;
use tokio::sync::{Semaphore, watch};

/// Does one thing after the other with groups; then all is sent.
#[derive(Default)]
struct Scripted {
    acts: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<(String, String, bool)>>,
}

enum Act {
    Panic,
    SayNothing,
    Hang,
    Outcomes(Vec<Outcome>),
}

impl Scripted {
    fn new(acts: impl IntoIterator<Item = Act>) -> Arc<Scripted> {
        Arc::new(Scripted { acts: Mutex::new(acts.into_iter().collect()), ..Scripted::default() })
    }

    /// Target, body and whether it is marked, of everything it was given.
    fn seen(&self) -> Vec<(String, String, bool)> {
        self.seen.lock().clone()
    }

    fn bodies(&self) -> Vec<String> {
        self.seen().into_iter().map(|(_, body, repeat)| if repeat { body + "!" } else { body }).collect()
    }
}

#[async_trait]
impl Sender for Scripted {
    async fn send(&self, group: &[Message]) -> Vec<Outcome> {
        let of = |m: &Message| (m.target.clone(), m.body.clone(), m.is_repeat);
        self.seen.lock().extend(group.iter().map(of));
        let act = self.acts.lock().pop_front();
        match act {
            None => vec![Outcome::Sent; group.len()],
            Some(Act::Panic) => panic!("as the test wants it"),
            Some(Act::SayNothing) => Vec::new(),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Outcomes(outcomes)) => outcomes,
        }
    }
}

#[tokio::test]
async fn messages_of_a_target_come_together_and_in_order() {
    let lab = Lab::new().await;
    lab.put("chat:1", &["a", "b"]).await;
    lab.put("chat:2", &["c"]).await;
    let sender = Scripted::new([]);
    let running = lab.run("chat", sender.clone());
    lab.settled().await;
    // Whoever writes is heard at once.
    lab.put("chat:1", &["d"]).await;
    lab.settled().await;
    running.end().await;
    let of = |target: &str| {
        let seen = sender.seen().into_iter().filter(|(to, ..)| to == target);
        seen.map(|(_, body, _)| body).collect::<Vec<_>>()
    };
    assert_eq!((of("chat:1"), of("chat:2")), (vec!["a".into(), "b".into(), "d".into()], vec!["c".into()]));
}

#[tokio::test]
async fn a_sender_that_fails_loses_nothing_and_what_may_have_arrived_is_marked() {
    for act in [Act::Panic, Act::SayNothing, Act::Hang] {
        let lab = Lab::new().await;
        lab.put("chat:1", &["a"]).await;
        let sender = Scripted::new([act]);
        let short = Duration::from_millis(300);
        let sending = Sending {
            look_every: LOOK_EVERY,
            give_up_after: short,
            repeat_after: short,
            ..Sending::new("chat")
        };
        let running = lab.run_as(sending, lab.store.clone(), sender.clone());
        lab.settled().await;
        running.end().await;
        assert_eq!(sender.bodies(), ["a", "a!"]);
    }
}

#[tokio::test]
async fn what_a_dead_process_left_is_sent_again_and_marked() {
    let lab = Lab::new().await;
    lab.put("chat:1", &["a", "b"]).await;
    let first = Scripted::new([Act::Hang]);
    let running = lab.run("chat", first.clone());
    until("it is being sent", PATIENCE, || first.seen().len() == 2).await;
    running.kill().await;
    let second = Scripted::new([]);
    let running = lab.run("chat", second.clone());
    lab.settled().await;
    running.end().await;
    assert_eq!(second.bodies(), ["a!", "b!"]);
}

#[tokio::test]
async fn a_message_that_waits_is_taken_when_its_time_comes() {
    let lab = Lab::new().await;
    lab.put("chat:1", &["a", "b"]).await;
    let soon = || lab.now().plus_millis(150);
    let refused = vec![Outcome::Retry { at: soon(), error: "429".into() }, Outcome::NotNow { at: soon() }];
    let sender = Scripted::new([Act::Outcomes(refused)]);
    let running = lab.run("chat", sender.clone());
    let messages = lab.settled().await;
    running.end().await;
    assert_eq!(sender.bodies(), ["a", "b", "a", "b"]);
    assert_eq!((messages[0].attempts, messages[1].attempts), (2, 1));
}

/// A broadcast takes its time, and what was taken of it stands before an alert: so little is taken at once.
#[tokio::test]
async fn an_alert_is_the_next_to_go_whatever_waits_of_a_broadcast() {
    struct Paced {
        places: Semaphore,
        seen: Mutex<Vec<String>>,
    }
    #[async_trait]
    impl Sender for Paced {
        async fn send(&self, group: &[Message]) -> Vec<Outcome> {
            self.seen.lock().extend(group.iter().map(|message| message.body.clone()));
            if group[0].priority == PRIORITY_BULK {
                self.places.acquire().await.unwrap().forget();
            }
            vec![Outcome::Sent; group.len()]
        }
    }
    let lab = Lab::new().await;
    let to = |chat: usize, body: &str, priority| NewMessage {
        priority,
        ..NewMessage::new(format!("chat:{chat}"), "broadcast", body)
    };
    let all: Vec<NewMessage> = (0..150).map(|chat| to(chat, "news", PRIORITY_BULK)).collect();
    lab.store.put_messages(&all, None, lab.now()).await.unwrap();
    let sender = Arc::new(Paced { places: Semaphore::new(0), seen: Mutex::default() });
    let sending = Sending::new("chat");
    let at_once = sending.targets_max;
    let running = lab.run_as(sending, lab.store.clone(), sender.clone());
    let sent = async |count| until("so many go", PATIENCE, || sender.seen.lock().len() >= count).await;
    sent(at_once).await;
    lab.store.put_messages(&[to(999, "alert", PRIORITY_ALERT)], None, lab.now()).await.unwrap();
    sender.places.add_permits(1);
    sent(at_once + 1).await;
    assert_eq!(sender.seen.lock()[at_once], "alert");
    sender.places.add_permits(all.len());
    lab.settled().await;
    running.end().await;
}

/// A store that writes no outcome so many times.
struct Forgetful {
    store: Arc<dyn Store>,
    failures: AtomicUsize,
}

#[async_trait]
impl Outbox for Forgetful {
    async fn put_messages(
        &self,
        messages: &[NewMessage],
        state: Option<(&str, &str)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.put_messages(messages, state, now).await
    }
    async fn take_messages(
        &self,
        channel: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        self.store.take_messages(channel, limit, now).await
    }
    async fn settle_messages(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError> {
        if self.failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::Unavailable("away".into()));
        }
        self.store.settle_messages(settlements, now).await
    }
    async fn reclaim_messages(
        &self,
        channel: &str,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.store.reclaim_messages(channel, before, now).await
    }
    async fn release_messages(&self, target: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.store.release_messages(target, now).await
    }
    async fn messages(&self, filter: &MessageFilter, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.store.messages(filter, limit).await
    }
    async fn revive_message(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.store.revive_message(id, now).await
    }
    async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StoreError> {
        self.store.outbox_depth().await
    }
    async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.store.prune_messages(before).await
    }
    fn outbox_notices(&self) -> watch::Receiver<u64> {
        self.store.outbox_notices()
    }
}

#[tokio::test]
async fn a_store_that_is_away_after_sending_learns_of_it_later_and_nothing_is_sent_twice() {
    let lab = Lab::new().await;
    lab.put("chat:1", &["a"]).await;
    lab.put("chat:2", &["b"]).await;
    let forgetful = Arc::new(Forgetful { store: lab.store.clone(), failures: AtomicUsize::new(4) });
    let sender = Scripted::new([]);
    let running = lab.run_on(forgetful.clone(), "chat", sender.clone());
    let messages = lab.settled().await;
    running.end().await;
    assert_eq!(forgetful.failures.load(Relaxed), 0);
    let mut bodies = sender.bodies();
    bodies.sort();
    assert_eq!(bodies, ["a", "b"]);
    assert!(messages.iter().all(|message| message.state == MessageState::Sent && message.attempts == 1));
}

/// What is under way at the end may finish; what hangs is left for the next process.
#[tokio::test]
async fn the_end_waits_for_what_is_under_way_but_not_for_ever() {
    struct Slow(watch::Receiver<bool>);
    #[async_trait]
    impl Sender for Slow {
        async fn send(&self, group: &[Message]) -> Vec<Outcome> {
            let mut may_end = self.0.clone();
            if group[0].target == "chat:1" {
                let _ = may_end.wait_for(|may_end| *may_end).await;
                return vec![Outcome::Sent; group.len()];
            }
            std::future::pending().await
        }
    }
    let lab = Lab::new().await;
    let (may_end, ends) = watch::channel(false);
    let running = lab.run("chat", Arc::new(Slow(ends)));
    lab.put("chat:1", &["a"]).await;
    lab.put("chat:2", &["b"]).await;
    let taken = async {
        while lab.all().await.iter().any(|message| message.state != MessageState::Sending) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.unwrap();
    let ending = tokio::spawn(running.end());
    may_end.send(true).unwrap();
    ending.await.unwrap();
    let states: Vec<_> = lab.all().await.into_iter().map(|message| message.state).collect();
    assert_eq!(states, [MessageState::Sent, MessageState::Sending]);
}
