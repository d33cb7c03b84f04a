//! Word of changes, by what they concern: one counter each that readers wait on.
//! It must not know what the changes were.

use tokio::sync::watch;

/// The counters of one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices {
    /// Rows, venue files and policies.
    pub(crate) changes: watch::Sender<u64>,
    /// Alerts.
    pub(crate) alerts: watch::Sender<u64>,
    /// Messages written.
    pub(crate) outbox: watch::Sender<u64>,
}

impl Notices {
    /// What happened is not known: everything may have changed.
    pub(crate) fn doubt(&self) {
        for one in [&self.changes, &self.alerts, &self.outbox] {
            tell(one);
        }
    }
}

/// There was a change.
pub(crate) fn tell(count: &watch::Sender<u64>) {
    count.send_modify(|count| *count += 1);
}
