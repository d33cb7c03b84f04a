//! What the collector is told by the configuration, and its knobs of time with real defaults.
//! It must not know where the configuration came from.

use crate::{
    backoff::BackoffLimits,
    dial::{Tcp, Wire},
};
use compact_str::CompactString;
use guard::{Resolver, SystemResolver};
use market::VenueId;
use std::{sync::Arc, time::Duration};

/// Reads one variable of the environment; what it gives is a secret.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the collector is told.
#[derive(Clone)]
pub struct Settings {
    /// Its name in every status: unique among the collectors of one broker.
    pub collector_id: CompactString,
    /// Networks that may be dialled though they are not public.
    pub allow_private: Vec<ipnet::IpNet>,
    /// Where venue files find their keys.
    pub environment: Environment,
    /// Replaces every venue's `stale_after`; a row's own still wins.
    pub stale_after_ms: Option<i64>,
    /// Replaces every venue's `expire_after`; a row's own still wins.
    pub expire_after_ms: Option<i64>,
    /// Who turns names into addresses.
    pub resolver: Arc<dyn Resolver>,
    /// The way to addresses for streams.
    pub wire: Arc<dyn Wire>,
    /// How the venues are divided among several collectors; `None` = this one is alone and runs them all.
    pub division: Option<Division>,
    /// Knobs of time.
    pub timing: Timing,
}

/// How the venues are divided among several collectors, by leases in the store.
#[derive(Clone)]
pub struct Division {
    /// Begins the name of every lease: those of one name divide among each other.
    pub scope: String,
    /// What other collectors are heard to do about a venue.
    pub elsewhere: Arc<dyn Fn(&VenueId) -> Elsewhere + Send + Sync>,
}

/// What other collectors are heard to do about a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// No other has live data of it.
    Nothing,
    /// Another has some.
    Partly,
    /// Every connection that another has to it is live.
    Live,
}

impl Settings {
    /// The defaults for a collector of that name, without any environment.
    pub fn new(collector_id: &str) -> Settings {
        Settings {
            collector_id: collector_id.into(),
            allow_private: Vec::new(),
            environment: Arc::new(|_| None),
            stale_after_ms: None,
            expire_after_ms: None,
            resolver: Arc::new(SystemResolver),
            wire: Arc::new(Tcp),
            division: None,
            timing: Timing::default(),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("collector_id", &self.collector_id)
            .field("allow_private", &self.allow_private)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// Knobs of time. The defaults are the product's; tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Waits between attempts.
    pub backoff: BackoffLimits,
    /// Name, TCP, TLS and handshake together.
    pub connect_timeout: Duration,
    /// The name service alone.
    pub resolve_timeout: Duration,
    /// One frame of ours, until the socket has taken it.
    pub send_timeout: Duration,
    /// A replaced connection stays open for at most this long while the new one begins to deliver.
    pub overlap_max: Duration,
    /// A closing connection is read for at most this long, for what is still on its way.
    pub drain_max: Duration,
    /// How often pairs are looked over for missing and stale data.
    pub look_every: Duration,
    /// A symbol that the venue does not know is asked for again after this time.
    pub delisted_retry: Duration,
    /// A status is published at least this often.
    pub status_every: Duration,
    /// And at most this often.
    pub status_gap: Duration,
    /// A store that does not answer is asked again after this time.
    pub store_retry: Duration,
    /// A venue that does not serve this place, at any of its addresses, is asked again after this time.
    pub geo_blocked_pause: Duration,
    /// Without `Retry-After`, a venue that says "too many" is left alone for this long.
    pub rate_limited_pause: Duration,
    /// How long a lease of a venue is kept without being prolonged.
    pub lease_keep: Duration,
    /// How often leases are prolonged and looked at.
    pub lease_look: Duration,
    /// A venue that should move here, and is not live here within this time, stays where it is.
    pub prepare_max: Duration,
    /// Whoever stops goes on for at most this long, until others have what it had.
    pub hand_over_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            backoff: BackoffLimits::default(),
            connect_timeout: Duration::from_secs(10),
            resolve_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(10),
            overlap_max: Duration::from_secs(30),
            drain_max: Duration::from_secs(1),
            look_every: Duration::from_millis(500),
            delisted_retry: Duration::from_secs(3_600),
            status_every: Duration::from_secs(5),
            status_gap: Duration::from_millis(100),
            store_retry: Duration::from_secs(2),
            geo_blocked_pause: Duration::from_secs(900),
            rate_limited_pause: Duration::from_secs(60),
            // Two looks may fail, and a dead collector's venues are live elsewhere within ten seconds all the same.
            lease_keep: Duration::from_secs(6),
            lease_look: Duration::from_secs(1),
            prepare_max: Duration::from_secs(30),
            hand_over_max: Duration::from_secs(4),
        }
    }
}
