//! Acts of the conversation, done one after the other: tried again where that cannot say a thing twice, and given up
//! where nobody is left to hear it. It must not know what is said, nor who said it.

use crate::{
    Act, CallError, ChatRef, Client, Keyboard, Said,
    post::Place,
    split::{self, CAPTION_UNITS_MAX, MESSAGE_UNITS_MAX},
    throttle::Class,
};
use again::growing;
use clock::Clock;
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
    pub(crate) clock: Clock,
}

impl Performer {
    /// Does the acts that follow from what was said, in their order; stops where the chat is out of reach.
    pub(crate) async fn perform(&self, said: &Said, acts: Vec<Act>) {
        let mut chat = said.chat;
        let mut has_arrived = false;
        for act in acts {
            if act == Act::Resume {
                if has_arrived && let Some(chat) = chat {
                    self.resume(chat.id).await;
                }
                continue;
            }
            let Err(error) = self.act(&mut chat, &act).await else {
                // A toast is seen by one person, whatever the chat is to us.
                has_arrived |= !matches!(act, Act::Toast { .. } | Act::Inline { .. });
                continue;
            };
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

    async fn resume(&self, chat: i64) {
        match self.store.resume_chat(chat, self.clock.now()).await {
            Ok(true) => tracing::info!(chat, "no longer paused: an answer has arrived there"),
            Ok(false) => {}
            Err(error) => tracing::warn!(chat, "stays paused: {error}"),
        }
    }

    /// One act, with patience. A new number of the chat is kept for the acts after it.
    async fn act(&self, chat: &mut Option<ChatRef>, act: &Act) -> Result<(), CallError> {
        let (pictured, text, keyboard) = match act {
            Act::Send { html, keyboard } => (None, split::parts(html, MESSAGE_UNITS_MAX), keyboard),
            Act::Photo { png, caption_html, keyboard } => {
                // What the caption cannot hold comes after it as text.
                let mut parts = split::parts(caption_html, CAPTION_UNITS_MAX);
                let rest = parts.split_off(parts.len().min(1));
                (Some((png, parts.pop())), rest, keyboard)
            }
            other => return self.patiently(chat, &Call::Repeatable(other)).await,
        };
        if let Some((png, caption)) = &pictured {
            self.patiently(chat, &Call::Photo(png, caption.as_deref(), keyboard)).await?;
        }
        let none = Keyboard::new();
        for (at, part) in text.iter().enumerate() {
            let is_last = at + 1 == text.len() && pictured.is_none();
            self.patiently(chat, &Call::Send(part, if is_last { keyboard } else { &none })).await?;
        }
        Ok(())
    }

    /// One call, with patience. A group that got another number is followed there, here and in the store.
    async fn patiently(&self, chat: &mut Option<ChatRef>, call: &Call<'_>) -> Result<(), CallError> {
        let mut moved = false;
        loop {
            let place = chat.map(|at| Place { chat: at.id, thread: at.thread, class: Class::Reply });
            let new = match self.try_often(place, call).await {
                Err(CallError::Migrated(new)) if !moved => new,
                other => return other,
            };
            moved = true;
            if let Some(at) = chat {
                if let Err(error) = self.store.migrate_chat(at.id, new).await {
                    tracing::warn!(old = at.id, new, "the chat's number is not rewritten: {error}");
                }
                at.id = new;
            }
        }
    }

    async fn try_often(&self, place: Option<Place>, call: &Call<'_>) -> Result<(), CallError> {
        let mut failures = 0;
        for left in (0..TRIES_MAX).rev() {
            match self.once(place, call).await {
                // The throttle holds everything until the time that Telegram named.
                Err(CallError::TooMany(_)) if left > 0 => self.client.throttle().open().await,
                Err(error) if left > 0 && call.may_be_repeated_after(&error) => {
                    failures += 1;
                    tokio::time::sleep(growing(WAIT_FIRST, WAIT_MAX, failures)).await;
                }
                other => return other,
            }
        }
        Ok(())
    }

    async fn once(&self, place: Option<Place>, call: &Call<'_>) -> Result<(), CallError> {
        let client = &self.client;
        match call {
            Call::Repeatable(Act::Toast { callback_id, text, is_alert }) => {
                return client.toast(callback_id, text.as_deref(), *is_alert).await;
            }
            Call::Repeatable(Act::Inline { query_id, results }) => {
                return client.answer_inline(query_id, results).await;
            }
            _ => {}
        }
        let Some(to) = place else { return Ok(()) };
        match call {
            Call::Send(html, keyboard) => client.send(to, html, keyboard).await,
            Call::Photo(png, caption, keyboard) => client.send_photo(to, png, *caption, keyboard).await,
            Call::Repeatable(Act::Edit { message_id, html, keyboard }) => {
                client.edit(to, *message_id, html, keyboard).await
            }
            Call::Repeatable(Act::EditKeyboard { message_id, keyboard }) => {
                client.edit_keyboard(to, *message_id, keyboard).await
            }
            Call::Repeatable(Act::EditPhoto { message_id, png, caption_html, keyboard }) => {
                client.edit_photo(to, *message_id, png, caption_html, keyboard).await
            }
            Call::Repeatable(_) => Ok(()),
        }
    }
}

/// One call of an act.
enum Call<'a> {
    Send(&'a str, &'a Keyboard),
    Photo(&'a [u8], Option<&'a str>, &'a Keyboard),
    /// What does no harm when it is done twice.
    Repeatable(&'a Act),
}

impl Call<'_> {
    /// What may have been done is not done again if that would say a thing twice.
    fn may_be_repeated_after(&self, error: &CallError) -> bool {
        match error {
            CallError::NotReached(_) => true,
            CallError::NotDone { .. } | CallError::Unsure { .. } => matches!(self, Call::Repeatable(_)),
            _ => false,
        }
    }
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
