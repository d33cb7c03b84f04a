//! Ticks to keep, and private servers to keep them on.
//! It must not know what is tested.

use cache::{Cache, Options};
use market::{Flags, Newest, Pair, Price, Sequence, Tick, Timestamp, VenueId};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use testkit::servers::Redis;

/// A tick at a time, with the sides named by letters: `l`, `b`, `a`.
pub fn tick(pair: &str, at: i64, sides: &str) -> Tick {
    let price = |side: char| sides.contains(side).then(|| Price::parse(&at.to_string()).unwrap());
    Tick {
        pair: Pair::parse(pair).unwrap(),
        symbol: pair.into(),
        last: price('l'),
        bid: price('b'),
        ask: price('a'),
        venue_time: Some(Timestamp::from_millis(at)),
        received_at: Timestamp::from_millis(at),
        sequence: Sequence::new("1"),
        flags: Flags::NONE,
    }
}

/// A venue by its name.
pub fn venue(name: &str) -> VenueId {
    VenueId::parse(name).unwrap()
}

/// What a board makes of it.
pub async fn known(cache: &dyn Cache) -> BTreeMap<(VenueId, Pair), Newest> {
    let mut known = BTreeMap::<_, Newest>::new();
    for (venue, tick) in cache.all().await.unwrap() {
        known.entry((venue, tick.pair.clone())).or_default().apply(&tick);
    }
    known
}

/// The server for tests that leave it alive.
pub fn shared() -> Redis {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    SERVER.get_or_init(|| Redis::start().unwrap()).clone()
}

/// A prefix that nobody else has.
pub fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // With a character that means something in a pattern.
    format!("test[{}]", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A cache on a server, for one test alone, that is patient with a busy machine.
pub async fn cache(server: &Redis) -> Arc<dyn Cache> {
    named(server, &prefix()).await
}

/// The same with a prefix.
pub async fn named(server: &Redis, prefix: &str) -> Arc<dyn Cache> {
    let options =
        Options { prefix: prefix.to_owned(), timeout: Duration::from_secs(5), ..Options::default() };
    let cache = cache::open_with(&server.url(), &options).await.unwrap();
    testkit::until("the cache is up", Duration::from_secs(10), || cache.is_up()).await;
    cache
}
