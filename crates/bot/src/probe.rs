//! Whether Telegram answers at all: asked before what may have arrived is sent a last time, by one caller for all.
//! It must not know what is to be sent.

use crate::{Client, perform::told};
use again::growing;
use clock::Clock;
use market::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How long an answer counts.
const BELIEVED_MS: i64 = 2_000;

/// The waits between questions that nobody answers: the first, twice as long each time, and the longest.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Asks Telegram who we are, no more often than is useful.
#[derive(Clone)]
pub(crate) struct Probe {
    client: Client,
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    answered_at: Option<Timestamp>,
    ask_at: Option<Timestamp>,
    failures: u32,
}

impl Probe {
    pub(crate) fn new(client: Client, clock: Clock) -> Probe {
        Probe { client, clock, known: Arc::default() }
    }

    /// Nothing if Telegram answers now; else when to ask again.
    pub(crate) async fn silent_until(&self) -> Option<Timestamp> {
        // Whoever comes meanwhile waits for the same answer.
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if known.answered_at.is_some_and(|at| now.millis_since(at) < BELIEVED_MS) {
            return None;
        }
        if let Some(at) = known.ask_at.filter(|at| *at > now) {
            return Some(at);
        }
        let answer = self.client.call::<IgnoredAny>("getMe", &json!({})).await;
        let now = self.clock.now();
        let Err(error) = answer else {
            *known = Known { answered_at: Some(now), ..Known::default() };
            return None;
        };
        if known.failures == 0 {
            tracing::warn!("what may have arrived waits until telegram answers: {}", told(&error));
        }
        let failures = known.failures.saturating_add(1);
        let wait = growing(WAIT_FIRST, WAIT_MAX, failures);
        let at = now.plus(wait);
        *known = Known { answered_at: None, ask_at: Some(at), failures };
        Some(at)
    }
}
