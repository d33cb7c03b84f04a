//! A board that follows a broker: warm from the cache, subscribed again and again, ended by its token.

use crate::lab::*;
use async_trait::async_trait;
use board::Next;
use broker::{Broker, BrokerError, BrokerHealth, Delivery, Subscription};
use cache::{Cache, CacheError};
use clock::Clock;
use market::{ConnectionState, Pair, RateState, Tick, TickBatch, VenueId, VenueStatus};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Breaks down, and then refuses once; after that each subscription delivers one tick and a status and ends, the fifth lasts.
#[derive(Default)]
struct Flaky {
    asked: AtomicUsize,
}

struct Short {
    left: Vec<Delivery>,
    lasts: bool,
}

#[async_trait]
impl Broker for Flaky {
    fn publish_ticks(&self, _: TickBatch) {}
    fn publish_status(&self, _: VenueStatus) {}
    fn publish_rate(&self, _: &Pair, _: bytes::Bytes, _: tokio::time::Instant) {}
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(asked != 0, "a defect");
        if asked == 1 {
            return Err(BrokerError::Closed);
        }
        let at = start().plus_millis(asked as i64);
        let ticks = vec![tick("BTC-USD", &format!("10{asked}"), at)];
        let batch = TickBatch { v: 1, venue: venue("v1"), sent_at: at, ticks };
        let status = status("v1", "c1", at, ConnectionState::Live, &[]);
        let left = vec![Delivery::Status(Arc::new(status)), Delivery::Ticks(Arc::new(batch))];
        Ok(Box::new(Short { left, lasts: asked >= 4 }))
    }
    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }
    async fn close(&self) {}
}

#[async_trait]
impl Subscription for Short {
    async fn next(&mut self) -> Option<Delivery> {
        let next = self.left.pop();
        if next.is_none() && self.lasts {
            std::future::pending::<()>().await;
        }
        next
    }
}

/// Hangs the first time, then gives one tick.
#[derive(Default)]
struct Slow {
    asked: AtomicUsize,
}

#[async_trait]
impl Cache for Slow {
    async fn put(&self, _: &VenueId, _: &[Tick]) -> Result<(), CacheError> {
        Ok(())
    }
    async fn all(&self) -> Result<Vec<(VenueId, Tick)>, CacheError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(vec![(venue("v2"), tick("ETH-USD", "50", start()))])
    }
    fn is_up(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_to_broker_and_cache_until_it_is_stopped() {
    let stop = CancellationToken::new();
    let (broker, cache) = (Arc::new(Flaky::default()), Arc::new(Slow::default()));
    let board = board::follow(broker.clone(), cache, Clock::at(start()), options(), stop.clone()).await;
    let (mut changes, _) = board.changes();
    let seen = |name: &str| board.answer(&pair(name)).map(|a| brief(&a));
    let until = async {
        while seen("BTC-USD").is_none_or(|s| s != "Fresh 104 []") || seen("ETH-USD").is_none() {
            changes.next().await;
        }
    };
    // Paused time runs by itself: an hour of it is a deadline, not a wait.
    tokio::time::timeout(Duration::from_secs(3_600), until).await.unwrap();
    assert_eq!(seen("ETH-USD").as_deref(), Some("Fresh 50 [\"cache_only\"]"));
    assert_eq!(broker.asked.load(Ordering::SeqCst), 5);
    // Its own timer tells what time does.
    let until = async {
        while board.answer(&pair("BTC-USD")).unwrap().rate.state != RateState::Stale {
            changes.next().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(3_600), until).await.unwrap();
    stop.cancel();
    let closed = async { while !matches!(changes.next().await, Next::Closed) {} };
    tokio::time::timeout(Duration::from_secs(3_600), closed).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopped_before_it_began() {
    let stop = CancellationToken::new();
    stop.cancel();
    let board = board::follow(
        Arc::new(Flaky::default()),
        Arc::new(Slow::default()),
        Clock::at(start()),
        options(),
        stop,
    )
    .await;
    let (mut changes, _) = board.changes();
    let next = tokio::time::timeout(Duration::from_secs(3_600), changes.next()).await.unwrap();
    assert!(matches!(next, Next::Closed), "{next:?}");
}
