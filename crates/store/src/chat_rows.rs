//! Chats and the bot's values in the store, written once for every SQL backend.
//! It must not judge what a row says.

/// The traits for a store with a `pool`, `read`, `write`, `begin_alone` and `notices`. A macro, because the same in
/// generic words would be mostly bounds.
macro_rules! chat_rows {
    ($store:ty, $row:ty) => {
        use crate::chat_sql as sql;
        use crate::lock::Lock;
        use crate::notices::tell;
        use crate::outbox::MESSAGES_MAX;
        use crate::outbox_sql::PUT_STATE;
        use crate::owner::topics_of;
        use crate::{BotState, ChatCount, ChatRow, Chats, Owner, StoreError};
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::Row;

        fn chat(row: &$row) -> Option<ChatRow> {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
            Some(ChatRow {
                id: number(0)?,
                kind: text(1)?,
                language: text(2)?,
                time_zone: text(3)?,
                quiet: number(4).zip(number(5)),
                settings: text(6)?,
                paused: text(7),
                created_at: Timestamp::from_millis(number(8)?),
                seen_at: Timestamp::from_millis(number(9)?),
            })
        }

        #[async_trait]
        impl Chats for $store {
            async fn chat(&self, id: i64) -> Result<Option<ChatRow>, StoreError> {
                let row = self.read(sqlx::query(sql::CHAT).bind(id).fetch_optional(&self.pool)).await?;
                Ok(row.as_ref().and_then(chat))
            }

            async fn put_chat(&self, chat: &ChatRow) -> Result<(), StoreError> {
                let put = sqlx::query(sql::PUT_CHAT)
                    .bind(chat.id)
                    .bind(&chat.kind)
                    .bind(&chat.language)
                    .bind(&chat.time_zone)
                    .bind(chat.quiet.map(|(from, _)| from))
                    .bind(chat.quiet.map(|(_, to)| to))
                    .bind(&chat.settings)
                    .bind(&chat.paused)
                    .bind(chat.created_at.millis())
                    .bind(chat.seen_at.millis());
                self.write("", put.execute(&self.pool)).await.map(drop)
            }

            async fn pause_chat(&self, id: i64, reason: &str) -> Result<bool, StoreError> {
                let pause = sqlx::query(sql::PAUSE_CHAT).bind(id).bind(reason);
                Ok(self.write("", pause.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn resume_chat(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
                let name = Owner::Chat(id).to_string();
                let (after, before) = topics_of(&name);
                let resuming = async {
                    // Nobody takes messages meanwhile: they would wait for each other's rows.
                    let mut alone = self.begin_alone(Lock::Outbox).await?;
                    let resume = sqlx::query(sql::RESUME_CHAT).bind(id).execute(&mut *alone).await?;
                    let was_paused = resume.rows_affected() > 0;
                    if was_paused {
                        let due = sqlx::query(sql::RESUME_MESSAGES).bind(&name).bind(&after).bind(&before);
                        due.bind(now.millis()).execute(&mut *alone).await?;
                    }
                    alone.commit().await?;
                    Ok(was_paused)
                };
                let was_paused = self.write("", resuming).await?;
                tell(&self.notices.outbox);
                Ok(was_paused)
            }

            async fn chats_page(
                &self,
                after_id: i64,
                only_active: bool,
                limit: usize,
            ) -> Result<Vec<ChatRow>, StoreError> {
                let limit = limit.min(MESSAGES_MAX) as i64;
                let read = sqlx::query(sql::CHATS).bind(after_id).bind(only_active).bind(limit);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(chat).collect())
            }

            async fn chat_count(&self) -> Result<ChatCount, StoreError> {
                let count = sqlx::query_as::<_, (i64, i64)>(sql::COUNT_CHATS).fetch_one(&self.pool);
                let (active, paused) = self.read(count).await?;
                Ok(ChatCount { active, paused })
            }

            async fn forget_chat(&self, id: i64) -> Result<(), StoreError> {
                let name = Owner::Chat(id).to_string();
                let (after, before) = topics_of(&name);
                let forgetting = async {
                    let mut alone = self.begin_alone(Lock::Alerts).await?;
                    for statement in [sql::FORGET_CHAT, sql::FORGET_SUBSCRIPTIONS] {
                        sqlx::query(statement).bind(id).execute(&mut *alone).await?;
                    }
                    for statement in [sql::FORGET_ALERTS, sql::FORGET_MESSAGES] {
                        let forget = sqlx::query(statement).bind(&name).bind(&after).bind(&before);
                        forget.execute(&mut *alone).await?;
                    }
                    alone.commit().await
                };
                self.write("", forgetting).await?;
                tell(&self.notices.alerts);
                Ok(())
            }

            async fn migrate_chat(&self, old: i64, new: i64) -> Result<bool, StoreError> {
                let names = [old, new].map(|id| Owner::Chat(id).to_string());
                let (after, before) = topics_of(&names[0]);
                let migrating = async {
                    let mut alone = self.begin_alone(Lock::Alerts).await?;
                    let known: i64 =
                        sqlx::query_scalar(sql::IS_CHAT).bind(new).fetch_one(&mut *alone).await?;
                    let mut count = if known > 0 {
                        sqlx::query(sql::FORGET_CHAT).bind(old).execute(&mut *alone).await?.rows_affected()
                    } else {
                        let migrate = sqlx::query(sql::MIGRATE_CHAT).bind(old).bind(new);
                        migrate.execute(&mut *alone).await?.rows_affected()
                    };
                    let migrate = sqlx::query(sql::MIGRATE_SUBSCRIPTIONS).bind(old).bind(new);
                    count += migrate.execute(&mut *alone).await?.rows_affected();
                    let migrate = sqlx::query(sql::MIGRATE_OWNER).bind(&names[0]).bind(&names[1]);
                    count += migrate.execute(&mut *alone).await?.rows_affected();
                    for statement in [sql::MIGRATE_TARGET, sql::MIGRATE_MESSAGES] {
                        let migrate = sqlx::query(statement).bind(&names[0]).bind(&names[1]);
                        let migrate = migrate.bind(&after).bind(&before);
                        count += migrate.execute(&mut *alone).await?.rows_affected();
                    }
                    alone.commit().await?;
                    Ok(count > 0)
                };
                let is_done = self.write("", migrating).await?;
                tell(&self.notices.alerts);
                tell(&self.notices.outbox);
                Ok(is_done)
            }
        }

        #[async_trait]
        impl BotState for $store {
            async fn bot_value(&self, name: &str) -> Result<Option<String>, StoreError> {
                self.read(sqlx::query_scalar(sql::BOT_VALUE).bind(name).fetch_optional(&self.pool)).await
            }

            async fn put_bot_value(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
                let put = match value {
                    Some(value) => sqlx::query(PUT_STATE).bind(name).bind(value),
                    None => sqlx::query(sql::REMOVE_BOT_VALUE).bind(name),
                };
                self.write("", put.execute(&self.pool)).await.map(drop)
            }
        }
    };
}
pub(crate) use chat_rows;
