//! What the transport asks of the conversation: acts for what was said, and texts for what is to be told.
//! It must not know how any of it travels; the conversation implements it, tests put something small in its place.

use crate::{Act, Keyboard, Said};
use async_trait::async_trait;
use std::time::Duration;
use store::{ChatRow, Message};

/// A conversation, as the transport needs it.
#[async_trait]
pub trait Talk: Send + Sync {
    /// What is to be done about what was said. Called for one chat after the other, never twice at once for one chat.
    async fn hear(&self, said: Said) -> Vec<Act>;
    /// Whether it is done however long ago it was said: settings and `/stop`, not a question for a rate. What is no
    /// text (a button, a block, a migration) is heard anyway.
    fn is_lasting(&self, said: &Said) -> bool;
    /// One notice for a chat whose old requests were skipped: how many, and how long we were away at most. `last` is the
    /// newest of them.
    async fn skipped(&self, last: &Said, away: Duration, count: usize) -> Vec<Act>;
    /// A message of the outbox in the chat's language, marked if it is a repeat; `None` if it means nothing to us.
    fn told(&self, chat: Option<&ChatRow>, message: &Message) -> Option<Told>;
    /// Messages that were held over quiet hours, as one; `None` if they are better told one by one.
    fn digest(&self, _chat: Option<&ChatRow>, _messages: &[Message]) -> Option<Told> {
        None
    }
    /// The menu of commands: language (`None` = everybody else), then command and description.
    fn commands(&self) -> Menus;
}

/// Menus of commands: for a language, or for everybody else, commands with their descriptions.
pub type Menus = Vec<(Option<&'static str>, Vec<(&'static str, &'static str)>)>;

/// What is told to a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// HTML of Telegram's kind; split on line borders where it is too long for one message.
    pub html: String,
    /// Buttons; left out where several messages become one.
    pub keyboard: Keyboard,
}
