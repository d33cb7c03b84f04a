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
use std::{collections::HashMap, sync::Arc};
use store::{Message, Outbox, Settlement, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
    let mut notices = outbox.outbox_notices();
    let carrier = Carrier { outbox, sender, clock, sending, stop: stop.clone() };
    let mut post = Post { carrier, at_work: JoinSet::new(), settled: Vec::new() };
    let (mut is_reclaimed, mut failures) = (false, 0u32);
    while !stop.is_cancelled() {
        notices.mark_unchanged();
        let round = post.round(&mut is_reclaimed).await;
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
    carrier: Carrier,
    at_work: JoinSet<Done>,
    /// Outcomes that are not written yet; no more than are at work at once.
    settled: Vec<Settlement>,
}

impl Post {
    fn has_room(&self) -> bool {
        self.at_work.len() < self.carrier.sending.targets_max
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
        let channel = self.carrier.sending.channel;
        let now = self.carrier.clock.now();
        if !*is_reclaimed {
            let count = self.carrier.outbox.reclaim_messages(channel, now.plus_millis(1), now).await?;
            *is_reclaimed = true;
            if count > 0 {
                tracing::warn!(
                    channel,
                    count,
                    "messages that were being sent at the end of the last process are sent again, marked where they may have arrived"
                );
            }
        }
        if !self.has_room() {
            return Ok(false);
        }
        let messages =
            self.carrier.outbox.take_messages(channel, self.carrier.sending.messages_max, now).await?;
        let may_be_more = messages.len() == self.carrier.sending.messages_max;
        for group in by_target(messages) {
            self.at_work.spawn(self.carrier.clone().carry(group));
        }
        Ok(may_be_more)
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
            while let Some(done) = self.at_work.join_next().await {
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
