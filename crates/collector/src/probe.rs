//! One pair of one venue tried for real: planned, dialled, subscribed and read as any row would be, and then said
//! what came, or why nothing did. It must not know who asks, nor keep anything.

use crate::{
    catalogue::Catalogue,
    context::{Context, ContextError},
    fleet::Fleet,
    plan::{Planner, Verdict},
    settings::Settings,
    tap::{Heard, Tap},
};
use clock::Clock;
use market::{ConnectionState, PairState, Tick, VenueStatus};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use store::TradeRow;
use tokio::{sync::mpsc, time::Instant};
use venue::Venue;

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// Ticks came.
    Ticks,
    /// The row would be refused: the column and the reason.
    Invalid(String),
    /// The address must not be dialled.
    Blocked(String),
    /// No connection came about, or the venue sent us away before it said anything.
    Unreachable(String),
    /// The venue does not know the symbol.
    UnknownSymbol(String),
    /// There was a connection, and it failed, or what came could not be read.
    Failed(String),
    /// Nothing of the pair within the venue's first-data limit; what the venue complained of, if it did.
    NoData(Option<String>),
}

/// One frame or body, and the ticks made of it.
#[derive(Debug, Clone)]
pub struct ProbedFrame {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// Its whole length.
    pub length: usize,
    /// What it gave.
    pub ticks: Vec<Tick>,
}

/// A trial.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What it came to.
    pub verdict: ProbeVerdict,
    /// The first frames that gave ticks; if none did, the last ones that came. At most three.
    pub frames: Vec<ProbedFrame>,
}

/// The most frames that are kept.
const FRAMES_MAX: usize = 3;
/// After the first tick, others are waited for this long.
const MORE_FOR: Duration = Duration::from_secs(2);
/// Beyond the venue's own limits, for the status to tell of them.
const GRACE: Duration = Duration::from_secs(2);
/// Things heard and not yet looked at.
const PLACES: usize = 1_024;
/// The id of the row that is tried.
const ROW: i64 = 1;

/// Tries `pair` (`BTC-USDT`, or the venue's own names) at a venue, once. `url` replaces the venue's address as a
/// row's would. Takes no longer than the venue's limits for connecting and first data.
pub async fn probe(
    venue: &Arc<Venue>,
    pair: &str,
    url: Option<&str>,
    clock: Clock,
    settings: Settings,
) -> Result<Probe, ContextError> {
    let (tap, heard) = Tap::new(PLACES);
    let context = Context::new(Arc::new(tap.clone()), clock, settings)?;
    let context = Arc::new(Context { tap: Some(tap), ..context });
    let planner = Planner {
        guard: context.guard.clone(),
        environment: context.settings.environment.clone(),
        stale_after_ms: None,
        expire_after_ms: None,
    };
    let row = TradeRow {
        id: ROW,
        venue: Some(venue.id().to_string()),
        currency_pair: Some(pair.to_owned()),
        url: url.map(str::to_owned),
        interval_ms: None,
        stale_after_ms: None,
        expire_after_ms: None,
        allow_negative: false,
        enabled: true,
        created_at: None,
        updated_at: None,
    };
    let plan = planner.plan(&[row], &Catalogue::new(vec![venue.clone()], Vec::new()));
    let refused = plan.rows.iter().find_map(|row| match &row.verdict {
        Verdict::Invalid(reason) => Some(ProbeVerdict::Invalid(reason.clone())),
        Verdict::Blocked(reason) => Some(ProbeVerdict::Blocked(reason.clone())),
        Verdict::Runs { .. } | Verdict::Disabled => None,
    });
    if let Some(verdict) = refused {
        return Ok(Probe { verdict, frames: Vec::new() });
    }
    let timing = context.settings.timing;
    let limit = limit(venue, timing.connect_timeout);
    let mut fleet = Fleet::new(context);
    fleet.apply(plan);
    let probe = Looking::new(heard).until(Instant::now() + limit, venue.ws().is_some()).await;
    fleet.stop(timing.drain_max).await;
    Ok(probe)
}

/// How long the venue may take, by its own file: a token and a dial, then the first data.
fn limit(venue: &Venue, connect_timeout: Duration) -> Duration {
    let asked = match (venue.ws(), venue.http()) {
        (Some(ws), _) => connect_timeout * 2 + Duration::from_millis(ws.settle_ms + ws.first_data_ms),
        (None, Some(http)) => Duration::from_millis(http.timeout_ms),
        (None, None) => Duration::ZERO,
    };
    asked + GRACE
}

/// What was heard so far.
struct Looking {
    heard: mpsc::Receiver<Heard>,
    good: Vec<ProbedFrame>,
    others: VecDeque<ProbedFrame>,
    complaint: Option<String>,
}

impl Looking {
    fn new(heard: mpsc::Receiver<Heard>) -> Looking {
        Looking { heard, good: Vec::new(), others: VecDeque::new(), complaint: None }
    }

    /// Looks until the answer is known. `streams`: more frames may come soon.
    async fn until(mut self, mut deadline: Instant, streams: bool) -> Probe {
        let verdict = loop {
            let Ok(Some(heard)) = tokio::time::timeout_at(deadline, self.heard.recv()).await else {
                break ProbeVerdict::NoData(self.complaint.take());
            };
            match heard {
                Heard::Frame(bytes, length) => {
                    self.keep(ProbedFrame { bytes, length, ticks: Vec::new() });
                }
                Heard::Ticks(batch) => {
                    let first = self.good.is_empty();
                    self.good.extend(
                        self.others.pop_back().map(|frame| ProbedFrame { ticks: batch.ticks, ..frame }),
                    );
                    if first {
                        deadline = deadline.min(Instant::now() + MORE_FOR);
                    }
                    if !streams || self.good.len() >= FRAMES_MAX {
                        break ProbeVerdict::Ticks;
                    }
                }
                Heard::Status(status) => {
                    if let Some(verdict) = self.judge(&status) {
                        break verdict;
                    }
                }
            }
        };
        if self.good.is_empty() {
            return Probe { verdict, frames: self.others.into() };
        }
        Probe { verdict: ProbeVerdict::Ticks, frames: self.good }
    }

    fn keep(&mut self, frame: ProbedFrame) {
        if self.others.len() >= FRAMES_MAX {
            self.others.pop_front();
        }
        self.others.push_back(frame);
    }

    /// What a status means for the one row, if it ends the trial.
    fn judge(&mut self, status: &VenueStatus) -> Option<ProbeVerdict> {
        let connection = status.connections.first();
        if let Some(error) = connection.and_then(|connection| connection.last_error.clone()) {
            self.complaint = Some(error);
        }
        let row = status.rows.iter().find(|row| row.id == ROW);
        let words = || {
            let reason = row.and_then(|row| row.reason.clone());
            reason.or_else(|| self.complaint.clone()).unwrap_or_else(|| "no reason is known".to_owned())
        };
        let was_heard = !self.good.is_empty() || !self.others.is_empty();
        match row.map(|row| row.state) {
            Some(PairState::Delisted) => return Some(ProbeVerdict::UnknownSymbol(words())),
            Some(PairState::BlockedAddress) => return Some(ProbeVerdict::Blocked(words())),
            Some(PairState::Invalid) => return Some(ProbeVerdict::Invalid(words())),
            _ => {}
        }
        let failed = || Some(ProbeVerdict::Failed(words()));
        match connection.map(|connection| connection.state) {
            Some(ConnectionState::BlockedAddress) => Some(ProbeVerdict::Blocked(words())),
            Some(ConnectionState::CannotRead) => failed(),
            Some(ConnectionState::BackingOff) if was_heard => failed(),
            Some(
                ConnectionState::BackingOff | ConnectionState::RateLimited | ConnectionState::GeoBlocked,
            ) => Some(ProbeVerdict::Unreachable(words())),
            _ if row.is_some_and(|row| row.state == PairState::NoData) => {
                Some(ProbeVerdict::NoData(self.complaint.clone()))
            }
            Some(ConnectionState::Silent) => Some(ProbeVerdict::NoData(self.complaint.clone())),
            _ => None,
        }
    }
}
