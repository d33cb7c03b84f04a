//! The role's part that watches: alerts from the store, rates from the board, what fires into the outbox.
//! It must not know who is told, nor how.

use crate::{Alert, Book, history, rows, see, write};
use again::growing;
use board::Board;
use clock::Clock;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use store::{Alerts, BotState, Candles, Chats, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the watch works with. Of a store only what it needs, so that a test can stand between.
#[derive(Clone)]
pub struct Parts {
    /// Where alerts are, and where what fires is written.
    pub alerts: Arc<dyn Alerts>,
    /// Whose quiet hours are when.
    pub chats: Arc<dyn Chats>,
    /// Where it is written down that somebody watches.
    pub state: Arc<dyn BotState>,
    /// What was before anybody watched.
    pub candles: Arc<dyn Candles>,
    /// The rates.
    pub board: Arc<Board>,
    /// The time.
    pub clock: Clock,
}

impl Parts {
    /// All of one store.
    pub fn new(store: &Arc<dyn Store>, board: Arc<Board>, clock: Clock) -> Parts {
        Parts {
            alerts: store.clone(),
            chats: store.clone(),
            state: store.clone(),
            candles: store.clone(),
            board,
            clock,
        }
    }
}

/// How it works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often time alone is looked at: endings, cooldowns, silent venues, pairs that nothing is said of.
    pub look_every: Duration,
    /// How often it is written down that somebody watches: a crossing after the last time is told as crossed offline.
    pub watched_every: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { look_every: Duration::from_secs(1), watched_every: Duration::from_secs(5) }
    }
}

/// So long the start waits for what was before.
const HISTORY_WITHIN: Duration = Duration::from_secs(5);

/// What the loops of a watch share.
pub(crate) struct Watch {
    pub parts: Parts,
    pub settings: Settings,
    pub book: Mutex<Book>,
    /// Something is to be written.
    pub work: Notify,
}

/// Watches until `stop`; never fails: what cannot be written now is written later. One process at a time should, by a
/// lease; two do no harm but work twice, since the store lets each firing happen once.
pub async fn run(parts: Parts, settings: Settings, stop: CancellationToken) {
    let Some((book, cursor)) = rows::load(&parts, &stop).await else { return };
    let watch = Watch { parts, settings, book: Mutex::new(book), work: Notify::new() };
    // Moves count from what was before, so that is told first; what takes too long, or fails, is told later.
    stop.run_until_cancelled(tokio::time::timeout(HISTORY_WITHIN, history::tell(&watch))).await;
    let is_over = CancellationToken::new();
    let seeing = async {
        tokio::join!(
            see::follow_rates(&watch, &stop),
            see::look(&watch, &stop),
            rows::follow(&watch, cursor, &stop),
            history::follow(&watch, &stop),
        );
        is_over.cancel();
    };
    tokio::join!(seeing, write::write(&watch, &is_over));
}

impl Watch {
    /// Does something with the book, and wakes the writer if that made work.
    pub fn with<T>(&self, what: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book.lock();
        let done = what(&mut book);
        let has_work = book.has_work();
        drop(book);
        if has_work {
            self.work.notify_one();
        }
        done
    }

    /// Takes in a row as it stands in the store.
    pub fn take(&self, row: &store::AlertRow) {
        let now = self.parts.clock.now();
        if !row.is_open {
            self.with(|book| book.remove(row.id));
            return;
        }
        match Alert::from_row(row) {
            Ok(alert) => self.with(|book| book.put(alert, now)),
            Err(error) => {
                tracing::warn!(alert = row.id, %error, "an alert is not understood and has no effect");
                self.with(|book| book.remove(row.id));
            }
        }
    }
}

/// A wait that grows with every failure, up to five seconds, each shortened by chance.
pub(crate) fn wait_after(failures: u32) -> Duration {
    growing(Duration::from_millis(200), Duration::from_secs(5), failures)
}
