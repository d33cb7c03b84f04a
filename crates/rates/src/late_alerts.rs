//! Alerts and the outbox of a store that may not be there yet.
//! It must not know which store it is.

use crate::late_store::LateStore;
use async_trait::async_trait;
use market::Timestamp;
use store::{
    AlertChange, AlertChanged, AlertChanges, AlertProgress, AlertRow, Alerts, Delivery, Fire, Message,
    MessageFilter, NewAlert, NewMessage, Outbox, OutboxDepth, Settlement, StoreError,
};
use tokio::sync::watch;

#[async_trait]
impl Alerts for LateStore {
    async fn add_alert(
        &self,
        alert: &NewAlert,
        open_max: usize,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        self.opened()?.add_alert(alert, open_max, now).await
    }
    async fn alert(&self, id: i64) -> Result<Option<AlertRow>, StoreError> {
        self.opened()?.alert(id).await
    }
    async fn deliveries(&self, alert_id: i64, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.opened()?.deliveries(alert_id, limit).await
    }
    async fn undelivered(&self, owner: &str) -> Result<Vec<Delivery>, StoreError> {
        self.opened()?.undelivered(owner).await
    }
    async fn alerts_of(&self, owner: &str) -> Result<Vec<AlertRow>, StoreError> {
        self.opened()?.alerts_of(owner).await
    }
    async fn alerts_page(
        &self,
        after_id: i64,
        only_open: bool,
        limit: usize,
    ) -> Result<Vec<AlertRow>, StoreError> {
        self.opened()?.alerts_page(after_id, only_open, limit).await
    }
    async fn change_alert(
        &self,
        owner: &str,
        id: i64,
        change: &AlertChange,
        open_max: usize,
        now: Timestamp,
    ) -> Result<AlertChanged, StoreError> {
        self.opened()?.change_alert(owner, id, change, open_max, now).await
    }
    async fn remove_alert(&self, owner: &str, id: i64) -> Result<bool, StoreError> {
        self.opened()?.remove_alert(owner, id).await
    }
    async fn save_progress(&self, progress: &[AlertProgress]) -> Result<(), StoreError> {
        self.opened()?.save_progress(progress).await
    }
    async fn fire(&self, firings: &[Fire], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        self.opened()?.fire(firings, now).await
    }
    async fn alert_cursor(&self) -> Result<i64, StoreError> {
        self.opened()?.alert_cursor().await
    }
    async fn alert_changes(&self, cursor: i64, limit: usize) -> Result<AlertChanges, StoreError> {
        self.opened()?.alert_changes(cursor, limit).await
    }
    fn alert_notices(&self) -> watch::Receiver<u64> {
        self.alerts.subscribe()
    }
    async fn prune_alerts(&self, closed_before: Timestamp) -> Result<u64, StoreError> {
        self.opened()?.prune_alerts(closed_before).await
    }
}

#[async_trait]
impl Outbox for LateStore {
    async fn put_messages(
        &self,
        messages: &[NewMessage],
        state: Option<(&str, &str)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.opened()?.put_messages(messages, state, now).await
    }
    async fn take_messages(
        &self,
        channel: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        self.opened()?.take_messages(channel, limit, now).await
    }
    async fn start_messages(&self, messages: &[(i64, i64)], now: Timestamp) -> Result<bool, StoreError> {
        self.opened()?.start_messages(messages, now).await
    }
    async fn settle_messages(&self, settlements: &[Settlement], now: Timestamp) -> Result<(), StoreError> {
        self.opened()?.settle_messages(settlements, now).await
    }
    async fn reclaim_messages(
        &self,
        channel: &str,
        taken_before: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.opened()?.reclaim_messages(channel, taken_before, now).await
    }
    async fn release_messages(&self, target: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.opened()?.release_messages(target, now).await
    }
    async fn messages(&self, filter: &MessageFilter, limit: usize) -> Result<Vec<Message>, StoreError> {
        self.opened()?.messages(filter, limit).await
    }
    async fn revive_message(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.opened()?.revive_message(id, now).await
    }
    async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StoreError> {
        self.opened()?.outbox_depth().await
    }
    async fn messages_due(&self, channel: &str, priority: i64, now: Timestamp) -> Result<i64, StoreError> {
        self.opened()?.messages_due(channel, priority, now).await
    }
    async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.opened()?.prune_messages(before).await
    }
    fn outbox_notices(&self) -> watch::Receiver<u64> {
        self.outbox.subscribe()
    }
}
