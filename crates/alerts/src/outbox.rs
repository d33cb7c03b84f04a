//! The loop that empties one channel of the outbox: takes what is due, hands each target's messages to a [`Sender`], writes
//! what came of them. It must not know how anything is sent, nor what a message says.
//!
//! A message is written down as being sent before its sender sees it. What a dead process left so is sent once more and
//! marked; what could not be written because the store is away is written once it is back, before more is taken.

use crate::run::wait_after;
use async_trait::async_trait;
use clock::Clock;
use futures_util::FutureExt;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use store::{Message, MessageState, Outbox, Outcome, Settlement, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Carries messages of one channel.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends the due messages of one target, in order; what came of each, in the same order. It keeps its own limits of
    /// time. A message that is not answered for counts as [`Outcome::Ambiguous`].
    async fn send(&self, group: &[Message]) -> Vec<Outcome>;
}

/// How the loop works.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Which messages: what stands before the colon of their targets.
    pub channel: &'static str,
    /// So many targets at once.
    pub targets_max: usize,
    /// So many messages are taken at a time.
    pub messages_max: usize,
    /// How often it looks, when nothing is said.
    pub look_every: Duration,
    /// After this a sender is given up, and its messages may have arrived.
    pub give_up_after: Duration,
    /// What may have arrived without anybody knowing is sent again after this.
    pub repeat_after: Duration,
    /// At the end, senders may take so long still.
    pub drain: Duration,
}

impl Sending {
    /// With limits that fit Telegram and webhooks alike.
    pub fn new(channel: &'static str) -> Sending {
        Sending {
            channel,
            targets_max: 32,
            messages_max: 100,
            look_every: Duration::from_secs(1),
            give_up_after: Duration::from_secs(300),
            repeat_after: Duration::from_secs(5),
            drain: Duration::from_secs(4),
        }
    }
}

/// So many outcomes are one transaction.
const SETTLED_MAX: usize = 500;

/// Sends until `stop`; never fails: while the store is away it waits. One process at a time may, by a lease:
/// what it finds being sent at its start was left by another.
pub async fn send_outbox(
    outbox: Arc<dyn Outbox>,
    sender: Arc<dyn Sender>,
    clock: Clock,
    sending: Sending,
    stop: CancellationToken,
) {
    let mut post = Post { outbox, sender, clock, sending, at_work: JoinSet::new(), settled: Vec::new() };
    let mut notices = post.outbox.outbox_notices();
    let (mut is_reclaimed, mut failures) = (false, 0u32);
    while !stop.is_cancelled() {
        notices.mark_unchanged();
        let round = post.round(&mut is_reclaimed).await;
        let wait = match round {
            Ok(may_be_more) => {
                if failures > 0 {
                    tracing::info!(channel = post.sending.channel, "the outbox is read again");
                }
                failures = 0;
                if may_be_more && post.has_room() {
                    continue;
                }
                post.sending.look_every
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(channel = post.sending.channel, %error, "the outbox waits for the store");
                }
                failures = failures.saturating_add(1);
                wait_after(failures)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
            // While the store is away nothing is hurried.
            _ = notices.changed(), if failures == 0 && post.has_room() => {}
            Some(done) = post.at_work.join_next(), if failures == 0 => post.done(done),
        }
    }
    post.end().await;
}

type Done = Vec<Settlement>;

struct Post {
    outbox: Arc<dyn Outbox>,
    sender: Arc<dyn Sender>,
    clock: Clock,
    sending: Sending,
    at_work: JoinSet<Done>,
    /// Outcomes that are not written yet; no more than are at work at once.
    settled: Vec<Settlement>,
}

impl Post {
    fn has_room(&self) -> bool {
        self.at_work.len() < self.sending.targets_max
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        // A task that did not end by itself was aborted by us.
        self.settled.extend(done.unwrap_or_default());
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(done) = self.at_work.try_join_next() {
            self.settled.extend(done.unwrap_or_default());
        }
    }

    /// Writes what is done, takes what is due; whether there may be more.
    async fn round(&mut self, is_reclaimed: &mut bool) -> Result<bool, StoreError> {
        self.collect();
        self.settle().await?;
        let channel = self.sending.channel;
        let now = self.clock.now();
        if !*is_reclaimed {
            let count = self.outbox.reclaim_messages(channel, now.plus_millis(1), now).await?;
            *is_reclaimed = true;
            if count > 0 {
                tracing::warn!(
                    channel,
                    count,
                    "messages that were being sent at the end of the last process are sent again, marked"
                );
            }
        }
        // No more than there is room for: what is taken waits for its turn, and an alert written meanwhile waits behind
        // it. A broadcast at Telegram's pace would hold it up for seconds.
        let room = self.sending.targets_max.saturating_sub(self.at_work.len());
        let count_max = room.min(self.sending.messages_max);
        if count_max == 0 {
            return Ok(false);
        }
        let messages = self.outbox.take_messages(channel, count_max, now).await?;
        let may_be_more = messages.len() == count_max;
        for group in by_target(messages) {
            let (sender, clock, sending) = (self.sender.clone(), self.clock, self.sending.clone());
            self.at_work.spawn(async move { carry(&*sender, &group, clock, &sending).await });
        }
        Ok(may_be_more)
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        while !self.settled.is_empty() {
            let count = self.settled.len().min(SETTLED_MAX);
            self.outbox.settle_messages(&self.settled[..count], self.clock.now()).await?;
            self.settled.drain(..count);
        }
        Ok(())
    }

    /// What is under way may end; what does not is found by the next process.
    async fn end(&mut self) {
        let drain = self.sending.drain;
        let ended = async {
            while let Some(done) = self.at_work.join_next().await {
                self.done(done);
            }
        };
        let in_time = tokio::time::timeout(drain, ended).await.is_ok();
        let settled = tokio::time::timeout(drain, self.settle()).await;
        if !in_time || !matches!(settled, Ok(Ok(()))) {
            let channel = self.sending.channel;
            tracing::warn!(
                channel,
                "not every message's outcome could be written at the end; these are sent again, marked"
            );
        }
        self.at_work.abort_all();
    }
}

/// One target's messages through their sender, whatever it does.
async fn carry(sender: &dyn Sender, group: &[Message], clock: Clock, sending: &Sending) -> Done {
    let channel = sending.channel;
    let sent = tokio::time::timeout(sending.give_up_after, sender.send(group));
    let sent = AssertUnwindSafe(sent).catch_unwind().await;
    let (outcomes, why) = match sent {
        Ok(Ok(outcomes)) => (outcomes, "its sender said nothing of it"),
        Ok(Err(_)) => (Vec::new(), "its sender did not end"),
        Err(_) => (Vec::new(), "its sender failed"),
    };
    if outcomes.len() < group.len() {
        tracing::error!(channel, messages = group.len(), answered = outcomes.len(), "{why}");
    }
    let repeat_ms = i64::try_from(sending.repeat_after.as_millis()).unwrap_or(i64::MAX);
    let at = clock.now().plus_millis(repeat_ms);
    let unsure = || Outcome::Ambiguous { at, error: why.to_owned() };
    let mut outcomes = outcomes.into_iter();
    group.iter().map(|message| settlement(message, outcomes.next().unwrap_or_else(unsure), channel)).collect()
}

fn settlement(message: &Message, outcome: Outcome, channel: &'static str) -> Settlement {
    let word = match &outcome {
        Outcome::Sent => MessageState::Sent.as_str(),
        Outcome::Retry { .. } => "retry",
        Outcome::Ambiguous { .. } => MessageState::Ambiguous.as_str(),
        Outcome::NotNow { .. } => "not_now",
        Outcome::Dead { error } => {
            tracing::warn!(
                channel,
                message = message.id,
                kind = message.kind,
                "a message is given up: {error}"
            );
            MessageState::Dead.as_str()
        }
    };
    metrics::counter!("rates_outbox_outcomes_total", "channel" => channel, "outcome" => word).increment(1);
    Settlement { id: message.id, attempts: message.attempts, outcome }
}

/// Each target's messages, the targets in the order of their first ones.
fn by_target(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut groups: Vec<Vec<Message>> = Vec::new();
    let mut of: HashMap<String, usize> = HashMap::new();
    for message in messages {
        let at = *of.entry(message.target.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(message);
    }
    groups
}
