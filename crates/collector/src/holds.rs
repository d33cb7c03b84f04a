//! Keeps in the store which hosts asked to be left alone, and reads it at the start: a restart forgets nothing.
//! It must not know why a host is held, nor who asks it.

use crate::{context::Context, limiter::Hosts};
use market::Timestamp;
use std::{collections::HashMap, sync::Arc, time::Duration};
use store::{Hold, Rows, StoreError};
use tokio_util::sync::CancellationToken;

/// One write may take so long; also the last one, while the program ends.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// No venue is believed for longer, and no clock that was wrong when the hold was written.
const HOLD_MS_MAX: i64 = 86_400_000;

/// Holds the hosts that were held when the program ended, or that another collector was asked to leave alone.
pub async fn restore(store: &dyn Rows, hosts: &Hosts, now: Timestamp) -> Result<(), StoreError> {
    for hold in store.holds().await? {
        let until = hold.until.min(now.plus_millis(HOLD_MS_MAX));
        let host = hosts.host(&hold.host);
        if until > now && host.held_until(now).is_none_or(|held| held < until) {
            tracing::info!(host = %crate::words::plain(&hold.host), until = %until.millis(), "the host asked to be left alone before the start, or asked another collector; it is");
            host.hold_until(until);
        }
    }
    Ok(())
}

/// Writes every new hold into the store, until it is stopped; then once more.
pub async fn keep(store: Arc<dyn Rows>, context: Arc<Context>, stop: CancellationToken) {
    let mut changes = context.hosts.changes();
    let mut kept = HashMap::new();
    let mut was_away = false;
    loop {
        let is_stopped = tokio::select! {
            () = stop.cancelled() => true,
            changed = changes.changed() => changed.is_err(),
        };
        let mut is_kept = write(&*store, &context, &mut kept).await;
        while !is_kept && !is_stopped && !stop.is_cancelled() {
            if !std::mem::replace(&mut was_away, true) {
                tracing::warn!("a hold can't be kept in the store; a restart would forget it");
            }
            let wait = context.settings.timing.store_retry;
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait + crate::jitter(wait)) => {}
            }
            is_kept = write(&*store, &context, &mut kept).await;
        }
        was_away &= !is_kept;
        if is_stopped {
            return;
        }
    }
}

/// Whether everything that is held now is in the store.
async fn write(store: &dyn Rows, context: &Context, kept: &mut HashMap<String, Timestamp>) -> bool {
    let now = context.clock.now();
    let mut held = context.hosts.held(now);
    kept.retain(|_, until| *until > now);
    held.retain(|hold| kept.get(&hold.host) != Some(&hold.until));
    if held.is_empty() {
        return true;
    }
    let written = tokio::time::timeout(WRITE_MAX, store.put_holds(&held, now)).await;
    let is_kept = matches!(written, Ok(Ok(())));
    if is_kept {
        kept.extend(held.into_iter().map(|Hold { host, until }| (host, until)));
    }
    is_kept
}
