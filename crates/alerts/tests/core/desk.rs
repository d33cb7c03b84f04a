//! A book with a clock of its own, that writes and delivers what fires at once unless it is told not to.
//! It must not know what a test is about.

use alerts::{Alert, Book, Condition, Fired, Progress, Seen, Side, Spec};
use market::{Pair, Price, Rate, RateState, Sign, Timestamp};
use rust_decimal::Decimal;

pub const START_MS: i64 = 1_700_000_000_000;
pub const MINUTE_MS: i64 = 60_000;

pub fn pair() -> Pair {
    Pair::parse("BTC-USDT").expect("a pair")
}

pub fn price(text: &str) -> Price {
    Price::parse_signed(text, Sign::Any).expect("a price")
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

pub fn cross(side: Side, threshold: &str) -> Condition {
    Condition::Cross { side, threshold: price(threshold) }
}

pub fn is(side: Side, threshold: &str) -> Condition {
    Condition::Is { side, threshold: price(threshold) }
}

/// A repeating alert on the usual terms.
pub fn repeating(condition: Condition) -> Spec {
    Spec { repeat: true, ..Spec::new(Some(pair()), condition) }
}

/// A rate in some state.
pub fn rate(value: &str, state: RateState) -> Rate {
    Rate {
        value: Some(price(value)),
        state,
        spread_pct: Some(decimal("0.5")),
        sources_used: 3,
        sources_total: 4,
        ..Rate::unseen(&pair())
    }
}

pub struct Desk {
    pub book: Book,
    pub now_ms: i64,
    pub delivers: bool,
    /// Windows are told at once that nothing was before, as by a store without candles.
    pub tells: bool,
    pub fired: Vec<Fired>,
    ids: i64,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::after(None)
    }

    /// `watched_until_ms`: when a process before this one last watched.
    pub fn after(watched_until_ms: Option<i64>) -> Desk {
        let book = Book::new(watched_until_ms.map(at), false);
        Desk { book, now_ms: 0, delivers: true, tells: true, fired: Vec::new(), ids: 0 }
    }

    pub fn alert(&mut self, spec: Spec) -> Alert {
        self.ids += 1;
        spec.check().expect("a good spec");
        Alert {
            id: self.ids,
            owner: "chat:1".into(),
            target: "chat:1".into(),
            progress: Progress::new(&spec, None),
            spec,
            fire_seq: 0,
            revision: 1,
            delivered_at: None,
            created_at: at(self.now_ms),
        }
    }

    /// Puts an alert; its id.
    pub fn put(&mut self, spec: Spec) -> i64 {
        let alert = self.alert(spec);
        let id = alert.id;
        self.book.put(alert, at(self.now_ms));
        if self.tells {
            self.tell(&[]);
        }
        id
    }

    /// Tells every window that asks what was before: minutes ago, and values.
    pub fn tell(&mut self, before: &[(i64, &str)]) {
        let older: Vec<_> = before
            .iter()
            .map(|(minutes, value)| (at(self.now_ms - minutes * MINUTE_MS), decimal(value), decimal(value)))
            .collect();
        for need in self.book.needs(at(self.now_ms)) {
            for within_ms in need.windows_ms {
                self.book.tell_window(&need.pair, within_ms, &older);
            }
        }
    }

    /// A fresh rate, now.
    pub fn see(&mut self, value: &str) {
        self.see_rate(&rate(value, RateState::Fresh));
    }

    pub fn see_rate(&mut self, rate: &Rate) {
        let now = at(self.now_ms);
        self.book.pass(now);
        if let Some(seen) = Seen::of(rate, now) {
            self.book.see(&rate.pair, &seen);
        }
        self.settle();
    }

    /// Writes what fired, and delivers it.
    pub fn settle(&mut self) {
        let now = at(self.now_ms);
        for fired in self.book.take_fired() {
            self.book.written(&fired);
            if self.delivers {
                self.deliver(fired.firing.alert_id, now);
            }
            self.fired.push(fired);
        }
    }

    pub fn deliver(&mut self, id: i64, now: Timestamp) {
        if let Some(alert) = self.book.alert(id) {
            let alert = Alert { delivered_at: Some(now), ..alert.clone() };
            self.book.put(alert, now);
        }
    }

    pub fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// The values that made something fire, in order.
    pub fn values(&self) -> Vec<String> {
        self.fired.iter().filter_map(|f| f.firing.value).map(|v| v.to_string()).collect()
    }
}

/// What fires of a row of values, one minute apart.
pub fn fires(spec: Spec, values: &[&str]) -> Vec<String> {
    let mut desk = Desk::new();
    desk.put(spec);
    for value in values {
        desk.see(value);
        desk.wait(MINUTE_MS);
    }
    desk.values()
}
