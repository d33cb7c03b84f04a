//! Subscriptions and webhooks in the store, written once for every SQL backend.
//! It must not judge what a row says.

/// The traits for a store with a `pool`, `read`, `write`, `begin_alone` and `notices`. A macro, because the same in
/// generic words would be mostly bounds.
macro_rules! subscription_rows {
    ($store:ty, $row:ty, $outbox:ident) => {
        use crate::chat_sql as sql;
        use crate::lock::Lock;
        use crate::notices::tell;
        use crate::outbox::MESSAGES_MAX;
        use crate::$outbox::put;
        use crate::{
            NewMessage, NewSubscription, Owner, StoreError, SubscriptionRow, Subscriptions, WebhookRow,
            Webhooks,
        };
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::Row;

        fn subscription(row: &$row) -> Option<SubscriptionRow> {
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
            Some(SubscriptionRow {
                id: number(0)?,
                chat_id: number(1)?,
                thread: number(2),
                pair: row.try_get(3).ok()?,
                minute_of_day: number(4)?,
                days: number(5)?,
                next_at: Timestamp::from_millis(number(6)?),
                created_at: Timestamp::from_millis(number(7)?),
            })
        }

        fn webhook(row: &$row) -> Option<WebhookRow> {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
            Some(WebhookRow {
                id: row.try_get(0).ok()?,
                owner: text(1)?,
                url: text(2)?,
                secret: text(3)?,
                created_at: Timestamp::from_millis(row.try_get(4).ok()?),
            })
        }

        #[async_trait]
        impl Subscriptions for $store {
            async fn add_subscription(
                &self,
                new: &NewSubscription,
                count_max: usize,
                now: Timestamp,
            ) -> Result<Option<i64>, StoreError> {
                let owner = Owner::Chat(new.chat_id).to_string();
                let adding = async {
                    let mut alone = self.begin_alone(Lock::Owner(&owner)).await?;
                    let id = sqlx::query_scalar(sql::ADD_SUBSCRIPTION)
                        .bind(new.chat_id)
                        .bind(new.thread)
                        .bind(&new.pair)
                        .bind(new.minute_of_day)
                        .bind(new.days)
                        .bind(new.next_at.millis())
                        .bind(now.millis())
                        .bind(count_max as i64)
                        .fetch_optional(&mut *alone)
                        .await?;
                    alone.commit().await?;
                    Ok(id)
                };
                self.write("", adding).await
            }

            async fn subscriptions_of(&self, chat_id: i64) -> Result<Vec<SubscriptionRow>, StoreError> {
                let read = sqlx::query(sql::SUBSCRIPTIONS_OF).bind(chat_id);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(subscription).collect())
            }

            async fn remove_subscription(&self, chat_id: i64, id: i64) -> Result<bool, StoreError> {
                let remove = sqlx::query(sql::REMOVE_SUBSCRIPTION).bind(chat_id).bind(id);
                Ok(self.write("", remove.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn subscriptions_due(
                &self,
                now: Timestamp,
                limit: usize,
            ) -> Result<Vec<SubscriptionRow>, StoreError> {
                let limit = limit.min(MESSAGES_MAX) as i64;
                let read = sqlx::query(sql::SUBSCRIPTIONS_DUE).bind(now.millis()).bind(limit);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(subscription).collect())
            }

            async fn advance_subscription(
                &self,
                id: i64,
                from: Timestamp,
                to: Timestamp,
                message: Option<&NewMessage>,
                now: Timestamp,
            ) -> Result<bool, StoreError> {
                let advancing = async {
                    let mut both = self.begin_alone(Lock::Outbox).await?;
                    let advance =
                        sqlx::query(sql::ADVANCE_SUBSCRIPTION).bind(id).bind(from.millis()).bind(to.millis());
                    if advance.execute(&mut *both).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                    if let Some(message) = message {
                        put(&mut both, &[(None, message)], now).await?;
                    }
                    both.commit().await?;
                    Ok(true)
                };
                let is_done = self.write("", advancing).await?;
                if is_done && message.is_some() {
                    tell(&self.notices.outbox);
                }
                Ok(is_done)
            }
        }

        #[async_trait]
        impl Webhooks for $store {
            async fn put_webhook(
                &self,
                owner: &str,
                url: &str,
                secret: Option<&str>,
                secret_if_new: &str,
                count_max: usize,
                now: Timestamp,
            ) -> Result<Option<WebhookRow>, StoreError> {
                let putting = async {
                    let mut alone = self.begin_alone(Lock::Owner(owner)).await?;
                    let known = sqlx::query(sql::WEBHOOK_OF).bind(owner).bind(url);
                    let known = known.fetch_optional(&mut *alone).await?;
                    if let Some(mut known) = known.as_ref().and_then(webhook) {
                        let change = sqlx::query(sql::CHANGE_WEBHOOK).bind(known.id).bind(secret);
                        change.bind(now.millis()).execute(&mut *alone).await?;
                        alone.commit().await?;
                        if let Some(secret) = secret {
                            secret.clone_into(&mut known.secret);
                        }
                        return Ok(Some(known));
                    }
                    let count: i64 =
                        sqlx::query_scalar(sql::COUNT_WEBHOOKS).bind(owner).fetch_one(&mut *alone).await?;
                    if count >= count_max as i64 {
                        return Ok(None);
                    }
                    let add = sqlx::query(sql::ADD_WEBHOOK)
                        .bind(owner)
                        .bind(url)
                        .bind(secret.unwrap_or(secret_if_new))
                        .bind(now.millis());
                    let added = add.fetch_one(&mut *alone).await?;
                    alone.commit().await?;
                    Ok(webhook(&added))
                };
                self.write("this webhook is there already", putting).await
            }

            async fn webhook(&self, id: i64) -> Result<Option<WebhookRow>, StoreError> {
                let row = self.read(sqlx::query(sql::WEBHOOK).bind(id).fetch_optional(&self.pool)).await?;
                Ok(row.as_ref().and_then(webhook))
            }

            async fn webhooks_of(&self, owner: &str) -> Result<Vec<WebhookRow>, StoreError> {
                let rows = self.read(sqlx::query(sql::WEBHOOKS_OF).bind(owner).fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(webhook).collect())
            }

            async fn prune_webhooks(&self, used_before: Timestamp) -> Result<u64, StoreError> {
                let prune = sqlx::query(sql::PRUNE_WEBHOOKS).bind(used_before.millis());
                Ok(self.write("", prune.execute(&self.pool)).await?.rows_affected())
            }
        }
    };
}
pub(crate) use subscription_rows;
