//! Tells of changes in a PostgreSQL database by anybody: triggers notify, whoever wrote.
//! It must not know what the change was, only that there was one.

use crate::notices::{Notices, tell};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The channels that the triggers write to: of rows, of alerts, of messages.
const CHANGES: &str = "rates_changes";
const ALERTS: &str = "rates_alerts";
const OUTBOX: &str = "rates_outbox";
/// A line that is silent for longer is asked whether it still stands: a lost peer says nothing.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const CALL_MAX: Duration = Duration::from_secs(2);
/// The first pause after an error; longer and longer after more of them, up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Listens on a connection of its own, and makes another when it is lost.
pub(crate) struct Watcher {
    listener: Option<PgListener>,
    options: PgConnectOptions,
    notices: Notices,
    failures: u32,
}

impl Watcher {
    /// From now on: what is there at this moment is not a change.
    pub(crate) async fn new(options: PgConnectOptions, notices: Notices) -> Result<Watcher, sqlx::Error> {
        let listener = bounded(listen(&options)).await?;
        Ok(Watcher { listener: Some(listener), options, notices, failures: 0 })
    }

    /// Listens for ever; the caller stops it.
    pub(crate) async fn run(mut self) {
        loop {
            if self.failures > 0 {
                sleep(self.pause()).await;
            }
            match self.hear().await {
                Ok(()) => {
                    if self.failures > 0 {
                        tracing::info!(failures = self.failures, "changes to the store are seen again");
                        self.failures = 0;
                    }
                }
                Err(error) => {
                    if self.failures == 0 {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "changes to the store are not seen"
                        );
                    }
                    self.failures = self.failures.saturating_add(1);
                    self.listener = None;
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        again::growing(RETRY_MIN, RETRY_MAX, self.failures)
    }

    /// Waits for word of a change, or until it is known that there is none.
    async fn hear(&mut self) -> Result<(), sqlx::Error> {
        let Some(listener) = &mut self.listener else {
            self.listener = Some(bounded(listen(&self.options)).await?);
            // What happened while nobody listened is not known: it counts as changed.
            self.notices.doubt();
            return Ok(());
        };
        match timeout(SILENCE_MAX, listener.try_recv()).await {
            Ok(Ok(Some(first))) => {
                // Several changes at once are one to whoever reads everything again.
                let mut heard = [false; 3];
                let mut next = Some(first);
                while let Some(notice) = next {
                    let of =
                        [CHANGES, ALERTS, OUTBOX].iter().position(|channel| *channel == notice.channel());
                    if let Some(of) = of {
                        heard[of] = true;
                    }
                    next = listener.next_buffered();
                }
                let Notices { changes, alerts, outbox } = &self.notices;
                for (is_heard, notice) in heard.into_iter().zip([changes, alerts, outbox]) {
                    if is_heard {
                        tell(notice);
                    }
                }
                Ok(())
            }
            Ok(Ok(None)) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()),
            Ok(Err(error)) => Err(error),
            Err(_) => bounded(sqlx::query("SELECT 1").execute(listener)).await.map(drop),
        }
    }
}

async fn listen(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CALL_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    // A new connection is made here, where it is bounded and told of.
    listener.eager_reconnect(false);
    listener.listen_all([CHANGES, ALERTS, OUTBOX]).await?;
    Ok(listener)
}

async fn bounded<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(CALL_MAX, call).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
