//! Policies and holds of a store that may not be there yet.
//! It must not know which store it is.

use crate::late_store::LateStore;
use async_trait::async_trait;
use market::Timestamp;
use store::{Hold, Holds, PairPolicies, PairPolicyRow, StoreError};

#[async_trait]
impl PairPolicies for LateStore {
    async fn pair_policies(&self) -> Result<Vec<PairPolicyRow>, StoreError> {
        self.opened()?.pair_policies().await
    }
}

#[async_trait]
impl Holds for LateStore {
    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        self.opened()?.holds().await
    }
    async fn put_holds(&self, holds: &[Hold], now: Timestamp) -> Result<(), StoreError> {
        self.opened()?.put_holds(holds, now).await
    }
}
