//! A store, a board that is fed by hand, and a watch on both.
//! It must not know what a test is about.

use alerts::{Firing, Parts, Progress, Settings, Spec};
use board::{Board, Options};
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Sign, Tick, Timestamp, VenueId};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use store::{Message, MessageFilter, NewAlert, Seed, Store};
use testkit::servers::Postgres;
use tokio_util::sync::CancellationToken;

/// The tests share two cores with all others.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn pair() -> Pair {
    Pair::parse("BTC-USDT").expect("a pair")
}

pub fn price(text: &str) -> Price {
    Price::parse_signed(text, Sign::Any).expect("a price")
}

pub fn quick() -> Settings {
    Settings { look_every: Duration::from_millis(50), watched_every: Duration::from_millis(200) }
}

pub fn board(clock: Clock) -> Arc<Board> {
    let options =
        Options { stale_after_ms: 600_000, expire_after_ms: 6_000_000, demo: false, same_as: Vec::new() };
    Board::new(clock, options)
}

/// One tick of a venue, now.
pub fn tick(clock: Clock, last: &str) -> Tick {
    let now = clock.now();
    Tick {
        pair: pair(),
        symbol: "BTCUSDT".into(),
        last: Some(price(last)),
        bid: None,
        ask: None,
        venue_time: Some(now),
        received_at: now,
        sequence: Sequence::from_receipt(now),
        flags: Flags::NONE,
    }
}

/// A store's address, and what must live as long as it.
pub struct Place {
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub fn sqlite() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("rates.db").display());
        Place { url, _folder: Some(folder) }
    }

    /// A database of its own in a server that all tests share.
    pub fn postgres() -> Place {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        let server = SERVER.get_or_init(|| Postgres::start().expect("a PostgreSQL"));
        Place { url: server.database().expect("a database"), _folder: None }
    }

    pub fn both() -> [Place; 2] {
        [Place::sqlite(), Place::postgres()]
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.url, Seed::default()).await.expect("a store")
    }
}

/// A watch that runs.
pub struct Lab {
    pub store: Arc<dyn Store>,
    pub board: Arc<Board>,
    pub clock: Clock,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Lab {
    pub async fn start(place: &Place) -> Lab {
        Lab::on(place.open().await, Clock::system())
    }

    pub fn on(store: Arc<dyn Store>, clock: Clock) -> Lab {
        let board = board(clock);
        let stop = CancellationToken::new();
        let parts = Parts::new(&store, board.clone(), clock);
        let running = tokio::spawn(alerts::run(parts, quick(), stop.clone()));
        Lab { store, board, clock, stop, running }
    }

    /// A price at one venue, now.
    pub fn say(&self, last: &str) {
        self.say_tick(tick(self.clock, last));
    }

    pub fn say_tick(&self, tick: Tick) {
        self.board.apply(&VenueId::parse("somewhere").expect("a venue"), &[tick]);
    }

    /// Says it, and waits until the alert has learnt from it.
    pub async fn say_until_known(&self, id: i64, last: &str) {
        self.say(last);
        until("the alert has learnt", async || {
            let row = self.store.alert(id).await.expect("the store").expect("the alert");
            Progress::from_json(&row.progress).set_value == Some(price(last))
        })
        .await;
    }

    pub async fn add(&self, line: &str) -> i64 {
        self.add_spec(&alerts::parse(line).expect("a line")).await
    }

    pub async fn add_spec(&self, spec: &Spec) -> i64 {
        add(&*self.store, spec, &Progress::default(), self.clock.now()).await
    }

    /// The messages in the outbox, the oldest first.
    pub async fn messages(&self) -> Vec<Message> {
        let mut all = self.store.messages(&MessageFilter::default(), 100).await.expect("the outbox");
        all.reverse();
        all
    }

    pub async fn firings(&self) -> Vec<Firing> {
        firings(&self.messages().await)
    }

    pub async fn fired(&self, count: usize) -> Vec<Firing> {
        until("it has fired", async || self.firings().await.len() >= count).await;
        self.firings().await
    }

    pub async fn stop(self) -> Arc<dyn Store> {
        self.stop.cancel();
        self.running.await.expect("the watch ended");
        self.store
    }
}

pub fn firings(messages: &[Message]) -> Vec<Firing> {
    messages.iter().map(|m| Firing::from_json(&m.body).expect("a firing")).collect()
}

pub async fn add(store: &dyn Store, spec: &Spec, progress: &Progress, now: Timestamp) -> i64 {
    let alert = NewAlert {
        owner: "chat:1".into(),
        target: "chat:1".into(),
        pair: spec.pair.as_ref().map(Pair::to_string).unwrap_or_default(),
        spec: spec.to_json(),
        progress: progress.to_json(),
    };
    store.add_alert(&alert, 1_000, now).await.expect("the store").expect("below the limit")
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
