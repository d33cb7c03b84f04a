//! The outbox: messages that must reach somebody at least once, written with whatever caused them, sent afterwards.
//! It must not know what a message says, nor how it is sent.
//!
//! A message is `pending` until it is taken, `sending` until the outcome is written, then `sent`; or `pending` again
//! (certainly not delivered), `ambiguous` (perhaps delivered: it is taken once more, and [`Message::is_repeat`] says so),
//! or `dead` (given up; stays visible). Before the first byte leaves, [`Outbox::start_messages`] is told. A process that dies
//! leaves `sending` behind: the next one calls [`Outbox::reclaim_messages`], and only what was started is marked.

use crate::StoreError;
use async_trait::async_trait;
use market::Timestamp;
use std::fmt;
use tokio::sync::watch;

/// The most messages that one call answers or removes.
pub const MESSAGES_MAX: usize = 5_000;
/// So many messages are one statement.
pub(crate) const MESSAGES_AT_ONCE: usize = 500;

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// It waits.
    Pending,
    /// Somebody sends it now, or died doing so.
    Sending,
    /// It arrived.
    Sent,
    /// It may have arrived; it is sent once more.
    Ambiguous,
    /// It was given up.
    Dead,
}

impl MessageState {
    /// All of them.
    pub const ALL: [MessageState; 5] = [
        MessageState::Pending,
        MessageState::Sending,
        MessageState::Sent,
        MessageState::Ambiguous,
        MessageState::Dead,
    ];

    /// As it stands in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            MessageState::Pending => "pending",
            MessageState::Sending => "sending",
            MessageState::Sent => "sent",
            MessageState::Ambiguous => "ambiguous",
            MessageState::Dead => "dead",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<MessageState> {
        MessageState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Alerts, and whatever somebody waits for.
pub const PRIORITY_ALERT: i64 = 0;
/// Subscriptions and notices.
pub const PRIORITY_NORMAL: i64 = 5;
/// Broadcasts: after everything else.
pub const PRIORITY_BULK: i64 = 9;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// To whom: `chat:<id>`, `chat:<id>/<thread>`, `webhook:<id>`. What stands before the colon is the channel, by which
    /// senders take.
    pub target: String,
    /// What the body is: `fired`, `subscription`, `broadcast`, …
    pub kind: String,
    /// JSON of whoever wrote it.
    pub body: String,
    /// Not before; at once if `None`.
    pub not_before: Option<Timestamp>,
    /// It waits for the end of somebody's quiet hours: it does not hold up what comes after it.
    pub is_held: bool,
    /// The lowest goes first: [`PRIORITY_ALERT`], [`PRIORITY_NORMAL`], [`PRIORITY_BULK`].
    pub priority: i64,
}

impl NewMessage {
    /// A message of normal priority, at once.
    pub fn new(target: impl Into<String>, kind: impl Into<String>, body: impl Into<String>) -> NewMessage {
        NewMessage {
            target: target.into(),
            kind: kind.into(),
            body: body.into(),
            not_before: None,
            is_held: false,
            priority: PRIORITY_NORMAL,
        }
    }
}

/// One message of the outbox, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Generated, in the order of writing, and never used again: a receiver may know repeats by it.
    pub id: i64,
    /// The alert that fired.
    pub alert_id: Option<i64>,
    /// Which of its firings.
    pub fire_seq: Option<i64>,
    /// As [`NewMessage::target`].
    pub target: String,
    /// As [`NewMessage::kind`].
    pub kind: String,
    /// As [`NewMessage::body`].
    pub body: String,
    /// As [`NewMessage::priority`].
    pub priority: i64,
    /// How far it is.
    pub state: MessageState,
    /// How often it was taken.
    pub attempts: i64,
    /// It may have arrived before: say so.
    pub is_repeat: bool,
    /// Not before.
    pub not_before: Timestamp,
    /// It waited for the end of quiet hours: several such are one digest.
    pub is_held: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it arrived.
    pub sent_at: Option<Timestamp>,
    /// Why it has not arrived.
    pub last_error: Option<String>,
}

/// What came of sending a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Sent,
    /// It certainly did not arrive; again at this time.
    Retry {
        /// Not before.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It may have arrived; again at this time, marked.
    Ambiguous {
        /// Not before.
        at: Timestamp,
        /// Why.
        error: String,
    },
    /// It was not tried: the attempt does not count.
    NotNow {
        /// Not before.
        at: Timestamp,
    },
    /// It will never arrive.
    Dead {
        /// Why.
        error: String,
    },
}

/// The outcome of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which message.
    pub id: i64,
    /// [`Message::attempts`] as it was taken: whoever took it later settles it.
    pub attempts: i64,
    /// What came of it.
    pub outcome: Outcome,
}

/// How many messages of a channel are in a state; `sent` is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxDepth {
    /// `chat`, `webhook`.
    pub channel: String,
    /// The state.
    pub state: MessageState,
    /// How many.
    pub count: i64,
    /// The time of the oldest.
    pub oldest_at: Timestamp,
}

/// Which messages are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// In this state.
    pub state: Option<MessageState>,
    /// To this target.
    pub target: Option<String>,
    /// Of this alert.
    pub alert_id: Option<i64>,
}

/// The outbox.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Writes messages, all in one transaction, and a value of [`crate::BotState`] with them: how far whoever writes them is.
    /// More than [`MESSAGES_MAX`] are a [`StoreError::Conflict`].
    async fn put_messages(
        &self,
        messages: &[NewMessage],
        state: Option<(&str, &str)>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Takes what is due in a channel: from now on it is `sending`. The messages of one target come in order, and none
    /// of a target that has an earlier one waiting for its time, or one being sent.
    async fn take_messages(
        &self,
        channel: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError>;
    /// From now on messages that were taken, each by its id and [`Message::attempts`], may have been sent. `false` if one of
    /// them is not `sending` by that attempt any more: nothing of them may be sent then.
    async fn start_messages(&self, messages: &[(i64, i64)], now: Timestamp) -> Result<bool, StoreError>;
    /// Writes outcomes in one transaction: `Sent` also sets the alert's `delivered_at`. One that is not `sending` by
    /// that attempt any more is passed over.
    async fn settle_messages(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError>;
    /// What a dead process left `sending` in a channel, taken before that time, is `ambiguous` now if it was started, else
    /// `pending`; how many.
    async fn reclaim_messages(
        &self,
        channel: &str,
        taken_before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
    /// Messages that were held for a target, or for one of its topics, are due now; how many.
    async fn release_messages(&self, target: &str, now: Timestamp) -> Result<u64, StoreError>;
    /// The newest messages first, at most `limit`.
    async fn messages(&self, filter: &MessageFilter, limit: usize) -> Result<Vec<Message>, StoreError>;
    /// A dead message is to be sent again, as `ambiguous`: nobody knows any more; `false` if there is no such dead one.
    async fn revive_message(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;
    /// What waits, by channel and state.
    async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StoreError>;
    /// How many messages of a channel are due and go no earlier than those of this priority.
    async fn messages_due(&self, channel: &str, priority: i64, now: Timestamp) -> Result<i64, StoreError>;
    /// Forgets sent and dead messages that were written before; at most [`MESSAGES_MAX`]. How many.
    async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError>;
    /// Moves when messages are written: at once by this process, within a second by another.
    fn outbox_notices(&self) -> watch::Receiver<u64>;
}

/// State, time, error and uncounted attempts that an outcome leaves in the row.
pub(crate) fn settled(outcome: &Outcome, now: Timestamp) -> (MessageState, Timestamp, Option<&str>, i64) {
    match outcome {
        Outcome::Sent => (MessageState::Sent, now, None, 0),
        Outcome::Retry { at, error } => (MessageState::Pending, *at, Some(error), 0),
        Outcome::Ambiguous { at, error } => (MessageState::Ambiguous, *at, Some(error), 0),
        Outcome::NotNow { at } => (MessageState::Pending, *at, None, 1),
        Outcome::Dead { error } => (MessageState::Dead, now, Some(error), 0),
    }
}
