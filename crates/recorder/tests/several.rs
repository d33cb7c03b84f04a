//! Several recorders on one store, SQLite and PostgreSQL: the same candles, and one of them publishes rates.
//! It must not need anything beside the repository and the installed servers.

use async_trait::async_trait;
use board::Options;
use broker::{Broker, BrokerError, BrokerHealth, Subscription};
use bytes::Bytes;
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Tick, TickBatch, Timestamp, VenueId, VenueStatus};
use recorder::{Parts, Settings};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use store::{Candle, CandleRange, Interval, Seed};
use testkit::{servers::Postgres, until};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const NOON: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 43_200_000;
const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_millis(900);

/// Counts the rates that one recorder publishes; everything else is the broker that all share.
struct Counting {
    shared: Arc<dyn Broker>,
    rates: AtomicUsize,
    /// It says that it is down.
    is_away: AtomicBool,
    /// How often it was asked how it is.
    asked: AtomicUsize,
}

#[async_trait]
impl Broker for Counting {
    fn publish_ticks(&self, batch: TickBatch) {
        self.shared.publish_ticks(batch);
    }
    fn publish_status(&self, status: VenueStatus) {
        self.shared.publish_status(status);
    }
    fn publish_rate(&self, _: &Pair, _: Bytes, until: Instant) {
        assert!(until <= Instant::now() + LEASE, "another may be the one that publishes then");
        self.rates.fetch_add(1, Relaxed);
    }
    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        self.shared.subscribe().await
    }
    fn health(&self) -> BrokerHealth {
        self.asked.fetch_add(1, Relaxed);
        if self.is_away.load(Relaxed) { BrokerHealth::Down } else { self.shared.health() }
    }
    async fn close(&self) {}
}

/// One recorder, as a process of its own would be: its own board, accounts and connections to the store.
struct Recorder {
    counting: Arc<Counting>,
    parts: Parts,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Recorder {
    async fn start(name: &str, shared: &Arc<dyn Broker>, clock: Clock, url: &str) -> Recorder {
        let counting = Arc::new(Counting {
            shared: shared.clone(),
            rates: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        let broker: Arc<dyn Broker> = counting.clone();
        let cache = cache::open("memory://").await.unwrap();
        let store = store::open(url, Seed::default()).await.unwrap();
        let stop = CancellationToken::new();
        let options =
            Options { stale_after_ms: 600_000, expire_after_ms: 6_000_000, demo: false, same_as: Vec::new() };
        let board = board::follow(broker.clone(), cache.clone(), clock, options, stop.clone()).await;
        let parts = Parts { broker, cache, store, board, clock };
        let settings = Settings {
            flush_every: Duration::from_millis(20),
            publish_every: Duration::from_millis(20),
            lease_keep: LEASE,
            ..Settings::new(name)
        };
        let running = tokio::spawn(recorder::run(parts.clone(), settings, stop.clone()));
        Recorder { counting, parts, stop, running }
    }

    fn published(&self) -> usize {
        self.counting.rates.load(Relaxed)
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        self.parts.store.close().await;
    }
}

fn batch(last: &str, ms: i64) -> TickBatch {
    let at = Timestamp::from_millis(ms);
    let tick = Tick {
        pair: Pair::parse("BTC-USD").unwrap(),
        symbol: "BTC-USD".into(),
        last: Some(Price::parse(last).unwrap()),
        bid: None,
        ask: None,
        venue_time: Some(at),
        received_at: at,
        sequence: Sequence::from_receipt(at),
        flags: Flags::NONE,
    };
    TickBatch { v: 1, venue: VenueId::parse("alpha").unwrap(), sent_at: at, ticks: vec![tick] }
}

async fn candles(parts: &Parts, interval: Interval) -> Vec<Candle> {
    let range = CandleRange {
        venue: Some(VenueId::parse("alpha").unwrap()),
        pair: Pair::parse("BTC-USD").unwrap(),
        interval,
        from: Timestamp::from_millis(0),
        to: Timestamp::from_millis(NOON * 2),
        limit: 100,
    };
    parts.store.candles(&range).await.unwrap()
}

async fn several(url: &str) {
    let clock = Clock::at(Timestamp::from_millis(NOON + 30_000));
    let shared = broker::open("memory://").await.unwrap();
    let one = Recorder::start("one", &shared, clock, url).await;
    let mut at = NOON;
    // Until both hear: the same tick again and again changes nothing.
    let other = Recorder::start("other", &shared, clock, url).await;
    for recorder in [&one, &other] {
        until_async("it hears", async || {
            shared.publish_ticks(batch("100", at));
            recorder.parts.board.answer(&Pair::parse("BTC-USD").unwrap()).is_some()
        })
        .await;
    }
    for last in ["105.50", "99", "101"] {
        at += 1_000;
        // Twice, and the one before again: brokers repeat and reorder.
        for (last, at) in [(last, at), (last, at), ("100", NOON)] {
            shared.publish_ticks(batch(last, at));
        }
    }
    let shape = |c: &Candle| format!("{} {} {} {} {}", c.open, c.high, c.low, c.close, c.ticks);
    for interval in Interval::ALL {
        until_async("one candle of both", async || {
            let candles = candles(&one.parts, interval).await;
            candles.len() == 1 && shape(&candles[0]) == "100 105.50 99 101 4"
        })
        .await;
    }

    // One of them publishes, and only one.
    until("one publishes", PATIENCE, || one.published() + other.published() > 0).await;
    let (publisher, stand_by) = if one.published() > 0 { (one, other) } else { (other, one) };
    let before = publisher.published();
    until_async("it goes on", async || {
        at += 1_000;
        shared.publish_ticks(batch("102", at));
        publisher.published() > before + 2
    })
    .await;
    assert_eq!(stand_by.published(), 0);

    // It ends in good order: the other goes on at once, and says every pair, also those that did not change since.
    publisher.end().await;
    until("the other publishes", PATIENCE, || stand_by.published() > 0).await;

    // A broker that comes back is told everything anew, though nothing has changed: it keeps no rate.
    let counting = stand_by.counting.clone();
    let seen = async || {
        let before = counting.asked.load(Relaxed);
        until("it is looked at", PATIENCE, || counting.asked.load(Relaxed) > before + 1).await;
        stand_by.published()
    };
    counting.is_away.store(true, Relaxed);
    let before = seen().await;
    assert_eq!(seen().await, before, "nothing changes");
    counting.is_away.store(false, Relaxed);
    until("all is said anew", PATIENCE, || stand_by.published() > before).await;
    stand_by.end().await;
}

/// Looks again and again; what is looked at may wait.
async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn several_recorders_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    several(&format!("sqlite://{}", folder.path().join("rates.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_recorders_on_postgres() {
    let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
    several(&postgres.database().unwrap()).await;
}
