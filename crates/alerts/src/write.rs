//! What the book has to say into the store: alerts that fired with their messages, progress, endings, and until when
//! somebody watched. Nothing is dropped: what the store does not take is written again. It must not know rates.

use crate::{
    Expired, Fired, Quiet, Target,
    rows::WATCHED_UNTIL,
    run::{Watch, wait_after},
};
use market::Timestamp;
use std::{collections::HashMap, time::Duration};
use store::{AlertChange, Fire, NewMessage, PRIORITY_ALERT, StoreError};
use tokio_util::sync::CancellationToken;

/// Firings, or pieces of progress, written in one go.
const AT_ONCE: usize = 500;
/// Progress alone waits so long for more of it.
const LINGER: Duration = Duration::from_millis(50);
/// How long the last writing may take.
const LAST_WITHIN: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Unwritten {
    fired: Vec<Fired>,
    expired: Vec<Expired>,
    watched_at: Option<Timestamp>,
}

/// Writes until `stop`, and once more then.
pub(crate) async fn write(watch: &Watch, stop: &CancellationToken) {
    let mut unwritten = Unwritten::default();
    let mut failures = 0u32;
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = next(watch, failures) => false,
        };
        let result = if is_last {
            let all = tokio::time::timeout(LAST_WITHIN, write_all(watch, &mut unwritten, true)).await;
            all.unwrap_or(Ok(()))
        } else {
            write_all(watch, &mut unwritten, false).await
        };
        metrics::gauge!("rates_alerts_unwritten").set(unwritten.fired.len() as f64);
        match result {
            Ok(()) if failures > 0 => {
                tracing::info!("alerts are written again");
                failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if failures == 0 {
                    let waiting = unwritten.fired.len();
                    tracing::warn!(%error, waiting, "alerts that fire wait: the store does not take them");
                }
                failures = failures.saturating_add(1);
            }
        }
        if is_last {
            return;
        }
    }
}

/// Until there is something to do: at once for what fires, soon for the rest.
async fn next(watch: &Watch, failures: u32) {
    if failures > 0 {
        return tokio::time::sleep(wait_after(failures)).await;
    }
    let _ = tokio::time::timeout(watch.settings.watched_every, watch.work.notified()).await;
    if watch.book.lock().has_fired() {
        return;
    }
    // More progress may come within a moment; what fires meanwhile ends the wait.
    let fires = async {
        while !watch.book.lock().has_fired() {
            watch.work.notified().await;
        }
    };
    let _ = tokio::time::timeout(LINGER, fires).await;
}

async fn write_all(watch: &Watch, unwritten: &mut Unwritten, is_last: bool) -> Result<(), StoreError> {
    loop {
        // What is judged until now is in the book or written.
        let now = watch.parts.clock.now();
        {
            let mut book = watch.book.lock();
            unwritten.fired.extend(book.take_fired());
            unwritten.expired.extend(book.take_expired());
        }
        fire(watch, &mut unwritten.fired).await?;
        expire(watch, &mut unwritten.expired).await?;
        let is_more = save_progress(watch).await?;
        let is_due = unwritten
            .watched_at
            .is_none_or(|at| now.millis_since(at) >= watch.settings.watched_every.as_millis() as i64);
        if !is_more && (is_due || is_last) {
            watch.parts.state.put_bot_value(WATCHED_UNTIL, Some(&now.millis().to_string())).await?;
            unwritten.watched_at = Some(now);
        }
        if !is_more && !watch.book.lock().has_fired() {
            return Ok(());
        }
    }
}

async fn fire(watch: &Watch, fired: &mut Vec<Fired>) -> Result<(), StoreError> {
    while !fired.is_empty() {
        let now = watch.parts.clock.now();
        let batch = &fired[..fired.len().min(AT_ONCE)];
        let fires = messages(watch, batch, now).await?;
        let written = watch.parts.alerts.fire(&fires, now).await?;
        let mut lost = Vec::new();
        watch.with(|book| {
            for (one, is_written) in batch.iter().zip(&written) {
                if *is_written { book.written(one) } else { lost.push(one.firing.alert_id) }
            }
        });
        let count = written.iter().filter(|is_written| **is_written).count();
        metrics::counter!("rates_alerts_fired_total").increment(count as u64);
        // Changed, removed or fired by another meanwhile (or by a call of ours whose answer was lost): as it stands now.
        for id in lost {
            let row = watch.parts.alerts.alert(id).await?;
            watch.with(|book| book.remove(id));
            if let Some(row) = row {
                watch.take(&row);
            }
        }
        fired.drain(..fires.len());
    }
    Ok(())
}

/// The rows of what fired; within somebody's quiet hours they wait for the end of them.
async fn messages(watch: &Watch, batch: &[Fired], now: Timestamp) -> Result<Vec<Fire>, StoreError> {
    let mut hours: HashMap<i64, Option<Quiet>> = HashMap::new();
    let mut fires = Vec::with_capacity(batch.len());
    for one in batch {
        let quiet = match (&one.quiet, one.target.parse()) {
            _ if one.firing.is_urgent => None,
            (Some(own), _) => Some(own.clone()),
            (None, Ok(Target::Chat { chat, .. })) => {
                let known = hours.get(&chat).cloned();
                let quiet = match known {
                    Some(known) => known,
                    None => hours_of(watch, chat).await?,
                };
                hours.insert(chat, quiet.clone());
                quiet
            }
            _ => None,
        };
        let held_until = quiet.and_then(|quiet| quiet.held_until(now));
        fires.push(Fire {
            alert_id: one.firing.alert_id,
            revision: one.revision,
            fire_seq: one.fire_seq,
            progress: one.progress.to_json(),
            is_open: one.is_open,
            message: NewMessage {
                not_before: held_until,
                is_held: held_until.is_some(),
                priority: PRIORITY_ALERT,
                ..NewMessage::new(one.target.as_str(), crate::Firing::KIND, one.firing.to_json())
            },
        });
    }
    Ok(fires)
}

async fn hours_of(watch: &Watch, chat: i64) -> Result<Option<Quiet>, StoreError> {
    let row = watch.parts.chats.chat(chat).await?;
    Ok(row.as_ref().and_then(Quiet::of_chat))
}

async fn expire(watch: &Watch, expired: &mut Vec<Expired>) -> Result<(), StoreError> {
    while let Some(one) = expired.last() {
        let change =
            AlertChange { if_revision: Some(one.revision), is_open: Some(false), ..AlertChange::default() };
        let now = watch.parts.clock.now();
        // Not open any more than before: no limit matters.
        watch.parts.alerts.change_alert(&one.owner, one.id, &change, usize::MAX, now).await?;
        expired.pop();
    }
    Ok(())
}

/// Keeps some progress; whether there may be more.
async fn save_progress(watch: &Watch) -> Result<bool, StoreError> {
    let progress = watch.book.lock().take_progress(AT_ONCE);
    if progress.is_empty() {
        return Ok(false);
    }
    if let Err(error) = watch.parts.alerts.save_progress(&progress).await {
        watch.book.lock().give_back(&progress);
        return Err(error);
    }
    Ok(true)
}
