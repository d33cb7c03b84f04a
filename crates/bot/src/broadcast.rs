//! A text to every active chat: written to the outbox page by page, each page in one transaction with how far it is, so
//! that no kill makes it begin again. It must not know how messages travel.

use crate::HouseError;
use clock::Clock;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::{NewMessage, Owner, PRIORITY_BULK, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Chats of one page.
const PAGE: usize = 200;

/// No further page while so many messages of broadcasts are due: one is never far ahead of what can be sent. What waits
/// for the end of quiet hours, or for a chat that is paused, is not due.
const WAITING_MAX: i64 = 400;

/// How often it is looked whether there is room, or a broadcast of an earlier process.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where the progress lies among the bot's values.
const STATE: &str = "broadcast";

/// A text to everybody: the body of its rows in the outbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Announced {
    /// The version of this shape: 1.
    v: u32,
    pub(crate) html: String,
}

impl Announced {
    pub(crate) const KIND: &'static str = "broadcast";
}

/// How far a broadcast is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    html: String,
    /// The last chat that has its message.
    after: i64,
    written: u64,
}

/// Begins broadcasts, and carries them on.
pub(crate) struct Broadcasts {
    store: Arc<dyn Store>,
    clock: Clock,
    begun: Notify,
}

impl Broadcasts {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock) -> Broadcasts {
        Broadcasts { store, clock, begun: Notify::new() }
    }

    /// Begins one; to how many chats. One at a time.
    pub(crate) async fn begin(&self, html: &str) -> Result<u64, HouseError> {
        let unavailable = |error: StoreError| HouseError::Unavailable(error.to_string());
        if self.store.bot_value(STATE).await.map_err(unavailable)?.is_some() {
            return Err(HouseError::Busy);
        }
        let count = self.store.chat_count().await.map_err(unavailable)?.active;
        let progress = Progress { html: html.to_owned(), after: i64::MIN, written: 0 };
        self.store.put_bot_value(STATE, Some(&text(&progress))).await.map_err(unavailable)?;
        self.begun.notify_one();
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Carries on what was begun, by this process or one before it, until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.page().await {
                Ok(true) => LOOK_EVERY,
                Ok(false) => LOOK_AGAIN,
                Err(error) => {
                    tracing::debug!(%error, "a broadcast waits for the store");
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.begun.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Writes the next page if there is room for it; whether a broadcast is under way.
    async fn page(&self) -> Result<bool, StoreError> {
        let Some(value) = self.store.bot_value(STATE).await? else { return Ok(false) };
        let Ok(mut progress) = serde_json::from_str::<Progress>(&value) else {
            tracing::error!("a broadcast that is not understood is given up");
            self.store.put_bot_value(STATE, None).await?;
            return Ok(false);
        };
        if self.store.messages_due("chat", PRIORITY_BULK, self.clock.now()).await? >= WAITING_MAX {
            return Ok(true);
        }
        let chats = self.store.chats_page(progress.after, true, PAGE).await?;
        let Some(last) = chats.last() else {
            tracing::info!(chats = progress.written, "the broadcast is written to every chat's messages");
            self.store.put_bot_value(STATE, None).await?;
            return Ok(false);
        };
        progress.after = last.id;
        progress.written += chats.len() as u64;
        let body = text(&Announced { v: 1, html: progress.html.clone() });
        let message = |id: i64| NewMessage {
            priority: PRIORITY_BULK,
            ..NewMessage::new(Owner::Chat(id).to_string(), Announced::KIND, body.clone())
        };
        let messages: Vec<_> = chats.iter().map(|chat| message(chat.id)).collect();
        self.store.put_messages(&messages, Some((STATE, &text(&progress))), self.clock.now()).await?;
        Ok(true)
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
