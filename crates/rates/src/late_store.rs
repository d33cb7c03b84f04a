//! A store that may not be there yet: whoever is handed it starts at once, and is told that it does not answer
//! until it has been opened. It must not know which store it is, nor how it is opened.

use async_trait::async_trait;
use market::Timestamp;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{
    ApiKey, ApiKeys, Candle, CandleRange, Candles, Interval, Lease, Leases, NewTradeRow, Rows, Store,
    StoreError, TradeInfo, TradeRow, TradeRowChange, VenueFile, VenueFiles,
};
use tokio::sync::watch;

/// Stands in for a store until there is one.
#[derive(Default)]
pub struct LateStore {
    store: OnceLock<Arc<dyn Store>>,
    changes: watch::Sender<u64>,
    pub(crate) alerts: watch::Sender<u64>,
    pub(crate) outbox: watch::Sender<u64>,
}

/// Why an unopened store gives nothing.
#[derive(Debug, thiserror::Error)]
#[error("it has not been opened yet")]
struct NotYet;

impl LateStore {
    /// Here it is; whoever waits for changes is told to look. A second store is ignored.
    pub fn fill(self: &Arc<Self>, store: Arc<dyn Store>) {
        let [changes, alerts, outbox] = [store.changes(), store.alert_notices(), store.outbox_notices()];
        if self.store.set(store).is_err() {
            return;
        }
        self.hand_on(changes, |late| &late.changes);
        self.hand_on(alerts, |late| &late.alerts);
        self.hand_on(outbox, |late| &late.outbox);
    }

    /// Word of the store is word of ours, and that there is a store is word too.
    fn hand_on(
        self: &Arc<Self>,
        mut inner: watch::Receiver<u64>,
        ours: fn(&LateStore) -> &watch::Sender<u64>,
    ) {
        ours(self).send_modify(|count| *count += 1);
        // Ends when either side is gone.
        let outer = Arc::downgrade(self);
        tokio::spawn(async move {
            while inner.changed().await.is_ok() {
                let Some(outer) = outer.upgrade() else { return };
                ours(&outer).send_modify(|count| *count += 1);
            }
        });
    }

    /// Waits until there is a store.
    pub async fn is_filled(&self) {
        let mut changes = self.changes.subscribe();
        while self.store.get().is_none() {
            // The sender lives as long as `self`.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The store, if there is one by now.
    pub fn opened(&self) -> Result<&dyn Store, StoreError> {
        self.store.get().map(|store| &**store).ok_or_else(|| StoreError::Unavailable(Box::new(NotYet)))
    }
}

#[async_trait]
impl TradeInfo for LateStore {
    async fn trade_rows(&self) -> Result<Vec<TradeRow>, StoreError> {
        self.opened()?.trade_rows().await
    }
    async fn add_trade_row(&self, row: &NewTradeRow, now: Timestamp) -> Result<i64, StoreError> {
        self.opened()?.add_trade_row(row, now).await
    }
    async fn change_trade_row(
        &self,
        id: i64,
        change: &TradeRowChange,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.opened()?.change_trade_row(id, change, now).await
    }
    async fn remove_trade_row(&self, id: i64) -> Result<bool, StoreError> {
        self.opened()?.remove_trade_row(id).await
    }
    async fn read_again(&self) -> Result<(), StoreError> {
        self.opened()?.read_again().await
    }
}

#[async_trait]
impl VenueFiles for LateStore {
    async fn venue_files(&self) -> Result<Vec<VenueFile>, StoreError> {
        self.opened()?.venue_files().await
    }
    async fn put_venue_file(&self, file: &VenueFile, now: Timestamp) -> Result<(), StoreError> {
        self.opened()?.put_venue_file(file, now).await
    }
    async fn remove_venue_file(&self, name: &str) -> Result<bool, StoreError> {
        self.opened()?.remove_venue_file(name).await
    }
}

#[async_trait]
impl ApiKeys for LateStore {
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.opened()?.api_keys().await
    }
    async fn add_api_key(&self, name: &str, hash: &str, now: Timestamp) -> Result<i64, StoreError> {
        self.opened()?.add_api_key(name, hash, now).await
    }
    async fn revoke_api_key(&self, id: i64, now: Timestamp) -> Result<Option<u64>, StoreError> {
        self.opened()?.revoke_api_key(id, now).await
    }
    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        self.opened()?.api_key_by_hash(hash).await
    }
}

#[async_trait]
impl Candles for LateStore {
    async fn put_candles(&self, candles: &[Candle]) -> Result<(), StoreError> {
        self.opened()?.put_candles(candles).await
    }
    async fn candles(&self, range: &CandleRange) -> Result<Vec<Candle>, StoreError> {
        self.opened()?.candles(range).await
    }
    async fn remove_candles_before(&self, interval: Interval, before: Timestamp) -> Result<u64, StoreError> {
        self.opened()?.remove_candles_before(interval, before).await
    }
}

#[async_trait]
impl Leases for LateStore {
    async fn acquire_lease(&self, name: &str, holder: &str, keep: Duration) -> Result<bool, StoreError> {
        self.opened()?.acquire_lease(name, holder, keep).await
    }
    async fn renew_leases(&self, holder: &str, keep: Duration) -> Result<Vec<String>, StoreError> {
        self.opened()?.renew_leases(holder, keep).await
    }
    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool, StoreError> {
        self.opened()?.release_lease(name, holder).await
    }
    async fn forget_lease(&self, name: &str) -> Result<bool, StoreError> {
        self.opened()?.forget_lease(name).await
    }
    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.opened()?.leases().await
    }
}

impl Rows for LateStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[async_trait]
impl Store for LateStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.opened()?.ping().await
    }
    async fn close(&self) {
        if let Some(store) = self.store.get() {
            store.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_does_not_answer_before_and_answers_after() {
        let late = Arc::new(LateStore::default());
        let mut changes = late.changes();
        let error = late.trade_rows().await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        let inner = store::open("sqlite::memory:", store::Seed::default()).await.unwrap();
        late.fill(inner);
        tokio::time::timeout(std::time::Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
        assert_eq!(late.trade_rows().await.unwrap(), []);
        late.add_api_key("x", "00", Timestamp::from_millis(1)).await.unwrap();
        assert_eq!(late.api_keys().await.unwrap().len(), 1);
        late.close().await;
    }
}
