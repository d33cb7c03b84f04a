//! Who is told: a chat (and a topic in it), or a webhook. One string, in the columns of alerts and of the outbox alike.
//! It must not know how anything is sent.

use std::{fmt, str::FromStr};

/// `chat:-100123`, `chat:-100123/7` (a topic), `webhook:12`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A Telegram chat.
    Chat {
        /// Its id; below zero for groups.
        chat: i64,
        /// The topic in it (`message_thread_id`).
        thread: Option<i64>,
    },
    /// A webhook by its number.
    Webhook(i64),
}

/// A text that names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a target is chat:ID, chat:ID/TOPIC or webhook:ID")]
pub struct TargetError;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Chat { chat, thread: None } => write!(f, "chat:{chat}"),
            Target::Chat { chat, thread: Some(thread) } => write!(f, "chat:{chat}/{thread}"),
            Target::Webhook(id) => write!(f, "webhook:{id}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Target, TargetError> {
        if let Some(rest) = text.strip_prefix("chat:") {
            let (chat, thread) = match rest.split_once('/') {
                Some((chat, thread)) => (chat, Some(thread.parse().map_err(|_| TargetError)?)),
                None => (rest, None),
            };
            return Ok(Target::Chat { chat: chat.parse().map_err(|_| TargetError)?, thread });
        }
        let id = text.strip_prefix("webhook:").and_then(|id| id.parse().ok());
        id.map(Target::Webhook).ok_or(TargetError)
    }
}
