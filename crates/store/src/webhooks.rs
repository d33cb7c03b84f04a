//! Webhooks: addresses that are told of alerts, each with the secret that signs what it is told.
//! It must not know how a message is signed, nor whether an address may be dialled.

use crate::StoreError;
use async_trait::async_trait;
use market::Timestamp;
use std::fmt;

/// A webhook, as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Generated, and never used again.
    pub id: i64,
    /// Whose it is, as an alert's owner.
    pub owner: String,
    /// Where it is; may hold a secret of its own.
    pub url: String,
    /// Signs what it is told.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Addresses of webhooks are secrets as often as not.
impl fmt::Debug for WebhookRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRow").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// The webhooks.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// The owner's webhook of that address, made if need be; a secret that is given replaces the one that is kept, else
    /// `secret_if_new` is what a new one gets. `None` if the owner has `count_max` others already.
    async fn put_webhook(
        &self,
        owner: &str,
        url: &str,
        secret: Option<&str>,
        secret_if_new: &str,
        count_max: usize,
        now: Timestamp,
    ) -> Result<Option<WebhookRow>, StoreError>;
    /// One webhook.
    async fn webhook(&self, id: i64) -> Result<Option<WebhookRow>, StoreError>;
    /// An owner's webhooks, by id.
    async fn webhooks_of(&self, owner: &str) -> Result<Vec<WebhookRow>, StoreError>;
    /// Forgets webhooks that no alert and no message names, and that were made, last asked for and last named by an alert
    /// before that time; how many.
    async fn prune_webhooks(&self, used_before: Timestamp) -> Result<u64, StoreError>;
}
