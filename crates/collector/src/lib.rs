//! Runs feeds: rows become a plan (pure), the plan becomes as few connections and requests as the venues'
//! limits allow, frames become ticks. It must not know who reads the ticks, nor serve HTTP.
//!
//! Downwards: [`run`] reads rows and venue files, `plan` says what should run, `fleet` moves what runs there,
//! `connection` and `poll` keep one connection or loop going, `session` makes one WebSocket and `open` lives it, `subscriptions`
//! knows what was asked on it, `publish` hands the ticks over. `status` tells how all of it is doing. Where several
//! collectors divide the venues, `sharing` says which are ours, and `permit` keeps back what is another's.

mod answers;
mod backoff;
mod begin;
mod catalogue;
mod cell;
mod connection;
mod context;
mod dial;
mod divide;
mod fleet;
mod holds;
mod leases;
mod limiter;
mod listing;
mod meters;
mod open;
mod permit;
mod plan;
mod poll;
mod probe;
mod publish;
mod session;
mod settings;
mod shards;
mod share;
mod sharing;
mod status;
mod subscriptions;
mod tap;
mod unread;

pub use backoff::BackoffLimits;
pub use catalogue::{Catalogue, Found};
pub use context::ContextError;
pub use dial::{Bytes, Wire};
pub use guard::{Blocked, Guard, GuardError, Resolver, SystemResolver};
pub use listing::{Lister, ListingError};
pub use plan::{Feed, FeedKey, Plan, PlannedRow, Planner, Transport, UNKNOWN_VENUE, Verdict, Want};
pub use probe::{Probe, ProbeVerdict, ProbedFrame, probe};
pub use settings::{Division, Elsewhere, Environment, Settings, Timing};

use broker::Broker;
use catalogue::Catalogues;
use clock::Clock;
use context::Context;
use fleet::Fleet;
use guard::words;
use share::Share;
use sharing::Sharing;
use std::{sync::Arc, time::Duration};
use store::{Rows, StoreError, TradeRow, VenueFile};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Runs until stopped. It never fails: while the store is away the last good rows go on, and at the start it
/// waits for the store.
pub async fn run(
    store: Arc<dyn Rows>,
    builtin: Catalogue,
    broker: Arc<dyn Broker>,
    clock: Clock,
    settings: Settings,
    stop: CancellationToken,
) {
    meters::describe();
    let context = match Context::new(broker, clock, settings) {
        Ok(context) => Arc::new(context),
        Err(error) => {
            tracing::error!(%error, "the collector can't be set up");
            return;
        }
    };
    let planner = Planner {
        guard: context.guard.clone(),
        environment: context.settings.environment.clone(),
        stale_after_ms: context.settings.stale_after_ms,
        expire_after_ms: context.settings.expire_after_ms,
    };
    let timing = context.settings.timing;
    let holds_stop = CancellationToken::new();
    let holds = tokio::spawn(holds::keep(store.clone(), context.clone(), holds_stop.clone()));
    let mut holds_tries = HOLDS_TRIES;
    let (units, seen_units) = watch::channel(None);
    let (sharing, mut share) = begin_sharing(&store, &context, seen_units, stop.clone());
    let mut fleet = Fleet::new(context.clone());
    let mut planned: Option<Plan> = None;
    let mut catalogues = Catalogues::new(builtin);
    let mut changes = store.changes();
    let mut store_is_away = false;
    loop {
        changes.mark_unchanged();
        let answer = tokio::select! {
            () = stop.cancelled() => break,
            answer = read(&*store, &context, &mut holds_tries) => answer,
        };
        let retry = match answer {
            Ok((rows, files)) => {
                if std::mem::take(&mut store_is_away) {
                    tracing::info!("the store answers again");
                }
                let catalogue = catalogues.with_files(files).await;
                let plan = planner.plan(&rows, &catalogue);
                tracing::info!(rows = plan.rows.len(), feeds = plan.feeds.len(), "rows read");
                units.send_if_modified(|known| {
                    let now = Some(share::units(&plan));
                    (*known != now).then(|| *known = now).is_some()
                });
                fleet.apply_share(&plan, &share.borrow_and_update().clone());
                planned = Some(plan);
                None
            }
            Err(error) => {
                if !std::mem::replace(&mut store_is_away, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the store can't be read; the last good rows go on"
                    );
                }
                Some(timing.store_retry)
            }
        };
        let retry = async {
            match retry {
                Some(wait) => tokio::time::sleep(wait + jitter(wait)).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(retry);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut retry => break,
                // Whoever watched the store may be gone; what runs goes on until we are stopped.
                Ok(()) = changes.changed() => break,
                Ok(()) = share.changed() => apply(&mut fleet, planned.as_ref(), &mut share),
            }
        }
    }
    // What others divide with us is handed over first; that has a limit of its own.
    if let Some(mut sharing) = sharing {
        loop {
            tokio::select! {
                _ = &mut sharing => break,
                Ok(()) = share.changed() => apply(&mut fleet, planned.as_ref(), &mut share),
            }
        }
    }
    fleet.stop(timing.drain_max * 2).await;
    holds_stop.cancel();
    if let Err(error) = holds.await {
        tracing::error!(%error, "keeping holds failed inside the program");
    }
}

/// Where the venues are divided, begins to take part in that; else all are ours.
fn begin_sharing(
    store: &Arc<dyn Rows>,
    context: &Arc<Context>,
    units: watch::Receiver<sharing::Units>,
    stop: CancellationToken,
) -> (Option<JoinHandle<()>>, watch::Receiver<Share>) {
    match &context.settings.division {
        None => (None, watch::channel(Share::All).1),
        Some(division) => {
            tracing::info!(
                collector = %context.settings.collector_id,
                "divides the venues with the other collectors on this store"
            );
            let (share, told) = watch::channel(Share::Of(Default::default()));
            let (store, context, division) = (store.clone(), context.clone(), division.clone());
            let sharing = async move {
                // What was ours is found again in the store.
                again::after_panic("dividing the venues", || {
                    let (store, context, division) = (store.clone(), context.clone(), division.clone());
                    Sharing::new(store, context, division, units.clone(), share.clone()).run(stop.clone())
                })
                .await;
            };
            (Some(tokio::spawn(sharing)), told)
        }
    }
}

fn apply(fleet: &mut Fleet, planned: Option<&Plan>, share: &mut watch::Receiver<Share>) {
    if let Some(plan) = planned {
        fleet.apply_share(plan, &share.borrow_and_update().clone());
    }
}

/// A store that takes longer than this is away.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Holds that cannot be read while rows can be (somebody dropped the table) keep nobody waiting for ever.
const HOLDS_TRIES: u32 = 3;

/// Rows and venue files; at the start, before anybody is asked for anything, the holds too: `holds_tries` is 0 once
/// they have been read.
async fn read(
    store: &dyn Rows,
    context: &Context,
    holds_tries: &mut u32,
) -> Result<(Vec<TradeRow>, Vec<VenueFile>), StoreError> {
    let all = async {
        let both = (store.trade_rows().await?, store.venue_files().await?);
        if *holds_tries > 0 {
            match holds::restore(store, &context.hosts, context.clock.now()).await {
                Ok(()) => *holds_tries = 0,
                Err(error) => {
                    *holds_tries -= 1;
                    if *holds_tries > 0 {
                        return Err(error);
                    }
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the holds can't be read; hosts that asked to be left alone may be asked too soon"
                    );
                }
            }
        }
        Ok(both)
    };
    let late = |_| Err(StoreError::Unavailable("no answer in time".into()));
    tokio::time::timeout(STORE_TIMEOUT, all).await.unwrap_or_else(late)
}

fn jitter(wait: Duration) -> Duration {
    wait * fastrand::u32(0..50) / 100
}
