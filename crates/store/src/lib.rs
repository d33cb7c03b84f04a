//! The seam that keeps what must survive: `trade_info`, venue files, API keys.
//! It must not know what a row means to a venue, nor who presents a key.

use async_trait::async_trait;
use market::{Timestamp, VenueId};

/// What went wrong at the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no store we know.
    #[error("{url}: not a store address; write sqlite://FILE")]
    Address {
        /// The address without its password.
        url: String,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Revokes a key; `false` if there is none with that id, or it is revoked already.
    async fn revoke_api_key(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;
    /// The key with that hash, unless revoked.
    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError>;
}

/// A store: all its tables, and word of changes by anybody.
#[async_trait]
pub trait Store: TradeInfo + VenueFiles + ApiKeys {
    /// Changes its value after every change to `trade_info` or `venue`, whoever made it, a foreign SQL client
    /// included, within a second. A reader re-reads what it needs.
    fn changes(&self) -> tokio::sync::watch::Receiver<u64>;
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
