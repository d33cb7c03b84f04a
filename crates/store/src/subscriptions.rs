//! Subscriptions: a chat is told a rate at a time of the day.
//! It must not know how the next time is found: whoever reads them counts in the chat's time zone.

use crate::{NewMessage, StoreError};
use async_trait::async_trait;
use market::Timestamp;

/// A subscription, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// Generated, and never used again.
    pub id: i64,
    /// Whose it is.
    pub chat_id: i64,
    /// The topic of a group.
    pub thread: Option<i64>,
    /// The pair.
    pub pair: String,
    /// When, in the chat's time zone: minutes since midnight.
    pub minute_of_day: i64,
    /// On which days: bit 0 is Monday; 127 is every day.
    pub days: i64,
    /// The next time.
    pub next_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewSubscription {
    /// As [`SubscriptionRow::chat_id`].
    pub chat_id: i64,
    /// As [`SubscriptionRow::thread`].
    pub thread: Option<i64>,
    /// As [`SubscriptionRow::pair`].
    pub pair: String,
    /// As [`SubscriptionRow::minute_of_day`].
    pub minute_of_day: i64,
    /// As [`SubscriptionRow::days`].
    pub days: i64,
    /// As [`SubscriptionRow::next_at`].
    pub next_at: Timestamp,
}

/// The subscriptions.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Adds one; its id, or `None` if the chat has `count_max` already.
    async fn add_subscription(
        &self,
        subscription: &NewSubscription,
        count_max: usize,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError>;
    /// A chat's subscriptions, by id.
    async fn subscriptions_of(&self, chat_id: i64) -> Result<Vec<SubscriptionRow>, StoreError>;
    /// Removes one of this chat; `false` if there was none.
    async fn remove_subscription(&self, chat_id: i64, id: i64) -> Result<bool, StoreError>;
    /// What is due, the longest overdue first. Those of paused chats are left out.
    async fn subscriptions_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError>;
    /// Moves one on to its next time and writes its message, in one transaction; `false`, and no message, if it was
    /// moved or removed meanwhile. Without a message it is only moved: after a change of the time zone, say.
    async fn advance_subscription(
        &self,
        id: i64,
        from: Timestamp,
        to: Timestamp,
        message: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
}
