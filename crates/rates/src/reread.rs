//! What is read from the store at the start and at every change of it.
//! It must not know what is read.

use std::time::Duration;
use store::StoreError;
use tokio::sync::watch;

/// After a failure the store is asked again after this; a change asks at once.
const RETRY: Duration = Duration::from_secs(2);

/// Reads and applies until the store is gone. While it does not answer, what was last applied goes on.
pub async fn reread<T, F: Future<Output = Result<T, StoreError>>>(
    mut changes: watch::Receiver<u64>,
    read: impl Fn() -> F,
    mut apply: impl FnMut(T),
) {
    loop {
        changes.mark_unchanged();
        let wait = match read().await {
            Ok(read) => {
                apply(read);
                None
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the store can't be read");
                Some(RETRY + Duration::from_millis(fastrand::u64(0..=1_000)))
            }
        };
        let changed = match wait {
            None => changes.changed().await,
            Some(wait) => tokio::time::timeout(wait, changes.changed()).await.unwrap_or(Ok(())),
        };
        if changed.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_failed_is_tried_again_without_a_change() {
        let (changes, reader) = watch::channel(0);
        let (asked, applied) = (Cell::new(0), Cell::new(0));
        let read = || {
            asked.set(asked.get() + 1);
            let is_away = asked.get() < 3;
            let answer = if is_away { Err(StoreError::Unavailable("away".into())) } else { Ok(asked.get()) };
            std::future::ready(answer)
        };
        let watched = reread(reader, read, |read| applied.set(read));
        assert!(tokio::time::timeout(Duration::from_secs(60), watched).await.is_err(), "it goes on");
        assert_eq!((asked.get(), applied.get()), (3, 3), "once more after each failure, and then no more");
        drop(changes);
    }
}
