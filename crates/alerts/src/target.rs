//! Who is told: a chat (and a topic in it), or a web address. One string, in specs and in the outbox alike.
//! It must not know how anything is sent.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// `chat:-100123`, `chat:-100123/7` (a topic), `webhook:https://…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A Telegram chat.
    Chat {
        /// Its id; below zero for groups.
        chat: i64,
        /// The topic in it (`message_thread_id`).
        thread: Option<i64>,
    },
    /// An address that is sent signed JSON. Whether it may be dialled is judged where it is dialled.
    Webhook(String),
}

/// A text that names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a target is chat:ID, chat:ID/TOPIC or webhook:https://…")]
pub struct TargetError;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Chat { chat, thread: None } => write!(f, "chat:{chat}"),
            Target::Chat { chat, thread: Some(thread) } => write!(f, "chat:{chat}/{thread}"),
            Target::Webhook(url) => write!(f, "webhook:{url}"),
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
        match text.strip_prefix("webhook:") {
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Target::Webhook(url.to_owned()))
            }
            _ => Err(TargetError),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Target, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
