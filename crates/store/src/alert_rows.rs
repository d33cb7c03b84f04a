//! Alerts in the store, written once for every SQL backend.
//! It must not judge what a row says.

/// The trait for a store with a `pool`, `read`, `write`, `begin_alone` and `notices`. A macro, because the same in
/// generic words would be mostly bounds.
macro_rules! alert_rows {
    ($store:ty, $database:ty, $row:ty, $outbox:ident) => {
        use crate::alert_sql as sql;
        use crate::alerts::{ALERTS_AT_ONCE, ALERTS_PRUNED_MAX, CHANGES_KEPT, CHANGES_PRUNED_MAX};
        use crate::lock::Lock;
        use crate::notices::tell;
        use crate::$outbox::put;
        use crate::{
            ALERTS_MAX, AlertChange, AlertChanged, AlertChanges, AlertProgress, AlertRow, Alerts, Delivery,
            Fire, MessageState, NewAlert, StoreError,
        };
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::{QueryBuilder, Row};
        use std::collections::HashSet;
        use tokio::sync::watch;

        fn alert(row: &$row) -> Option<AlertRow> {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
            Some(AlertRow {
                id: number(0)?,
                owner: text(1)?,
                target: text(2)?,
                pair: text(3)?,
                spec: text(4)?,
                progress: text(5)?,
                is_open: row.try_get(6).ok()?,
                fire_seq: number(7)?,
                revision: number(8)?,
                delivered_at: number(9).map(Timestamp::from_millis),
                created_at: Timestamp::from_millis(number(10)?),
                changed_at: Timestamp::from_millis(number(11)?),
            })
        }

        fn delivery(row: &$row) -> Option<Delivery> {
            let text = |at: usize| row.try_get::<Option<String>, _>(at).ok().flatten();
            let number = |at: usize| row.try_get::<Option<i64>, _>(at).ok().flatten();
            Some(Delivery {
                alert_id: number(7)?,
                message_id: number(0)?,
                fire_seq: number(1)?,
                state: MessageState::parse(&text(2)?)?,
                attempts: number(3)?,
                created_at: Timestamp::from_millis(number(4)?),
                sent_at: number(5).map(Timestamp::from_millis),
                last_error: text(6),
            })
        }

        #[async_trait]
        impl Alerts for $store {
            async fn add_alert(
                &self,
                new: &NewAlert,
                open_max: usize,
                now: Timestamp,
            ) -> Result<Option<i64>, StoreError> {
                let adding = async {
                    let mut alone = self.begin_alone(Lock::Owner(&new.owner)).await?;
                    let id = sqlx::query_scalar(sql::ADD)
                        .bind(&new.owner)
                        .bind(&new.target)
                        .bind(&new.pair)
                        .bind(&new.spec)
                        .bind(&new.progress)
                        .bind(now.millis())
                        .bind(open_max as i64)
                        .fetch_optional(&mut *alone)
                        .await?;
                    alone.commit().await?;
                    Ok(id)
                };
                let id = self.write("", adding).await?;
                tell(&self.notices.alerts);
                Ok(id)
            }

            async fn alert(&self, id: i64) -> Result<Option<AlertRow>, StoreError> {
                let row = self.read(sqlx::query(sql::ONE).bind(id).fetch_optional(&self.pool)).await?;
                Ok(row.as_ref().and_then(alert))
            }

            async fn deliveries(&self, alert_id: i64, limit: usize) -> Result<Vec<Delivery>, StoreError> {
                let read = sqlx::query(sql::DELIVERIES).bind(alert_id).bind(limit.min(ALERTS_MAX) as i64);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(delivery).collect())
            }

            async fn undelivered(&self, owner: &str) -> Result<Vec<Delivery>, StoreError> {
                let read = sqlx::query(sql::UNDELIVERED).bind(owner).bind(ALERTS_MAX as i64);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(delivery).collect())
            }

            async fn alerts_of(&self, owner: &str) -> Result<Vec<AlertRow>, StoreError> {
                let read = sqlx::query(sql::OF_OWNER).bind(owner).bind(ALERTS_MAX as i64);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                let mut alerts: Vec<AlertRow> = rows.iter().filter_map(alert).collect();
                alerts.sort_by_key(|alert| alert.id);
                Ok(alerts)
            }

            async fn alerts_page(
                &self,
                after_id: i64,
                only_open: bool,
                limit: usize,
            ) -> Result<Vec<AlertRow>, StoreError> {
                let limit = limit.min(ALERTS_MAX) as i64;
                let read = sqlx::query(sql::PAGE).bind(after_id).bind(only_open).bind(limit);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(alert).collect())
            }

            async fn change_alert(
                &self,
                owner: &str,
                id: i64,
                change: &AlertChange,
                open_max: usize,
                now: Timestamp,
            ) -> Result<AlertChanged, StoreError> {
                let changing = async {
                    let mut alone = self.begin_alone(Lock::Owner(owner)).await?;
                    if change.is_open == Some(true) {
                        let open: i64 = sqlx::query_scalar(sql::OPEN_OTHERS)
                            .bind(owner)
                            .bind(id)
                            .fetch_one(&mut *alone)
                            .await?;
                        if open >= open_max as i64 {
                            return Ok(AlertChanged::Full);
                        }
                    }
                    let update = sqlx::query(sql::CHANGE)
                        .bind(owner)
                        .bind(id)
                        .bind(change.if_revision.unwrap_or(-1))
                        .bind(change.target.is_some())
                        .bind(&change.target)
                        .bind(change.pair.is_some())
                        .bind(&change.pair)
                        .bind(change.spec.is_some())
                        .bind(&change.spec)
                        .bind(change.progress.is_some())
                        .bind(&change.progress)
                        .bind(change.is_open.is_some())
                        .bind(change.is_open)
                        .bind(now.millis());
                    let done = update.execute(&mut *alone).await?.rows_affected();
                    alone.commit().await?;
                    Ok(if done > 0 { AlertChanged::Done } else { AlertChanged::Missing })
                };
                let changed = self.write("", changing).await?;
                tell(&self.notices.alerts);
                Ok(changed)
            }

            async fn remove_alert(&self, owner: &str, id: i64) -> Result<bool, StoreError> {
                let remove = sqlx::query(sql::REMOVE).bind(owner).bind(id);
                let removed = self.write("", remove.execute(&self.pool)).await?.rows_affected();
                tell(&self.notices.alerts);
                Ok(removed > 0)
            }

            async fn save_progress(&self, progress: &[AlertProgress]) -> Result<(), StoreError> {
                for some in progress.chunks(ALERTS_AT_ONCE) {
                    let saving = async {
                        let mut alone = self.begin_alone(Lock::Alerts).await?;
                        let mut save = QueryBuilder::<$database>::new(sql::SAVE);
                        save.push_values(some, |mut row, one| {
                            row.push_bind(one.alert_id)
                                .push_bind(one.revision)
                                .push_bind(one.fire_seq)
                                .push_bind(&one.progress);
                        });
                        save.push(sql::SAVE_OVER);
                        save.build().persistent(false).execute(&mut *alone).await?;
                        alone.commit().await
                    };
                    self.write("", saving).await?;
                }
                Ok(())
            }

            async fn fire(&self, firings: &[Fire], now: Timestamp) -> Result<Vec<bool>, StoreError> {
                let mut fired = Vec::with_capacity(firings.len());
                let mut left = firings;
                while !left.is_empty() {
                    // A statement sees an alert once: its next firing waits for the next statement.
                    let mut seen = HashSet::new();
                    let count =
                        left.iter().take(ALERTS_AT_ONCE).take_while(|fire| seen.insert(fire.alert_id));
                    let (some, rest) = left.split_at(count.count());
                    let won = self.write("", fire_some(self, some, now)).await?;
                    fired.extend(some.iter().map(|fire| won.contains(&fire.alert_id)));
                    tell(&self.notices.outbox);
                    left = rest;
                }
                Ok(fired)
            }

            async fn alert_cursor(&self) -> Result<i64, StoreError> {
                self.read(sqlx::query_scalar(sql::CURSOR).fetch_one(&self.pool)).await
            }

            async fn alert_changes(&self, cursor: i64, limit: usize) -> Result<AlertChanges, StoreError> {
                let ends = sqlx::query_as::<_, (i64, i64)>(sql::LOG_ENDS).fetch_one(&self.pool);
                let (first, last) = self.read(ends).await?;
                if cursor < first - 1 || cursor > last {
                    return Ok(AlertChanges { cursor: last, is_all: true, ..AlertChanges::default() });
                }
                let log = sqlx::query_as::<_, (i64, i64)>(sql::LOG).bind(cursor);
                let log = log.bind(limit.clamp(1, ALERTS_AT_ONCE) as i64).fetch_all(&self.pool);
                let log: Vec<(i64, i64)> = self.read(log).await?;
                let Some((cursor, _)) = log.last().copied() else {
                    return Ok(AlertChanges { cursor, ..AlertChanges::default() });
                };
                let ids: HashSet<i64> = log.iter().map(|(_, id)| *id).collect();
                if ids.contains(&0) {
                    return Ok(AlertChanges { cursor: last, is_all: true, ..AlertChanges::default() });
                }
                let mut read = QueryBuilder::<$database>::new(sql::BY_ID);
                let mut list = read.separated(", ");
                for id in &ids {
                    list.push_bind(*id);
                }
                read.push(")");
                let rows = self.read(read.build().persistent(false).fetch_all(&self.pool)).await?;
                let rows: Vec<AlertRow> = rows.iter().filter_map(alert).collect();
                let known: HashSet<i64> = rows.iter().map(|row| row.id).collect();
                let gone = ids.difference(&known).copied().collect();
                Ok(AlertChanges { rows, gone, cursor, is_all: false })
            }

            fn alert_notices(&self) -> watch::Receiver<u64> {
                self.notices.alerts.subscribe()
            }

            async fn prune_alerts(&self, closed_before: Timestamp) -> Result<u64, StoreError> {
                let prune = sqlx::query(sql::PRUNE).bind(closed_before.millis()).bind(ALERTS_PRUNED_MAX);
                let pruned = self.write("", prune.execute(&self.pool)).await?.rows_affected();
                let prune = sqlx::query(sql::PRUNE_LOG).bind(CHANGES_KEPT).bind(CHANGES_PRUNED_MAX);
                self.write("", prune.execute(&self.pool)).await?;
                Ok(pruned)
            }
        }

        /// Which of them fired. No alert is in it twice.
        async fn fire_some(
            store: &$store,
            some: &[Fire],
            now: Timestamp,
        ) -> Result<HashSet<i64>, sqlx::Error> {
            let mut alone = store.begin_alone(Lock::Alerts).await?;
            let mut fire = QueryBuilder::<$database>::new(sql::FIRE);
            fire.push_values(some, |mut row, one| {
                row.push_bind(one.alert_id)
                    .push_bind(one.revision)
                    .push_bind(one.fire_seq)
                    .push_bind(&one.progress)
                    .push_bind(one.is_open)
                    .push_bind(now.millis());
            });
            fire.push(sql::FIRE_OVER);
            let won = fire.build_query_scalar().persistent(false).fetch_all(&mut *alone).await?;
            let won: HashSet<i64> = won.into_iter().collect();
            let messages = some.iter().filter(|fire| won.contains(&fire.alert_id));
            let messages: Vec<_> =
                messages.map(|fire| (Some((fire.alert_id, fire.fire_seq + 1)), &fire.message)).collect();
            put(&mut alone, &messages, now).await?;
            alone.commit().await?;
            Ok(won)
        }
    };
}
pub(crate) use alert_rows;
