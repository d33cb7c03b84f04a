//! The outbox in the store, written once for every SQL backend.
//! It must not judge what a message says.

/// The trait for a store with a `pool`, `read`, `write`, `begin_alone` and `notices`, and `put` for whoever writes
/// messages with something else. A macro, because the same in generic words would be mostly bounds.
macro_rules! outbox_rows {
    ($store:ty, $database:ty, $row:ty) => {
        use crate::lock::Lock;
        use crate::notices::tell;
        use crate::outbox::{MESSAGES_AT_ONCE, settled};
        use crate::outbox_sql as sql;
        use crate::owner::{channel_of, topics_of};
        use crate::{
            MESSAGES_MAX, Message, MessageFilter, MessageState, NewMessage, Outbox, OutboxDepth, Settlement,
            StoreError,
        };
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::{QueryBuilder, Row};
        use tokio::sync::watch;

        fn message(row: &$row) -> Option<Message> {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
            let time = |at: usize| number(at).map(Timestamp::from_millis);
            Some(Message {
                id: number(0)?,
                alert_id: number(1),
                fire_seq: number(2),
                target: text(3)?,
                kind: text(4)?,
                body: text(5)?,
                priority: number(6)?,
                state: MessageState::parse(&text(7)?)?,
                attempts: number(8)?,
                is_repeat: row.try_get(9).ok()?,
                not_before: time(10)?,
                is_held: row.try_get(11).ok()?,
                created_at: time(12)?,
                sent_at: time(13),
                last_error: text(14),
            })
        }

        /// Messages, and the firing that each is of, within somebody's transaction.
        pub(crate) async fn put(
            connection: &mut <$database as sqlx::Database>::Connection,
            messages: &[(Option<(i64, i64)>, &NewMessage)],
            now: Timestamp,
        ) -> Result<(), sqlx::Error> {
            for some in messages.chunks(MESSAGES_AT_ONCE) {
                let mut put = QueryBuilder::<$database>::new(sql::PUT);
                put.push_values(some, |mut row, (firing, message)| {
                    row.push_bind(firing.map(|(alert, _)| alert))
                        .push_bind(firing.map(|(_, seq)| seq))
                        .push_bind(channel_of(&message.target))
                        .push_bind(&message.target)
                        .push_bind(&message.kind)
                        .push_bind(&message.body)
                        .push_bind(message.priority)
                        .push_bind(message.not_before.unwrap_or(now).millis())
                        .push_bind(message.is_held)
                        .push_bind(now.millis());
                });
                put.push(sql::PUT_OVER);
                put.build().persistent(false).execute(&mut *connection).await?;
            }
            Ok(())
        }

        #[async_trait]
        impl Outbox for $store {
            async fn put_messages(
                &self,
                messages: &[NewMessage],
                state: Option<(&str, &str)>,
                now: Timestamp,
            ) -> Result<(), StoreError> {
                if messages.len() > MESSAGES_MAX {
                    return Err(StoreError::Conflict(format!("more than {MESSAGES_MAX} messages at once")));
                }
                let putting = async {
                    let mut all = self.pool.begin().await?;
                    let messages: Vec<_> = messages.iter().map(|message| (None, message)).collect();
                    put(&mut all, &messages, now).await?;
                    if let Some((name, value)) = state {
                        sqlx::query(sql::PUT_STATE).bind(name).bind(value).execute(&mut *all).await?;
                    }
                    all.commit().await
                };
                self.write("", putting).await?;
                tell(&self.notices.outbox);
                Ok(())
            }

            async fn take_messages(
                &self,
                channel: &str,
                limit: usize,
                now: Timestamp,
            ) -> Result<Vec<Message>, StoreError> {
                let taking = async {
                    let mut alone = self.begin_alone(Lock::Outbox).await?;
                    let take = sqlx::query(sql::TAKE)
                        .bind(channel)
                        .bind(now.millis())
                        .bind(limit.min(MESSAGES_MAX) as i64);
                    let rows = take.fetch_all(&mut *alone).await?;
                    alone.commit().await?;
                    Ok(rows)
                };
                let rows = self.write("", taking).await?;
                let mut messages: Vec<Message> = rows.iter().filter_map(message).collect();
                messages.sort_by_key(|message| (message.priority, message.id));
                Ok(messages)
            }

            async fn start_messages(
                &self,
                messages: &[(i64, i64)],
                now: Timestamp,
            ) -> Result<bool, StoreError> {
                let mut start = QueryBuilder::<$database>::new(sql::START);
                start.push_bind(now.millis()).push(sql::START_OF);
                start.push_values(messages, |mut row, (id, attempts)| {
                    row.push_bind(*id).push_bind(*attempts);
                });
                start.push(")");
                // One is by far the most frequent.
                let start = start.build().persistent(messages.len() == 1).execute(&self.pool);
                Ok(self.write("", start).await?.rows_affected() == messages.len() as u64)
            }

            async fn settle_messages(
                &self,
                settlements: &[Settlement],
                now: Timestamp,
            ) -> Result<(), StoreError> {
                let settling = async {
                    let mut alone = self.begin_alone(Lock::Alerts).await?;
                    for settlement in settlements {
                        let (state, not_before, error, uncounted) = settled(&settlement.outcome, now);
                        let is_sent = state == MessageState::Sent;
                        let settle = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(sql::SETTLE)
                            .bind(settlement.id)
                            .bind(settlement.attempts)
                            .bind(state.as_str())
                            .bind(not_before.millis())
                            .bind(is_sent.then_some(now.millis()))
                            .bind(error)
                            .bind(uncounted);
                        let of = settle.fetch_optional(&mut *alone).await?;
                        if let Some((Some(alert), _)) = of.filter(|_| is_sent) {
                            let delivered = sqlx::query(sql::DELIVERED).bind(alert).bind(now.millis());
                            delivered.execute(&mut *alone).await?;
                        }
                    }
                    alone.commit().await
                };
                self.write("", settling).await?;
                tell(&self.notices.alerts);
                Ok(())
            }

            async fn reclaim_messages(
                &self,
                channel: &str,
                taken_before: Timestamp,
                now: Timestamp,
            ) -> Result<u64, StoreError> {
                let reclaim =
                    sqlx::query(sql::RECLAIM).bind(channel).bind(taken_before.millis()).bind(now.millis());
                let count = self.write("", reclaim.execute(&self.pool)).await?.rows_affected();
                tell(&self.notices.outbox);
                Ok(count)
            }

            async fn release_messages(&self, target: &str, now: Timestamp) -> Result<u64, StoreError> {
                let (after, before) = topics_of(target);
                let release = sqlx::query(sql::RELEASE).bind(target).bind(now.millis());
                let release = release.bind(&after).bind(&before);
                let count = self.write("", release.execute(&self.pool)).await?.rows_affected();
                tell(&self.notices.outbox);
                Ok(count)
            }

            async fn messages(
                &self,
                filter: &MessageFilter,
                limit: usize,
            ) -> Result<Vec<Message>, StoreError> {
                let show = sqlx::query(sql::SHOW)
                    .bind(filter.state.map_or("", MessageState::as_str))
                    .bind(filter.target.as_deref().unwrap_or_default())
                    .bind(filter.alert_id.unwrap_or(-1))
                    .bind(limit.min(MESSAGES_MAX) as i64);
                let rows = self.read(show.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(message).collect())
            }

            async fn revive_message(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
                let revive = sqlx::query(sql::REVIVE).bind(id).bind(now.millis());
                let count = self.write("", revive.execute(&self.pool)).await?.rows_affected();
                tell(&self.notices.outbox);
                Ok(count > 0)
            }

            async fn outbox_depth(&self) -> Result<Vec<OutboxDepth>, StoreError> {
                let rows = self.read(sqlx::query(sql::DEPTH).fetch_all(&self.pool)).await?;
                let depth = |row: &$row| {
                    Some(OutboxDepth {
                        channel: row.try_get(0).ok()?,
                        state: MessageState::parse(row.try_get(1).ok()?)?,
                        count: row.try_get(2).ok()?,
                        oldest_at: Timestamp::from_millis(row.try_get(3).ok()?),
                    })
                };
                Ok(rows.iter().filter_map(depth).collect())
            }

            async fn messages_due(
                &self,
                channel: &str,
                priority: i64,
                now: Timestamp,
            ) -> Result<i64, StoreError> {
                let count = sqlx::query_scalar(sql::DUE).bind(channel).bind(priority).bind(now.millis());
                self.read(count.fetch_one(&self.pool)).await
            }

            async fn prune_messages(&self, before: Timestamp) -> Result<u64, StoreError> {
                let prune = sqlx::query(sql::PRUNE).bind(before.millis()).bind(MESSAGES_MAX as i64);
                Ok(self.write("", prune.execute(&self.pool)).await?.rows_affected())
            }

            fn outbox_notices(&self) -> watch::Receiver<u64> {
                self.notices.outbox.subscribe()
            }
        }
    };
}
pub(crate) use outbox_rows;
