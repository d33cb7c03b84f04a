//! What ends the service before anybody asks: the first failure is kept, everything else is told to stop.
//! It must not know what failed.

use crate::exit::Failure;
use parking_lot::Mutex;
use std::{future::Future, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of a service, and the failure that ended it, if one did.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failure: Arc<Mutex<Option<Failure>>>,
}

impl Tasks {
    /// No tasks yet.
    pub fn new(stop: CancellationToken) -> Tasks {
        Tasks { tracker: TaskTracker::new(), stop, failure: Arc::default() }
    }

    /// When to stop.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs beside the rest; its end means nothing.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Runs as long as the service does; if it ends before, so does the service.
    pub fn run_vital(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        let tasks = self.clone();
        let running = tokio::spawn(task);
        self.tracker.spawn(async move {
            match running.await {
                Ok(Err(failure)) => tasks.fail(failure),
                Ok(Ok(())) if tasks.stop.is_cancelled() => {}
                Ok(Ok(())) => tasks.fail(anyhow::anyhow!("{name} ended by itself").into()),
                Err(error) => {
                    tasks.fail(anyhow::Error::new(error).context(format!("{name} broke down")).into());
                }
            }
        });
    }

    /// Waits for something, but not longer than this, and not beyond the end of the service.
    pub async fn until(&self, something: impl Future<Output = ()>, at_most: std::time::Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = something => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    /// Stops everything because of this; the first failure counts.
    pub fn fail(&self, failure: Failure) {
        self.failure.lock().get_or_insert(failure);
        self.stop.cancel();
    }

    /// Waits until every task has ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The failure that ended it, if one did.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[tokio::test]
    async fn the_end_of_a_vital_task_ends_everything_and_the_first_failure_counts() {
        type End = fn() -> Result<(), Failure>;
        let cases: [(End, &str); 3] = [
            (|| Err(Failure::say(Exit::Config, "no such store")), "no such store"),
            (|| Ok(()), "x ended by itself"),
            (|| panic!("oh"), "x broke down"),
        ];
        for (end, said) in cases {
            let tasks = Tasks::new(CancellationToken::new());
            tasks.run(std::future::pending());
            tasks.run_vital("x", async move { end() });
            tasks.ended().await;
            tasks.fail(Failure::say(Exit::Failure, "a later one"));
            assert!(tasks.failure().unwrap().to_string().starts_with(said));
        }
    }

    #[tokio::test]
    async fn a_vital_task_that_ends_when_told_is_no_failure() {
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop();
        tasks.run_vital("x", async move {
            stop.cancelled().await;
            Ok(())
        });
        tasks.stop().cancel();
        tasks.ended().await;
        assert!(tasks.failure().is_none());
    }
}
