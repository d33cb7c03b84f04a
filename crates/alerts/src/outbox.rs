//! The loop that empties one channel of the outbox: takes what is due, has each target's messages carried, writes what
//! came of them. It must not know how anything is sent, nor what a message says.
//!
//! A message is written down as started before anything of it leaves. What a dead process left so is sent once more and
//! marked; what it had only taken is sent as if nothing had been. What could not be written because the store is away is
//! written once it is back, before more is taken.

use crate::{
    carry::Carrier,
    run::wait_after,
    sender::{Sender, Sending},
};
use clock::Clock;
use market::Timestamp;
use std::{collections::HashMap, sync::Arc};
use store::{Message, Outbox, Settlement, StoreError};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// So many outcomes are one transaction.
const SETTLED_MAX: usize = 500;

/// Sends until `stop`; never fails: while the store is away it waits. One process at a time may, by a lease:
/// what is being sent and was taken before anything it carries itself was left by another, or given to it by an answer
/// that never came.
pub async fn send_outbox(
    outbox: Arc<dyn Outbox>,
    sender: Arc<dyn Sender>,
    clock: Clock,
    sending: Sending,
    stop: CancellationToken,
) {
    let mut notices = outbox.outbox_notices();
    let carrier = Carrier { outbox, sender, clock, sending, stop: stop.clone() };
    let mut post = Post {
        carrier,
        at_work: JoinSet::new(),
        taken_at: HashMap::new(),
        settled: Vec::new(),
        reclaim_at: None,
    };
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        notices.mark_unchanged();
        let round = post.round().await;
        let wait = match round {
            Ok(may_be_more) => {
                if failures > 0 {
                    tracing::info!(channel = post.carrier.sending.channel, "the outbox is read again");
                }
                failures = 0;
                if may_be_more && post.has_room() {
                    continue;
                }
                post.carrier.sending.look_every
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(channel = post.carrier.sending.channel, %error, "the outbox waits for the store");
                }
                failures = failures.saturating_add(1);
                // It may have been done all the same.
                post.reclaim_at = None;
                wait_after(failures)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
            // While the store is away nothing is hurried.
            _ = notices.changed(), if failures == 0 && post.has_room() => {}
            Some(done) = post.at_work.join_next_with_id(), if failures == 0 => post.done(done),
        }
    }
    post.end().await;
}

type Done = Result<(Id, Vec<Settlement>), JoinError>;

struct Post {
    carrier: Carrier,
    at_work: JoinSet<Vec<Settlement>>,
    /// When what is at work was taken.
    taken_at: HashMap<Id, Timestamp>,
    /// Outcomes that are not written yet; no more than are at work at once.
    settled: Vec<Settlement>,
    /// When to look again for what nobody has.
    reclaim_at: Option<Timestamp>,
}

impl Post {
    fn has_room(&self) -> bool {
        self.at_work.len() < self.carrier.sending.targets_max
    }

    fn done(&mut self, done: Done) {
        self.one_done(done);
        self.collect();
    }

    fn one_done(&mut self, done: Done) {
        // A task that did not end by itself was aborted by us.
        let (id, settled) = done.unwrap_or_else(|error| (error.id(), Vec::new()));
        self.taken_at.remove(&id);
        self.settled.extend(settled);
    }

    fn collect(&mut self) {
        while let Some(done) = self.at_work.try_join_next_with_id() {
            self.one_done(done);
        }
    }

    /// Writes what is done, takes what is due; whether there may be more.
    async fn round(&mut self) -> Result<bool, StoreError> {
        self.collect();
        self.settle().await?;
        let now = self.carrier.clock.now();
        if self.reclaim_at.is_none_or(|at| at <= now) {
            self.reclaim(now).await?;
        }
        // No more than there is room for: what is taken waits for its turn, and an alert written meanwhile waits behind
        // it. A broadcast at Telegram's pace would hold it up for seconds.
        let room = self.carrier.sending.targets_max.saturating_sub(self.at_work.len());
        let count_max = room.min(self.carrier.sending.messages_max);
        if count_max == 0 {
            return Ok(false);
        }
        let channel = self.carrier.sending.channel;
        let messages = self.carrier.outbox.take_messages(channel, count_max, now).await?;
        let may_be_more = messages.len() == count_max;
        for group in by_target(messages) {
            let id = self.at_work.spawn(self.carrier.clone().carry(group)).id();
            self.taken_at.insert(id, now);
        }
        Ok(may_be_more)
    }

    /// Gives back what is being sent and is none of what is at work here.
    async fn reclaim(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let channel = self.carrier.sending.channel;
        let before = self.taken_at.values().min().copied().unwrap_or(now.plus_millis(1));
        let count = self.carrier.outbox.reclaim_messages(channel, before, now).await?;
        self.reclaim_at = Some(now.plus(self.carrier.sending.reclaim_every));
        if count > 0 {
            tracing::warn!(
                channel,
                count,
                "messages that were taken and that nobody sends are sent again, marked where they may have arrived"
            );
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        while !self.settled.is_empty() {
            let count = self.settled.len().min(SETTLED_MAX);
            self.carrier.outbox.settle_messages(&self.settled[..count], self.carrier.clock.now()).await?;
            self.settled.drain(..count);
        }
        Ok(())
    }

    /// What is under way may end; what does not is found by the next process.
    async fn end(&mut self) {
        let drain = self.carrier.sending.drain;
        let ended = async {
            while let Some(done) = self.at_work.join_next_with_id().await {
                self.done(done);
            }
        };
        let in_time = tokio::time::timeout(drain, ended).await.is_ok();
        let settled = tokio::time::timeout(drain, self.settle()).await;
        if !in_time || !matches!(settled, Ok(Ok(()))) {
            let channel = self.carrier.sending.channel;
            tracing::warn!(
                channel,
                "not every message's outcome could be written at the end; these are sent again, marked"
            );
        }
        self.at_work.abort_all();
    }
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
