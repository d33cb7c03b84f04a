//! What the conversation works with: the board, the store, the time, the names of venues, and who the operators are.
//! It must not know what is said. A store that does not answer is left alone for some seconds, so that rates go on.

use crate::{House, Language, Names, chats::Setting, day::Day};
use board::Board;
use clock::Clock;
use market::{Pair, Timestamp, VenueId};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use store::{Store, StoreError};
use tokio::time::timeout;

/// A venue's name as people know it, if it has one.
pub type VenueName = dyn Fn(&VenueId) -> Option<String> + Send + Sync;

/// What the conversation is given.
#[derive(Clone)]
pub struct ConversationParts {
    /// The rates.
    pub board: Arc<Board>,
    /// Chats, alerts, subscriptions, candles.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// The users who may give an operator's commands.
    pub admins: Vec<i64>,
    /// The bot's user name, without `@`.
    pub bot_name: String,
    /// A venue's name as people know it.
    pub venue_name: Arc<VenueName>,
    /// The process around.
    pub house: Arc<dyn House>,
    /// How long a new alert's answer waits at most for what candles tell about it: see [`PAST_WITHIN`]; zero: it does not ask them.
    pub past_within: Duration,
}

/// An answer is to come within 300 ms; this much of them is for what is only nice to know.
pub const PAST_WITHIN: Duration = Duration::from_millis(200);

/// How long the pairs of the board are taken for the same.
const NAMES_FOR_MS: i64 = 2_000;
/// How long the past day of a pair is.
const DAYS_FOR_MS: i64 = 20_000;
/// How long a chat's settings are, unless they are changed here.
const CHATS_FOR_MS: i64 = 60_000;
/// So many chats and pairs are remembered; then all are forgotten.
const REMEMBERED_MAX: usize = 10_000;
/// How long a store that failed is not asked for what is only nice to have.
const STORE_REST_MS: i64 = 5_000;
/// What a reader does not wait longer for.
const READ_WITHIN: Duration = Duration::from_millis(800);
/// What somebody who changes something does not wait longer for.
const WRITE_WITHIN: Duration = Duration::from_secs(4);

/// The parts, and what is remembered of them for a moment.
pub(crate) struct World {
    pub(crate) parts: ConversationParts,
    names: Mutex<Option<(Timestamp, Arc<Names>)>>,
    days: Mutex<HashMap<Pair, (Timestamp, Option<Day>)>>,
    chats: Mutex<HashMap<i64, (Timestamp, Setting)>>,
    store_rests_until: AtomicI64,
}

/// The store did not do it.
#[derive(Debug)]
pub(crate) struct StoreAway;

impl World {
    pub(crate) fn new(parts: ConversationParts) -> World {
        World {
            parts,
            names: Mutex::default(),
            days: Mutex::default(),
            chats: Mutex::default(),
            store_rests_until: AtomicI64::new(i64::MIN),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// A venue's name, its id where it has none.
    pub(crate) fn venue(&self, venue: &VenueId) -> String {
        (self.parts.venue_name)(venue).unwrap_or_else(|| venue.to_string())
    }

    /// How many venues are known.
    pub(crate) fn venue_count(&self) -> u64 {
        self.parts.board.venues().len() as u64
    }

    /// The assets and pairs there are.
    pub(crate) fn names(&self) -> Arc<Names> {
        let now = self.now();
        let mut names = self.names.lock();
        match &*names {
            Some((at, known)) if now.millis_since(*at) < NAMES_FOR_MS => known.clone(),
            _ => {
                let made = Arc::new(Names::new(self.parts.board.pairs()));
                *names = Some((now, made.clone()));
                made
            }
        }
    }

    /// Whether the store did not answer lately, and is left alone for what is only nice to have.
    pub(crate) fn is_store_resting(&self) -> bool {
        self.now().millis() < self.store_rests_until.load(Ordering::Relaxed)
    }

    /// Asks the store for what is only nice to have: `None` if it does not answer at once, or did not lately.
    pub(crate) async fn maybe<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        if self.is_store_resting() {
            return None;
        }
        match timeout(READ_WITHIN, asked).await {
            Ok(Ok(answer)) => Some(answer),
            failed => {
                if let Ok(Err(error)) = &failed
                    && !error.is_transient()
                {
                    tracing::warn!(%error, "the store refuses what the bot asks");
                }
                self.store_rests_until
                    .store(self.now().plus_millis(STORE_REST_MS).millis(), Ordering::Relaxed);
                None
            }
        }
    }

    /// Asks the store for what somebody waits for.
    pub(crate) async fn surely<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreAway> {
        match timeout(WRITE_WITHIN, asked).await {
            Ok(Ok(answer)) => {
                self.store_rests_until.store(i64::MIN, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the store did not do what somebody asked the bot for");
                Err(StoreAway)
            }
            Err(_) => Err(StoreAway),
        }
    }

    /// What a pair did in the past day.
    pub(crate) async fn day(&self, pair: &Pair) -> Option<Day> {
        let now = self.now();
        if let Some((at, day)) = self.days.lock().get(pair)
            && now.millis_since(*at) < DAYS_FOR_MS
        {
            return day.clone();
        }
        let day = self.maybe(Day::read(&*self.parts.store, pair, now)).await?;
        remember(&mut self.days.lock(), pair.clone(), (now, day.clone()));
        day
    }

    /// A chat's settings; those of somebody who speaks that language where nothing is known of the chat.
    pub(crate) async fn setting(&self, chat: i64, language: Language) -> Setting {
        let now = self.now();
        if let Some((at, setting)) = self.chats.lock().get(&chat)
            && now.millis_since(*at) < CHATS_FOR_MS
        {
            return setting.clone();
        }
        let Some(row) = self.maybe(self.parts.store.chat(chat)).await else {
            // What was known before the store went away is better than nothing.
            let known = self.chats.lock().get(&chat).map(|(_, setting)| setting.clone());
            return known.unwrap_or_else(|| Setting::of(language));
        };
        let Some(row) = row else { return Setting::of(language) };
        let setting = Setting::read(&row);
        remember(&mut self.chats.lock(), chat, (now, setting.clone()));
        setting
    }

    /// Whether a chat, as it is remembered, is paused.
    pub(crate) fn is_paused(&self, chat: i64) -> bool {
        let chats = self.chats.lock();
        let row = chats.get(&chat).and_then(|(_, setting)| setting.row.as_ref());
        row.is_some_and(|row| row.paused.is_some())
    }

    /// What is remembered of a chat is not true any more.
    pub(crate) fn forget(&self, chat: i64) {
        self.chats.lock().remove(&chat);
    }
}

fn remember<K: std::hash::Hash + Eq, V>(all: &mut HashMap<K, V>, key: K, value: V) {
    if all.len() >= REMEMBERED_MAX {
        all.clear();
    }
    all.insert(key, value);
}
