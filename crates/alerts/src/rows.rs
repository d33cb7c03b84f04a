//! The alerts of the store into the book: all of them at the start, then whatever changes.
//! It must not know rates.

use crate::{
    Alert, Book,
    run::{Parts, Watch, wait_after},
};
use market::Timestamp;
use std::collections::HashSet;
use store::{AlertRow, StoreError};
use tokio_util::sync::CancellationToken;

/// The name of the value that says until when somebody watched, in milliseconds since the epoch.
pub(crate) const WATCHED_UNTIL: &str = "alerts_watched_until";
/// Alerts read in one go.
const PAGE: usize = 5_000;
/// Changes read in one go.
const CHANGES: usize = 1_000;

/// Reads everything, however long the store is away; `None` if it is to stop.
pub(crate) async fn load(parts: &Parts, stop: &CancellationToken) -> Option<(Book, i64)> {
    let mut failures = 0;
    loop {
        let loaded = stop.run_until_cancelled(try_load(parts)).await?;
        match loaded {
            Ok((book, cursor)) => {
                tracing::info!(alerts = book.len(), "alerts are watched");
                return Some((book, cursor));
            }
            Err(error) if failures == 0 => tracing::warn!(%error, "alerts wait for the store"),
            Err(error) => tracing::debug!(%error, "alerts still wait for the store"),
        }
        stop.run_until_cancelled(tokio::time::sleep(wait_after(failures))).await?;
        failures += 1;
    }
}

async fn try_load(parts: &Parts) -> Result<(Book, i64), StoreError> {
    let cursor = parts.alerts.alert_cursor().await?;
    let watched_until = parts.state.bot_value(WATCHED_UNTIL).await?;
    let watched_until = watched_until.and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis);
    let mut book = Book::new(watched_until, parts.board.options().demo);
    let mut after = i64::MIN;
    loop {
        let rows = parts.alerts.alerts_page(after, true, PAGE).await?;
        let now = parts.clock.now();
        for row in &rows {
            after = after.max(row.id);
            match Alert::from_row(row) {
                Ok(alert) => book.load(alert, now),
                Err(error) => {
                    tracing::warn!(alert = row.id, %error, "an alert is not understood and has no effect");
                }
            }
        }
        if rows.len() < PAGE {
            return Ok((book, cursor));
        }
        tokio::task::yield_now().await;
    }
}

/// Follows what changes.
pub(crate) async fn follow(watch: &Watch, mut cursor: i64, stop: &CancellationToken) {
    let mut notices = watch.parts.alerts.alert_notices();
    let mut failures = 0;
    // What changed between reading and now is asked for at once.
    loop {
        notices.mark_unchanged();
        let Some(followed) = stop.run_until_cancelled(catch_up(watch, &mut cursor)).await else { return };
        let again = match followed {
            Ok(()) => {
                failures = 0;
                None
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%error, "changes of alerts wait for the store");
                }
                failures += 1;
                Some(wait_after(failures))
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = async { match again {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            } } => {}
            changed = notices.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

async fn catch_up(watch: &Watch, cursor: &mut i64) -> Result<(), StoreError> {
    loop {
        let changes = watch.parts.alerts.alert_changes(*cursor, CHANGES).await?;
        if changes.is_all {
            tracing::info!("all alerts are read again");
            read_all(watch).await?;
        }
        for row in &changes.rows {
            watch.take(row);
        }
        for id in &changes.gone {
            watch.with(|book| book.remove(*id));
        }
        if std::mem::replace(cursor, changes.cursor) == changes.cursor {
            return Ok(());
        }
    }
}

/// What is not open any more goes, what is open comes.
async fn read_all(watch: &Watch) -> Result<(), StoreError> {
    let mut gone: HashSet<i64> = watch.with(|book| book.ids().collect());
    let mut after = i64::MIN;
    loop {
        let rows: Vec<AlertRow> = watch.parts.alerts.alerts_page(after, true, PAGE).await?;
        for row in &rows {
            after = after.max(row.id);
            gone.remove(&row.id);
            watch.take(row);
        }
        if rows.len() < PAGE {
            break;
        }
        tokio::task::yield_now().await;
    }
    for id in gone {
        watch.with(|book| book.remove(id));
    }
    Ok(())
}
