//! Policies and holds of the store: rows in, rows out, written once for every SQL backend.
//! It must not judge what a row says: a foreign client may have written anything.

/// The traits for a store with a `pool`, `read` and `write`. A macro, because the same in generic words would be mostly
/// bounds. Every column is selected as text.
macro_rules! orders {
    ($store:ty) => {
        use crate::{Hold, Holds, PairPolicies, PairPolicyRow, StoreError, holds, policies};
        use async_trait::async_trait;
        use market::Timestamp;
        use sqlx::Row;

        #[async_trait]
        impl PairPolicies for $store {
            async fn pair_policies(&self) -> Result<Vec<PairPolicyRow>, StoreError> {
                let rows = self.read(sqlx::query(policies::PAIR_POLICIES).fetch_all(&self.pool)).await?;
                let policies = rows.iter().map(|row| {
                    let text = |column: usize| row.try_get::<Option<String>, _>(column).ok().flatten();
                    PairPolicyRow {
                        pair: text(0),
                        venues_allowed: text(1),
                        venues_excluded: text(2),
                        sources_min: text(3),
                    }
                });
                Ok(policies.collect())
            }
        }

        #[async_trait]
        impl Holds for $store {
            async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
                let rows = self.read(sqlx::query(holds::HOLDS).fetch_all(&self.pool)).await?;
                let holds = rows.iter().filter_map(|row| {
                    let text = |column: usize| row.try_get::<Option<String>, _>(column).ok().flatten();
                    let until = text(1)?.trim().parse().ok().map(Timestamp::from_millis)?;
                    Some(Hold { host: text(0)?, until })
                });
                Ok(holds.collect())
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
    };
}
pub(crate) use orders;
