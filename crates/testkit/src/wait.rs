//! Waiting for a condition with a deadline, instead of sleeping for luck.
//! It must not know what is waited for.

use std::time::Duration;
use tokio::time::Instant;

/// Waits until `holds`, or panics with `what` after `patience`.
pub async fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    until_some(what, patience, || holds().then_some(())).await;
}

/// Waits until `find` gives something, or panics with `what` after `patience`.
pub async fn until_some<T>(what: &str, patience: Duration, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
