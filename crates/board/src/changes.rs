//! The stream of changes: a ring of the last ones, shared by any number of readers, each with its own place.
//! It must not know what a change is about.

use crate::{Change, Changes, Next};
use bytes::Bytes;
use market::Pair;
use parking_lot::RwLock;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// So many changes are kept for readers that are behind or come back.
pub(crate) const KEPT: usize = 4_096;
/// So many are taken from the ring at a time.
const TAKEN: usize = 64;

/// The last changes; readers share what is kept, nothing is copied.
#[derive(Debug)]
pub(crate) struct Ring {
    kept: RwLock<VecDeque<Arc<Change>>>,
    last: watch::Sender<u64>,
    is_closed: AtomicBool,
}

impl Ring {
    pub(crate) fn new() -> Ring {
        Ring { kept: RwLock::default(), last: watch::Sender::new(0), is_closed: AtomicBool::new(false) }
    }

    /// Adds a change; `event` is given its number. Readers are told by [`Ring::wake`], once per batch.
    pub(crate) fn push(&self, pair: Option<Pair>, event: impl FnOnce(u64) -> Bytes) {
        let mut kept = self.kept.write();
        let number = kept.back().map_or(0, |c| c.number) + 1;
        let change = Arc::new(Change { number, pair, event: event(number) });
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(change);
    }

    /// Tells the readers that something is there.
    pub(crate) fn wake(&self) {
        let number = self.last_number();
        self.last.send_if_modified(|last| std::mem::replace(last, number) != number);
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.last.send_modify(|_| {});
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.kept.read().back().map_or(0, |c| c.number)
    }

    /// Everything after `number`, up to `most`; `None` if some of it is not kept any more, or if there never was
    /// such a number.
    pub(crate) fn since(&self, number: u64, most: usize) -> Option<Vec<Arc<Change>>> {
        let kept = self.kept.read();
        let first = kept.front().map_or(1, |c| c.number);
        let last = kept.back().map_or(0, |c| c.number);
        if number > last || number + 1 < first {
            return None;
        }
        let skip = (number + 1 - first) as usize;
        Some(kept.iter().skip(skip).take(most).cloned().collect())
    }

    /// A reader from now on, and the number of the last change before it.
    pub(crate) fn reader(self: &Arc<Self>) -> (Changes, u64) {
        // Subscribed first, so that a change between the two is seen, not missed.
        let woken = self.last.subscribe();
        let number = self.last_number();
        (Changes { ring: self.clone(), woken, at: number, taken: VecDeque::new() }, number)
    }
}

impl Changes {
    /// The next change. Cancel-safe.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(change) = self.taken.pop_front() {
                return Next::Change(change);
            }
            self.woken.mark_unchanged();
            // Read before the ring: what was pushed before closing is still delivered.
            let is_closed = self.ring.is_closed.load(Ordering::Acquire);
            match self.ring.since(self.at, TAKEN) {
                None => {
                    self.at = self.ring.last_number();
                    return Next::Missed;
                }
                Some(more) if !more.is_empty() => {
                    self.at += more.len() as u64;
                    self.taken.extend(more);
                    continue;
                }
                Some(_) if is_closed => return Next::Closed,
                Some(_) => {}
            }
            if self.woken.changed().await.is_err() {
                return Next::Closed;
            }
        }
    }
}
