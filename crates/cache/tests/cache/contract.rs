//! What every cache must do, as plain functions over `&dyn Cache`; the list of backends is at the end.
//! It must not know any backend but by its address.

use crate::lab::{known, tick, venue};
use cache::Cache;
use market::{Flags, Newest, Price, Sequence, Tick};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

async fn an_empty_one_is_up_and_knows_nothing(cache: &dyn Cache) {
    assert!(cache.is_up());
    assert_eq!(cache.all().await.unwrap(), []);
    cache.put(&venue("one"), &[]).await.unwrap();
    assert_eq!(cache.all().await.unwrap(), []);
}

async fn a_tick_comes_back_as_it_was_put(cache: &dyn Cache) {
    let exact = Tick {
        last: Some(Price::parse("64348.95000000").unwrap()),
        venue_time: None,
        sequence: Sequence::new("99999999999999999999999999"),
        flags: Flags::NONE.with(market::Flag::ClockSkew),
        ..tick("BTC-USD", 7, "b")
    };
    cache.put(&venue("one"), std::slice::from_ref(&exact)).await.unwrap();
    let all = cache.all().await.unwrap();
    assert_eq!(all, [(venue("one"), exact)]);
    assert_eq!(all[0].1.last.unwrap().to_string(), "64348.95000000");
}

async fn the_newest_of_every_side_is_kept(cache: &dyn Cache) {
    for (pair, put, expect) in [
        ("A-USD", &[(1, "lba"), (2, "lba")][..], &[2][..]),
        ("B-USD", &[(2, "lba"), (1, "lba")], &[2]),
        ("C-USD", &[(1, "l"), (2, "ba")], &[1, 2]),
        ("D-USD", &[(2, "ba"), (1, "l"), (3, "b")], &[1, 2, 3]),
        ("E-USD", &[(1, "")], &[]),
    ] {
        for (at, sides) in put {
            cache.put(&venue("one"), &[tick(pair, *at, sides)]).await.unwrap();
        }
        let mut kept: Vec<i64> = cache
            .all()
            .await
            .unwrap()
            .iter()
            .filter(|(_, t)| t.pair.to_string() == pair)
            .map(|(_, t)| t.event_time().millis())
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, expect, "{pair} {put:?}");
    }
}

async fn venues_and_pairs_are_apart(cache: &dyn Cache) {
    cache.put(&venue("one"), &[tick("BTC-USD", 5, "l"), tick("ETH-USD", 6, "l")]).await.unwrap();
    cache.put(&venue("two"), &[tick("BTC-USD", 3, "l")]).await.unwrap();
    let known: Vec<String> = known(cache)
        .await
        .iter()
        .map(|((venue, pair), newest)| format!("{venue} {pair} {}", newest.ticks()[0].event_time().millis()))
        .collect();
    assert_eq!(known, ["one BTC-USD 5", "one ETH-USD 6", "two BTC-USD 3"]);
}

async fn any_order_and_repetition_give_the_same(cache: &dyn Cache) {
    let mut runner = TestRunner::deterministic();
    let ticks = prop::collection::vec(("(BTC|ETH)-USD", "l?b?a?"), 1..20).prop_flat_map(|sides| {
        let ticks: Vec<Tick> =
            sides.iter().enumerate().map(|(at, (pair, sides))| tick(pair, at as i64 + 1, sides)).collect();
        (Just(ticks.clone()), Just([ticks.clone(), ticks].concat()).prop_shuffle(), 1usize..20)
    });
    let mut expect = BTreeMap::<_, Newest>::new();
    for case in 0..256 {
        let (straight, shuffled, chunk) = ticks.new_tree(&mut runner).unwrap().current();
        let venue = venue(&format!("v{case}"));
        for tick in &straight {
            expect.entry((venue.clone(), tick.pair.clone())).or_default().apply(tick);
        }
        for ticks in shuffled.chunks(chunk) {
            cache.put(&venue, ticks).await.unwrap();
        }
    }
    expect.retain(|_, newest| !newest.ticks().is_empty());
    assert_eq!(known(cache).await, expect);
}

#[tokio::test]
async fn what_is_no_cache_is_refused_without_its_password() {
    for (url, expect) in [
        ("redis://:hunter2@host:none", "redis:…: not a cache address; write memory:// or redis://"),
        ("rediss:hunter2@host", "rediss:…: not a cache address; write memory:// or redis://"),
        ("memcached://u:hunter2@host", "memcached:…: not a cache address; write memory:// or redis://"),
        ("memory://elsewhere", "memory:…: not a cache address; write memory:// or redis://"),
        ("", ":…: not a cache address; write memory:// or redis://"),
    ] {
        let error = cache::open(url).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), expect, "{url}");
        assert!(!error.is_transient());
    }
}

/// The whole suite for one backend: a fresh cache for every test.
macro_rules! contract {
    ($backend:ident, $open:expr; $($test:ident)*) => {
        mod $backend {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&*$open.await).await;
            })*
        }
    };
    ($($backend:ident: $open:expr),* $(,)?) => {$(
        contract! { $backend, $open;
            an_empty_one_is_up_and_knows_nothing
            a_tick_comes_back_as_it_was_put
            the_newest_of_every_side_is_kept
            venues_and_pairs_are_apart
            any_order_and_repetition_give_the_same
        }
    )*};
}

contract! {
    memory: async { cache::open("memory://").await.unwrap() },
    redis: crate::lab::cache(&crate::lab::shared()),
}
