//! The loop with senders and a store that fail: nothing is lost, what may have arrived is marked, order is kept.
//! It must not know webhooks.

use crate::lab::{LOOK_EVERY, Lab, PATIENCE};
use alerts::{Sender, Sending, Start};
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
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        assert!(start.first(group.len()).await, "it is ours");
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

/// Sends one message after the other; at the one with that body it hangs, having started it or not.
struct Halting {
    at: &'static str,
    is_started: bool,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Sender for Halting {
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        let is_here = group[0].body == self.at;
        if !is_here || self.is_started {
            assert!(start.first(1).await, "it is ours");
        }
        self.seen.lock().push(group[0].body.clone());
        if is_here {
            std::future::pending::<()>().await;
        }
        vec![Outcome::Sent]
    }
}

/// What was sent before it is written, and what comes after it was never on its way: only the one may have arrived.
#[tokio::test]
async fn of_many_taken_only_the_one_on_its_way_may_be_a_repeat() {
    for (is_started, expect) in [(true, ["c!", "d", "e"]), (false, ["c", "d", "e"])] {
        let lab = Lab::new().await;
        lab.put("chat:1", &["a", "b", "c", "d", "e"]).await;
        let first = Arc::new(Halting { at: "c", is_started, seen: Mutex::default() });
        let running = lab.run("chat", first.clone());
        until("it is being sent", PATIENCE, || first.seen.lock().len() == 3).await;
        running.kill().await;
        let second = Scripted::new([]);
        let running = lab.run("chat", second.clone());
        lab.settled().await;
        running.end().await;
        assert_eq!(second.bodies(), expect);
    }
}

/// A receiver that takes its time over each message, whatever their number, and has one more waiting once it has the first.
struct Slow {
    lab: Lab,
    takes: Duration,
    seen: Mutex<Vec<String>>,
}

#[async_trait]
impl Sender for Slow {
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        assert!(start.first(1).await, "it is ours");
        if self.seen.lock().is_empty() {
            let urgent = NewMessage {
                priority: store::PRIORITY_ALERT,
                ..NewMessage::new("chat:1", "fired", "urgent")
            };
            self.lab.store.put_messages(&[urgent], None, self.lab.now()).await.unwrap();
        }
        let body = if group[0].is_repeat { format!("{}!", group[0].body) } else { group[0].body.clone() };
        self.seen.lock().push(body);
        tokio::time::sleep(self.takes).await;
        vec![Outcome::Sent]
    }
}

/// Many messages of a slow receiver take longer than one call may: each has its own time, none is sent twice, and what is
/// more urgent does not wait for all of them.
#[tokio::test]
async fn a_slow_receiver_gets_past_its_backlog() {
    let lab = Lab::new().await;
    let all: Vec<String> = (0..12).map(|at| at.to_string()).collect();
    lab.put("chat:1", &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (store, takes) = (lab.store.clone(), Duration::from_millis(100));
    let slow = Arc::new(Slow { lab, takes, seen: Mutex::default() });
    let sending = Sending {
        look_every: LOOK_EVERY,
        give_up_after: takes * 6,
        together_for: takes * 3,
        ..Sending::new("chat")
    };
    let running = slow.lab.run_as(sending, store, slow.clone());
    slow.lab.settled().await;
    running.end().await;
    let mut seen = slow.seen.lock().clone();
    let urgent = seen.iter().position(|body| body == "urgent").expect("it was sent");
    assert!(urgent < all.len() / 2, "{seen:?}");
    seen.remove(urgent);
    assert_eq!(seen, all);
}

/// Somebody else took it to be left behind, and may send it at this moment.
#[tokio::test]
async fn what_is_somebody_elses_by_now_is_not_sent() {
    struct Late(Lab, AtomicUsize, Mutex<Vec<bool>>);
    #[async_trait]
    impl Sender for Late {
        async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
            if self.1.fetch_add(1, Relaxed) == 0 {
                let now = self.0.now();
                self.0.store.reclaim_messages("chat", now.plus_millis(1_000), now).await.unwrap();
            }
            let is_ours = start.first(group.len()).await;
            self.2.lock().push(is_ours);
            if is_ours { vec![Outcome::Sent; group.len()] } else { Vec::new() }
        }
    }
    let lab = Lab::new().await;
    lab.put("chat:1", &["a", "b"]).await;
    let store = lab.store.clone();
    let late = Arc::new(Late(lab, AtomicUsize::new(0), Mutex::default()));
    let running = late.0.run_on(store, "chat", late.clone());
    let messages = late.0.settled().await;
    running.end().await;
    let mut ours = late.2.lock().clone();
    ours.sort_unstable();
    assert_eq!(ours, [false, true]);
    assert!(messages.iter().all(|message| message.state == MessageState::Sent && !message.is_repeat));
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
        async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
            assert!(start.first(group.len()).await, "it is ours");
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

/// A store that writes no outcome so many times, and does not say what it has given away so many times.
struct Forgetful {
    store: Arc<dyn Store>,
    failures: AtomicUsize,
    lost: AtomicUsize,
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
        let taken = self.store.take_messages(channel, limit, now).await?;
        let is_lost = |left: usize| left.checked_sub(1).filter(|_| !taken.is_empty());
        if self.lost.fetch_update(Relaxed, Relaxed, is_lost).is_ok() {
            return Err(StoreError::Unavailable("its answer was lost".into()));
        }
        Ok(taken)
    }
    async fn start_messages(&self, messages: &[(i64, i64)], now: Timestamp) -> Result<bool, StoreError> {
        self.store.start_messages(messages, now).await
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
    async fn messages_due(&self, channel: &str, priority: i64, now: Timestamp) -> Result<i64, StoreError> {
        self.store.messages_due(channel, priority, now).await
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
    let (failures, lost) = (AtomicUsize::new(4), AtomicUsize::new(0));
    let forgetful = Arc::new(Forgetful { store: lab.store.clone(), failures, lost });
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

/// The messages were taken, and whoever asked for them never heard of it: their target is not mute until the next start,
/// and as none was on its way, none is marked.
#[tokio::test]
async fn what_was_taken_by_an_answer_that_was_lost_is_taken_again() {
    let lab = Lab::new().await;
    lab.put("chat:1", &["a", "b"]).await;
    let (failures, lost) = (AtomicUsize::new(0), AtomicUsize::new(2));
    let forgetful = Arc::new(Forgetful { store: lab.store.clone(), failures, lost });
    let sender = Scripted::new([]);
    let every = Duration::from_millis(200);
    let sending = Sending { look_every: LOOK_EVERY, reclaim_every: every, ..Sending::new("chat") };
    let running = lab.run_as(sending, forgetful.clone(), sender.clone());
    lab.settled().await;
    assert_eq!(sender.bodies(), ["a", "b"]);
    // As if that had been done long after it was given up.
    lab.put("webhook:1", &["elsewhere"]).await;
    lab.put("chat:2", &["c"]).await;
    let late = async {
        // Now and then the loop itself is faster.
        while lab.store.take_messages("chat", 10, lab.now()).await.unwrap().is_empty() {
            lab.put("chat:3", &["d"]).await;
        }
    };
    tokio::time::timeout(PATIENCE, late).await.unwrap();
    let is_sent = async {
        let of = |message: &Message| message.target != "webhook:1" && message.state != MessageState::Sent;
        while lab.all().await.iter().any(of) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_sent).await.expect("what nobody has is taken again");
    running.end().await;
    let all = lab.all().await;
    assert!(all.iter().all(|message| !message.is_repeat), "{all:?}");
    assert_eq!(
        all.iter().find(|message| message.target == "webhook:1").unwrap().state,
        MessageState::Pending
    );
}

/// What is under way at the end may finish; what hangs is left for the next process.
#[tokio::test]
async fn the_end_waits_for_what_is_under_way_but_not_for_ever() {
    struct Slow(watch::Receiver<bool>);
    #[async_trait]
    impl Sender for Slow {
        async fn send(&self, group: &[Message], _start: &Start) -> Vec<Outcome> {
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
