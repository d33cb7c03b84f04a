//! The role that keeps what readers need later: last ticks in the cache, candles in the store, and one rate per pair
//! on the broker for everyone else. It must not know venues' wire formats, nor who reads what it keeps.

mod candles;
mod keep;
mod last;
mod publish;

pub use candles::{Accounts, Heard};

use board::Board;
use broker::Broker;
use cache::Cache;
use clock::Clock;
use std::{sync::Arc, time::Duration};
use store::Store;
use tokio_util::sync::CancellationToken;

/// What the recorder works with.
#[derive(Clone)]
pub struct Parts {
    /// Where ticks come from, and where rates go.
    pub broker: Arc<dyn Broker>,
    /// Where last ticks go.
    pub cache: Arc<dyn Cache>,
    /// Where candles go; without one they wait.
    pub store: Arc<dyn Store>,
    /// The rates.
    pub board: Arc<Board>,
    /// The time.
    pub clock: Clock,
}

/// How it works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names this process and this start of it, among several recorders.
    pub holder: String,
    /// How long candles of a minute, an hour and a day are kept; `None` = for ever.
    pub retention: [Option<Duration>; 3],
    /// How often changed candles are written.
    pub flush_every: Duration,
    /// At most one rate per pair in this time.
    pub publish_every: Duration,
    /// The lease that lets one of several recorders publish.
    pub lease: String,
    /// How long that is kept; it is prolonged at about a third of that.
    pub lease_keep: Duration,
}

impl Settings {
    /// The usual terms.
    pub fn new(holder: impl Into<String>) -> Settings {
        const DAY: Duration = Duration::from_secs(86_400);
        Settings {
            holder: holder.into(),
            retention: [Some(7 * DAY), Some(366 * DAY), None],
            flush_every: Duration::from_secs(1),
            publish_every: Duration::from_secs(1),
            lease: "recorder".to_owned(),
            lease_keep: Duration::from_secs(9),
        }
    }
}

/// Records until `stop`; never fails: what cannot be written now is written later, the newest of it.
pub async fn run(parts: Parts, settings: Settings, stop: CancellationToken) {
    let last = last::Last::default();
    let accounts = candles::Shared::default();
    let turn = publish::Turn::default();
    tokio::join!(
        keep::follow_ticks(&parts, &last, &accounts, &stop),
        keep::follow_rates(&parts, &accounts, &settings, &turn, &stop),
        turn.keep(&parts, &settings, &stop),
        last.write(&parts, &stop),
        candles::write(&accounts, &parts, &settings, &stop),
        candles::forget(&parts, &settings, &stop),
    );
}
