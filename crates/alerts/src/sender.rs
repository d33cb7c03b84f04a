//! What carries messages of one channel, and what it has to say before it does.
//! It must not know how anything is sent, nor what a message says.

use async_trait::async_trait;
use clock::Clock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use store::{Message, Outbox, Outcome};

/// Carries messages of one channel.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends the first of the due messages of one target, or the first few as one; what came of each of these, in the same
    /// order. Right before anything of them may leave it calls [`Start::first`], and sends nothing if that says no. What is
    /// not sent at all (the target is gone, it is not the time) needs no start. It keeps its own limits of time. A
    /// message that was started and is not answered for counts as [`Outcome::Ambiguous`].
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome>;
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
    /// After this a sender is given up, and what it had started may have arrived.
    pub give_up_after: Duration,
    /// After this no further message of a target is begun before it is taken again: what is more urgent by then goes first.
    pub together_for: Duration,
    /// What may have arrived without anybody knowing is sent again after this.
    pub repeat_after: Duration,
    /// How often it looks for messages that were taken and that nobody has: the answer to the taking was lost.
    pub reclaim_every: Duration,
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
            together_for: Duration::from_secs(60),
            repeat_after: Duration::from_secs(5),
            reclaim_every: Duration::from_secs(10),
            drain: Duration::from_secs(4),
        }
    }
}

/// Writes down, before it happens, what may have been sent: after a kill nothing else is marked as a repeat.
pub struct Start {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    /// Id and attempts of each message that a sender was given.
    messages: Vec<(i64, i64)>,
    started: AtomicUsize,
    is_refused: AtomicBool,
}

impl Start {
    pub(crate) fn new(outbox: Arc<dyn Outbox>, clock: Clock, group: &[Message]) -> Start {
        let messages = group.iter().map(|message| (message.id, message.attempts)).collect();
        Start { outbox, clock, messages, started: AtomicUsize::new(0), is_refused: AtomicBool::new(false) }
    }

    /// The first so many messages may be on their way from now on. `false` if that could not be written, or if they are
    /// somebody else's by now: nothing may be sent then.
    pub async fn first(&self, count: usize) -> bool {
        let some = &self.messages[..count.min(self.messages.len())];
        if some.is_empty() {
            return true;
        }
        let is_ours = matches!(self.outbox.start_messages(some, self.clock.now()).await, Ok(true));
        if is_ours {
            self.started.store(some.len(), Relaxed);
        } else {
            self.is_refused.store(true, Relaxed);
        }
        is_ours
    }

    /// How many may have been sent.
    pub(crate) fn started(&self) -> usize {
        self.started.load(Relaxed)
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.load(Relaxed)
    }
}
