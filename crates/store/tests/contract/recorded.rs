//! What every store must do with candles and leases: the part of the suite that the recorder lives by.
//! It must not know any backend but by its address.

use super::*;

pub(crate) fn key(venue: Option<&str>, pair: &str, interval: Interval, start_ms: i64) -> CandleKey {
    let venue = venue.map(|v| VenueId::parse(v).unwrap());
    CandleKey { venue, pair: pair.parse().unwrap(), interval, start: at(start_ms) }
}

/// One tick after the other: price and time.
pub(crate) fn candle(key: &CandleKey, ticks: &[(&str, i64)]) -> Candle {
    let (price, ms) = ticks[0];
    let mut candle = Candle::of(key.clone(), price.parse().unwrap(), at(ms));
    for (price, ms) in &ticks[1..] {
        candle.merge(&Candle::of(key.clone(), price.parse().unwrap(), at(*ms)));
    }
    candle.ticks = ticks.len() as i64;
    candle
}

pub(crate) fn all_of(key: &CandleKey) -> CandleRange {
    CandleRange {
        venue: key.venue.clone(),
        pair: key.pair.clone(),
        interval: key.interval,
        from: at(0),
        to: at(i64::MAX / 2_000),
        limit: CANDLES_MAX,
    }
}

/// `o h l c n`, as they came.
pub(crate) async fn shapes(store: &dyn Store, key: &CandleKey) -> Vec<String> {
    let candles = store.candles(&all_of(key)).await.unwrap();
    candles.iter().map(|c| format!("{} {} {} {} {}", c.open, c.high, c.low, c.close, c.ticks)).collect()
}

pub(crate) async fn candles_are_kept_to_the_digit_and_found_by_range(place: &dyn Place) {
    let store = open(place).await;
    let minute = |n: i64| key(Some("alpha"), "BTC-USD", Interval::Minute, n * 60_000);
    let candles: Vec<_> = (0..1_200).map(|n| candle(&minute(n), &[("64348.9500", n * 60_000)])).collect();
    let others = [
        candle(&key(None, "BTC-USD", Interval::Minute, 0), &[("1", 0)]),
        candle(&key(Some("rates"), "BTC-USD", Interval::Minute, 0), &[("2", 0)]),
        candle(&key(Some("alpha"), "BTC-EUR", Interval::Minute, 0), &[("3", 0)]),
        candle(&key(Some("alpha"), "BTC-USD", Interval::Hour, 0), &[("0.0000000000000000000000000001", 0)]),
    ];
    store.put_candles(&candles).await.unwrap();
    store.put_candles(&others).await.unwrap();
    store.put_candles(&[]).await.unwrap();
    for other in &others {
        assert_eq!(store.candles(&all_of(&other.key)).await.unwrap(), std::slice::from_ref(other));
    }
    assert_eq!(store.candles(&all_of(&minute(0))).await.unwrap(), candles);
    let range = CandleRange { from: at(60_000), to: at(240_000), ..all_of(&minute(0)) };
    assert_eq!(store.candles(&range).await.unwrap(), candles[1..4]);
    // Of too many, the newest.
    let range = CandleRange { limit: 2, ..range };
    assert_eq!(store.candles(&range).await.unwrap(), candles[2..4]);
    let none = CandleRange { pair: "ETH-USD".parse().unwrap(), ..range };
    assert_eq!(store.candles(&none).await.unwrap(), []);
}

pub(crate) async fn candles_merge_to_the_same_in_any_order_and_number(place: &dyn Place) {
    let store = open(place).await;
    let parts: [&[(&str, i64)]; 4] = [
        &[("10", 5), ("9.5", 6), ("10.50", 7)],
        &[("9.5", 6), ("10.50", 7), ("100", 8), ("9.50", 9)],
        // As numbers, not as text; and closer to each other than floating point could tell.
        &[("9.4999999999999999999999", 7)],
        &[("100.0000000000000000000001", 8)],
    ];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]];
    for (minute, order) in orders.iter().enumerate() {
        let key = key(None, "BTC-USD", Interval::Minute, minute as i64 * 60_000);
        for part in order {
            let part = candle(&key, parts[*part]);
            // Twice in one batch, and again in another.
            store.put_candles(&[part.clone(), part.clone()]).await.unwrap();
            store.put_candles(&[part]).await.unwrap();
        }
    }
    let expect = "10 100.0000000000000000000001 9.4999999999999999999999 9.50 4";
    let shapes = shapes(&*store, &key(None, "BTC-USD", Interval::Minute, 0)).await;
    assert_eq!(shapes, [expect; 4]);
}

pub(crate) async fn several_recorders_write_the_same_candle_at_once(place: &dyn Place) {
    let key = key(Some("alpha"), "BTC-USD", Interval::Hour, 0);
    let mut writing = tokio::task::JoinSet::new();
    for recorder in 0..4 {
        let (store, key) = (open(place).await, key.clone());
        writing.spawn(async move {
            for n in 0..10 {
                let price = (1_000 + recorder * 10 + n).to_string();
                let tick = candle(&key, &[(&price, recorder * 10 + n)]);
                store.put_candles(&[tick]).await.unwrap();
            }
            store.close().await;
        });
    }
    writing.join_all().await;
    assert_eq!(shapes(&*open(place).await, &key).await, ["1000 1039 1000 1039 1"]);
}

pub(crate) async fn old_candles_are_removed_by_their_length(place: &dyn Place) {
    let store = open(place).await;
    let minute = |n: i64| key(Some("alpha"), "BTC-USD", Interval::Minute, n * 60_000);
    let day = key(Some("alpha"), "BTC-USD", Interval::Day, 0);
    let mut candles: Vec<_> = (0..7_000).map(|n| candle(&minute(n), &[("1", n * 60_000)])).collect();
    candles.push(candle(&day, &[("2", 0)]));
    store.put_candles(&candles).await.unwrap();
    let before = at(6_000 * 60_000);
    assert_eq!(store.remove_candles_before(Interval::Minute, before).await.unwrap(), 5_000);
    assert_eq!(store.remove_candles_before(Interval::Minute, before).await.unwrap(), 1_000);
    assert_eq!(store.remove_candles_before(Interval::Minute, before).await.unwrap(), 0);
    let left = store.candles(&all_of(&minute(0))).await.unwrap();
    assert_eq!((left.len(), left[0].key.start), (1_000, before));
    assert_eq!(store.candles(&all_of(&day)).await.unwrap().len(), 1);
}

pub(crate) async fn a_spoilt_candle_is_left_out_and_written_anew(place: &dyn Place) {
    let store = open(place).await;
    let keys = [0, 60_000].map(|start| key(None, "BTC-USD", Interval::Minute, start));
    let candles = keys.each_ref().map(|key| candle(key, &[("10", 5)]));
    store.put_candles(&candles).await.unwrap();
    place.foreign("UPDATE candle SET h = 'high' WHERE t = 0").await;
    assert_eq!(store.candles(&all_of(&keys[0])).await.unwrap(), candles[1..]);
    store.put_candles(&candles[..1]).await.unwrap();
    assert_eq!(store.candles(&all_of(&keys[0])).await.unwrap(), candles);
}

const LONG: Duration = Duration::from_secs(600);

pub(crate) async fn a_lease_has_one_holder_until_it_is_given_back(place: &dyn Place) {
    let (store, other) = (open(place).await, open(place).await);
    assert!(store.acquire_lease("alpha", "one", LONG).await.unwrap());
    assert!(!other.acquire_lease("alpha", "two", LONG).await.unwrap());
    assert!(store.acquire_lease("alpha", "one", LONG).await.unwrap(), "one's own is prolonged");
    assert!(other.acquire_lease("beta", "two", LONG).await.unwrap());
    assert_eq!(store.renew_leases("one", LONG * 2).await.unwrap(), ["alpha"]);
    assert_eq!(store.renew_leases("three", LONG).await.unwrap(), [""; 0]);

    let leases = store.leases().await.unwrap();
    let short = |l: &store::Lease| format!("{} {}", l.name, l.holder);
    assert_eq!(leases.iter().map(short).collect::<Vec<_>>(), ["alpha one", "beta two"]);
    assert!(leases[0].left > LONG && leases[0].left <= LONG * 2, "{leases:?}");
    assert!(leases[1].left > LONG / 2 && leases[1].left <= LONG, "{leases:?}");
    assert!(leases[0].until.millis() > 1_763_000_000_000, "the clock of the database: {leases:?}");

    assert!(!other.release_lease("alpha", "two").await.unwrap());
    assert!(store.release_lease("alpha", "one").await.unwrap());
    assert!(!store.release_lease("alpha", "one").await.unwrap());
    assert!(other.acquire_lease("alpha", "two", LONG).await.unwrap());
}

pub(crate) async fn a_lease_that_has_run_out_is_anybodys(place: &dyn Place) {
    let store = open(place).await;
    assert!(store.acquire_lease("alpha", "one", Duration::ZERO).await.unwrap());
    assert!(store.acquire_lease("beta", "one", LONG).await.unwrap());
    let has_run_out = async {
        while store.leases().await.unwrap()[0].left > Duration::ZERO {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), has_run_out).await.unwrap();
    assert_eq!(store.renew_leases("one", LONG).await.unwrap(), ["beta"], "what is lost is not renewed");
    assert!(!store.forget_lease("beta").await.unwrap(), "somebody has it");
    assert!(store.forget_lease("alpha").await.unwrap());
    assert!(!store.forget_lease("alpha").await.unwrap(), "there is none");
    assert!(store.acquire_lease("alpha", "two", LONG).await.unwrap());
    assert!(!store.acquire_lease("alpha", "one", LONG).await.unwrap());
}

pub(crate) async fn of_many_who_want_a_lease_one_gets_it(place: &dyn Place) {
    let store = open(place).await;
    let mut wanting = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = store.clone();
        wanting.spawn(async move { store.acquire_lease("alpha", &n.to_string(), LONG).await.unwrap() });
    }
    let got = wanting.join_all().await;
    assert_eq!(got.iter().filter(|got| **got).count(), 1);
}
