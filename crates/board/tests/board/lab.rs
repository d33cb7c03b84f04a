//! A board on a clock that the test moves, and short ways to say ticks and read answers.
//! It must not judge anything itself.

use board::{Answer, Board, Change, Changes, Next, Options};
use clock::Clock;
use market::{
    ConnectionState, ConnectionStatus, Flags, Pair, PairState, PairStatus, Price, Sequence, Tick, Timestamp,
    VenueId, VenueStatus,
};
use std::{sync::Arc, time::Duration};

pub struct Lab {
    pub board: Arc<Board>,
    pub changes: Changes,
}

pub fn options() -> Options {
    Options { stale_after_ms: 30_000, expire_after_ms: 300_000, demo: false, same_as: Vec::new() }
}

pub fn start() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

pub fn pair(text: &str) -> Pair {
    Pair::parse(text).unwrap()
}

pub fn venue(text: &str) -> VenueId {
    VenueId::parse(text).unwrap()
}

/// A tick of that moment, without the venue's own time or count.
pub fn tick(name: &str, last: &str, at: Timestamp) -> Tick {
    Tick {
        pair: pair(name),
        symbol: name.into(),
        last: Some(Price::parse(last).unwrap()),
        bid: None,
        ask: None,
        venue_time: None,
        received_at: at,
        sequence: Sequence::from_receipt(at),
        flags: Flags::NONE,
    }
}

impl Lab {
    pub fn new() -> Lab {
        let board = Board::new(Clock::at(start()), options());
        let (changes, last) = board.changes();
        assert_eq!(last, 0);
        Lab { board, changes }
    }

    pub fn now(&self) -> Timestamp {
        self.board.clock().now()
    }

    /// One venue says one price now.
    pub fn say(&self, from: &str, name: &str, last: &str) {
        self.board.apply(&venue(from), &[tick(name, last, self.now())]);
    }

    /// Lets time pass as the timer does, in steps of 100 ms.
    pub async fn pass(&self, ms: u64) {
        for _ in 0..ms / 100 {
            tokio::time::advance(Duration::from_millis(100)).await;
            self.board.tick_clock();
        }
        tokio::time::advance(Duration::from_millis(ms % 100)).await;
    }

    /// A status with one connection and these pairs.
    pub fn status(&self, from: &str, state: ConnectionState, pairs: &[(&str, PairState)]) {
        self.board.apply_status(Arc::new(status(from, "c1", self.now(), state, pairs)));
    }

    pub fn answer(&self, name: &str) -> Arc<Answer> {
        self.board.answer(&pair(name)).unwrap()
    }

    /// `state value [degraded]`
    pub fn read(&self, name: &str) -> String {
        self.board.answer(&pair(name)).map_or("none".to_owned(), |a| brief(&a))
    }

    /// The events so far, as `pair state value` or `status ...`.
    pub async fn events(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(change) = self.next().await {
            all.push(said(&change));
        }
        all
    }

    pub async fn next(&mut self) -> Option<Arc<Change>> {
        // Nothing is spawned: what is not there now does not come by waiting.
        match tokio::time::timeout(Duration::ZERO, self.changes.next()).await {
            Ok(Next::Change(change)) => Some(change),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }
}

pub fn brief(answer: &Answer) -> String {
    let value = answer.rate.value.map_or("-".to_owned(), |v| v.to_string());
    format!("{:?} {value} {:?}", answer.rate.state, answer.rate.degraded)
}

pub fn json(change: &Change) -> serde_json::Value {
    let text = std::str::from_utf8(&change.event).unwrap();
    let data = text.split("data: ").nth(1).unwrap().strip_suffix("\n\n").unwrap();
    serde_json::from_str(data).unwrap()
}

pub fn said(change: &Change) -> String {
    let json = json(change);
    match &change.pair {
        Some(pair) => {
            format!("{pair} {} {}", json["state"].as_str().unwrap(), json["value"]).replace('"', "")
        }
        None => json.to_string().replace('"', ""),
    }
}

pub fn status(
    from: &str,
    collector: &str,
    at: Timestamp,
    state: ConnectionState,
    pairs: &[(&str, PairState)],
) -> VenueStatus {
    let connection = ConnectionStatus {
        id: format!("{from}-1").into(),
        state,
        since: at,
        reconnects: 0,
        last_error: None,
        pairs: pairs.len() as u32,
        until: None,
        unread: None,
        every_ms: None,
        seldom: None,
    };
    let pair_status = |(name, state): &(&str, PairState)| PairStatus {
        pair: pair(name),
        state: *state,
        last_data_at: None,
        stale_after_ms: None,
        expire_after_ms: None,
    };
    VenueStatus {
        v: 1,
        venue: venue(from),
        collector: collector.into(),
        sent_at: at,
        connections: vec![connection],
        rows: Vec::new(),
        pairs: pairs.iter().map(pair_status).collect(),
    }
}
