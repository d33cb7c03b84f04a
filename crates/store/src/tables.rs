//! The tables of the store: rows in, rows out, written once for every SQL backend.
//! It must not judge what a row says: a foreign client may have written anything.

use market::{Timestamp, VenueId};

pub(crate) const DUPLICATE_ROW: &str = "this venue already has a row with these pairs";
/// So many candles are one transaction: some milliseconds, and far fewer parameters than a statement may have.
pub(crate) const CANDLES_AT_ONCE: usize = 500;

pub(crate) fn time(text: Option<String>) -> Option<Timestamp> {
    text?.trim().parse().ok().map(Timestamp::from_millis)
}

/// A switch; nothing at all is the table's default, and what cannot be read is off.
pub(crate) fn switch(text: Option<String>, default: bool) -> bool {
    text.map_or(default, |t| {
        matches!(t.trim().to_ascii_lowercase().as_str(), "1" | "true" | "t" | "yes" | "on")
    })
}

/// Whose candle, in its column.
pub(crate) fn venue_name(venue: &Option<VenueId>) -> String {
    venue.as_ref().map(|v| v.as_str().to_owned()).unwrap_or_default()
}

/// The traits of the tables for a store with a `pool`, `read`, `write`, `begin_alone`, `lock_too` and `notices`; beside it
/// stand `text(&row, column)` and `READ_AGAIN`, which its followers take for a change, and `$now` is the time of its
/// database in milliseconds. A macro, because the same in generic words would be mostly bounds.
macro_rules! tables {
    ($store:ty, $database:ty, $row:ty, $now:literal) => {
        use crate::alert_sql::CLOSE_ALL;
        use crate::candle::{self, Candle, CandleRange, Candles, Interval};
        use crate::lease::{self, Lease, Leases};
        use crate::lock::Lock;
        use crate::notices::tell;
        use crate::tables::{CANDLES_AT_ONCE, DUPLICATE_ROW, switch, time, venue_name};
        use crate::{
            ApiKey, ApiKeys, NewTradeRow, Owner, Seed, StoreError, TradeInfo, TradeRow, TradeRowChange,
            VenueFile, VenueFiles, sql,
        };
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::QueryBuilder;
        use std::time::Duration;

        /// The first rows of a new store.
        pub(crate) async fn plant(
            connection: &mut <$database as sqlx::Database>::Connection,
            seed: &Seed,
        ) -> Result<(), sqlx::Error> {
            for row in &seed.rows {
                sqlx::query(sql::SEED_TRADE_ROW)
                    .bind(&row.venue)
                    .bind(&row.currency_pair)
                    .bind(&row.url)
                    .bind(row.interval_ms)
                    .bind(row.stale_after_ms)
                    .bind(row.expire_after_ms)
                    .bind(row.allow_negative)
                    .execute(&mut *connection)
                    .await?;
            }
            for (name, text) in &seed.venues {
                sqlx::query(sql::SEED_VENUE_FILE)
                    .bind(name.as_str())
                    .bind(text)
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        }

        fn trade_row(row: &$row) -> Option<TradeRow> {
            Some(TradeRow {
                id: row.try_get(0).ok()?,
                venue: text(row, 1),
                currency_pair: text(row, 2),
                url: text(row, 3),
                interval_ms: text(row, 4),
                stale_after_ms: text(row, 5),
                expire_after_ms: text(row, 6),
                allow_negative: switch(text(row, 7), false),
                enabled: switch(text(row, 8), true),
                created_at: time(text(row, 9)),
                updated_at: time(text(row, 10)),
            })
        }

        /// A revocation whose time cannot be read is a revocation.
        fn api_key(row: &$row) -> Option<ApiKey> {
            Some(ApiKey {
                id: row.try_get(0).ok()?,
                name: text(row, 1).unwrap_or_default(),
                hash: text(row, 2).unwrap_or_default(),
                created_at: time(text(row, 3)).unwrap_or_default(),
                revoked_at: text(row, 4).map(|_| time(text(row, 4)).unwrap_or_default()),
            })
        }

        #[async_trait]
        impl TradeInfo for $store {
            async fn trade_rows(&self) -> Result<Vec<TradeRow>, StoreError> {
                let rows = self.read(sqlx::query(sql::TRADE_ROWS).fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(trade_row).collect())
            }

            async fn add_trade_row(&self, row: &NewTradeRow, now: Timestamp) -> Result<i64, StoreError> {
                let add = sqlx::query_scalar(sql::ADD_TRADE_ROW)
                    .bind(&row.venue)
                    .bind(&row.currency_pair)
                    .bind(&row.url)
                    .bind(row.interval_ms)
                    .bind(row.stale_after_ms)
                    .bind(row.expire_after_ms)
                    .bind(row.allow_negative)
                    .bind(row.enabled)
                    .bind(now.millis());
                self.write(DUPLICATE_ROW, $crate::sql::to_its_end(add.fetch_all(&self.pool))).await
            }

            async fn change_trade_row(
                &self,
                id: i64,
                change: &TradeRowChange,
                now: Timestamp,
            ) -> Result<bool, StoreError> {
                let update = sqlx::query(sql::CHANGE_TRADE_ROW)
                    .bind(id)
                    .bind(change.currency_pair.is_some())
                    .bind(&change.currency_pair)
                    .bind(change.url.is_some())
                    .bind(change.url.as_ref().and_then(Option::as_ref))
                    .bind(change.interval_ms.is_some())
                    .bind(change.interval_ms.flatten())
                    .bind(change.stale_after_ms.is_some())
                    .bind(change.stale_after_ms.flatten())
                    .bind(change.expire_after_ms.is_some())
                    .bind(change.expire_after_ms.flatten())
                    .bind(change.allow_negative.is_some())
                    .bind(change.allow_negative)
                    .bind(change.enabled.is_some())
                    .bind(change.enabled)
                    .bind(now.millis());
                Ok(self.write(DUPLICATE_ROW, update.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn remove_trade_row(&self, id: i64) -> Result<bool, StoreError> {
                let remove = sqlx::query(sql::REMOVE_TRADE_ROW).bind(id);
                Ok(self.write(DUPLICATE_ROW, remove.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn read_again(&self) -> Result<(), StoreError> {
                self.write("", sqlx::query(READ_AGAIN).execute(&self.pool)).await.map(drop)
            }
        }

        #[async_trait]
        impl VenueFiles for $store {
            async fn venue_files(&self) -> Result<Vec<VenueFile>, StoreError> {
                let rows = self.read(sqlx::query(sql::VENUE_FILES).fetch_all(&self.pool)).await?;
                let file = |row: &$row| VenueFile {
                    name: text(row, 0).unwrap_or_default(),
                    text: text(row, 1).unwrap_or_default(),
                };
                Ok(rows.iter().map(file).collect())
            }

            async fn put_venue_file(&self, file: &VenueFile, now: Timestamp) -> Result<(), StoreError> {
                let put =
                    sqlx::query(sql::PUT_VENUE_FILE).bind(&file.name).bind(&file.text).bind(now.millis());
                self.write("there is already a venue of this name", put.execute(&self.pool)).await.map(drop)
            }

            async fn remove_venue_file(&self, name: &str) -> Result<bool, StoreError> {
                let remove = sqlx::query(sql::REMOVE_VENUE_FILE).bind(name);
                Ok(self.write("", remove.execute(&self.pool)).await?.rows_affected() > 0)
            }
        }

        #[async_trait]
        impl ApiKeys for $store {
            async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
                let rows = self.read(sqlx::query(sql::API_KEYS).fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(api_key).collect())
            }

            async fn add_api_key(&self, name: &str, hash: &str, now: Timestamp) -> Result<i64, StoreError> {
                let add = sqlx::query_scalar(sql::ADD_API_KEY).bind(name).bind(hash).bind(now.millis());
                self.write("this key is already known", $crate::sql::to_its_end(add.fetch_all(&self.pool)))
                    .await
            }

            async fn revoke_api_key(&self, id: i64, now: Timestamp) -> Result<Option<u64>, StoreError> {
                let owner = Owner::Key(id).to_string();
                let revoking = async {
                    // What the key adds in this moment is there before, and closed, or finds the key revoked.
                    let mut alone = self.begin_alone(Lock::Owner(&owner)).await?;
                    let revoke = sqlx::query(sql::REVOKE_API_KEY).bind(id).bind(now.millis());
                    if revoke.execute(&mut *alone).await?.rows_affected() == 0 {
                        return Ok(None);
                    }
                    self.lock_too(&mut alone, Lock::Alerts).await?;
                    let close = sqlx::query(CLOSE_ALL).bind(&owner).bind(now.millis());
                    let closed = close.execute(&mut *alone).await?.rows_affected();
                    alone.commit().await?;
                    Ok(Some(closed))
                };
                let revoked = self.write("", revoking).await?;
                tell(&self.notices.alerts);
                Ok(revoked)
            }

            async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
                let key = self
                    .read(sqlx::query(sql::API_KEY_BY_HASH).bind(hash).fetch_optional(&self.pool))
                    .await?;
                Ok(key.as_ref().and_then(api_key))
            }
        }

        #[async_trait]
        impl Candles for $store {
            async fn put_candles(&self, candles: &[Candle]) -> Result<(), StoreError> {
                for part in candle::merged(candles).chunks(CANDLES_AT_ONCE) {
                    self.write("", put_candles(self, part.to_vec())).await?;
                }
                Ok(())
            }

            async fn candles(&self, range: &CandleRange) -> Result<Vec<Candle>, StoreError> {
                let limit = range.limit.min(candle::CANDLES_MAX) as i64;
                let read = sqlx::query(sql::CANDLES)
                    .bind(venue_name(&range.venue))
                    .bind(range.pair.to_string())
                    .bind(range.interval.as_str())
                    .bind(range.from.millis())
                    .bind(range.to.millis())
                    .bind(limit);
                let rows = self.read(read.fetch_all(&self.pool)).await?;
                // The newest come first, so that the limit leaves the oldest out.
                Ok(rows.iter().rev().filter_map(|row| candle::from_columns(|at| text(row, at))).collect())
            }

            async fn remove_candles_before(
                &self,
                interval: Interval,
                before: Timestamp,
            ) -> Result<u64, StoreError> {
                let remove = sqlx::query(sql::REMOVE_CANDLES_BEFORE)
                    .bind(interval.as_str())
                    .bind(before.millis())
                    .bind(candle::CANDLES_REMOVED_MAX as i64);
                Ok(self.write("", remove.execute(&self.pool)).await?.rows_affected())
            }
        }

        /// Merges in the program, which compares prices exactly, while no other process writes candles.
        async fn put_candles(store: &$store, mut new: Vec<Candle>) -> Result<(), sqlx::Error> {
            let mut alone = store.begin_alone(Lock::Candles).await?;
            let mut known = QueryBuilder::<$database>::new(sql::CANDLES_BY_KEY);
            known.push_values(&new, |mut row, candle| {
                row.push_bind(venue_name(&candle.key.venue))
                    .push_bind(candle.key.pair.to_string())
                    .push_bind(candle.key.interval.as_str())
                    .push_bind(candle.key.start.millis());
            });
            known.push(")");
            for row in known.build().persistent(false).fetch_all(&mut *alone).await? {
                // What a foreign client has spoilt is written anew.
                let Some(old) = candle::from_columns(|at| text(&row, at)) else { continue };
                // They are in the order of their keys.
                if let Ok(at) = new.binary_search_by(|candle| candle.key.cmp(&old.key)) {
                    new[at].merge(&old);
                }
            }
            let mut put = QueryBuilder::<$database>::new(sql::PUT_CANDLES);
            put.push_values(&new, |mut row, candle| {
                row.push_bind(venue_name(&candle.key.venue))
                    .push_bind(candle.key.pair.to_string())
                    .push_bind(candle.key.interval.as_str())
                    .push_bind(candle.key.start.millis())
                    .push_bind(candle.open.to_string())
                    .push_bind(candle.high.to_string())
                    .push_bind(candle.low.to_string())
                    .push_bind(candle.close.to_string())
                    .push_bind(candle.ticks)
                    .push_bind(candle.first_at.millis())
                    .push_bind(candle.last_at.millis());
            });
            put.push(sql::PUT_CANDLES_OVER);
            put.build().persistent(false).execute(&mut *alone).await?;
            alone.commit().await
        }

        #[async_trait]
        impl Leases for $store {
            async fn acquire_lease(
                &self,
                name: &str,
                holder: &str,
                keep: Duration,
            ) -> Result<bool, StoreError> {
                let acquire =
                    sqlx::query(sql::acquire_lease!($now)).bind(name).bind(holder).bind(lease::keep_ms(keep));
                Ok(self.write("", acquire.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn renew_leases(&self, holder: &str, keep: Duration) -> Result<Vec<String>, StoreError> {
                let renew = sqlx::query(sql::renew_leases!($now)).bind(holder).bind(lease::keep_ms(keep));
                let rows = self.write("", renew.fetch_all(&self.pool)).await?;
                Ok(rows.iter().filter_map(|row| text(row, 0)).collect())
            }

            async fn release_lease(&self, name: &str, holder: &str) -> Result<bool, StoreError> {
                let release = sqlx::query(sql::RELEASE_LEASE).bind(name).bind(holder);
                Ok(self.write("", release.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn forget_lease(&self, name: &str) -> Result<bool, StoreError> {
                let forget = sqlx::query(sql::forget_lease!($now)).bind(name);
                Ok(self.write("", forget.execute(&self.pool)).await?.rows_affected() > 0)
            }

            async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
                let rows = self.read(sqlx::query(sql::leases!($now)).fetch_all(&self.pool)).await?;
                let lease = |row: &$row| {
                    let left_ms: i64 = text(row, 3)?.parse().ok()?;
                    Some(Lease {
                        name: text(row, 0)?,
                        holder: text(row, 1)?,
                        until: time(text(row, 2))?,
                        left: Duration::from_millis(left_ms.max(0).unsigned_abs()),
                    })
                };
                Ok(rows.iter().filter_map(lease).collect())
            }
        }
    };
}
pub(crate) use tables;
