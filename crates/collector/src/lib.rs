//! Runs feeds: rows become a plan (pure), the plan becomes as few connections and requests as the venues'
//! limits allow, frames become ticks. It must not know who reads the ticks, nor serve HTTP.
//!
//! Downwards: [`run`] reads rows and venue files, `plan` says what should run, `fleet` moves what runs there,
//! `connection` and `poll` keep one connection or loop going, `session` makes one WebSocket and `open` lives it, `subscriptions`
//! knows what was asked on it, `publish` hands the ticks over. `status` tells how all of it is doing.

mod answers;
mod backoff;
mod begin;
mod catalogue;
mod cell;
mod connection;
mod context;
mod dial;
mod fleet;
mod guard;
mod holds;
mod http;
mod limiter;
mod listing;
mod meters;
mod open;
mod plan;
mod poll;
mod probe;
mod publish;
mod session;
mod settings;
mod shards;
mod status;
mod subscriptions;
mod tap;
mod unread;
mod words;

pub use backoff::BackoffLimits;
pub use catalogue::{Catalogue, Found};
pub use context::ContextError;
pub use dial::{Bytes, Wire};
pub use guard::{Blocked, Guard, GuardError, Resolver, SystemResolver};
pub use listing::{Lister, ListingError};
pub use plan::{Feed, FeedKey, Plan, PlannedRow, Planner, Transport, UNKNOWN_VENUE, Verdict, Want};
pub use probe::{Probe, ProbeVerdict, ProbedFrame, probe};
pub use settings::{Environment, Settings, Timing};

use broker::Broker;
use catalogue::Catalogues;
use clock::Clock;
use context::Context;
use fleet::Fleet;
use std::{sync::Arc, time::Duration};
use store::{Store, StoreError, TradeRow, VenueFile};
use tokio_util::sync::CancellationToken;

/// Runs until stopped. It never fails: while the store is away the last good rows go on, and at the start it
/// waits for the store.
pub async fn run(
    store: Arc<dyn Store>,
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
    let mut fleet = Fleet::new(context.clone());
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
                fleet.apply(plan);
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
        tokio::select! {
            () = stop.cancelled() => break,
            () = retry => {}
            changed = changes.changed() => if changed.is_err() {
                // Whoever watched the store is gone; what runs goes on until we are stopped.
                stop.cancelled().await;
                break;
            },
        }
    }
    fleet.stop(timing.drain_max * 2).await;
    holds_stop.cancel();
    if let Err(error) = holds.await {
        tracing::error!(%error, "keeping holds failed inside the program");
    }
}

/// A store that takes longer than this is away.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Holds that cannot be read while rows can be (somebody dropped the table) keep nobody waiting for ever.
const HOLDS_TRIES: u32 = 3;

/// Rows and venue files; at the start, before anybody is asked for anything, the holds too: `holds_tries` is 0 once
/// they have been read.
async fn read(
    store: &dyn Store,
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
