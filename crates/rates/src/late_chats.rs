//! Chats, subscriptions and webhooks of a store that may not be there yet.
//! It must not know which store it is.

use crate::late_store::LateStore;
use async_trait::async_trait;
use market::Timestamp;
use store::{
    BotState, ChatCount, ChatRow, Chats, NewMessage, NewSubscription, StoreError, SubscriptionRow,
    Subscriptions, WebhookRow, Webhooks,
};

#[async_trait]
impl Chats for LateStore {
    async fn chat(&self, id: i64) -> Result<Option<ChatRow>, StoreError> {
        self.opened()?.chat(id).await
    }
    async fn put_chat(&self, chat: &ChatRow) -> Result<(), StoreError> {
        self.opened()?.put_chat(chat).await
    }
    async fn pause_chat(&self, id: i64, reason: &str) -> Result<bool, StoreError> {
        self.opened()?.pause_chat(id, reason).await
    }
    async fn resume_chat(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.opened()?.resume_chat(id, now).await
    }
    async fn chats_page(
        &self,
        after_id: i64,
        only_active: bool,
        limit: usize,
    ) -> Result<Vec<ChatRow>, StoreError> {
        self.opened()?.chats_page(after_id, only_active, limit).await
    }
    async fn chat_count(&self) -> Result<ChatCount, StoreError> {
        self.opened()?.chat_count().await
    }
    async fn forget_chat(&self, id: i64) -> Result<(), StoreError> {
        self.opened()?.forget_chat(id).await
    }
    async fn migrate_chat(&self, old: i64, new: i64) -> Result<bool, StoreError> {
        self.opened()?.migrate_chat(old, new).await
    }
}

#[async_trait]
impl BotState for LateStore {
    async fn bot_value(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.opened()?.bot_value(name).await
    }
    async fn put_bot_value(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.opened()?.put_bot_value(name, value).await
    }
}

#[async_trait]
impl Subscriptions for LateStore {
    async fn add_subscription(
        &self,
        subscription: &NewSubscription,
        count_max: usize,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        self.opened()?.add_subscription(subscription, count_max, now).await
    }
    async fn subscriptions_of(&self, chat_id: i64) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.opened()?.subscriptions_of(chat_id).await
    }
    async fn remove_subscription(&self, chat_id: i64, id: i64) -> Result<bool, StoreError> {
        self.opened()?.remove_subscription(chat_id, id).await
    }
    async fn subscriptions_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.opened()?.subscriptions_due(now, limit).await
    }
    async fn advance_subscription(
        &self,
        id: i64,
        from: Timestamp,
        to: Timestamp,
        message: Option<&NewMessage>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.opened()?.advance_subscription(id, from, to, message, now).await
    }
}

#[async_trait]
impl Webhooks for LateStore {
    async fn put_webhook(
        &self,
        owner: &str,
        url: &str,
        secret: Option<&str>,
        secret_if_new: &str,
        count_max: usize,
        now: Timestamp,
    ) -> Result<Option<WebhookRow>, StoreError> {
        self.opened()?.put_webhook(owner, url, secret, secret_if_new, count_max, now).await
    }
    async fn webhook(&self, id: i64) -> Result<Option<WebhookRow>, StoreError> {
        self.opened()?.webhook(id).await
    }
    async fn webhooks_of(&self, owner: &str) -> Result<Vec<WebhookRow>, StoreError> {
        self.opened()?.webhooks_of(owner).await
    }
    async fn prune_webhooks(&self, used_before: Timestamp) -> Result<u64, StoreError> {
        self.opened()?.prune_webhooks(used_before).await
    }
}
