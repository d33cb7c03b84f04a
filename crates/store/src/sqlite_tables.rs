//! The tables of the store in SQLite: rows in, rows out.
//! It must not judge what a row says: a foreign client may have written anything.

use crate::sqlite::SqliteStore;
use crate::{
    ApiKey, ApiKeys, NewTradeRow, StoreError, TradeInfo, TradeRow, TradeRowChange, VenueFile, VenueFiles, sql,
};
use async_trait::async_trait;
use market::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, ValueRef};

const DUPLICATE_ROW: &str = "this venue already has a row with these pairs";

/// A column as text, whatever it holds: even bytes that are no text.
fn text(row: &SqliteRow, column: usize) -> Option<String> {
    let value = row.try_get_raw(column).ok().filter(|value| !value.is_null())?;
    let bytes = <&[u8] as Decode<Sqlite>>::decode(value).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn time(row: &SqliteRow, column: usize) -> Option<Timestamp> {
    text(row, column)?.trim().parse().ok().map(Timestamp::from_millis)
}

/// A switch; nothing at all is the table's default, and what cannot be read is off.
fn switch(row: &SqliteRow, column: usize, default: bool) -> bool {
    text(row, column).map_or(default, |t| {
        matches!(t.trim().to_ascii_lowercase().as_str(), "1" | "true" | "t" | "yes" | "on")
    })
}

fn trade_row(row: &SqliteRow) -> Option<TradeRow> {
    Some(TradeRow {
        id: row.try_get(0).ok()?,
        venue: text(row, 1),
        currency_pair: text(row, 2),
        url: text(row, 3),
        interval_ms: text(row, 4),
        stale_after_ms: text(row, 5),
        expire_after_ms: text(row, 6),
        allow_negative: switch(row, 7, false),
        enabled: switch(row, 8, true),
        created_at: time(row, 9),
        updated_at: time(row, 10),
    })
}

/// A revocation whose time cannot be read is a revocation.
fn api_key(row: &SqliteRow) -> Option<ApiKey> {
    Some(ApiKey {
        id: row.try_get(0).ok()?,
        name: text(row, 1).unwrap_or_default(),
        hash: text(row, 2).unwrap_or_default(),
        created_at: time(row, 3).unwrap_or_default(),
        revoked_at: text(row, 4).map(|_| time(row, 4).unwrap_or_default()),
    })
}

#[async_trait]
impl TradeInfo for SqliteStore {
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
            .bind(now.millis());
        self.write(DUPLICATE_ROW, add.fetch_one(&self.pool)).await
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
}

#[async_trait]
impl VenueFiles for SqliteStore {
    async fn venue_files(&self) -> Result<Vec<VenueFile>, StoreError> {
        let rows = self.read(sqlx::query(sql::VENUE_FILES).fetch_all(&self.pool)).await?;
        let file = |row| VenueFile {
            name: text(row, 0).unwrap_or_default(),
            text: text(row, 1).unwrap_or_default(),
        };
        Ok(rows.iter().map(file).collect())
    }

    async fn put_venue_file(&self, file: &VenueFile, now: Timestamp) -> Result<(), StoreError> {
        let put = sqlx::query(sql::PUT_VENUE_FILE).bind(&file.name).bind(&file.text).bind(now.millis());
        self.write("there is already a venue of this name", put.execute(&self.pool)).await.map(drop)
    }

    async fn remove_venue_file(&self, name: &str) -> Result<bool, StoreError> {
        let remove = sqlx::query(sql::REMOVE_VENUE_FILE).bind(name);
        Ok(self.write("", remove.execute(&self.pool)).await?.rows_affected() > 0)
    }
}

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = self.read(sqlx::query(sql::API_KEYS).fetch_all(&self.pool)).await?;
        Ok(rows.iter().filter_map(api_key).collect())
    }

    async fn add_api_key(&self, name: &str, hash: &str, now: Timestamp) -> Result<i64, StoreError> {
        let add = sqlx::query_scalar(sql::ADD_API_KEY).bind(name).bind(hash).bind(now.millis());
        self.write("this key is already known", add.fetch_one(&self.pool)).await
    }

    async fn revoke_api_key(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        let revoke = sqlx::query(sql::REVOKE_API_KEY).bind(id).bind(now.millis());
        Ok(self.write("", revoke.execute(&self.pool)).await?.rows_affected() > 0)
    }

    async fn api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, StoreError> {
        let key = self.read(sqlx::query(sql::API_KEY_BY_HASH).bind(hash).fetch_optional(&self.pool)).await?;
        Ok(key.as_ref().and_then(api_key))
    }
}
