//! Tells of changes to a SQLite file by anybody: our own connections, other processes, a foreign SQL client.
//! It must not know what the change was, only that there was one.

use crate::notices::{Notices, tell};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it looks: a look costs some 20 µs.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// After errors it looks less and less often, down to this.
const RETRY_MAX: Duration = Duration::from_secs(5);
const CALL_MAX: Duration = Duration::from_secs(2);
/// As many triggers count changes; with fewer, the count says nothing.
const TRIGGERS: i64 = 9;

/// Opens a connection, which does not log four looks a second.
pub(crate) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    options.clone().disable_statement_logging().connect().await
}

/// What is compared between looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Differs after every commit of another connection, whatever it changed.
    data_version: i64,
    /// How many changes to followed tables there were; `None` if nobody counts them (any more).
    changes: Option<i64>,
    /// The newest change of an alert; likewise.
    alert: Option<i64>,
    /// The newest message; likewise.
    message: Option<i64>,
}

/// Looks at the file on a connection of its own: `data_version` does not tell of one's own commits.
pub(crate) struct Watcher {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    seen: Option<Seen>,
    notices: Notices,
    failures: u32,
}

impl Watcher {
    /// From now on: what is there at this moment is not a change.
    pub(crate) async fn new(
        mut connection: SqliteConnection,
        options: SqliteConnectOptions,
        notices: Notices,
    ) -> Watcher {
        let seen = look(&mut connection, None).await.ok();
        Watcher { connection: Some(connection), options, seen, notices, failures: 0 }
    }

    /// Looks for ever; the caller stops it.
    pub(crate) async fn run(mut self) {
        loop {
            sleep(self.pause()).await;
            match timeout(CALL_MAX, self.poll()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                Ok(()) if self.failures > 0 => {
                    tracing::info!(failures = self.failures, "changes to the store are seen again");
                    self.failures = 0;
                }
                Ok(()) => {}
                Err(error) => {
                    if self.failures == 0 {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "changes to the store are not seen"
                        );
                    }
                    self.failures = self.failures.saturating_add(1);
                    // What happens until there is a new connection is not known: then all counts as changed.
                    self.connection = None;
                    self.seen = None;
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        if self.failures == 0 {
            return POLL_EVERY;
        }
        again::growing(2 * POLL_EVERY, RETRY_MAX, self.failures)
    }

    async fn poll(&mut self) -> Result<(), sqlx::Error> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.options).await?),
        };
        let now = look(connection, self.seen).await?;
        match self.seen {
            Some(seen) if seen.data_version == now.data_version => {}
            Some(seen) => {
                let is_changed = |before: Option<i64>, after: Option<i64>| after.is_none() || before != after;
                for (before, after, notice) in [
                    (seen.changes, now.changes, &self.notices.changes),
                    (seen.alert, now.alert, &self.notices.alerts),
                    (seen.message, now.message, &self.notices.outbox),
                ] {
                    if is_changed(before, after) {
                        tell(notice);
                    }
                }
            }
            None => self.notices.doubt(),
        }
        self.seen = Some(now);
        Ok(())
    }
}

/// The count of changes is only read if anything was committed at all.
async fn look(connection: &mut SqliteConnection, seen: Option<Seen>) -> Result<Seen, sqlx::Error> {
    let data_version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
    if let Some(seen) = seen.filter(|seen| seen.data_version == data_version) {
        return Ok(seen);
    }
    let count = "
        SELECT (SELECT changes FROM change_count),
               (SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'change_count_%')";
    let changes = match sqlx::query_as::<_, (Option<i64>, i64)>(count).fetch_one(&mut *connection).await {
        Ok((changes, triggers)) => changes.filter(|_| triggers == TRIGGERS),
        // The table is gone: every commit counts.
        Err(sqlx::Error::Database(error)) => {
            tracing::debug!(error = %error, "changes are not counted");
            None
        }
        Err(error) => return Err(error),
    };
    let newest =
        "SELECT (SELECT coalesce(max(seq), 0) FROM alert_change), (SELECT coalesce(max(id), 0) FROM outbox)";
    let (alert, message) = match sqlx::query_as::<_, (i64, i64)>(newest).fetch_one(&mut *connection).await {
        Ok((alert, message)) => (Some(alert), Some(message)),
        Err(sqlx::Error::Database(_)) => (None, None),
        Err(error) => return Err(error),
    };
    Ok(Seen { data_version, changes, alert, message })
}
