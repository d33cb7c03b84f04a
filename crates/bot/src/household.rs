//! The process around the conversation, as it really is: Telegram knows who rules a chat, the store carries broadcasts,
//! the binary lends its log. It must not know what any of it is wanted for.

use crate::{CallError, Client, House, HouseError, broadcast::Broadcasts};
use async_trait::async_trait;
use clock::Clock;
use market::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::Store;

/// How long an answer about somebody's rights is believed.
const BELIEVED_MS: i64 = 60_000;

/// Answers that are kept; older ones go first.
const ANSWERS_MAX: usize = 4_096;

/// What is read of a member: rights come and go with versions of the Bot API, and one that is missing must not lock
/// administrators out.
#[derive(Deserialize)]
struct Member {
    status: String,
}

/// Gives the newest lines of the log, the oldest first.
pub type LogLines = Arc<dyn Fn(usize) -> Vec<String> + Send + Sync>;

/// What the conversation asks of the process.
pub struct Household {
    client: Client,
    clock: Clock,
    log_lines: LogLines,
    pub(crate) broadcasts: Broadcasts,
    is_api_here: AtomicBool,
    /// By chat and user: whether they rule it, and when that was said.
    rulers: Mutex<HashMap<(i64, i64), (bool, Timestamp)>>,
}

impl Household {
    /// One household for the process: broadcasts are carried on by [`crate::run`].
    pub fn new(client: Client, store: Arc<dyn Store>, clock: Clock, log_lines: LogLines) -> Arc<Household> {
        let broadcasts = Broadcasts::new(store, clock);
        Arc::new(Household {
            client,
            clock,
            log_lines,
            broadcasts,
            is_api_here: AtomicBool::new(false),
            rulers: Mutex::default(),
        })
    }

    /// The interface is served by this process, too: it answers as long as the process lives.
    pub fn note_api(&self) {
        self.is_api_here.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl House for Household {
    async fn rules_chat(&self, chat: i64, user: i64) -> Result<bool, HouseError> {
        let now = self.clock.now();
        let known = self.rulers.lock().get(&(chat, user)).copied();
        if let Some((rules, _)) = known.filter(|(_, at)| now.millis_since(*at) < BELIEVED_MS) {
            return Ok(rules);
        }
        let params = json!({"chat_id": chat, "user_id": user});
        let rules = match self.client.call::<Member>("getChatMember", &params).await {
            Ok(member) => matches!(member.status.as_str(), "creator" | "administrator"),
            // Whoever is no member rules nothing.
            Err(CallError::NoChat(_) | CallError::Refused { .. }) => false,
            Err(error) => return Err(HouseError::Unavailable(error.to_string())),
        };
        let mut rulers = self.rulers.lock();
        if rulers.len() >= ANSWERS_MAX {
            rulers.retain(|_, (_, at)| now.millis_since(*at) < BELIEVED_MS);
        }
        if rulers.len() < ANSWERS_MAX {
            rulers.insert((chat, user), (rules, now));
        }
        Ok(rules)
    }

    async fn broadcast(&self, html: &str) -> Result<u64, HouseError> {
        self.broadcasts.begin(html).await
    }

    async fn log_lines(&self, count: usize) -> Vec<String> {
        (self.log_lines)(count)
    }

    async fn is_api_up(&self) -> Option<bool> {
        self.is_api_here.load(Ordering::Relaxed).then_some(true)
    }
}
