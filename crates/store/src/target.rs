//! Where a message goes, as it stands in a column; and whose an alert is.
//! It must not know how anything gets there.

use std::fmt;
use std::str::FromStr;

/// Whither a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// `chat:<id>`, or `chat:<id>/<thread>`.
    Chat {
        /// The messenger's number of the chat.
        id: i64,
        /// The topic of a group.
        thread: Option<i64>,
    },
    /// `webhook:<id>`.
    Webhook(i64),
}

impl Target {
    /// The channel of chats.
    pub const CHAT: &str = "chat";
    /// The channel of webhooks.
    pub const WEBHOOK: &str = "webhook";

    /// What stands before the colon: senders take by it.
    pub fn channel(self) -> &'static str {
        match self {
            Target::Chat { .. } => Target::CHAT,
            Target::Webhook(_) => Target::WEBHOOK,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Chat { id, thread: None } => write!(f, "chat:{id}"),
            Target::Chat { id, thread: Some(thread) } => write!(f, "chat:{id}/{thread}"),
            Target::Webhook(id) => write!(f, "webhook:{id}"),
        }
    }
}

/// A text that names no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a target is chat:<id>, chat:<id>/<thread> or webhook:<id>")]
pub struct TargetError;

impl FromStr for Target {
    type Err = TargetError;
    fn from_str(text: &str) -> Result<Target, TargetError> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| TargetError);
        match text.split_once(':') {
            Some((Target::CHAT, rest)) => match rest.split_once('/') {
                Some((id, thread)) => Ok(Target::Chat { id: number(id)?, thread: Some(number(thread)?) }),
                None => Ok(Target::Chat { id: number(rest)?, thread: None }),
            },
            Some((Target::WEBHOOK, id)) => Ok(Target::Webhook(number(id)?)),
            _ => Err(TargetError),
        }
    }
}

/// Whose an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// `chat:<id>`: whoever may speak for that chat.
    Chat(i64),
    /// `key:<id>`: whoever has that API key.
    Key(i64),
    /// `operator`: whoever has the command line.
    Operator,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Chat(id) => write!(f, "chat:{id}"),
            Owner::Key(id) => write!(f, "key:{id}"),
            Owner::Operator => f.write_str("operator"),
        }
    }
}

/// The part of a target that names the way: `chat` of `chat:5`.
pub(crate) fn channel_of(target: &str) -> &str {
    target.split(':').next().unwrap_or_default()
}

/// What the targets of a chat's topics begin with, and what stands after all of them: `/` is followed by `0`.
pub(crate) fn topics_of(chat: i64) -> (String, String) {
    (format!("chat:{chat}/"), format!("chat:{chat}0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_written_as_they_are_read() {
        for (text, target) in [
            ("chat:5", Some(Target::Chat { id: 5, thread: None })),
            ("chat:-100123/7", Some(Target::Chat { id: -100_123, thread: Some(7) })),
            ("webhook:3", Some(Target::Webhook(3))),
            ("chat:", None),
            ("chat:5/", None),
            ("mail:x", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), target, "{text}");
            if let Some(target) = target {
                assert_eq!(target.to_string(), text);
                assert_eq!(target.channel(), channel_of(text));
            }
        }
    }
}
