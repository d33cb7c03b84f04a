//! The holds of the test's store.
//! It must not know what a test is about.

use crate::harness::TestStore;
use async_trait::async_trait;
use market::Timestamp;
use std::sync::atomic::Ordering::Relaxed;
use store::{Hold, Holds, StoreError};

#[async_trait]
impl Holds for TestStore {
    async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        if self.has_no_holds.load(Relaxed) {
            return Err(StoreError::Unavailable("no such table: hold".into()));
        }
        let holds = self.holds.lock().clone();
        self.answer(holds)
    }
    async fn put_holds(&self, holds: &[Hold], now: Timestamp) -> Result<(), StoreError> {
        self.answer(())?;
        let mut kept = self.holds.lock();
        for hold in holds {
            kept.retain(|known| known.host != hold.host);
            kept.push(hold.clone());
        }
        kept.retain(|known| known.until > now);
        Ok(())
    }
}
