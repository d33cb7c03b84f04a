//! What is known about open connections from outside them: since when each waits, reads or is stuck, so that a
//! sweeper can close the silent and the stalled ones. It must not know what is said on a connection.
//!
//! The sweeper stands outside the response body on purpose: a body that nobody reads is never polled, so a timer
//! inside it would never fire. It also costs a request nothing, where a timer per request would.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};
use tokio::{task::AbortHandle, time::Instant};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Nothing of a request has come yet.
    New = 0,
    /// Between two requests.
    Idle = 1,
    /// A request's head has begun.
    Head = 2,
    /// A request is being answered.
    Serving = 3,
}

/// One connection, as seen from outside.
#[derive(Debug)]
pub(crate) struct Watch {
    time: Arc<CoarseTime>,
    phase: AtomicU8,
    since_ms: AtomicU64,
    /// When writing got stuck; 0 while it flows.
    stuck_ms: AtomicU64,
    /// The client may still be sending: read on for a moment before closing, or it never sees the answer.
    pub(crate) linger: AtomicBool,
    waker: OnceLock<Waker>,
    closing: AtomicBool,
}

/// Milliseconds since the server started, as of the last sweep.
#[derive(Debug)]
pub(crate) struct CoarseTime(AtomicU64);

impl Watch {
    /// Whether no request is under way.
    pub(crate) fn is_between(&self) -> bool {
        self.phase.load(Relaxed) < Phase::Head as u8
    }

    /// Whether a request's head is being read.
    pub(crate) fn is_reading_head(&self) -> bool {
        self.phase.load(Relaxed) == Phase::Head as u8
    }

    /// Notes what the connection does from now on.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.since_ms.store(self.time.0.load(Relaxed), Relaxed);
    }

    /// Notes that a write could not go on, or went on.
    pub(crate) fn stuck(&self, is_stuck: bool) {
        let was = self.stuck_ms.load(Relaxed);
        if is_stuck && was == 0 {
            self.stuck_ms.store(self.time.0.load(Relaxed).max(1), Relaxed);
        } else if !is_stuck && was != 0 {
            self.stuck_ms.store(0, Relaxed);
        }
    }

    /// Keeps the way to wake the connection's task; whether it is to finish its request and close.
    pub(crate) fn is_closing(&self, waker: &Waker) -> bool {
        self.waker.get_or_init(|| waker.clone());
        self.closing.load(Relaxed)
    }

    fn is_overdue(&self, limits: &Limits, now_ms: u64) -> bool {
        let waited = Duration::from_millis(now_ms.saturating_sub(self.since_ms.load(Relaxed)));
        let overdue = match self.phase.load(Relaxed) {
            0 | 2 => waited >= limits.head,
            1 => waited >= limits.idle,
            _ => false,
        };
        let stuck_ms = self.stuck_ms.load(Relaxed);
        overdue || (stuck_ms != 0 && Duration::from_millis(now_ms.saturating_sub(stuck_ms)) >= limits.stall)
    }
}

/// How long a connection may be in a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From the connection, or a head's first byte, to the head's end.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
    /// Stuck in writing.
    pub(crate) stall: Duration,
}

/// Every open connection.
#[derive(Debug)]
pub(crate) struct Watches {
    time: Arc<CoarseTime>,
    started: Instant,
    next: AtomicU64,
    open: Mutex<HashMap<u64, (Arc<Watch>, AbortHandle)>>,
}

impl Watches {
    /// How often the sweeper looks.
    pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(250);

    pub(crate) fn new() -> Watches {
        Watches {
            time: Arc::new(CoarseTime(AtomicU64::new(1))),
            started: Instant::now(),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    /// A watch for a new connection.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        self.sync();
        Arc::new(Watch {
            time: self.time.clone(),
            phase: AtomicU8::new(Phase::New as u8),
            since_ms: AtomicU64::new(self.time.0.load(Relaxed)),
            stuck_ms: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            waker: OnceLock::new(),
            closing: AtomicBool::new(false),
        })
    }

    /// A number for a new connection.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// Enters a connection's task under its number.
    pub(crate) fn add(&self, number: u64, watch: Arc<Watch>, task: AbortHandle) {
        self.open.lock().insert(number, (watch, task));
    }

    /// Forgets a connection that has ended.
    pub(crate) fn remove(&self, number: u64) {
        self.open.lock().remove(&number);
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Brings the coarse time up to date; in milliseconds.
    fn sync(&self) -> u64 {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.time.0.store(now_ms, Relaxed);
        now_ms
    }

    /// Closes what is overdue; how many.
    pub(crate) fn sweep(&self, limits: &Limits) -> usize {
        let now_ms = self.sync();
        let mut open = self.open.lock();
        open.retain(|_, (_, task)| !task.is_finished());
        open.values()
            .filter(|(watch, _)| watch.is_overdue(limits, now_ms))
            .map(|(_, task)| task.abort())
            .count()
    }

    /// Asks every connection to finish the request it is in, and to close.
    pub(crate) fn close_gently(&self) {
        for (watch, task) in self.open.lock().values() {
            watch.closing.store(true, Relaxed);
            match watch.waker.get() {
                Some(waker) => waker.wake_by_ref(),
                None => task.abort(),
            }
            if watch.phase.load(Relaxed) == Phase::New as u8 {
                task.abort();
            }
        }
    }

    /// Closes every connection, whatever it is doing; how many.
    pub(crate) fn abort_all(&self) -> usize {
        self.open.lock().values().map(|(_, task)| task.abort()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_state_has_its_limit() {
        let seconds = Duration::from_secs;
        let limits = Limits { head: seconds(9), idle: seconds(60), stall: seconds(25) };
        for (phase, is_stuck, limit_s) in [
            (Phase::New, false, Some(9)),
            (Phase::Head, false, Some(9)),
            (Phase::Idle, false, Some(60)),
            (Phase::Serving, true, Some(25)),
            (Phase::Serving, false, None),
        ] {
            let watches = Watches::new();
            let watch = watches.watch();
            watch.enter(phase);
            watch.stuck(is_stuck);
            let task = tokio::spawn(std::future::pending::<()>());
            watches.add(watches.number(), watch, task.abort_handle());
            let Some(limit_s) = limit_s else {
                tokio::time::advance(seconds(86_400)).await;
                assert_eq!(watches.sweep(&limits), 0, "{phase:?}");
                continue;
            };
            tokio::time::advance(seconds(limit_s - 1)).await;
            assert_eq!(watches.sweep(&limits), 0, "{phase:?} closed too early");
            tokio::time::advance(seconds(1)).await;
            assert_eq!(watches.sweep(&limits), 1, "{phase:?} not closed");
            assert!(task.await.is_err_and(|e| e.is_cancelled()));
            watches.sweep(&limits);
            assert_eq!(watches.len(), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_goes_on_is_not_stuck() {
        let limits = Limits { head: Duration::MAX, idle: Duration::MAX, stall: Duration::from_secs(25) };
        let watches = Watches::new();
        let watch = watches.watch();
        watch.stuck(true);
        tokio::time::advance(Duration::from_secs(20)).await;
        watches.sync();
        watch.stuck(false);
        watch.stuck(true);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!watch.is_overdue(&limits, watches.sync()));
    }
}
