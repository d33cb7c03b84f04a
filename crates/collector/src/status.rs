//! How one venue is doing, put together from its cells and published: on every change, and every few seconds.
//! It must not know sockets, nor who reads it.

use crate::{
    cell::{Changed, ConnectionCell, PairCell},
    plan::{PlannedRow, Verdict},
    settings::Timing,
};
use broker::Broker;
use clock::Clock;
use compact_str::CompactString;
use market::{Pair, PairState, PairStatus, RowStatus, Timestamp, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Names one pair at one address of a venue.
pub type CellKey = (Option<String>, Pair);

/// One venue's part of the status.
#[derive(Debug)]
pub struct Report {
    venue: VenueId,
    collector: CompactString,
    changed: Changed,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    rows: Vec<PlannedRow>,
    connections: Vec<Arc<ConnectionCell>>,
    pairs: HashMap<CellKey, Arc<PairCell>>,
}

impl Report {
    /// Nothing to report yet.
    pub fn new(venue: VenueId, collector: CompactString) -> Report {
        Report { venue, collector, changed: Changed::default(), shown: Mutex::default() }
    }

    /// For cells.
    pub fn changed(&self) -> Changed {
        self.changed.clone()
    }

    /// The rows of this venue now.
    pub fn set_rows(&self, rows: Vec<PlannedRow>) {
        let mut shown = self.shown.lock();
        if shown.rows != rows {
            shown.rows = rows;
            drop(shown);
            self.changed.tell();
        }
    }

    /// The cell of a pair, made if there is none.
    pub fn pair(&self, key: &CellKey, now: Timestamp) -> Arc<PairCell> {
        let mut shown = self.shown.lock();
        let made = || Arc::new(PairCell::new(key.1.clone(), now, self.changed.clone()));
        shown.pairs.entry(key.clone()).or_insert_with(made).clone()
    }

    /// Only these pairs are wanted now.
    pub fn keep_pairs(&self, is_wanted: impl Fn(&CellKey) -> bool) {
        let mut shown = self.shown.lock();
        let before = shown.pairs.len();
        shown.pairs.retain(|key, _| is_wanted(key));
        if shown.pairs.len() != before {
            drop(shown);
            self.changed.tell();
        }
    }

    /// A connection more.
    pub fn add_connection(&self, cell: Arc<ConnectionCell>) {
        self.shown.lock().connections.push(cell);
        self.changed.tell();
    }

    /// A connection less.
    pub fn remove_connection(&self, cell: &Arc<ConnectionCell>) {
        self.shown.lock().connections.retain(|known| !Arc::ptr_eq(known, cell));
        self.changed.tell();
    }

    /// How its pairs fare, as one number: that changes by time alone, too.
    fn fares(&self, now: Timestamp) -> usize {
        self.shown.lock().pairs.values().map(|cell| usize::from(cell.state(now).rank())).sum()
    }

    /// The status now.
    pub fn status(&self, now: Timestamp) -> VenueStatus {
        let shown = self.shown.lock();
        let mut pairs: BTreeMap<&Pair, PairStatus> = BTreeMap::new();
        for cell in shown.pairs.values() {
            let status = cell.status(now);
            match pairs.get_mut(cell.pair()) {
                None => drop(pairs.insert(cell.pair(), status)),
                // The same pair from two addresses: whichever does better counts.
                Some(known) if status.state.rank() < known.state.rank() => {
                    *known =
                        PairStatus { last_data_at: known.last_data_at.max(status.last_data_at), ..status };
                }
                Some(known) => known.last_data_at = known.last_data_at.max(status.last_data_at),
            }
        }
        VenueStatus {
            v: 1,
            venue: self.venue.clone(),
            collector: self.collector.clone(),
            sent_at: now,
            connections: shown.connections.iter().map(|cell| cell.status()).collect(),
            rows: shown.rows.iter().map(|row| row_status(row, &shown.pairs, now)).collect(),
            pairs: pairs.into_values().collect(),
        }
    }

    /// Publishes until stopped, and once more then.
    pub async fn run(
        self: Arc<Self>,
        broker: Arc<dyn Broker>,
        clock: Clock,
        timing: Timing,
        stop: CancellationToken,
    ) {
        let (mut fared, mut published_at) = (0, Timestamp::from_millis(i64::MIN / 2_000));
        loop {
            let now = clock.now();
            let status = self.status(now);
            let pairs = status.pairs.len();
            broker.publish_status(status);
            if stop.is_cancelled() {
                return;
            }
            published_at = published_at.max(now);
            // A status of ten thousand pairs is not put together ten times a second.
            let gap = timing.status_gap * u32::try_from(1 + pairs / 1_000).unwrap_or(10).min(10);
            tokio::select! {
                () = stop.cancelled() => continue,
                () = tokio::time::sleep(gap) => {}
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.changed.wait() => break,
                    () = tokio::time::sleep(timing.look_every.min(timing.status_every)) => {
                        let now = clock.now();
                        let fares = self.fares(now);
                        let age = Duration::from_millis(u64::try_from(now.millis_since(published_at)).unwrap_or(0));
                        if std::mem::replace(&mut fared, fares) != fares || age >= timing.status_every {
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// A row is as its worst pair is, with that pair named.
fn row_status(row: &PlannedRow, cells: &HashMap<CellKey, Arc<PairCell>>, now: Timestamp) -> RowStatus {
    let told = |state, reason| RowStatus { id: row.id, state, reason };
    match &row.verdict {
        Verdict::Disabled => told(PairState::Disabled, None),
        Verdict::Invalid(reason) => told(PairState::Invalid, Some(reason.clone())),
        Verdict::Blocked(reason) => told(PairState::BlockedAddress, Some(reason.clone())),
        Verdict::Runs { feed, pairs } => {
            let cells = pairs.iter().filter_map(|pair| cells.get(&(feed.url.clone(), pair.clone())));
            let (mut worst, mut badly) = (None::<(&PairCell, PairState)>, 0usize);
            for (cell, state) in cells.map(|cell| (&**cell, cell.state(now))) {
                badly += usize::from(state != PairState::Live);
                if worst.is_none_or(|(_, known)| state.rank() > known.rank()) {
                    worst = Some((cell, state));
                }
            }
            match worst {
                None => told(PairState::Waiting, None),
                Some((_, PairState::Live)) => told(PairState::Live, None),
                Some((cell, state)) if pairs.len() == 1 => told(state, cell.reason()),
                Some((cell, state)) => {
                    let why = cell.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
                    let pair = cell.pair();
                    told(state, Some(format!("{badly} of {} pairs, such as {pair}{why}", pairs.len())))
                }
            }
        }
    }
}
