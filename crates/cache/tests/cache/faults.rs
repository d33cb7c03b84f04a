//! What Redis may be put through: dead, frozen, emptied, full, read-only, and filled by others.
//! Whoever uses the cache must notice it in time, and never be given what is not there.

use crate::lab::{cache, known, named, prefix, shared, tick, venue};
use cache::{Cache, CacheError, Options};
use market::Sequence;
use std::time::Duration;
use testkit::servers::Redis;
use testkit::until;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(10);

async fn times(cache: &dyn Cache) -> Vec<i64> {
    let mut times: Vec<i64> =
        cache.all().await.unwrap().iter().map(|(_, t)| t.event_time().millis()).collect();
    times.sort_unstable();
    times
}

/// Anyone reads a value with `redis-cli`: one tick per pair, whatever it was put together from.
#[tokio::test]
async fn a_value_is_one_tick_for_whoever_looks() {
    let (server, prefix) = (shared(), prefix());
    let cache = named(&server, &prefix).await;
    let key = format!("{prefix}:v1:last:one");
    for (put, expect) in [
        (tick("BTC-USD", 1_700_000_000_123, "l"), ["1700000000123", "null", "null"]),
        (tick("BTC-USD", 1_700_000_000_456, "ba"), ["1700000000123", "1700000000456", "1700000000456"]),
        (tick("BTC-USD", 1_700_000_000_789, "a"), ["1700000000123", "1700000000456", "1700000000789"]),
        (tick("BTC-USD", 1_700_000_000_790, "lba"), ["1700000000790"; 3]),
    ] {
        let at = put.received_at.millis();
        cache.put(&venue("one"), &[put]).await.unwrap();
        let said = server.cli(&["HGET", &key, "BTC-USD"]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        let sides = ["last", "bid", "ask"].map(|side| value[side].as_str().unwrap_or("null").to_owned());
        assert_eq!(sides, expect, "{said}");
        assert_eq!(value["pair"], "BTC-USD");
        assert_eq!(value["received_at"], at, "{said}");
    }
    assert_eq!(server.cli(&["TTL", &key]).unwrap().trim(), "-1", "age is judged by the reader");
}

/// R03: what is older changes nothing, however it got there and by whatever it is older.
#[tokio::test]
async fn older_never_overwrites_newer() {
    let server = shared();
    let sequence = |at: i64, sequence: &str| market::Tick {
        sequence: Sequence::new(sequence),
        ..tick("BTC-USD", at, "l")
    };
    let skewed = |at: i64, received: i64| market::Tick {
        received_at: market::Timestamp::from_millis(received),
        ..tick("BTC-USD", at, "l")
    };
    for (newer, older) in [
        (tick("BTC-USD", 2, "l"), tick("BTC-USD", 1, "l")),
        (tick("BTC-USD", 10_000, "l"), tick("BTC-USD", 9_999, "l")),
        (sequence(5, "10"), sequence(5, "9")),
        (sequence(5, "99999999999999999999999999"), sequence(5, "99999999999999999999999998")),
        (sequence(6, "1"), sequence(5, "2")),
        // A venue's time of more than 5 s ahead counts for nothing.
        (tick("BTC-USD", 50_000, "l"), skewed(99_000, 40_000)),
        (skewed(45_000, 40_000), tick("BTC-USD", 44_000, "l")),
    ] {
        for order in [[&newer, &older], [&older, &newer]] {
            let cache = cache(&server).await;
            for tick in order {
                cache.put(&venue("one"), std::slice::from_ref(tick)).await.unwrap();
            }
            assert_eq!(cache.all().await.unwrap(), [(venue("one"), newer.clone())], "{order:?}");
        }
    }
}

#[tokio::test]
async fn what_others_put_there_is_passed_over_and_mended() {
    let (server, prefix) = (shared(), prefix());
    let cache = named(&server, &prefix).await;
    let key = |venue: &str| format!("{prefix}:v1:last:{venue}");
    cache.put(&venue("good"), &[tick("BTC-USD", 1, "l")]).await.unwrap();
    let garbage = "x".repeat(100_000);
    for value in [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{\"pair\":\"BTC-USD\"}",
        "\u{1}\u{2}",
        &garbage,
        "{\"received_at\":1,\"sequence\":\"1\"}",
    ] {
        server.cli(&["HSET", &key("broken"), "ETH-USD", value]).unwrap();
        assert_eq!(times(&*cache).await, [1], "{value:.20}");
    }
    server.cli(&["HSET", &key("broken"), "no pair", "{}"]).unwrap();
    server.cli(&["SET", &key("wrong-type"), "a string"]).unwrap();
    server.cli(&["RPUSH", &key("wrong-list"), "a"]).unwrap();
    server.cli(&["SET", &key("NO VENUE"), "a string"]).unwrap();
    assert_eq!(times(&*cache).await, [1]);
    for name in ["broken", "wrong-type", "wrong-list"] {
        cache.put(&venue(name), &[tick("ETH-USD", 2, "l")]).await.unwrap();
    }
    assert_eq!(times(&*cache).await, [1, 2, 2, 2], "the next tick mends it");
}

#[tokio::test]
async fn an_emptied_one_is_filled_again() {
    let server = Redis::start().unwrap();
    let cache = cache(&server).await;
    cache.put(&venue("one"), &[tick("BTC-USD", 5, "l")]).await.unwrap();
    server.cli(&["FLUSHALL"]).unwrap();
    server.cli(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(cache.all().await.unwrap(), []);
    cache.put(&venue("one"), &[tick("BTC-USD", 6, "l")]).await.unwrap();
    assert_eq!(times(&*cache).await, [6]);
}

#[tokio::test]
async fn a_server_that_says_no_is_still_read() {
    let server = Redis::start().unwrap();
    let cache = cache(&server).await;
    cache.put(&venue("one"), &[tick("BTC-USD", 1, "l")]).await.unwrap();
    for (no, yes) in [
        (&["CONFIG", "SET", "maxmemory", "1"][..], &["CONFIG", "SET", "maxmemory", "0"][..]),
        (&["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]),
    ] {
        server.cli(no).unwrap();
        let error = cache.put(&venue("one"), &[tick("BTC-USD", 2, "l")]).await.unwrap_err();
        assert!(matches!(error, CacheError::Refused { .. }) && error.is_transient(), "{error}");
        assert!(cache.is_up());
        assert_eq!(times(&*cache).await, [1], "{no:?}");
        server.cli(yes).unwrap();
    }
    cache.put(&venue("one"), &[tick("BTC-USD", 2, "l")]).await.unwrap();
    assert_eq!(times(&*cache).await, [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_one_is_noticed_at_once_and_used_again() {
    let server = Redis::start().unwrap();
    let cache = cache(&server).await;
    cache.put(&venue("one"), &[tick("BTC-USD", 1, "l")]).await.unwrap();
    server.kill();
    until("the cache is down", Duration::from_secs(1), || !cache.is_up()).await;
    let asked = Instant::now();
    for _ in 0..1_000 {
        assert!(matches!(
            cache.put(&venue("one"), &[tick("BTC-USD", 2, "l")]).await,
            Err(CacheError::Unavailable)
        ));
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "an open breaker costs nothing");
    server.restart_beside().await.unwrap().unwrap();
    until("the cache is up again", SOON, || cache.is_up()).await;
    cache.put(&venue("one"), &[tick("BTC-USD", 3, "l")]).await.unwrap();
    assert_eq!(known(&*cache).await.len(), 1);
}

/// R02, with the limits that are used in earnest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_one_costs_one_limit_and_then_nothing() {
    let server = Redis::start().unwrap();
    let cache =
        cache::open_with(&server.url(), &Options { prefix: prefix(), ..Options::default() }).await.unwrap();
    until("the cache is up", SOON, || cache.is_up()).await;
    server.freeze();
    let frozen = Instant::now();
    let error = cache.put(&venue("one"), &[tick("BTC-USD", 1, "l")]).await.unwrap_err();
    assert!(matches!(error, CacheError::Unavailable));
    assert!(frozen.elapsed() < Duration::from_millis(500), "{:?}", frozen.elapsed());
    until("the breaker has opened", Duration::from_secs(1), || !cache.is_up()).await;
    let asked = Instant::now();
    for _ in 0..1_000 {
        assert!(cache.all().await.is_err());
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "an open breaker costs nothing");
    server.resume();
    until("the cache is up again", SOON, || cache.is_up()).await;
}

#[tokio::test]
async fn one_that_is_not_there_yet_is_waited_for_by_nobody() {
    let server = Redis::start().unwrap();
    server.kill();
    let opened = Instant::now();
    let cache = cache::open(&server.url()).await.unwrap();
    assert!(opened.elapsed() < Duration::from_secs(2) && !cache.is_up());
    assert!(cache.all().await.unwrap_err().is_transient());
    server.restart_beside().await.unwrap().unwrap();
    until("the cache is up", SOON, || cache.is_up()).await;
}

#[tokio::test]
async fn what_is_no_redis_and_a_wrong_password_are_down_not_fatal() {
    let server = Redis::start_with(&["--requirepass", "hunter2"]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    let serve = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    };
    tokio::spawn(serve);
    for url in [format!("redis://:wrong@127.0.0.1:{}", server.port()), format!("redis://{other}")] {
        let cache = cache::open(&url).await.unwrap();
        assert!(!cache.is_up(), "{url}");
        assert!(matches!(cache.all().await, Err(CacheError::Unavailable)));
    }
}
