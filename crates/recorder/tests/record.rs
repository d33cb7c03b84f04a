//! The recorder on embedded parts: what it keeps of the ticks that flow, whatever their order and however often.
//! It must not need anything beside the repository.

use board::Options;
use clock::Clock;
use market::{Pair, Price, Sequence, Tick, TickBatch, Timestamp, VenueId};
use proptest::prelude::*;
use recorder::{Accounts, Heard, Parts, Settings};
use std::{sync::Arc, time::Duration};
use store::{CandleRange, Interval, Seed};
use tokio_util::sync::CancellationToken;

const NOON: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 43_200_000;

fn pair() -> Pair {
    Pair::parse("BTC-USD").unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn tick(last: &str, ms: i64) -> Tick {
    let at = Timestamp::from_millis(ms);
    Tick {
        pair: pair(),
        symbol: "BTC-USD".into(),
        last: Some(price(last)),
        bid: None,
        ask: None,
        venue_time: Some(at),
        received_at: at,
        sequence: Sequence::from_receipt(at),
        flags: market::Flags::NONE,
    }
}

fn venue(name: &str) -> VenueId {
    VenueId::parse(name).unwrap()
}

fn batch(name: &str, ticks: Vec<Tick>) -> TickBatch {
    TickBatch { v: 1, venue: venue(name), sent_at: ticks[0].received_at, ticks }
}

struct Lab {
    parts: Parts,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Lab {
    async fn start() -> Lab {
        let clock = Clock::at(Timestamp::from_millis(NOON + 30_000));
        let broker = broker::open("memory://").await.unwrap();
        let cache = cache::open("memory://").await.unwrap();
        let store = store::open("sqlite::memory:", Seed::default()).await.unwrap();
        let stop = CancellationToken::new();
        let options =
            Options { stale_after_ms: 60_000, expire_after_ms: 600_000, demo: false, same_as: Vec::new() };
        let board = board::follow(broker.clone(), cache.clone(), clock, options, stop.clone()).await;
        let parts = Parts { broker, cache, store, board, clock };
        let settings = Settings {
            flush_every: Duration::from_millis(20),
            publish_every: Duration::from_millis(50),
            ..Settings::new("test")
        };
        let running = tokio::spawn(recorder::run(parts.clone(), settings, stop.clone()));
        let lab = Lab { parts, stop, running };
        // Until a probe arrives: only then the recorder hears what is published.
        let probe = Tick { pair: Pair::parse("PROBE-USD").unwrap(), ..tick("1", NOON) };
        let range = |lab: &Lab| lab.range(Some(venue("probe")), probe.pair.clone(), Interval::Minute);
        while lab.parts.store.candles(&range(&lab)).await.unwrap().is_empty() {
            lab.parts.broker.publish_ticks(batch("probe", vec![probe.clone()]));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lab
    }

    fn range(&self, venue: Option<VenueId>, pair: Pair, interval: Interval) -> CandleRange {
        let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(NOON * 2));
        CandleRange { venue, pair, interval, from, to, limit: 100 }
    }

    async fn candles(&self, venue: Option<VenueId>, interval: Interval) -> Vec<store::Candle> {
        let range = self.range(venue, pair(), interval);
        self.parts.store.candles(&range).await.unwrap()
    }

    /// Waits until there are candles of which this holds.
    async fn until(
        &self,
        venue: Option<VenueId>,
        interval: Interval,
        holds: impl Fn(&[store::Candle]) -> bool,
    ) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        loop {
            let candles = self.candles(venue.clone(), interval).await;
            if holds(&candles) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "still {candles:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        self.parts.store.close().await;
    }
}

#[tokio::test]
async fn ticks_become_candles_and_last_ticks() {
    let lab = Lab::start().await;
    let told = ["100", "105.50", "99", "101"];
    for (number, last) in told.iter().enumerate() {
        let at = NOON + 20_000 + number as i64 * 1_000;
        lab.parts.broker.publish_ticks(batch("alpha", vec![tick(last, at)]));
        lab.parts.broker.publish_ticks(batch("alpha", vec![tick(last, at)]));
    }
    let full = |c: &[store::Candle]| {
        c.len() == 1
            && [c[0].open, c[0].high, c[0].low, c[0].close] == ["100", "105.50", "99", "101"].map(price)
            && c[0].ticks == 4
    };
    for interval in Interval::ALL {
        lab.until(Some(venue("alpha")), interval, full).await;
    }
    // Our own rate has candles too.
    lab.until(None, Interval::Hour, |c| c.len() == 1 && c[0].close == price("101")).await;
    let all = lab.parts.cache.all().await.unwrap();
    assert!(all.iter().any(|(v, t)| *v == venue("alpha") && t.last == Some(price("101"))), "{all:?}");
    lab.end().await;
}

#[tokio::test]
async fn what_was_not_written_yet_is_written_at_the_end() {
    let lab = Lab::start().await;
    lab.parts.broker.publish_ticks(batch("alpha", vec![tick("100", NOON + 20_000)]));
    lab.until(Some(venue("alpha")), Interval::Minute, |c| c.len() == 1).await;
    let store = lab.parts.store.clone();
    lab.parts.broker.publish_ticks(batch("alpha", vec![tick("111", NOON + 21_000)]));
    lab.until(Some(venue("alpha")), Interval::Minute, |c| c[0].close == price("111")).await;
    lab.stop.cancel();
    lab.running.await.unwrap();
    assert!(store.ping().await.is_ok());
    store.close().await;
}

proptest! {
    /// The same ticks in any order, any number of times, give the same open, high, low and close.
    #[test]
    fn order_and_repetition_change_no_price(
        ticks in prop::collection::vec((1u32..1_000, 0i64..180_000), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let add = |accounts: &mut Accounts, (cents, at): (u32, i64)| {
            let price = Price::parse(&format!("{}.{:02}", cents / 100 + 1, cents % 100)).unwrap();
            accounts.add(None, &pair(), price, Timestamp::from_millis(NOON + at), Heard::default());
        };
        let (mut plain, mut shuffled) = (Accounts::default(), Accounts::default());
        ticks.iter().for_each(|t| add(&mut plain, *t));
        order.iter().for_each(|at| add(&mut shuffled, ticks[at.index(ticks.len())]));
        ticks.iter().rev().for_each(|t| add(&mut shuffled, *t));
        let prices = |accounts: &mut Accounts| {
            let mut all: Vec<_> = accounts.take_changed(1_000).into_iter()
                .map(|c| (c.key.clone(), c.open, c.high, c.low, c.close)).collect();
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all
        };
        prop_assert_eq!(prices(&mut plain), prices(&mut shuffled));
    }
}

/// A broker says the newest of every pair again every 15 s: that is written no more, and begins nothing anew.
#[test]
fn a_repetition_writes_nothing_again() {
    let mut accounts = Accounts::default();
    let said = Timestamp::from_millis(NOON);
    accounts.add(None, &pair(), price("1"), said, Heard::default());
    assert_eq!(accounts.take_changed(100).len(), 3);
    let again = |accounts: &mut Accounts, last: &str, after_ms: i64| {
        let now = said.plus_millis(after_ms);
        accounts.close(now);
        accounts.add(None, &pair(), price(last), said, Heard { again_at: Some(now) });
        (accounts.len(), accounts.take_changed(100).len())
    };
    for (after_ms, kept) in [(15_000, 3), (119_999, 3), (120_000, 2), (3_660_000, 1), (3 * 86_400_000, 0)] {
        assert_eq!(again(&mut accounts, "1", after_ms), (kept, 0), "{after_ms} ms later");
    }
    // What comes late and says something counts wherever it is not over.
    accounts.add(None, &pair(), price("1"), said, Heard::default());
    assert_eq!(accounts.take_changed(100).len(), 3);
    assert_eq!(again(&mut accounts, "2", 120_000), (2, 2));
}

/// A store may be away for days: what waits for it stays within its bound, and hours and days are kept longest.
#[test]
fn of_what_waits_too_long_the_oldest_minutes_are_dropped() {
    let mut accounts = Accounts::with_most(100);
    let at = |minute: i64| Timestamp::from_millis(NOON + minute * 60_000);
    for minute in 0..1_000 {
        accounts.add(None, &pair(), price("1"), at(minute), Heard::default());
        assert!(accounts.len() <= 100, "{} after {minute} minutes", accounts.len());
    }
    let dropped = accounts.take_dropped();
    assert_eq!(accounts.take_dropped(), 0, "each is counted once");
    let kept = accounts.take_changed(1_000);
    let of = |interval| kept.iter().filter(move |c| c.key.interval == interval).map(|c| c.key.start);
    assert_eq!(
        (of(Interval::Hour).count(), of(Interval::Day).count()),
        (17, 2),
        "1,000 minutes from noon on"
    );
    let minutes: std::collections::BTreeSet<_> = of(Interval::Minute).collect();
    assert_eq!(dropped + minutes.len(), 1_000);
    assert_eq!(
        (minutes.first().copied(), minutes.last().copied()),
        (Some(at(dropped as i64)), Some(at(999)))
    );

    // More pairs than there is room for: hours go before days.
    for number in 0..50 {
        let pair = Pair::parse(&format!("P{number}-USD")).unwrap();
        accounts.add(None, &pair, price("1"), at(0), Heard::default());
    }
    assert!(accounts.len() <= 100);
    assert!(accounts.take_dropped() > 50, "minutes and hours");
    let kept = accounts.take_changed(1_000);
    assert_eq!(kept.iter().filter(|candle| candle.key.interval == Interval::Day).count(), 50);
}

#[test]
fn what_is_over_and_written_is_let_go() {
    let mut accounts = Accounts::default();
    accounts.add(None, &pair(), price("1"), Timestamp::from_millis(NOON), Heard::default());
    accounts.close(Timestamp::from_millis(NOON + 86_400_000 * 3));
    assert_eq!(accounts.len(), 3, "not written yet");
    let changed = accounts.take_changed(100);
    accounts.give_back(&changed[..1]);
    accounts.close(Timestamp::from_millis(NOON + 86_400_000 * 3));
    assert_eq!(accounts.len(), 1, "one was given back");
    let _ = accounts.take_changed(100);
    accounts.close(Timestamp::from_millis(NOON + 86_400_000 * 3));
    assert!(accounts.is_empty());
    let _ = Arc::new(accounts);
}
