//! Acts of the conversation, done one after the other: tried again where that cannot say a thing twice, and given up
//! where nobody is left to hear it. It must not know what is said, nor who said it.

use crate::{
    Act, CallError, ChatRef, Client, Keyboard, Said,
    post::Place,
    split::{self, MESSAGE_UNITS_MAX},
    throttle::Class,
};
use std::{sync::Arc, time::Duration};
use store::Store;

/// How often an act is tried.
const TRIES_MAX: u32 = 6;

/// The wait before the second try; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_millis(500);

/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// Does what the conversation wants done.
#[derive(Clone)]
pub(crate) struct Performer {
    pub(crate) client: Client,
    pub(crate) store: Arc<dyn Store>,
}

impl Performer {
    /// Does the acts that follow from what was said, in their order; stops where the chat is out of reach.
    pub(crate) async fn perform(&self, said: &Said, acts: Vec<Act>) {
        let mut chat = said.chat;
        for act in acts {
            let Err(error) = self.act(&mut chat, &act).await else { continue };
            match error {
                CallError::NotModified | CallError::TooLate(_) => {}
                error if error.pauses_chat() => {
                    if let Some(chat) = chat {
                        self.pause(chat.id, &error).await;
                    }
                    return;
                }
                error => tracing::warn!(update = said.update_id, "an answer was not given: {}", told(&error)),
            }
        }
    }

    /// Nothing is sent to a chat that wants nothing; what it has is kept.
    pub(crate) async fn pause(&self, chat: i64, reason: &CallError) {
        match self.store.pause_chat(chat, &reason.to_string()).await {
            Ok(true) => tracing::info!(chat, "paused: {reason}"),
            Ok(false) => {}
            Err(error) => tracing::warn!(chat, "cannot be paused: {error}"),
        }
    }

    /// One act, with patience. A new number of the chat is kept for the acts after it.
    async fn act(&self, chat: &mut Option<ChatRef>, act: &Act) -> Result<(), CallError> {
        match act {
            Act::Send { html, keyboard } => self.send(chat, html, keyboard).await,
            Act::Photo { png, caption_html, keyboard } => {
                let mut rest = Vec::new();
                let sent = self.patiently(chat, false, async |to: Place| {
                    rest = self.client.send_photo(to, png.clone(), caption_html, keyboard).await?;
                    Ok(())
                });
                sent.await?;
                for html in rest {
                    self.send(chat, &html, &Keyboard::new()).await?;
                }
                Ok(())
            }
            Act::Edit { message_id, html, keyboard } => {
                let edit = async |to| self.client.edit(to, *message_id, html, keyboard).await;
                self.patiently(chat, true, edit).await
            }
            Act::EditKeyboard { message_id, keyboard } => {
                let edit = async |to| self.client.edit_keyboard(to, *message_id, keyboard).await;
                self.patiently(chat, true, edit).await
            }
            Act::EditPhoto { message_id, png, caption_html, keyboard } => {
                let edit = async |to| {
                    self.client.edit_photo(to, *message_id, png.clone(), caption_html, keyboard).await
                };
                self.patiently(chat, true, edit).await
            }
            Act::Delete { message_id } => {
                self.patiently(chat, true, async |to| self.client.delete(to, *message_id).await).await
            }
            Act::Toast { callback_id, text, is_alert } => {
                self.anywhere(async || self.client.toast(callback_id, text.as_deref(), *is_alert).await).await
            }
            Act::Inline { query_id, results } => {
                self.anywhere(async || self.client.answer_inline(query_id, results).await).await
            }
        }
    }

    async fn send(&self, chat: &mut Option<ChatRef>, html: &str, keyboard: &Keyboard) -> Result<(), CallError> {
        let parts = split::parts(html, MESSAGE_UNITS_MAX);
        let none = Keyboard::new();
        for (at, part) in parts.iter().enumerate() {
            let keyboard = if at + 1 == parts.len() { keyboard } else { &none };
            self.patiently(chat, false, async |to| self.client.send(to, part, keyboard).await).await?;
        }
        Ok(())
    }

    /// What concerns a chat. A group that got another number is followed there, here and in the store.
    async fn patiently(
        &self,
        chat: &mut Option<ChatRef>,
        is_repeatable: bool,
        mut call: impl AsyncFnMut(Place) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let Some(at) = chat.as_mut() else { return Ok(()) };
        let mut moved = false;
        loop {
            let to = Place { chat: at.id, thread: at.thread, class: Class::Reply };
            match self.try_often(is_repeatable, async || call(to).await).await {
                Err(CallError::Migrated(new)) if !moved => {
                    moved = true;
                    if let Err(error) = self.store.migrate_chat(at.id, new).await {
                        tracing::warn!(old = at.id, new, "the chat's number is not rewritten: {error}");
                    }
                    at.id = new;
                }
                other => return other,
            }
        }
    }

    /// What concerns no chat and can be done twice.
    async fn anywhere(&self, mut call: impl AsyncFnMut() -> Result<(), CallError>) -> Result<(), CallError> {
        self.try_often(true, async || call().await).await
    }

    async fn try_often(
        &self,
        is_repeatable: bool,
        mut call: impl AsyncFnMut() -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let mut wait = WAIT_FIRST;
        for left in (0..TRIES_MAX).rev() {
            match call().await {
                // The throttle holds everything until the time that Telegram named.
                Err(CallError::TooMany(_)) if left > 0 => self.client.throttle().open().await,
                Err(CallError::NotReached(_)) if left > 0 => {
                    tokio::time::sleep(jittered(wait)).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
                // It may have been done: a message is not sent twice for that, an edit is harmless.
                Err(CallError::Unsure { .. }) if left > 0 && is_repeatable => {
                    tokio::time::sleep(jittered(wait)).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
                other => return other,
            }
        }
        Ok(())
    }
}

/// Half of it, and up to the other half by chance.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let half = wait / 2;
    half + half.mul_f64(fastrand::f64())
}

/// An error with its sources, which hold no address.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
