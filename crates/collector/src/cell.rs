//! How one pair and one connection are doing, shared between the feed that knows and the status that tells.
//! It must not know sockets; writing the time of a tick takes no lock.

use compact_str::CompactString;
use market::{ConnectionState, ConnectionStatus, Pair, PairState, PairStatus, Timestamp, UnreadFrame};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed},
};
use tokio::sync::Notify;

/// Tells the status of a venue that something changed.
#[derive(Debug, Clone, Default)]
pub struct Changed(Arc<Notify>);

impl Changed {
    /// Something changed.
    pub fn tell(&self) {
        self.0.notify_one();
    }
    /// Waits until something changes.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}

/// One pair of one feed.
#[derive(Debug)]
pub struct PairCell {
    pair: Pair,
    changed: Changed,
    waits_since: Timestamp,
    state: AtomicU8,
    last_data_us: AtomicI64,
    stale_after_ms: AtomicI64,
    expire_after_ms: AtomicI64,
    reason: Mutex<Option<String>>,
}

/// The states that a feed itself sets; `stale` follows from the age.
const STATES: [PairState; 5] =
    [PairState::Waiting, PairState::Live, PairState::NoData, PairState::Delisted, PairState::BlockedAddress];

impl PairCell {
    const LIVE: u8 = 1;

    /// A pair that waits for its first tick.
    pub fn new(pair: Pair, now: Timestamp, changed: Changed) -> PairCell {
        PairCell {
            pair,
            changed,
            waits_since: now,
            state: AtomicU8::new(0),
            last_data_us: AtomicI64::new(i64::MIN),
            stale_after_ms: AtomicI64::new(0),
            expire_after_ms: AtomicI64::new(0),
            reason: Mutex::new(None),
        }
    }

    /// Its pair.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// After which ages its ticks are stale and expired.
    pub fn set_ages(&self, stale_after_ms: i64, expire_after_ms: i64) {
        let stale = self.stale_after_ms.swap(stale_after_ms, Relaxed);
        let expire = self.expire_after_ms.swap(expire_after_ms, Relaxed);
        if (stale, expire) != (stale_after_ms, expire_after_ms) {
            self.changed.tell();
        }
    }

    /// Past this age its ticks are stale.
    pub fn stale_after_ms(&self) -> i64 {
        self.stale_after_ms.load(Relaxed)
    }

    /// A tick came.
    pub fn data(&self, now: Timestamp) {
        self.last_data_us.store(now.micros(), Relaxed);
        if self.state.load(Relaxed) != Self::LIVE {
            self.state.store(Self::LIVE, Relaxed);
            *self.reason.lock() = None;
            self.changed.tell();
        }
    }

    /// When the last tick came.
    pub fn last_data_at(&self) -> Option<Timestamp> {
        let at = self.last_data_us.load(Relaxed);
        (at != i64::MIN).then(|| Timestamp::from_micros(at))
    }

    /// It is now in that state. What is no state of a feed is ignored.
    pub fn set(&self, state: PairState) {
        let Some(at) = STATES.iter().position(|s| *s == state) else { return };
        let at = u8::try_from(at).unwrap_or(0);
        if self.state.swap(at, Relaxed) != at {
            self.changed.tell();
        }
    }

    /// Likewise, and why, in words.
    pub fn set_because(&self, state: PairState, reason: &str) {
        *self.reason.lock() = Some(reason.to_owned());
        self.set(state);
    }

    /// Why it is as it is, if somebody said.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    /// How it is now.
    pub fn state(&self, now: Timestamp) -> PairState {
        let state = STATES.get(usize::from(self.state.load(Relaxed))).copied().unwrap_or(PairState::Waiting);
        let since = self.last_data_at().unwrap_or(self.waits_since);
        match state {
            _ if now.millis_since(since) <= self.stale_after_ms() => state,
            PairState::Live => PairState::Stale,
            // Nobody may even have been reached; it has waited long enough all the same.
            PairState::Waiting => PairState::NoData,
            state => state,
        }
    }

    /// For the status.
    pub fn status(&self, now: Timestamp) -> PairStatus {
        PairStatus {
            pair: self.pair.clone(),
            state: self.state(now),
            last_data_at: self.last_data_at(),
            stale_after_ms: Some(self.stale_after_ms()),
            expire_after_ms: Some(self.expire_after_ms.load(Relaxed)),
        }
    }
}

/// One connection, or one loop of requests.
#[derive(Debug)]
pub struct ConnectionCell {
    id: CompactString,
    changed: Changed,
    state: Mutex<Shown>,
    reconnects: AtomicU64,
    every_ms: Option<u64>,
    seldom: Option<String>,
}

#[derive(Debug, Clone)]
struct Shown {
    state: ConnectionState,
    since: Timestamp,
    last_error: Option<String>,
    until: Option<Timestamp>,
    pairs: u32,
    unread: Option<UnreadFrame>,
}

impl ConnectionCell {
    /// A connection that is being made.
    pub fn new(id: &str, now: Timestamp, changed: Changed) -> ConnectionCell {
        let state = Shown {
            state: ConnectionState::Connecting,
            since: now,
            last_error: None,
            until: None,
            pairs: 0,
            unread: None,
        };
        let (state, reconnects) = (Mutex::new(state), AtomicU64::new(0));
        ConnectionCell { id: id.into(), changed, state, reconnects, every_ms: None, seldom: None }
    }

    /// How often the venue is asked, if it is, and why it says nothing new every few seconds, if it does not.
    #[must_use]
    pub fn with_pace(self, every_ms: Option<u64>, seldom: Option<&str>) -> ConnectionCell {
        ConnectionCell { every_ms, seldom: seldom.map(str::to_owned), ..self }
    }

    /// Its name, such as `ws-1`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// It is now in that state; whether that is a change. `error` replaces the last error if there is one.
    pub fn set(
        &self,
        state: ConnectionState,
        error: Option<&str>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let mut shown = self.state.lock();
        let is_change = shown.state != state;
        if is_change {
            shown.state = state;
            shown.since = now;
        }
        shown.until = until;
        if let Some(error) = error {
            shown.last_error = Some(error.to_owned());
        }
        drop(shown);
        self.changed.tell();
        is_change
    }

    /// What went wrong, without a change of state.
    pub fn set_error(&self, error: &str) {
        self.state.lock().last_error = Some(error.to_owned());
        self.changed.tell();
    }

    /// Nothing could be made of a frame.
    pub fn unread(&self, frame: UnreadFrame) {
        let mut shown = self.state.lock();
        let before = shown.unread.as_ref().map_or(0, |kept| kept.count);
        shown.unread = Some(UnreadFrame { count: before + 1, ..frame });
        drop(shown);
        self.changed.tell();
    }

    /// Nothing could be made of another one, soon after.
    pub fn unread_again(&self) {
        if let Some(kept) = &mut self.state.lock().unread {
            kept.count += 1;
        }
    }

    /// How many pairs it carries.
    pub fn set_pairs(&self, pairs: usize) {
        self.state.lock().pairs = u32::try_from(pairs).unwrap_or(u32::MAX);
        self.changed.tell();
    }

    /// It was made anew.
    pub fn reconnected(&self) {
        self.reconnects.fetch_add(1, Relaxed);
        self.changed.tell();
    }

    /// The state now.
    pub fn state(&self) -> ConnectionState {
        self.state.lock().state
    }

    /// For the status.
    pub fn status(&self) -> ConnectionStatus {
        let shown = self.state.lock().clone();
        ConnectionStatus {
            id: self.id.clone(),
            state: shown.state,
            since: shown.since,
            reconnects: self.reconnects.load(Relaxed),
            last_error: shown.last_error,
            pairs: shown.pairs,
            until: shown.until,
            unread: shown.unread,
            every_ms: self.every_ms,
            seldom: self.seldom.clone(),
        }
    }
}
