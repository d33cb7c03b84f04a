//! What runs now, moved to what a plan wants: connections that need not change are not touched.
//! It must not know rows, nor what a connection does.

use crate::{
    cell::ConnectionCell,
    connection::Connection,
    context::Context,
    meters::Meters,
    permit::Permit,
    plan::{Feed, FeedKey, Plan, PlannedRow, Transport},
    poll::Poll,
    shards::{Shard, assign, by_symbol},
    share::Share,
    status::{CellKey, Report},
    subscriptions::{Wanted, Wants},
};
use futures_util::FutureExt;
use market::{ConnectionState, Timestamp, VenueId};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use venue::Venue;

/// One running connection or loop.
struct Slot {
    wants: watch::Sender<Wants>,
    stop: CancellationToken,
    cell: Arc<ConnectionCell>,
}

/// One running feed.
struct Running {
    venue: Arc<Venue>,
    shards: Vec<Shard>,
    slots: HashMap<u32, Slot>,
}

/// One venue's report, and the counts that name its connections.
struct Reported {
    report: Arc<Report>,
    stop: CancellationToken,
    meters: Arc<Meters>,
    permit: Arc<Permit>,
    next_stream: u32,
    next_poll: u32,
}

/// What runs now.
pub struct Fleet {
    context: Arc<Context>,
    stop: CancellationToken,
    tasks: TaskTracker,
    feeds: BTreeMap<FeedKey, Running>,
    venues: BTreeMap<VenueId, Reported>,
    share: Share,
}

impl Fleet {
    /// Nothing yet.
    pub fn new(context: Arc<Context>) -> Fleet {
        let stop = CancellationToken::new();
        Fleet {
            context,
            stop,
            tasks: TaskTracker::new(),
            feeds: BTreeMap::new(),
            venues: BTreeMap::new(),
            share: Share::All,
        }
    }

    /// Moves to our share of the plan. What another collector runs from now on is left: its connections end, and the
    /// last word on it is that they did, not that nobody wants it.
    pub fn apply_share(&mut self, plan: &Plan, share: &Share) {
        let planned: HashSet<&VenueId> = plan.rows.iter().map(|row| &row.venue).collect();
        let is_left = |(venue, reported): &(&VenueId, &Reported)| {
            planned.contains(venue) && !share.keeps(venue, &reported.permit)
        };
        let left: Vec<VenueId> = self.venues.iter().filter(is_left).map(|(venue, _)| venue.clone()).collect();
        left.iter().for_each(|venue| self.leave(venue));
        self.share = share.clone();
        self.apply(share.part_of(plan));
    }

    fn leave(&mut self, venue: &VenueId) {
        let now = self.context.clock.now();
        self.feeds.retain(|key, running| {
            if key.venue == *venue {
                for slot in running.slots.values() {
                    slot.stop.cancel();
                    slot.cell.set(ConnectionState::Stopped, None, None, now);
                }
            }
            key.venue != *venue
        });
        if let Some(reported) = self.venues.remove(venue) {
            reported.stop.cancel();
        }
    }

    /// Moves to the plan.
    pub fn apply(&mut self, plan: Plan) {
        let mut rows: BTreeMap<VenueId, Vec<PlannedRow>> = BTreeMap::new();
        for row in plan.rows {
            rows.entry(row.venue.clone()).or_default().push(row);
        }
        self.stop_unwanted(&plan.feeds);
        for (venue, rows) in &rows {
            self.reported(venue).report.set_rows(rows.clone());
        }
        let mut wanted: HashMap<VenueId, HashSet<CellKey>> = HashMap::new();
        for (key, feed) in &plan.feeds {
            let cells = wanted.entry(key.venue.clone()).or_default();
            cells.extend(feed.wants.iter().map(|want| (key.url.clone(), want.symbol.pair.clone())));
        }
        for (key, feed) in plan.feeds {
            self.run(key, &feed);
        }
        let nothing = HashSet::new();
        self.venues.retain(|venue, reported| {
            let cells = wanted.get(venue).unwrap_or(&nothing);
            reported.report.keep_pairs(|key| cells.contains(key));
            let is_wanted = rows.contains_key(venue);
            if !is_wanted {
                reported.report.set_rows(Vec::new());
                reported.stop.cancel();
            }
            is_wanted
        });
    }

    /// Stops everything, and waits a while for it to say goodbye.
    pub async fn stop(self, patience: Duration) {
        for running in self.feeds.values() {
            running.slots.values().for_each(|slot| slot.stop.cancel());
        }
        // Reports go last: they tell that the connections stopped.
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::debug!("some connections did not say goodbye in time");
        }
        let now = self.context.clock.now();
        for reported in self.venues.values() {
            self.context.broker.publish_status(reported.report.status(now));
        }
        self.stop.cancel();
    }

    fn stop_unwanted(&mut self, wanted: &BTreeMap<FeedKey, Feed>) {
        let venues = &self.venues;
        self.feeds.retain(|key, running| {
            let keeps = wanted.get(key).is_some_and(|feed| Arc::ptr_eq(&feed.venue, &running.venue));
            if !keeps && let Some(reported) = venues.get(&key.venue) {
                running.slots.drain().for_each(|(_, slot)| end(&slot, &reported.report));
            }
            keeps
        });
    }

    fn reported(&mut self, venue: &VenueId) -> &mut Reported {
        let share = &self.share;
        self.venues.entry(venue.clone()).or_insert_with(|| {
            let context = &self.context;
            // A plan holds only what is ours; without a permit nothing passes.
            let permit = share.permit(venue).unwrap_or_else(|| Arc::new(Permit::waiting()));
            let report = Arc::new(Report::new(venue.clone(), context.settings.collector_id.clone()));
            let stop = self.stop.child_token();
            let runs = report.clone().run(
                context.broker.clone(),
                context.clock,
                context.settings.timing,
                stop.clone(),
            );
            drop(tokio::spawn(runs));
            Reported {
                report,
                stop,
                meters: Arc::new(Meters::new(venue)),
                permit,
                next_stream: 1,
                next_poll: 1,
            }
        })
    }

    fn run(&mut self, key: FeedKey, feed: &Feed) {
        let (context, tasks, stop) = (self.context.clone(), self.tasks.clone(), self.stop.clone());
        let mut running = self.feeds.remove(&key).unwrap_or_else(|| Running {
            venue: feed.venue.clone(),
            shards: Vec::new(),
            slots: HashMap::new(),
        });
        let reported = self.reported(&key.venue);
        let wants = wanted(&key, feed, &reported.report, context.clock.now());
        let names: Vec<Arc<str>> = wants.iter().map(|wanted| wanted.want.symbol.name.clone()).collect();
        let (symbols_max, next_number, prefix) = match (key.transport, feed.venue.ws()) {
            (Transport::Stream, ws) => (ws.map_or(1, |ws| ws.symbols_max), &mut reported.next_stream, "ws"),
            (Transport::Poll { .. }, _) => (usize::MAX, &mut reported.next_poll, "http"),
        };
        assign(&mut running.shards, &names, symbols_max, next_number);
        let parts = split(&running.shards, wants);
        running.slots.retain(|number, slot| {
            let keeps = parts.contains_key(number);
            if !keeps {
                end(slot, &reported.report);
            }
            keeps
        });
        for (number, part) in parts {
            match running.slots.get(&number) {
                Some(slot) => update(slot, part),
                None => {
                    let now = context.clock.now();
                    let name = format!("{prefix}-{number}");
                    let cell = ConnectionCell::new(&name, now, reported.report.changed());
                    let every_ms = match key.transport {
                        Transport::Stream => None,
                        Transport::Poll { interval_ms } => Some(interval_ms.unsigned_abs()),
                    };
                    let cell = Arc::new(cell.with_pace(every_ms, feed.venue.seldom()));
                    cell.set_pairs(part.len());
                    reported.report.add_connection(cell.clone());
                    let (sender, receiver) = watch::channel(part);
                    let slot = Slot { wants: sender, stop: stop.child_token(), cell: cell.clone() };
                    let start = Start {
                        context: context.clone(),
                        venue: feed.venue.clone(),
                        key: key.clone(),
                        wants: receiver,
                        cell,
                        meters: reported.meters.clone(),
                        permit: reported.permit.clone(),
                        stop: slot.stop.clone(),
                    };
                    tasks.spawn(start.supervise());
                    running.slots.insert(number, slot);
                }
            }
        }
        self.feeds.insert(key, running);
    }
}

/// What a connection or loop begins with, and begins with again after a failure of ours.
struct Start {
    context: Arc<Context>,
    venue: Arc<Venue>,
    key: FeedKey,
    wants: watch::Receiver<Wants>,
    cell: Arc<ConnectionCell>,
    meters: Arc<Meters>,
    permit: Arc<Permit>,
    stop: CancellationToken,
}

impl Start {
    async fn supervise(self) {
        let mut backoff = crate::backoff::Backoff::new(self.context.settings.timing.backoff);
        let mut random = fastrand::Rng::new();
        loop {
            if AssertUnwindSafe(self.once()).catch_unwind().await.is_ok() || self.stop.is_cancelled() {
                return;
            }
            tracing::error!(venue = %self.venue.id(), connection = self.cell.id(), "a feed failed inside the program; it is started again");
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(backoff.next_wait(&mut random)) => {}
            }
        }
    }

    async fn once(&self) {
        let (context, venue, wants) = (self.context.clone(), self.venue.clone(), self.wants.clone());
        let (cell, meters, stop) = (self.cell.clone(), self.meters.clone(), self.stop.clone());
        let permit = self.permit.clone();
        match self.key.transport {
            Transport::Stream => {
                let own = venue.ws().map(|ws| ws.urls.clone()).unwrap_or_default();
                let urls = match (&self.key.url, own.first()) {
                    (None, _) => own,
                    (Some(url), Some(first)) => vec![venue::replace_origin(url, first)],
                    (Some(url), None) => vec![url.clone()],
                };
                let origin = self.key.url.clone();
                Connection { context, venue, urls, origin, wants, cell, meters, permit, stop }.run().await;
            }
            Transport::Poll { interval_ms } => {
                let interval = Duration::from_millis(interval_ms.unsigned_abs());
                let url = self.key.url.clone();
                Poll { context, venue, url, interval, wants, cell, meters, permit, stop }.run().await;
            }
        }
    }
}

fn wanted(key: &FeedKey, feed: &Feed, report: &Report, now: Timestamp) -> Vec<Wanted> {
    let with_cell = |want: &crate::plan::Want| {
        let cell = report.pair(&(key.url.clone(), want.symbol.pair.clone()), now);
        cell.set_ages(want.stale_after_ms, want.expire_after_ms);
        Wanted { want: want.clone(), cell }
    };
    feed.wants.iter().map(with_cell).collect()
}

fn split(shards: &[Shard], wants: Vec<Wanted>) -> BTreeMap<u32, Wants> {
    let carried = by_symbol(shards);
    let mut parts: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
    for wanted in wants {
        if let Some(number) = carried.get(&wanted.want.symbol.name) {
            parts.entry(*number).or_default().push(wanted);
        }
    }
    parts.into_iter().map(|(number, part)| (number, Arc::new(part))).collect()
}

/// Hands a connection its wants, if they are others than before.
fn update(slot: &Slot, part: Wants) {
    slot.wants.send_if_modified(|known| {
        let same = known.len() == part.len()
            && known.iter().zip(part.iter()).all(|(a, b)| a.want == b.want && Arc::ptr_eq(&a.cell, &b.cell));
        if !same {
            slot.cell.set_pairs(part.len());
            *known = part;
        }
        !same
    });
}

fn end(slot: &Slot, report: &Report) {
    slot.stop.cancel();
    report.remove_connection(&slot.cell);
}
