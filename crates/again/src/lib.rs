//! What is tried again: after what wait, and a task that panics, which must not end in silence.
//! It must not know what is tried.

mod wait;

pub use wait::{Waits, growing, jittered};

use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, time::Duration};

/// Between a panic and the next beginning: a task that always panics must not fill the log.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs a task to its end, and from its beginning again after every panic. Each one is a defect, of which the rest of
/// the process learns nothing by itself: a handle that nobody awaits keeps it. What the task shares with others stands as
/// the panic left it, so whatever it tells them of itself it has to tell anew at its beginning.
pub async fn after_panic<F: Future<Output = ()>>(name: &str, mut task: impl FnMut() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "it failed inside the program, and is started again");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_task_begins_again_after_every_panic_and_ends_once() {
        let (mut begun, started) = (0, Instant::now());
        after_panic("x", || {
            begun += 1;
            let number = begun;
            async move {
                tokio::task::yield_now().await;
                assert!(number == 3, "the first two break down");
            }
        })
        .await;
        assert_eq!((begun, started.elapsed()), (3, 2 * PAUSE));
    }
}
