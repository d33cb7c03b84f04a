//! What the conversation asks of the process around it: who rules a chat, and what only an operator may do.
//! It must not know how any of it is done.

use async_trait::async_trait;

/// The process around the conversation, as far as it is asked anything.
#[async_trait]
pub trait House: Send + Sync {
    /// Whether the user is an administrator of the group. Asked of Telegram; kept for a minute.
    async fn rules_chat(&self, chat: i64, user: i64) -> Result<bool, HouseError>;
    /// Begins to send the text (HTML) to every active chat, in the background; to how many.
    async fn broadcast(&self, html: &str) -> Result<u64, HouseError>;
    /// The newest lines of the log, the oldest first, without secrets.
    async fn log_lines(&self, count: usize) -> Vec<String>;
    /// Whether the interface answers; `None` where this process does not know.
    async fn is_api_up(&self) -> Option<bool> {
        None
    }
}

/// Why the process could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HouseError {
    /// Not now: trying again may help.
    #[error("not now: {0}")]
    Unavailable(String),
    /// The last one is not done yet.
    #[error("the last one is not done yet")]
    Busy,
    /// This process has no such thing.
    #[error("this process cannot do that")]
    Unsupported,
}

impl HouseError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, HouseError::Unavailable(_) | HouseError::Busy)
    }
}
