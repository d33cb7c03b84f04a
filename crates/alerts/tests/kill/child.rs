//! The life of a process that may be killed: it watches, it sends, and a price has crossed.
//! It must not know what is expected of it.

use crate::{
    deadly::{Deadly, Point},
    receiver::{Received, send},
};
use alerts::{Parts, Settings};
use board::{Board, Options};
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Tick, VenueId};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::{Outcome, Seed, Settlement};
use tokio_util::sync::CancellationToken;

/// The variable that makes this program a victim.
pub const ORDERS: &str = "ALERTS_KILL_CHILD";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    pub url: String,
    pub receiver: String,
    /// Where to die, on behalf of which alert.
    pub kill: Option<(Point, i64)>,
}

impl Orders {
    pub fn given() -> Option<Orders> {
        serde_json::from_str(&std::env::var(ORDERS).ok()?).ok()
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("orders")
    }
}

pub fn live(orders: Orders) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::system();
        let store = store::open(&orders.url, Seed::default()).await.expect("a store");
        let deadly = Arc::new(Deadly { store: store.clone(), kill: orders.kill });
        let options =
            Options { stale_after_ms: 600_000, expire_after_ms: 600_000, demo: false, same_as: Vec::new() };
        let board = Board::new(clock, options);
        let now = clock.now();
        let crossed = Tick {
            pair: Pair::parse("BTC-USDT").expect("a pair"),
            symbol: "BTCUSDT".into(),
            last: Some(Price::parse("105").expect("a price")),
            bid: None,
            ask: None,
            venue_time: Some(now),
            received_at: now,
            sequence: Sequence::from_receipt(now),
            flags: Flags::NONE,
        };
        board.apply(&VenueId::parse("somewhere").expect("a venue"), &[crossed]);
        let settings = Settings { look_every: Duration::from_millis(20), ..Settings::default() };
        let parts = Parts { alerts: deadly.clone(), ..Parts::new(&store, board, clock) };
        let watch = alerts::run(parts, settings, CancellationToken::new());
        // Whoever starts it kills it.
        tokio::join!(watch, send_all(&*deadly, clock, &orders));
    });
}

/// The plainest sender: what was left is reclaimed, then each message is taken, sent and settled.
async fn send_all(outbox: &Deadly, clock: Clock, orders: &Orders) {
    let now = clock.now();
    outbox.reclaim_messages("chat", now, now).await.expect("the outbox");
    loop {
        let taken = outbox.take_messages("chat", 5, clock.now()).await.expect("the outbox");
        if taken.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for message in taken {
            let alert_id = message.alert_id.expect("of an alert");
            let fire_seq = message.fire_seq.expect("of a firing");
            let received = Received { alert_id, fire_seq, is_repeat: message.is_repeat };
            send(&orders.receiver, &received).await.expect("the receiver");
            let settled = Settlement { id: message.id, attempts: message.attempts, outcome: Outcome::Sent };
            outbox.settle(alert_id, settled, clock.now()).await;
        }
    }
}
