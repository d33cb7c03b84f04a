//! The life of a process that may be killed: it watches, it sends, and a price has crossed.
//! It must not know what is expected of it.

use crate::deadly::{Deadly, Point};
use alerts::{Parts, Sending, Settings, send_outbox};
use board::{Board, Options};
use clock::Clock;
use market::{Flags, Pair, Price, Sequence, Tick, VenueId};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use store::Seed;
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

pub fn live(orders: &Orders) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let clock = Clock::system();
        let store = store::open(&orders.url, Seed::default()).await.expect("a store");
        let deadly = Arc::new(Deadly::new(store.clone(), orders));
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
        // It ends when it is killed.
        let never = CancellationToken::new();
        tokio::join!(
            alerts::run(parts, settings, never.clone()),
            send_outbox(deadly.clone(), deadly, clock, Sending::new("chat"), never),
        );
    });
}
