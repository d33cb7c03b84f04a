//! Publishes ticks on a thread of its own, in the product's way and plainly: as many as go through, or more.
//! It must not know who reads them.

use crate::bare_amqp::Publisher;
use broker::Broker;
use clock::Clock;
use lapin::PublisherConfirm;
use market::{Flags, Pair, Price, Sequence, Tick, TickBatch, Timestamp, VenueId};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

const VENUES: usize = 4;
const PAIRS: usize = 1_000;
/// How many last prices there are: one per venue and pair.
pub const KEYS: usize = VENUES * PAIRS;
/// Ticks of one publish: what a venue says in one go.
const BATCH: usize = 64;
/// So many may be on the way before the publisher waits: less than anything on the way keeps in order.
const ON_THE_WAY_MAX: u64 = 4_096;
/// Plain messages that wait for their confirm.
const WINDOW: usize = 256;
/// What is on the way at the end must arrive by then.
const ARRIVE_WAIT: Duration = Duration::from_secs(10);
const BREATH: Duration = Duration::from_micros(500);

/// What it is asked to do.
pub enum Asked {
    /// Publish in the product's way, as fast as it arrives.
    Ours(Duration),
    /// Publish plain messages with windowed confirms, as fast as they arrive.
    Bare(Duration),
    /// Publish in the product's way at this rate, whatever arrives.
    Overload {
        /// Ticks.
        per_second: u64,
        /// For that long.
        how_long: Duration,
    },
}

/// What came of it.
pub struct Told {
    /// How many ticks were published.
    pub sent: u64,
    /// Whether every one of them arrived.
    pub is_complete: bool,
    /// The price published last, by key.
    pub newest: Vec<String>,
}

/// The thread; it ends when this is dropped.
pub struct Feed(mpsc::Sender<(Asked, oneshot::Sender<anyhow::Result<Told>>)>);

impl Feed {
    /// Starts it on this server; the counters say what arrived of either kind.
    pub fn start(url: &str, ours: Arc<AtomicU64>, bare: Arc<AtomicU64>) -> anyhow::Result<Feed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ask, mut asked) = mpsc::channel::<(Asked, oneshot::Sender<_>)>(1);
        let url = url.to_owned();
        std::thread::Builder::new().name("feed".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut work = Work::connect(&url, ours, bare).await;
                while let Some((asked, tell)) = asked.recv().await {
                    let told = match &mut work {
                        Ok(work) => work.carry_out(asked).await,
                        Err(error) => Err(anyhow::anyhow!("{error:#}")),
                    };
                    let _ = tell.send(told);
                }
            });
        })?;
        Ok(Feed(ask))
    }

    /// Asks, and waits until it is done.
    pub async fn ask(&self, asked: Asked) -> anyhow::Result<Told> {
        let (tell, told) = oneshot::channel();
        self.0.send((asked, tell)).await.map_err(|_| anyhow::anyhow!("the feed has ended"))?;
        told.await?
    }
}

struct Work {
    broker: Arc<dyn Broker>,
    plain: Publisher,
    ours: Arc<AtomicU64>,
    bare: Arc<AtomicU64>,
    /// Of the next tick: into its price and its sequence.
    number: u64,
    newest: Vec<String>,
}

impl Work {
    async fn connect(url: &str, ours: Arc<AtomicU64>, bare: Arc<AtomicU64>) -> anyhow::Result<Work> {
        let named = broker::Options { prefix: "bench".to_owned(), ..broker::Options::default() };
        let broker = broker::open_with(url, &named).await?;
        let plain = Publisher::connect(url, true).await?;
        Ok(Work { broker, plain, ours, bare, number: 0, newest: vec![String::new(); KEYS] })
    }

    async fn carry_out(&mut self, asked: Asked) -> anyhow::Result<Told> {
        match asked {
            Asked::Ours(how_long) => self.ours(how_long).await,
            Asked::Bare(how_long) => self.bare(how_long).await,
            Asked::Overload { per_second, how_long } => Ok(self.overload(per_second, how_long).await),
        }
    }

    async fn ours(&mut self, how_long: Duration) -> anyhow::Result<Told> {
        let (arrived, until) = (self.ours.clone(), Instant::now() + how_long);
        let before = arrived.load(Relaxed);
        let mut sent = 0;
        while Instant::now() < until {
            if sent - (arrived.load(Relaxed) - before).min(sent) < ON_THE_WAY_MAX {
                sent += self.publish();
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(BREATH).await;
            }
        }
        let is_complete = all_arrived(&arrived, before + sent).await;
        Ok(Told { sent, is_complete, newest: Vec::new() })
    }

    async fn bare(&mut self, how_long: Duration) -> anyhow::Result<Told> {
        let (arrived, until) = (self.bare.clone(), Instant::now() + how_long);
        let before = arrived.load(Relaxed);
        let mut sent = 0;
        let mut window: VecDeque<PublisherConfirm> = VecDeque::new();
        while Instant::now() < until {
            let batch = TickBatch { ticks: vec![self.tick(0)], ..self.batch(0) };
            window.push_back(self.plain.publish(&serde_json::to_vec(&batch)?).await?);
            sent += 1;
            if window.len() >= WINDOW
                && let Some(oldest) = window.pop_front()
            {
                oldest.await?;
            }
        }
        for waiting in window {
            waiting.await?;
        }
        let is_complete = all_arrived(&arrived, before + sent).await;
        Ok(Told { sent, is_complete, newest: Vec::new() })
    }

    async fn overload(&mut self, per_second: u64, how_long: Duration) -> Told {
        let started = Instant::now();
        let mut sent = 0;
        while started.elapsed() < how_long {
            let due = started.elapsed().as_micros() as u64 * per_second / 1_000_000;
            while sent < due {
                sent += self.publish();
            }
            tokio::time::sleep(BREATH).await;
        }
        Told { sent, is_complete: false, newest: self.newest.clone() }
    }

    /// What one venue says in one go; how many ticks.
    fn publish(&mut self) -> u64 {
        let first = self.number as usize % KEYS;
        let of_venue = first / PAIRS;
        let ticks = (0..BATCH).map(|at| self.tick(of_venue * PAIRS + (first + at) % PAIRS)).collect();
        self.broker.publish_ticks(TickBatch { ticks, ..self.batch(first) });
        BATCH as u64
    }

    fn batch(&self, key: usize) -> TickBatch {
        TickBatch {
            v: TickBatch::VERSION,
            venue: venue(key),
            sent_at: Clock::system().now(),
            ticks: Vec::new(),
        }
    }

    fn tick(&mut self, key: usize) -> Tick {
        self.number += 1;
        let number = self.number;
        let now: Timestamp = Clock::system().now();
        let last = format!("5{number:09}.5");
        let pair = pair(key);
        let tick = Tick {
            symbol: pair.to_string().as_str().into(),
            pair,
            last: Price::parse(&last).ok(),
            bid: None,
            ask: None,
            venue_time: Some(now),
            received_at: now,
            sequence: Sequence::new(&number.to_string()),
            flags: Flags::NONE,
        };
        if let Some(newest) = self.newest.get_mut(key) {
            *newest = last;
        }
        tick
    }
}

async fn all_arrived(arrived: &AtomicU64, wanted: u64) -> bool {
    let until = Instant::now() + ARRIVE_WAIT;
    while arrived.load(Relaxed) < wanted && Instant::now() < until {
        tokio::time::sleep(BREATH).await;
    }
    arrived.load(Relaxed) >= wanted
}

/// The pair of a key.
#[expect(clippy::expect_used, reason = "the name is a pair by its making")]
pub fn pair(key: usize) -> Pair {
    Pair::parse(&format!("COIN{}-USDT", key % PAIRS)).expect("a pair")
}

/// The venue of a key.
#[expect(clippy::expect_used, reason = "the name is a venue by its making")]
pub fn venue(key: usize) -> VenueId {
    VenueId::parse(&format!("bench-{}", key / PAIRS)).expect("a venue")
}
