//! Policies and holds of the store in SQLite: rows in, rows out.
//! It must not judge what a row says: a foreign client may have written anything.

use crate::sqlite::SqliteStore;
use crate::sqlite_tables::{text, time};
use crate::{Hold, Holds, PairPolicies, PairPolicyRow, StoreError, holds, policies};
use async_trait::async_trait;
use market::Timestamp;

#[async_trait]
impl PairPolicies for SqliteStore {
    async fn pair_policies(&self) -> Result<Vec<PairPolicyRow>, StoreError> {
        let rows = self.read(sqlx::query(policies::PAIR_POLICIES).fetch_all(&self.pool)).await?;
        let policy = |row| PairPolicyRow {
            pair: text(row, 0),
            venues_allowed: text(row, 1),
            venues_excluded: text(row, 2),
            sources_min: text(row, 3),
        };
        Ok(rows.iter().map(policy).collect())
    }
}

#[async_trait]
impl Holds for SqliteStore {
    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let rows = self.read(sqlx::query(holds::HOLDS).fetch_all(&self.pool)).await?;
        Ok(rows.iter().filter_map(|row| Some(Hold { host: text(row, 0)?, until: time(row, 1)? })).collect())
    }

    async fn put_holds(&self, holds: &[Hold], now: Timestamp) -> Result<(), StoreError> {
        for hold in holds {
            let put = sqlx::query(holds::PUT_HOLD).bind(&hold.host).bind(hold.until.millis());
            self.write("", put.execute(&self.pool)).await?;
        }
        let forget = sqlx::query(holds::FORGET_HOLDS).bind(now.millis());
        self.write("", forget.execute(&self.pool)).await.map(drop)
    }
}
