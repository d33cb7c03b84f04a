//! Alerts: whose they are, what they wait for, how far they are; and the one transaction in which an alert fires.
//! It must not know what a condition means: `spec` and `progress` are texts of whoever watches.
//!
//! How to follow them: take [`Alerts::alert_cursor`], read all open ones in pages ([`Alerts::alerts_page`]), then ask
//! [`Alerts::alert_changes`] from the cursor on whenever [`Alerts::alert_notices`] moves. What happens between the
//! cursor and a page is told again, which harms nobody.

use crate::{MessageState, NewMessage, StoreError};
use async_trait::async_trait;
use market::Timestamp;
use tokio::sync::watch;

/// The most rows of one answer.
pub const ALERTS_MAX: usize = 10_000;
/// So many firings, or texts of progress, are one transaction.
pub(crate) const ALERTS_AT_ONCE: usize = 500;
pub(crate) const ALERTS_PRUNED_MAX: i64 = 5_000;
/// So many of the newest changes are kept for readers who stopped.
pub(crate) const CHANGES_KEPT: i64 = 200_000;
pub(crate) const CHANGES_PRUNED_MAX: i64 = 20_000;

/// One alert, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Generated, and never used again.
    pub id: i64,
    /// Whose it is: `chat:<id>`, `key:<id>` or `operator`.
    pub owner: String,
    /// Whither its messages go: `chat:<id>`, `chat:<id>/<thread>` or `webhook:<id>`.
    pub target: String,
    /// The pair, `BTC-USDT`; empty if it concerns none.
    pub pair: String,
    /// What it waits for: JSON of whoever watches.
    pub spec: String,
    /// How far it is: JSON of whoever watches.
    pub progress: String,
    /// Whether it can still fire.
    pub is_open: bool,
    /// How often it has fired.
    pub fire_seq: i64,
    /// Another number after every change of what it is, by whomever; firing and progress do not change it.
    pub revision: i64,
    /// When its last message was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed, or fired.
    pub changed_at: Timestamp,
}

/// A new alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAlert {
    /// As [`AlertRow::owner`].
    pub owner: String,
    /// As [`AlertRow::target`].
    pub target: String,
    /// As [`AlertRow::pair`].
    pub pair: String,
    /// As [`AlertRow::spec`].
    pub spec: String,
    /// As [`AlertRow::progress`].
    pub progress: String,
}

/// What changes in an alert; `None` leaves a column alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertChange {
    /// Only if it still has this revision: for whoever changes what he has read.
    pub if_revision: Option<i64>,
    /// Whither its messages go.
    pub target: Option<String>,
    /// The pair.
    pub pair: Option<String>,
    /// What it waits for.
    pub spec: Option<String>,
    /// How far it is.
    pub progress: Option<String>,
    /// Whether it can fire (again).
    pub is_open: Option<bool>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChanged {
    /// It is done.
    Done,
    /// The owner has no such alert, or not of that revision any more.
    Missing,
    /// Opening it again would be one more than the owner may have.
    Full,
}

/// An alert's progress, to be kept if the alert is still the one that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertProgress {
    /// Which alert.
    pub alert_id: i64,
    /// The revision that it was read with.
    pub revision: i64,
    /// How often it had fired.
    pub fire_seq: i64,
    /// How far it is now.
    pub progress: String,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    /// Which alert.
    pub alert_id: i64,
    /// The revision that it was read with: an alert that was changed meanwhile does not fire.
    pub revision: i64,
    /// How often it had fired before: afterwards it is one more, and that number is the message's.
    pub fire_seq: i64,
    /// How far it is afterwards.
    pub progress: String,
    /// Whether it can fire again.
    pub is_open: bool,
    /// What is to be sent.
    pub message: NewMessage,
}

/// How one firing was told, or waits to be: its message in the outbox, without what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which alert.
    pub alert_id: i64,
    /// The message's number.
    pub message_id: i64,
    /// Which firing.
    pub fire_seq: i64,
    /// How far the message is.
    pub state: MessageState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it arrived.
    pub sent_at: Option<Timestamp>,
    /// Why it has not arrived.
    pub last_error: Option<String>,
}

/// What happened to alerts since a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertChanges {
    /// Those that changed, as they stand now, closed ones too.
    pub rows: Vec<AlertRow>,
    /// Those that are gone.
    pub gone: Vec<i64>,
    /// Where to go on. While it differs from the cursor that was asked with there may be more: ask again.
    pub cursor: i64,
    /// What happened is no longer known in full: read all open ones again, and go on from `cursor`.
    pub is_all: bool,
}

/// The alerts.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// Adds an alert, open; its id, or `None` if the owner has `open_max` open ones already, or is a key that was revoked.
    async fn add_alert(
        &self,
        alert: &NewAlert,
        open_max: usize,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError>;
    /// One alert.
    async fn alert(&self, id: i64) -> Result<Option<AlertRow>, StoreError>;
    /// How an alert's firings were told, the newest first, at most `limit`.
    async fn deliveries(&self, alert_id: i64, limit: usize) -> Result<Vec<Delivery>, StoreError>;
    /// What fired of an owner's alerts and was given up, the newest first; at most [`ALERTS_MAX`].
    async fn undelivered(&self, owner: &str) -> Result<Vec<Delivery>, StoreError>;
    /// An owner's alerts by id, closed ones too; of more than [`ALERTS_MAX`] the oldest closed ones are left out.
    async fn alerts_of(&self, owner: &str) -> Result<Vec<AlertRow>, StoreError>;
    /// The next alerts by id, at most [`ALERTS_MAX`].
    async fn alerts_page(
        &self,
        after_id: i64,
        only_open: bool,
        limit: usize,
    ) -> Result<Vec<AlertRow>, StoreError>;
    /// Changes an alert of this owner.
    async fn change_alert(
        &self,
        owner: &str,
        id: i64,
        change: &AlertChange,
        open_max: usize,
        now: Timestamp,
    ) -> Result<AlertChanged, StoreError>;
    /// Removes an alert of this owner; `false` if there was none. What it has fired is sent all the same.
    async fn remove_alert(&self, owner: &str, id: i64) -> Result<bool, StoreError>;
    /// Keeps progress; what belongs to an alert that was changed, fired or removed meanwhile is passed over. After an
    /// error a part may be kept: save all of it again.
    async fn save_progress(&self, progress: &[AlertProgress]) -> Result<(), StoreError>;
    /// Fires alerts: the alert and its message in the outbox are written in one transaction, or neither. Of each,
    /// whether it fired: `false` if it was changed, fired or removed meanwhile (by another engine, say), which
    /// [`Alerts::alert_changes`] tells. Some hundreds are one transaction: after an error a part may have fired. Fire
    /// all of it again: what has fired answers `false`, and its message stands in the outbox.
    async fn fire(&self, firings: &[Fire], now: Timestamp) -> Result<Vec<bool>, StoreError>;
    /// Where the changes are now.
    async fn alert_cursor(&self) -> Result<i64, StoreError>;
    /// What was added, changed, closed, delivered or removed since the cursor, by whomever, in the order of commits;
    /// at most `limit` changes. Progress alone is no change.
    async fn alert_changes(&self, cursor: i64, limit: usize) -> Result<AlertChanges, StoreError>;
    /// Moves within a second of every change, and at every doubt; never for anything but alerts.
    fn alert_notices(&self) -> watch::Receiver<u64>;
    /// Forgets alerts that closed before, and the oldest changes; at most some thousands at a time. How many alerts.
    async fn prune_alerts(&self, closed_before: Timestamp) -> Result<u64, StoreError>;
}
