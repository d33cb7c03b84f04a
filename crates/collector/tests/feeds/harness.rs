//! A whole collector over a store and a broker of the test's own, with everything it published kept.
//! It must not know what a test is about.

use async_trait::async_trait;
use broker::{Broker, Delivery};
use clock::Clock;
use collector::{Catalogue, Settings};
use market::{ConnectionState, PairState, Tick, Timestamp, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use store::{
    Lease, Leases, NewTradeRow, Rows, StoreError, TradeInfo, TradeRow, TradeRowChange, VenueFile, VenueFiles,
};
use testkit::until_some;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use venue::Venue;

/// How long a test waits for what should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Rows and venue files in memory, written by the test as a foreign client would.
pub struct TestStore {
    rows: Mutex<Vec<TradeRow>>,
    files: Mutex<Vec<VenueFile>>,
    pub holds: Mutex<Vec<store::Hold>>,
    /// As if somebody had dropped the table.
    pub has_no_holds: AtomicBool,
    changes: watch::Sender<u64>,
    pub is_away: AtomicBool,
    /// Shared by the stores of collectors that divide the venues.
    pub leases: Arc<LeaseTable>,
}

/// What the stores of several collectors have in common.
#[derive(Default)]
pub struct LeaseTable {
    /// Holder and end of every lease.
    pub leases: Mutex<HashMap<String, (String, Instant)>>,
    /// The next lease that is given back is the last thing that any of the stores does.
    pub ends_with_release: AtomicBool,
    pub is_away: AtomicBool,
}

impl TestStore {
    pub fn new(rows: Vec<TradeRow>) -> TestStore {
        TestStore {
            rows: Mutex::new(rows),
            files: Mutex::default(),
            holds: Mutex::default(),
            has_no_holds: AtomicBool::new(false),
            changes: watch::channel(0).0,
            is_away: AtomicBool::new(false),
            leases: Arc::default(),
        }
    }

    /// One more line to the same leases.
    pub fn sharing(rows: Vec<TradeRow>, leases: Arc<LeaseTable>) -> TestStore {
        TestStore { leases, ..TestStore::new(rows) }
    }

    pub fn set(&self, rows: Vec<TradeRow>) {
        *self.rows.lock() = rows;
        self.changed();
    }

    pub fn set_files(&self, files: Vec<VenueFile>) {
        *self.files.lock() = files;
        self.changed();
    }

    pub fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    pub fn answer<T>(&self, value: T) -> Result<T, StoreError> {
        if self.is_away.load(Relaxed) || self.leases.is_away.load(Relaxed) {
            Err(StoreError::Unavailable("down".into()))
        } else {
            Ok(value)
        }
    }
}

#[async_trait]
impl TradeInfo for TestStore {
    async fn trade_rows(&self) -> Result<Vec<TradeRow>, StoreError> {
        let rows = self.rows.lock().clone();
        self.answer(rows)
    }
    async fn add_trade_row(&self, _: &NewTradeRow, _: Timestamp) -> Result<i64, StoreError> {
        Err(StoreError::Conflict("not here".into()))
    }
    async fn change_trade_row(&self, _: i64, _: &TradeRowChange, _: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn remove_trade_row(&self, _: i64) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn read_again(&self) -> Result<(), StoreError> {
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }
}

#[async_trait]
impl VenueFiles for TestStore {
    async fn venue_files(&self) -> Result<Vec<VenueFile>, StoreError> {
        let files = self.files.lock().clone();
        self.answer(files)
    }
    async fn put_venue_file(&self, _: &VenueFile, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn remove_venue_file(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[async_trait]
impl Leases for TestStore {
    async fn acquire_lease(&self, name: &str, holder: &str, keep: Duration) -> Result<bool, StoreError> {
        self.answer(())?;
        let (mut leases, now) = (self.leases.leases.lock(), Instant::now());
        let is_free = leases.get(name).is_none_or(|(known, until)| known == holder || *until <= now);
        if is_free {
            leases.insert(name.to_owned(), (holder.to_owned(), now + keep));
        }
        Ok(is_free)
    }
    async fn renew_leases(&self, holder: &str, keep: Duration) -> Result<Vec<String>, StoreError> {
        self.answer(())?;
        let (mut leases, now) = (self.leases.leases.lock(), Instant::now());
        let ours = leases.iter_mut().filter(|(_, (known, until))| known == holder && *until > now);
        Ok(ours.map(|(name, lease)| (name.clone(), lease.1 = now + keep).0).collect())
    }
    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool, StoreError> {
        self.answer(())?;
        let mut leases = self.leases.leases.lock();
        if self.leases.ends_with_release.load(Relaxed) {
            self.leases.is_away.store(true, Relaxed);
        }
        let is_ours = leases.get(name).is_some_and(|(known, _)| known == holder);
        Ok(is_ours && leases.remove(name).is_some())
    }
    async fn forget_lease(&self, name: &str) -> Result<bool, StoreError> {
        self.answer(())?;
        let (mut leases, now) = (self.leases.leases.lock(), Instant::now());
        let is_over = leases.get(name).is_some_and(|(_, until)| *until <= now);
        Ok(is_over && leases.remove(name).is_some())
    }
    async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.answer(())?;
        let (leases, now) = (self.leases.leases.lock(), Instant::now());
        let lease = |(name, (holder, until)): (&String, &(String, Instant))| Lease {
            name: name.clone(),
            holder: holder.clone(),
            until: Timestamp::from_millis(0),
            left: until.duration_since(now),
        };
        Ok(leases.iter().map(lease).collect())
    }
}

impl Rows for TestStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[derive(Default)]
struct Heard {
    ticks: Mutex<Vec<(VenueId, Tick)>>,
    status: Mutex<HashMap<VenueId, VenueStatus>>,
    states: Mutex<Vec<(String, ConnectionState)>>,
}

/// A running collector.
pub struct World {
    pub store: Arc<TestStore>,
    heard: Arc<Heard>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _guard: DropGuard,
}

/// Settings with short times that may dial this machine.
pub fn settings() -> Settings {
    let mut settings = Settings::new("test");
    settings.allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    settings.timing.look_every = Duration::from_millis(50);
    settings.timing.status_gap = Duration::from_millis(10);
    settings.timing.status_every = Duration::from_millis(500);
    settings.timing.overlap_max = Duration::from_secs(3);
    settings.timing.drain_max = Duration::from_millis(300);
    settings.timing.store_retry = Duration::from_millis(100);
    settings.timing.geo_blocked_pause = Duration::from_millis(400);
    settings
}

pub fn venue(name: &str, text: &str) -> Arc<Venue> {
    let venue = Venue::parse(&VenueId::parse(name).unwrap(), name, text).unwrap_or_else(|e| panic!("{e}"));
    Arc::new(venue)
}

pub fn row(id: i64, venue: &str, pairs: &str) -> TradeRow {
    TradeRow {
        id,
        venue: Some(venue.to_owned()),
        currency_pair: Some(pairs.to_owned()),
        url: None,
        interval_ms: None,
        stale_after_ms: None,
        expire_after_ms: None,
        allow_negative: false,
        enabled: true,
        created_at: None,
        updated_at: None,
    }
}

impl World {
    pub async fn start(venues: Vec<Arc<Venue>>, rows: Vec<TradeRow>, settings: Settings) -> World {
        let store = Arc::new(TestStore::new(rows));
        World::start_on(store, venues, settings).await
    }

    /// On a store that was there before.
    pub async fn start_on(store: Arc<TestStore>, venues: Vec<Arc<Venue>>, settings: Settings) -> World {
        let broker = broker::open("memory://").await.unwrap();
        World::start_beside(store, broker, venues, settings).await
    }

    /// On a broker that others publish to, too: what is kept is what all of them published.
    pub async fn start_beside(
        store: Arc<TestStore>,
        broker: Arc<dyn Broker>,
        venues: Vec<Arc<Venue>>,
        settings: Settings,
    ) -> World {
        let heard = Arc::new(Heard::default());
        let mut subscription = broker.subscribe().await.unwrap();
        let hears = heard.clone();
        tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                match delivery {
                    Delivery::Ticks(batch) => {
                        hears
                            .ticks
                            .lock()
                            .extend(batch.ticks.iter().map(|tick| (batch.venue.clone(), tick.clone())));
                    }
                    Delivery::Status(status) => {
                        let mut states = hears.states.lock();
                        for connection in &status.connections {
                            let now = (format!("{}/{}", status.venue, connection.id), connection.state);
                            if states.iter().rev().find(|(id, _)| *id == now.0) != Some(&now) {
                                states.push(now);
                            }
                        }
                        drop(states);
                        hears.status.lock().insert(status.venue.clone(), (*status).clone());
                    }
                }
            }
        });
        let stop = CancellationToken::new();
        let catalogue = Catalogue::new(venues, Vec::new());
        let run = collector::run(store.clone(), catalogue, broker, Clock::system(), settings, stop.clone());
        let running = tokio::spawn(run);
        World { store, heard, _guard: stop.clone().drop_guard(), stop, running }
    }

    pub fn ticks(&self) -> Vec<(VenueId, Tick)> {
        self.heard.ticks.lock().clone()
    }

    /// The counts that the fake gave its ticks, for one pair.
    pub fn sequences(&self, pair: &str) -> Vec<u64> {
        let ticks = self.heard.ticks.lock();
        let of_pair = ticks.iter().filter(|(_, tick)| tick.pair.to_string() == pair);
        of_pair.map(|(_, tick)| tick.sequence.as_str().parse().unwrap()).collect()
    }

    pub fn status(&self, venue: &str) -> Option<VenueStatus> {
        self.heard.status.lock().get(venue).cloned()
    }

    /// Every state that a connection has shown, in order.
    pub fn states(&self, connection: &str) -> Vec<ConnectionState> {
        self.heard.states.lock().iter().filter(|(id, _)| id == connection).map(|(_, state)| *state).collect()
    }

    pub fn pair_state(&self, venue: &str, pair: &str) -> Option<PairState> {
        let status = self.status(venue)?;
        status.pairs.iter().find(|p| p.pair.to_string() == pair).map(|p| p.state)
    }

    pub async fn row_is(&self, venue: &str, id: i64, state: PairState) -> Option<String> {
        let find = || {
            let row = self.status(venue)?.rows.into_iter().find(|row| row.id == id)?;
            (row.state == state).then_some(row.reason)
        };
        until_some(&format!("row {id} is {state:?}, but {:?}", self.status(venue)), PATIENCE, find).await
    }

    pub async fn pair_is(&self, venue: &str, pair: &str, state: PairState) {
        let find = || (self.pair_state(venue, pair) == Some(state)).then_some(());
        until_some(&format!("{pair} is {state:?}"), PATIENCE, find).await;
    }

    pub async fn connection_is(
        &self,
        venue: &str,
        id: &str,
        state: ConnectionState,
    ) -> market::ConnectionStatus {
        let find = || self.status(venue)?.connections.into_iter().find(|c| c.id == id && c.state == state);
        until_some(&format!("{id} is {state:?}"), PATIENCE, find).await
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}
