//! What a transaction must have for itself. SQLite has one writer at a time anyway; a server has a lock for each.
//! It must not know the statements.

/// Who holds one of these is alone with it until the transaction ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lock<'a> {
    /// Merging candles.
    Candles,
    /// Writing several alerts: two transactions that lock the same rows in another order would wait for each other.
    Alerts,
    /// Taking messages.
    Outbox,
    /// Counting what somebody has, and adding to it.
    Owner(&'a str),
}

impl Lock<'_> {
    /// A number of our own, in the space of a database's advisory locks. The migrations hold others: `…7300` while the
    /// schema is prepared, `…7307` while a change of an alert is told.
    pub(crate) fn number(self) -> i64 {
        const OURS: i64 = 0x7261_7465_7300;
        match self {
            Lock::Candles => OURS + 1,
            Lock::Alerts => OURS + 2,
            Lock::Outbox => OURS + 3,
            // FNV-1a. Two owners of the same number wait for each other now and then.
            Lock::Owner(name) => {
                let hash = name
                    .bytes()
                    .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
                0x7261_7465_0000_0000 | i64::from(hash)
            }
        }
    }
}
