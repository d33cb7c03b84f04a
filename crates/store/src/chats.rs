//! Chats: who talks to the bot, in which language and when not; and small values that the bot must remember.
//! It must not know what is said, nor what a setting means.

use crate::StoreError;
use async_trait::async_trait;
use market::Timestamp;

/// A chat, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRow {
    /// The messenger's number of it.
    pub id: i64,
    /// `private`, `group`, `supergroup`, `channel`.
    pub kind: String,
    /// `en`, `ru`.
    pub language: String,
    /// An IANA name.
    pub time_zone: String,
    /// Minutes of the day, in its time zone, from when to when it is not to be woken.
    pub quiet: Option<(i64, i64)>,
    /// JSON of the conversation: everything else.
    pub settings: String,
    /// Why nothing is sent to it now; `None` while it is active.
    pub paused: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it last said something.
    pub seen_at: Timestamp,
}

/// How many chats there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChatCount {
    /// Those that are sent to.
    pub active: i64,
    /// Those that are not, for now.
    pub paused: i64,
}

/// The chats.
#[async_trait]
pub trait Chats: Send + Sync {
    /// One chat.
    async fn chat(&self, id: i64) -> Result<Option<ChatRow>, StoreError>;
    /// Adds a chat, or replaces what is known of it but for `paused` and `created_at`.
    async fn put_chat(&self, chat: &ChatRow) -> Result<(), StoreError>;
    /// Nothing is sent to it until it is resumed; `false` if there is no such chat. What it has stays.
    async fn pause_chat(&self, id: i64, reason: &str) -> Result<bool, StoreError>;
    /// It is active again, and what waits for it or for one of its topics is due now, in the same transaction; `false` if
    /// it was not paused.
    async fn resume_chat(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;
    /// The next chats by id, at most some thousands.
    async fn chats_page(
        &self,
        after_id: i64,
        only_active: bool,
        limit: usize,
    ) -> Result<Vec<ChatRow>, StoreError>;
    /// How many there are.
    async fn chat_count(&self) -> Result<ChatCount, StoreError>;
    /// Removes everything of a chat, in one transaction: itself, its alerts, subscriptions and messages.
    async fn forget_chat(&self, id: i64) -> Result<(), StoreError>;
    /// A chat has another number from now on: rewritten everywhere, in one transaction. If the new one is known already,
    /// it stays as it is, and takes what the old one has. `false` if nothing was known of the old one.
    async fn migrate_chat(&self, old: i64, new: i64) -> Result<bool, StoreError>;
}

/// Small values by name, such as the last update that was heard.
#[async_trait]
pub trait BotState: Send + Sync {
    /// The value of that name.
    async fn bot_value(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// Sets it; `None` removes it.
    async fn put_bot_value(&self, name: &str, value: Option<&str>) -> Result<(), StoreError>;
}
