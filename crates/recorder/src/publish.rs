//! Rates for everyone else on the broker: one message per pair and second, from one of several recorders.
//! It must not know who reads them.

use crate::{Parts, Settings};
use bytes::Bytes;
use market::Pair;
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

/// The lease that lets one recorder publish.
const LEASE: &str = "recorder";
/// How long it is kept; renewed at a third of that.
const LEASE_FOR: Duration = Duration::from_secs(9);

/// Publishes changed rates.
pub(crate) struct Publisher<'a> {
    parts: &'a Parts,
    holder: &'a str,
    changed: HashSet<Pair>,
    is_ours: bool,
    asked_at: Option<Instant>,
}

impl<'a> Publisher<'a> {
    pub fn new(parts: &'a Parts, settings: &'a Settings) -> Publisher<'a> {
        Publisher { parts, holder: &settings.holder, changed: HashSet::new(), is_ours: false, asked_at: None }
    }

    pub fn changed(&mut self, pair: &Pair) {
        if !self.changed.contains(pair) {
            self.changed.insert(pair.clone());
        }
    }

    /// Publishes each changed pair's rate as it stands now.
    pub async fn publish(&mut self) {
        self.look_at_lease().await;
        let now = self.parts.clock.now();
        for pair in self.changed.drain() {
            if !self.is_ours {
                continue;
            }
            let Some(answer) = self.parts.board.answer(&pair) else { continue };
            let mut body = answer.body.to_vec();
            let age = answer.age_ms(now).map_or_else(|| "null".to_owned(), |age| age.to_string());
            body.extend_from_slice(age.as_bytes());
            body.push(b'}');
            self.parts.broker.publish_rate(&pair, Bytes::from(body));
        }
    }

    /// Asks for the lease when a third of its time is gone. A store that does not answer cannot say that another
    /// recorder publishes: then we do, since a rate said twice does less harm than one not said.
    async fn look_at_lease(&mut self) {
        if self.asked_at.is_some_and(|at| at.elapsed() < LEASE_FOR / 3) {
            return;
        }
        self.asked_at = Some(Instant::now());
        let had = self.is_ours;
        self.is_ours = self.parts.store.acquire_lease(LEASE, self.holder, LEASE_FOR).await.unwrap_or(true);
        if had != self.is_ours {
            tracing::info!(publishes = self.is_ours, "rates for everyone else");
        }
    }
}
