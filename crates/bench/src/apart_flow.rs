//! How many ticks a second go through RabbitMQ into a board, with confirms and batches, beside the bare client library
//! that confirms its single messages in a window; and how old what is shown gets when more come than can go through.
//! It must not know how a batch is made.

use crate::{
    apart_feed::{Asked, Feed, KEYS, Told, pair, venue},
    bare_amqp,
    figures::{ROUNDS, Spread, Table, Target},
};
use async_trait::async_trait;
use board::{Board, Options};
use broker::{Broker, BrokerError, BrokerHealth, Delivery, Subscription};
use bytes::Bytes;
use clock::Clock;
use futures_util::StreamExt;
use lapin::options::BasicAckOptions;
use market::{Pair, TickBatch, VenueStatus};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const ROUND: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_secs(1);
/// By how much more is offered than went through.
const TOO_MUCH: f64 = 2.0;
/// How often what is shown is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// When the first look is taken.
const SETTLE: Duration = Duration::from_millis(300);
/// Which keys are looked at.
const EVERY_NTH: usize = 37;
/// The newest of everything must stand on the board by then.
const CONVERGE_WAIT: Duration = Duration::from_secs(20);
/// How many messages the plain consumer acknowledges in one go, as ours does.
const ACK_EVERY: u64 = 64;

/// Measures on this server.
pub async fn run(url: &str, table: &mut Table) -> anyhow::Result<()> {
    let (ours, theirs) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let named = broker::Options { prefix: "bench".to_owned(), ..broker::Options::default() };
    let reader = Arc::new(Counting { inner: broker::open_with(url, &named).await?, count: ours.clone() });
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let options =
        Options { stale_after_ms: 600_000, expire_after_ms: 600_000, demo: false, same_as: Vec::new() };
    let cache = cache::open("memory://").await?;
    let board = board::follow(reader, cache, Clock::system(), options, stop).await;
    let (_connection, consumer) = bare_amqp::consume(url).await?;
    let counting = tokio::spawn(count(consumer, theirs.clone()));

    let feed = Feed::start(url, ours.clone(), theirs.clone())?;
    feed.ask(Asked::Ours(WARM_UP)).await?;
    feed.ask(Asked::Bare(WARM_UP)).await?;
    let (mut ours_per_second, mut bare_per_second) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare_per_second.push(measured(&feed, Asked::Bare(ROUND), &theirs).await?);
        ours_per_second.push(measured(&feed, Asked::Ours(ROUND), &ours).await?);
    }
    counting.abort();
    report(&ours_per_second, &bare_per_second, table);

    let per_second = Spread::of(ours_per_second).median * TOO_MUCH;
    overload(&feed, &board, per_second, table).await
}

/// One round: how many arrived in a second, and that none was left out.
async fn measured(feed: &Feed, asked: Asked, arrived: &AtomicU64) -> anyhow::Result<f64> {
    let (before, started) = (arrived.load(Relaxed), Instant::now());
    let told = feed.ask(asked).await?;
    let per_second = (arrived.load(Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
    anyhow::ensure!(told.is_complete, "of {} not all arrived", told.sent);
    Ok(per_second)
}

fn report(ours: &[f64], bare: &[f64], table: &mut Table) {
    let (all, plain) = (Spread::of(ours.iter().copied()), Spread::of(bare.iter().copied()));
    println!("ticks/s through RabbitMQ: bare, one each {plain}; rates, into a board {all}");
    let each = Spread::of(ours.iter().zip(bare).map(|(o, b)| o / b));
    let beside = format!("per round {each:.2}; {all}/s to {plain}/s");
    table.ratio("ticks/s through RabbitMQ, to bare one by one", Target::AtLeast(5.0), each.median, beside);
    let beside = format!("per round {all}; publisher, server, reader and board on the same cores");
    table.aim("ticks/s through RabbitMQ into a board", Target::AtLeast(50_000.0), "/s", all.median, beside);
}

/// Offers too much, and looks at how old what is shown gets; in the end the newest of everything must stand there.
async fn overload(feed: &Feed, board: &Board, per_second: f64, table: &mut Table) -> anyhow::Result<()> {
    let clock = Clock::system();
    let mut ages: Vec<i64> = Vec::new();
    // What comes first has to get there first.
    let mut beat = tokio::time::interval_at(Instant::now() + SETTLE, LOOK_EVERY);
    let mut offered =
        std::pin::pin!(feed.ask(Asked::Overload { per_second: per_second as u64, how_long: ROUND }));
    let told = loop {
        tokio::select! {
            told = &mut offered => break told?,
            _ = beat.tick() => {
                let now = clock.now();
                let shown = (0..KEYS).step_by(EVERY_NTH);
                ages.extend(shown.filter_map(|key| {
                    board.answer_of_venue(&pair(key), &venue(key))?.age_ms(now)
                }));
            }
        }
    };
    let ended = Instant::now();
    while !is_newest(board, &told) {
        anyhow::ensure!(ended.elapsed() < CONVERGE_WAIT, "the newest did not get there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let converged = ended.elapsed();
    ages.sort_unstable();
    let at = |percent: usize| ages.get((ages.len().max(1) - 1) * percent / 100).copied().unwrap_or(0) as f64;
    let beside = format!(
        "half {:.0} ms, at most {:.0} ms; {:.0} ticks/s offered for {ROUND:?}; the newest of all {KEYS} stood {converged:?} after the last",
        at(50),
        at(100),
        told.sent as f64 / ROUND.as_secs_f64(),
    );
    table.aim(
        "age of what is shown, twice too many ticks, p99",
        Target::AtMost(1_000.0),
        "ms",
        at(99),
        beside,
    );
    Ok(())
}

fn is_newest(board: &Board, told: &Told) -> bool {
    told.newest.iter().enumerate().filter(|(_, price)| !price.is_empty()).all(|(key, price)| {
        let shown = board.answer_of_venue(&pair(key), &venue(key));
        shown.is_some_and(|answer| answer.rate.value.is_some_and(|value| value.to_string() == *price))
    })
}

/// The plain consumer: counts, and acknowledges many in one go.
async fn count(mut consumer: lapin::Consumer, count: Arc<AtomicU64>) {
    while let Some(Ok(delivery)) = consumer.next().await {
        let so_far = count.fetch_add(1, Relaxed) + 1;
        if so_far.is_multiple_of(ACK_EVERY) && delivery.ack(BasicAckOptions { multiple: true }).await.is_err()
        {
            return;
        }
    }
}

/// A broker that counts what its readers are handed.
struct Counting {
    inner: Arc<dyn Broker>,
    count: Arc<AtomicU64>,
}

#[async_trait]
impl Broker for Counting {
    fn publish_ticks(&self, batch: TickBatch) {
        self.inner.publish_ticks(batch);
    }

    fn publish_status(&self, status: VenueStatus) {
        self.inner.publish_status(status);
    }

    fn publish_rate(&self, pair: &Pair, body: Bytes, until: Instant) {
        self.inner.publish_rate(pair, body, until);
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, BrokerError> {
        let inner = self.inner.subscribe().await?;
        Ok(Box::new(CountingSubscription { inner, count: self.count.clone() }))
    }

    fn health(&self) -> BrokerHealth {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

struct CountingSubscription {
    inner: Box<dyn Subscription>,
    count: Arc<AtomicU64>,
}

#[async_trait]
impl Subscription for CountingSubscription {
    async fn next(&mut self) -> Option<Delivery> {
        let delivery = self.inner.next().await;
        if let Some(Delivery::Ticks(batch)) = &delivery {
            self.count.fetch_add(batch.ticks.len() as u64, Relaxed);
        }
        delivery
    }
}
