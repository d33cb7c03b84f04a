//! Asks the Bot API for updates, one long question after the other; stands by while somebody else asks.
//! It must not know what updates mean.

use crate::{CallError, Client, heard::ALLOWED, inbox::Inbox, perform::told};
use again::{growing, jittered};
use serde_json::{json, value::RawValue};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Updates of one answer.
const BATCH: usize = 100;

/// How long a question may wait for its answer beyond the time that it names.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The waits between questions that fail.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// So rarely is it said that we stand by.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// After a longer silence, requests may be old.
const OUTAGE: Duration = Duration::from_secs(60);

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Polling {
    /// How long a question waits for something to be said.
    pub wait: Duration,
    /// While somebody else asks, we ask so rarely, half of it by chance: each question of ours ends one of theirs.
    pub stand_by: Duration,
}

impl Default for Polling {
    fn default() -> Polling {
        Polling { wait: Duration::from_secs(30), stand_by: Duration::from_secs(20) }
    }
}

/// Asks until `stop`.
pub(crate) async fn run(client: &Client, inbox: &Arc<Inbox>, how: Polling, stop: &CancellationToken) {
    stop.run_until_cancelled(leave_webhook(client)).await;
    let mut asking = Asking { after_outage: true, ..Asking::default() };
    while !stop.is_cancelled() {
        // Cut off in the middle of a question nothing is lost: what was not confirmed comes again.
        let Some(answer) = stop.run_until_cancelled(ask(client, inbox.offset(), how.wait)).await else {
            return;
        };
        match answer {
            Ok(updates) => {
                asking.answered();
                let is_last = updates.len() < BATCH;
                inbox.take(updates, asking.after_outage).await;
                asking.after_outage &= !is_last;
            }
            Err(error) => {
                let wait = asking.failed(&error, how.stand_by);
                if matches!(&error, CallError::Conflict(said) if said.contains("webhook")) {
                    stop.run_until_cancelled(leave_webhook(client)).await;
                }
                stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
    }
}

async fn ask(client: &Client, offset: Option<i64>, wait: Duration) -> Result<Vec<Box<RawValue>>, CallError> {
    let mut params = json!({"limit": BATCH, "timeout": wait.as_secs(), "allowed_updates": ALLOWED});
    if let Some(offset) = offset {
        params["offset"] = json!(offset);
    }
    client.call_within("getUpdates", &params, wait + ANSWER_WITHIN).await
}

/// Telegram brings updates to a webhook or answers questions, not both. What waits stays.
async fn leave_webhook(client: &Client) {
    if let Err(error) = client.call::<bool>("deleteWebhook", &json!({})).await {
        tracing::debug!("an older webhook may still be set: {}", told(&error));
    }
}

/// How the asking goes.
#[derive(Debug, Default)]
struct Asking {
    fails: u32,
    failing_since: Option<Instant>,
    said_at: Option<Instant>,
    after_outage: bool,
}

impl Asking {
    fn answered(&mut self) {
        if let Some(since) = self.failing_since.take() {
            let silent_s = since.elapsed().as_secs();
            self.after_outage |= since.elapsed() > OUTAGE;
            tracing::info!(silent_s, "telegram answers");
        }
        (self.fails, self.said_at) = (0, None);
    }

    /// Says it once in a while; how long to wait.
    fn failed(&mut self, error: &CallError, stand_by: Duration) -> Duration {
        self.failing_since.get_or_insert_with(Instant::now);
        self.fails += 1;
        let (is_other, is_token) =
            (matches!(error, CallError::Conflict(_)), matches!(error, CallError::BadToken(_)));
        if self.said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said_at = Some(Instant::now());
            let fails = self.fails;
            if is_other {
                tracing::warn!(
                    fails,
                    "somebody else asks for this bot's updates; standing by: {}",
                    told(error)
                );
            } else if is_token {
                tracing::error!(fails, "the bot cannot work: {}", told(error));
            } else {
                tracing::warn!(fails, "telegram gives no updates: {}", told(error));
            }
        }
        if is_other {
            return jittered(stand_by);
        }
        if is_token { jittered(WAIT_MAX) } else { growing(WAIT_FIRST, WAIT_MAX, self.fails) }
    }
}
