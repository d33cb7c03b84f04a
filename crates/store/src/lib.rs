//! The seam that keeps what must survive: `trade_info`, venue files, API keys, candles, leases, alerts, outbox, chats.
//! It must not know what a row means to a venue, nor who presents a key.
//!
//! # How to add a backend
//! 1. Write `src/NAME.rs` (opening, errors), `src/NAME_schema.rs` (steps) and `src/NAME_watch.rs` (word of changes)
//!    beside those of SQLite, and `src/NAME_tables.rs`: how a column is read as text, and the macro `tables!`;
//!    likewise `_orders`, `_alerts`, `_outbox`, `_chats`, `_subscriptions`, a macro each.
//! 2. Put its steps into `migrations/NAME/`, the same numbers and names as beside it. All steps and the seed are one
//!    transaction; a schema that is newer than the last step is refused.
//! 3. Run the statements of `sql.rs`; where the backend needs other words, mend the text there so that all can.
//! 4. Bound every call in time, and let changes by a foreign client be seen within a second.
//! 5. Add the scheme to [`open`], the only place that knows the backends.
//!    Add variants to [`StoreError`] only where a caller would do something different.
//! 6. Add one line to the list at the end of `tests/contract.rs`: the backend's name and how a test makes one.
//!    Every test of the suite must pass unchanged.
//!
//! # How to change the schema
//! 1. Add `migrations/BACKEND/NNNN_name.sql` for every backend; never edit a step that was released.
//! 2. Add its line to the list in `steps.rs`.
//! 3. If it changes `trade_info`, begin its name with `trade_info` and let it touch nothing else: those steps are
//!    taken again when an operator has dropped that table.

mod alert_rows;
mod alert_sql;
mod alerts;
mod candle;
mod chat_rows;
mod chat_sql;
mod chats;
mod holds;
mod lease;
mod lock;
mod notices;
mod orders;
mod outbox;
mod outbox_rows;
mod outbox_sql;
mod owner;
mod policies;
mod postgres;
mod postgres_alerts;
mod postgres_chats;
mod postgres_orders;
mod postgres_outbox;
mod postgres_schema;
mod postgres_subscriptions;
mod postgres_tables;
mod postgres_watch;
mod sql;
mod sqlite;
mod sqlite_alerts;
mod sqlite_chats;
mod sqlite_orders;
mod sqlite_outbox;
mod sqlite_schema;
mod sqlite_subscriptions;
mod sqlite_tables;
mod sqlite_watch;
mod steps;
mod subscription_rows;
mod subscriptions;
mod tables;
mod webhooks;

pub use alerts::{
    ALERTS_MAX, AlertChange, AlertChanged, AlertChanges, AlertProgress, AlertRow, Alerts, Delivery, Fire,
    NewAlert,
};
pub use candle::{
    CANDLES_MAX, CANDLES_REMOVED_MAX, Candle, CandleKey, CandleRange, Candles, Interval, IntervalError,
};
pub use chats::{BotState, ChatCount, ChatRow, Chats};
pub use holds::{Hold, Holds};
pub use lease::{Lease, Leases};
pub use outbox::{
    MESSAGES_MAX, Message, MessageFilter, MessageState, NewMessage, Outbox, OutboxDepth, Outcome,
    PRIORITY_ALERT, PRIORITY_BULK, PRIORITY_NORMAL, Settlement,
};
pub use owner::Owner;
pub use policies::{PairPolicies, PairPolicyRow};
pub use subscriptions::{NewSubscription, SubscriptionRow, Subscriptions};
pub use webhooks::{WebhookRow, Webhooks};

use async_trait::async_trait;
use market::{Timestamp, VenueId};
use std::sync::Arc;

/// What went wrong at the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no store we know.
    #[error("{url}: not a store address; write sqlite://FILE or postgres://USER@HOST/NAME")]
    Address {
        /// The address without its password.
        url: String,
    },
    /// What is at the address can never be our store, whoever waits: no database, read-only, no such folder.
    #[error("{url} cannot be the store: {reason}")]
    Unusable {
        /// The address without its password.
        url: String,
        /// Why, in an operator's words.
        reason: String,
    },
    /// The schema was made by a newer program.
    #[error("the schema of {url} is version {found}, this program knows {known}; use a newer program")]
    NewerSchema {
        /// The address without its password.
        url: String,
        /// The schema's version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The row breaks a rule of the table.
    #[error("{0}")]
    Conflict(String),
    /// The store does not answer, or answers with an error.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

/// Opens the store that the address names, making and seeding its tables where they are missing:
/// `sqlite://FILE`, relative to the working directory, or `sqlite::memory:` for tests; `postgres://USER@HOST/NAME` or
/// `postgresql://…`. A server that does not answer is [`StoreError::Unavailable`]: try again. Once opened, a store
/// outlives its server: calls fail within seconds while it is away, and work again once it is back.
pub async fn open(url: &str, seed: Seed) -> Result<Arc<dyn Store>, StoreError> {
    open_with(url, seed, &Options::default()).await
}

/// What a store is told beside its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Certificates in PEM form: whoever they vouch for is trusted beside those whom everybody trusts. With them,
    /// `sslmode=require` asks for a certificate that they vouch for, as libpq does.
    pub trusted_roots: Option<String>,
}

/// The same, with options.
pub async fn open_with(url: &str, seed: Seed, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    match url.split(':').next().unwrap_or_default() {
        "sqlite" if url.contains(':') => Ok(Arc::new(sqlite::open(url, seed).await?)),
        "postgres" | "postgresql" if url.contains(':') => {
            Ok(Arc::new(postgres::open(url, seed, options).await?))
        }
        // Only what stands before the first colon is shown: whatever follows may hold a password.
        scheme => Err(StoreError::Address { url: format!("{scheme}:…") }),
    }
}

/// One row of `trade_info`, just as it stands: whatever a foreign client wrote, even nonsense.
/// Columns that hold a value of the wrong type are kept as their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeRow {
    /// Generated.
    pub id: i64,
    /// The venue's name, unchecked.
    pub venue: Option<String>,
    /// The pairs, unchecked: `bitcoin,ethereum-rub,usd`.
    pub currency_pair: Option<String>,
    /// Replaces the venue's endpoint for this row, unchecked.
    pub url: Option<String>,
    /// Replaces the venue's polling interval, as text: a foreign client may have written anything.
    pub interval_ms: Option<String>,
    /// Replaces the venue's `stale_after`.
    pub stale_after_ms: Option<String>,
    /// Replaces the venue's `expire_after`.
    pub expire_after_ms: Option<String>,
    /// Whether prices below zero are believed.
    pub allow_negative: bool,
    /// The operator's switch; never written by us.
    pub enabled: bool,
    /// When the row was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

/// What a new row holds; the rest has defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTradeRow {
    /// The venue's name.
    pub venue: String,
    /// The pairs.
    pub currency_pair: String,
    /// Replaces the venue's endpoint.
    pub url: Option<String>,
    /// Replaces the venue's polling interval.
    pub interval_ms: Option<i64>,
    /// Replaces the venue's `stale_after`.
    pub stale_after_ms: Option<i64>,
    /// Replaces the venue's `expire_after`.
    pub expire_after_ms: Option<i64>,
    /// Whether prices below zero are believed.
    pub allow_negative: bool,
    /// Whether it runs at once; a seeded row always does.
    pub enabled: bool,
}

impl Default for NewTradeRow {
    fn default() -> Self {
        NewTradeRow {
            venue: String::new(),
            currency_pair: String::new(),
            url: None,
            interval_ms: None,
            stale_after_ms: None,
            expire_after_ms: None,
            allow_negative: false,
            enabled: true,
        }
    }
}

/// What changes in a row; `None` leaves a column alone, `Some(None)` empties it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradeRowChange {
    /// The pairs.
    pub currency_pair: Option<String>,
    /// The endpoint.
    pub url: Option<Option<String>>,
    /// The polling interval.
    pub interval_ms: Option<Option<i64>>,
    /// `stale_after`.
    pub stale_after_ms: Option<Option<i64>>,
    /// `expire_after`.
    pub expire_after_ms: Option<Option<i64>>,
    /// Whether prices below zero are believed.
    pub allow_negative: Option<bool>,
    /// The operator's switch.
    pub enabled: Option<bool>,
}

/// A venue file kept in the store: the same text as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueFile {
    /// The venue's name, unchecked.
    pub name: String,
    /// The file's text, unchecked.
    pub text: String,
}

/// A key to the interface, as it is kept: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Generated.
    pub id: i64,
    /// What the operator calls it.
    pub name: String,
    /// SHA-256 of the key, in hex.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// The table that drives the collector.
#[async_trait]
pub trait TradeInfo: Send + Sync {
    /// Every row, by id.
    async fn trade_rows(&self) -> Result<Vec<TradeRow>, StoreError>;
    /// Adds a row; its id. A duplicate is a [`StoreError::Conflict`].
    async fn add_trade_row(&self, row: &NewTradeRow, now: Timestamp) -> Result<i64, StoreError>;
    /// Changes a row; `false` if there is none with that id.
    async fn change_trade_row(
        &self,
        id: i64,
        change: &TradeRowChange,
        now: Timestamp,
    ) -> Result<bool, StoreError>;
    /// Removes a row; `false` if there was none.
    async fn remove_trade_row(&self, id: i64) -> Result<bool, StoreError>;
    /// Everybody who follows rows, venue files and policies, in whatever process, reads them again: for what was written
    /// past the triggers that tell of changes (a bulk load with triggers off, say).
    async fn read_again(&self) -> Result<(), StoreError>;
}

/// Venue files that were added at run time.
#[async_trait]
pub trait VenueFiles: Send + Sync {
    /// Every venue file in the store.
    async fn venue_files(&self) -> Result<Vec<VenueFile>, StoreError>;
    /// Adds or replaces one.
    async fn put_venue_file(&self, file: &VenueFile, now: Timestamp) -> Result<(), StoreError>;
    /// Removes one; `false` if there was none.
    async fn remove_venue_file(&self, name: &str) -> Result<bool, StoreError>;
}

/// The keys to the interface.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// Every key, revoked ones too.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;
    /// Adds a key by its hash; its id.
    async fn add_api_key(&self, name: &str, hash: &str, now: Timestamp) -> Result<i64, StoreError>;
    /// Revokes a key and closes its alerts, in one transaction: how many; `None` if there is no key with that id, or it is
    /// revoked already. What they have fired is sent all the same.
    async fn revoke_api_key(&self, id: i64, now: Timestamp) -> Result<Option<u64>, StoreError>;
    /// The key with that hash, unless revoked.
    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError>;
}

/// What the collector works from, and word of changes by anybody. A part of a store, so that whoever needs no more
/// can be given no more.
pub trait Rows: TradeInfo + VenueFiles + Leases + Holds {
    /// Changes its value after every change to `trade_info`, `venue` or `pair_policy`, whoever made it, a foreign SQL client
    /// included, within a second. A reader re-reads what it needs.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
}

/// A store: all its tables.
#[async_trait]
pub trait Store:
    Rows + ApiKeys + Candles + PairPolicies + Alerts + Outbox + Chats + BotState + Subscriptions + Webhooks
{
    /// Whether it answers, within a second.
    async fn ping(&self) -> Result<(), StoreError>;
    /// Ends background work and closes connections.
    async fn close(&self);
}

/// The first rows of a new `trade_info`, given by whoever opens the store.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// Added in the same transaction that creates the table, and never again.
    pub rows: Vec<NewTradeRow>,
    /// Goes into `venue`: no file, unless somebody adds one. Kept for tests.
    pub venues: Vec<(VenueId, String)>,
}
