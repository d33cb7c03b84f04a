//! Observations become ticks, and the ticks of one frame one batch. It must not know sockets, nor whether a
//! tick is newer than another: the board decides that.

use crate::permit::{May, Permit};
use broker::Broker;
use market::{Flag, Flags, Newest, Pair, Sequence, Tick, TickBatch, Timestamp, VenueId};
use std::{collections::HashMap, sync::Arc};
use venue::Observation;

/// Publishes what one venue says.
pub struct Publisher {
    venue: VenueId,
    broker: Arc<dyn Broker>,
    permit: Arc<Permit>,
    ticks: Vec<Tick>,
    /// The newest of what may not be handed over yet.
    held: HashMap<Pair, Newest>,
}

impl Publisher {
    /// A publisher for that venue.
    pub fn new(venue: VenueId, broker: Arc<dyn Broker>, permit: Arc<Permit>) -> Publisher {
        Publisher { venue, broker, permit, ticks: Vec::new(), held: HashMap::new() }
    }

    /// Adds an observation to the batch of this frame; `false` if it is none worth publishing: a repetition,
    /// something that is not spot, or history without a time, which nobody could put in order.
    pub fn add(&mut self, seen: Observation, received_at: Timestamp) -> bool {
        match tick(seen, received_at) {
            Some(tick) => {
                self.ticks.push(tick);
                true
            }
            None => false,
        }
    }

    /// Hands the batch over, if there is anything in it and the permit says so.
    pub fn flush(&mut self, sent_at: Timestamp) {
        if self.ticks.is_empty() && self.held.is_empty() {
            return;
        }
        match self.permit.at(sent_at) {
            May::Publish => {
                let mut ticks = std::mem::take(&mut self.ticks);
                if !self.held.is_empty() {
                    let held = std::mem::take(&mut self.held);
                    ticks.splice(..0, held.into_values().flat_map(Newest::into_ticks));
                }
                self.broker.publish_ticks(TickBatch {
                    v: TickBatch::VERSION,
                    venue: self.venue.clone(),
                    sent_at,
                    ticks,
                });
            }
            May::Wait => {
                for tick in self.ticks.drain(..) {
                    self.held.entry(tick.pair.clone()).or_default().apply(&tick);
                }
            }
            May::Nothing => {
                self.ticks.clear();
                self.held.clear();
            }
        }
    }
}

fn tick(seen: Observation, received_at: Timestamp) -> Option<Tick> {
    let nothing = seen.last.is_none() && seen.bid.is_none() && seen.ask.is_none();
    if nothing || seen.duplicate || (seen.history && seen.venue_time.is_none()) {
        return None;
    }
    let mut tick = Tick {
        pair: seen.pair?,
        symbol: seen.symbol,
        last: seen.last,
        bid: seen.bid,
        ask: seen.ask,
        venue_time: seen.venue_time,
        received_at,
        sequence: seen.sequence.unwrap_or_else(|| Sequence::from_receipt(received_at)),
        flags: Flags::NONE,
    };
    if tick.is_ahead() {
        tick.flags = tick.flags.with(Flag::ClockSkew);
    }
    Some(tick)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Pair, Price};

    fn seen() -> Observation {
        Observation {
            symbol: "BTCUSDT".into(),
            pair: Pair::parse("BTC-USDT").ok(),
            last: Price::parse("64348.95").ok(),
            bid: None,
            ask: None,
            venue_time: None,
            sequence: None,
            history: false,
            duplicate: false,
        }
    }

    #[test]
    fn what_is_no_observation_is_not_published() {
        let now = Timestamp::from_millis(1_000_000);
        let time = Some(Timestamp::from_millis(900_000));
        for (name, seen, published) in [
            ("plain", seen(), true),
            ("repeated", Observation { duplicate: true, ..seen() }, false),
            ("not spot", Observation { pair: None, ..seen() }, false),
            ("empty", Observation { last: None, ..seen() }, false),
            ("history", Observation { history: true, ..seen() }, false),
            ("history with its time", Observation { history: true, venue_time: time, ..seen() }, true),
        ] {
            assert_eq!(tick(seen, now).is_some(), published, "{name}");
        }
    }

    /// What is held back is handed on once it may be, the newest of it; what was read too late never is.
    #[tokio::test]
    async fn only_what_is_permitted_is_handed_on() {
        let broker = broker::open("memory://").await.unwrap();
        let mut subscription = broker.subscribe().await.unwrap();
        let permit = Arc::new(Permit::waiting());
        let venue = VenueId::parse("a").unwrap();
        let mut publisher = Publisher::new(venue, broker.clone(), permit.clone());
        let mut said = |last: &str, ms: i64| {
            let seen = Observation { last: Some(last.parse().unwrap()), ..seen() };
            let now = Timestamp::from_millis(ms);
            assert!(publisher.add(seen, now));
            publisher.flush(now);
        };
        said("1", 1_000);
        said("2", 1_001);
        assert!(permit.prolong(Timestamp::from_millis(1_002), Timestamp::from_millis(2_000)));
        said("3", 1_003);
        said("4", 2_000);
        assert!(!permit.prolong(Timestamp::from_millis(2_001), Timestamp::from_millis(9_000)));
        said("5", 2_002);
        broker.close().await;
        let mut all = Vec::new();
        while let Some(broker::Delivery::Ticks(batch)) = subscription.next().await {
            all.push(batch.ticks.iter().filter_map(|t| t.last).map(|l| l.to_string()).collect::<Vec<_>>());
        }
        assert_eq!(all, [["2", "3"]]);
    }

    #[test]
    fn a_clock_that_runs_ahead_is_flagged() {
        let now = Timestamp::from_millis(1_000_000);
        for (ahead_ms, flagged) in
            [(-3_600_000, false), (0, false), (5_000, false), (5_001, true), (3_600_000, true)]
        {
            let seen = Observation { venue_time: Some(now.plus_millis(ahead_ms)), ..seen() };
            let tick = tick(seen, now).unwrap();
            assert_eq!(tick.flags.contains(Flag::ClockSkew), flagged, "{ahead_ms}");
            assert_eq!(tick.sequence, Sequence::from_receipt(now));
        }
    }
}
