//! A board that follows the broker: warm from the cache, subscribed for as long as it lives, with its own timer.
//! It must not know which broker or cache it is handed.

use crate::{Board, Options};
use again::Waits;
use broker::{Broker, Delivery, Subscription};
use cache::Cache;
use clock::Clock;
use market::{Flag, Tick, VenueId};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often time alone is looked at.
const TIMER: Duration = Duration::from_millis(100);
/// How long the start waits for the cache; after that it goes on cold and warms up when the cache answers.
const CACHE_WAIT: Duration = Duration::from_secs(1);
/// How long one subscription may take.
const SUBSCRIBE_WAIT: Duration = Duration::from_secs(10);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Starts a board that follows the broker, warm from the cache. It re-subscribes for ever; `stop` ends it.
pub async fn follow(
    broker: Arc<dyn Broker>,
    cache: Arc<dyn Cache>,
    clock: Clock,
    options: Options,
    stop: CancellationToken,
) -> Arc<Board> {
    let board = Board::new(clock, options);
    let mut said = Said::default();
    if !warm(&board, &*cache, &mut said).await {
        let (board, stop) = (board.clone(), stop.clone());
        tokio::spawn(async move {
            again::after_panic("warming the board", || warm_later(&board, &*cache, said.clone(), &stop))
                .await;
        });
    }
    let (timed, until) = (board.clone(), stop.clone());
    tokio::spawn(async move { again::after_panic("the board's timer", || time(&timed, &until)).await });
    let reading = board.clone();
    tokio::spawn(async move {
        again::after_panic("the board's reader", || read(&reading, &*broker, &stop)).await;
    });
    board
}

async fn warm(board: &Board, cache: &dyn Cache, said: &mut Said) -> bool {
    let kept = match tokio::time::timeout(CACHE_WAIT, cache.all()).await {
        Ok(Ok(kept)) => kept,
        Ok(Err(error)) => {
            if said.is_news(&error) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the cache gave nothing to start from"
                );
            }
            return false;
        }
        Err(elapsed) => {
            if said.is_news(&elapsed) {
                tracing::warn!(waited_ms = CACHE_WAIT.as_millis() as u64, "the cache did not answer");
            }
            return false;
        }
    };
    let mut by_venue: BTreeMap<VenueId, Vec<Tick>> = BTreeMap::new();
    for (venue, mut tick) in kept {
        tick.flags = tick.flags.with(Flag::Cached);
        by_venue.entry(venue).or_default().push(tick);
    }
    for (venue, ticks) in by_venue {
        board.apply(&venue, &ticks);
    }
    true
}

/// Old ticks never overwrite new ones, so it is never too late to be warmed.
async fn warm_later(board: &Board, cache: &dyn Cache, mut said: Said, stop: &CancellationToken) {
    let mut waits = Waits::new(BACKOFF_MIN, BACKOFF_MAX);
    let again = async {
        loop {
            tokio::time::sleep(waits.after_failure()).await;
            if warm(board, cache, &mut said).await {
                return;
            }
        }
    };
    stop.run_until_cancelled(again).await;
}

async fn time(board: &Board, stop: &CancellationToken) {
    let mut timer = tokio::time::interval(TIMER);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        board.tick_clock();
    }
}

async fn read(board: &Board, broker: &dyn Broker, stop: &CancellationToken) {
    let (mut waits, mut said) = (Waits::new(BACKOFF_MIN, BACKOFF_MAX), Said::default());
    let for_ever = async {
        loop {
            match tokio::time::timeout(SUBSCRIBE_WAIT, broker.subscribe()).await {
                Ok(Ok(mut subscription)) => {
                    if deliver(board, &mut *subscription).await {
                        waits.reset();
                        said = Said::default();
                    }
                    if said.is_news(&"ended") {
                        tracing::warn!("the broker ended the subscription");
                    }
                }
                Ok(Err(error)) => {
                    if said.is_news(&error) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot subscribe to the broker"
                        );
                    }
                }
                Err(elapsed) => {
                    if said.is_news(&elapsed) {
                        tracing::warn!("subscribing to the broker took too long");
                    }
                }
            }
            tokio::time::sleep(waits.after_failure()).await;
        }
    };
    stop.run_until_cancelled(for_ever).await;
    board.close();
}

/// Applies what comes until the subscription ends; whether anything came.
async fn deliver(board: &Board, subscription: &mut dyn Subscription) -> bool {
    let mut is_used = false;
    while let Some(delivery) = subscription.next().await {
        is_used = true;
        match delivery {
            Delivery::Ticks(batch) => board.apply(&batch.venue, &batch.ticks),
            Delivery::Status(status) => board.apply_status(status),
        }
    }
    is_used
}

/// What was wrong last: a trouble that goes on is said once per change, not at every attempt.
#[derive(Debug, Default, Clone)]
struct Said(Option<String>);

impl Said {
    fn is_news(&mut self, trouble: &dyn std::fmt::Display) -> bool {
        let trouble = trouble.to_string();
        let is_news = self.0.as_ref() != Some(&trouble);
        self.0 = Some(trouble);
        is_news
    }
}
