//! What every broker must do, as plain functions over `&dyn Broker`; the list of backends is at the end.
//! It must not know any backend but by its address.

use crate::lab::{batch, soon, status, tick};
use broker::{Broker, BrokerError, BrokerHealth, Delivery, Subscription};
use market::{Newest, Pair, Tick, VenueId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::HashMap;
use std::time::Duration;
use testkit::until;

async fn next(reader: &mut dyn Subscription) -> Delivery {
    soon(reader.next()).await.expect("the subscription has ended")
}

/// Ticks one by one: a broker may put batches together, but it keeps their order and says them as they were.
struct Ticks<'a> {
    reader: &'a mut dyn Subscription,
    rest: std::vec::IntoIter<Tick>,
}

impl Ticks<'_> {
    fn of(reader: &mut dyn Subscription) -> Ticks<'_> {
        Ticks { reader, rest: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Tick {
        loop {
            if let Some(tick) = self.rest.next() {
                return tick;
            }
            match next(self.reader).await {
                Delivery::Ticks(got) => self.rest = got.ticks.clone().into_iter(),
                Delivery::Status(got) => panic!("ticks were expected, not {got:?}"),
            }
        }
    }
}

async fn next_status(reader: &mut dyn Subscription) -> (String, String, i64) {
    match next(reader).await {
        Delivery::Status(s) => (s.venue.to_string(), s.collector.to_string(), s.sent_at.millis()),
        Delivery::Ticks(batch) => panic!("a status was expected, not {batch:?}"),
    }
}

/// Reads until the broker's end; what a board would know, and how many ticks it took.
async fn drain(reader: &mut dyn Subscription) -> (HashMap<(VenueId, Pair), Newest>, usize) {
    let (mut board, mut count) = (HashMap::<_, Newest>::new(), 0);
    while let Some(delivery) = soon(reader.next()).await {
        if let Delivery::Ticks(batch) = delivery {
            for tick in &batch.ticks {
                board.entry((batch.venue.clone(), tick.pair.clone())).or_default().apply(tick);
                count += 1;
            }
        }
    }
    (board, count)
}

async fn a_reader_that_keeps_up_gets_everything_in_order(broker: &dyn Broker) {
    let mut readers = [broker.subscribe().await.unwrap(), broker.subscribe().await.unwrap()];
    // Not so many that it takes the 15 s after which the newest is said again.
    for at in 1..=1_000 {
        broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
        broker.publish_status(status("one", "c", at));
        for reader in &mut readers {
            match next(&mut **reader).await {
                Delivery::Ticks(got) => assert_eq!(*got, batch("one", vec![tick("BTC-USD", at, "l")])),
                Delivery::Status(got) => panic!("ticks were published first, not {got:?}"),
            }
            assert_eq!(next_status(&mut **reader).await.2, at);
        }
    }
}

async fn what_waits_within_the_bound_stays_in_order(broker: &dyn Broker) {
    let mut reader = broker.subscribe().await.unwrap();
    for at in 1..=500 {
        broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
    }
    let mut ticks = Ticks::of(&mut *reader);
    for at in 1..=500 {
        assert_eq!(ticks.next().await, tick("BTC-USD", at, "l"));
    }
}

async fn a_slow_reader_gets_fewer_and_ends_on_the_newest(broker: &dyn Broker) {
    let (mut slow, mut quick) = (broker.subscribe().await.unwrap(), broker.subscribe().await.unwrap());
    // The only last price of a pair and the only status of a collector come before a flood of everything else.
    broker.publish_ticks(batch("one", vec![tick("ETH-USD", 1, "l"), tick("BTC-USD", 1, "b")]));
    broker.publish_status(status("one", "rare", 1));
    for at in 2..=20_000 {
        let ticks = vec![tick("BTC-USD", at, "l"), tick("ETH-USD", at, if at % 2 == 0 { "b" } else { "a" })];
        broker.publish_ticks(batch(if at % 3 == 0 { "two" } else { "one" }, ticks));
        broker.publish_status(status("one", "often", at));
        if at % 100 == 0 {
            while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, quick.next()).await {}
        }
    }
    broker.close().await;

    let (mut statuses, mut count) = (HashMap::new(), 0);
    let mut board = HashMap::<_, Newest>::new();
    while let Some(delivery) = soon(slow.next()).await {
        match delivery {
            Delivery::Status(s) => {
                statuses.insert(s.collector.to_string(), s.sent_at.millis());
            }
            Delivery::Ticks(batch) => {
                for tick in &batch.ticks {
                    board.entry((batch.venue.clone(), tick.pair.clone())).or_default().apply(tick);
                    count += 1;
                }
            }
        }
    }
    assert!(count < 20_000, "nothing was conflated: {count}");
    assert_eq!(statuses, HashMap::from([("rare".to_owned(), 1), ("often".to_owned(), 20_000)]));
    let kept = |venue: &str, pair: &str| -> Vec<i64> {
        let key = (VenueId::parse(venue).unwrap(), Pair::parse(pair).unwrap());
        board[&key].ticks().iter().map(|t| t.event_time().millis()).collect()
    };
    assert_eq!(kept("one", "BTC-USD"), [1, 20_000]);
    assert_eq!(kept("one", "ETH-USD"), [1, 19_999, 20_000]);
    assert_eq!(kept("two", "BTC-USD"), [19_998]);
    assert_eq!(kept("two", "ETH-USD"), [19_995, 19_998]);
}

async fn a_slow_reader_keeps_up_again(broker: &dyn Broker) {
    let mut reader = broker.subscribe().await.unwrap();
    // Again and again: falling behind leaves no trace.
    for round in 1..=20 {
        let (newest, after) = (round * 10_000, round * 10_000 + 100);
        for at in newest - 3_000..=newest {
            broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
        }
        loop {
            match next(&mut *reader).await {
                Delivery::Ticks(got) if got.ticks.iter().any(|t| t.event_time().millis() == newest) => break,
                _ => {}
            }
        }
        for at in newest + 1..=after {
            broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
        }
        let mut ticks = Ticks::of(&mut *reader);
        for at in newest + 1..=after {
            assert_eq!(ticks.next().await, tick("BTC-USD", at, "l"));
        }
    }
}

async fn any_order_and_repetition_give_the_same(broker: &dyn Broker) {
    let mut runner = TestRunner::deterministic();
    let ticks = prop::collection::vec(("(BTC|ETH)-USD", "l?b?a?"), 1..30);
    let ticks = ticks.prop_flat_map(|sides| {
        let ticks: Vec<Tick> =
            sides.iter().enumerate().map(|(at, (pair, sides))| tick(pair, at as i64 + 1, sides)).collect();
        (Just(ticks.clone()), Just([ticks.clone(), ticks].concat()).prop_shuffle(), 1usize..400)
    });
    let mut reader = broker.subscribe().await.unwrap();
    let mut expect = HashMap::<_, Newest>::new();
    for case in 0..64 {
        let (straight, shuffled, repeat) = ticks.new_tree(&mut runner).unwrap().current();
        let venue = format!("v{case}");
        for tick in &straight {
            let key = (VenueId::parse(&venue).unwrap(), tick.pair.clone());
            expect.entry(key).or_default().apply(tick);
        }
        for _ in 0..repeat {
            for ticks in shuffled.chunks(7) {
                broker.publish_ticks(batch(&venue, ticks.to_vec()));
            }
        }
    }
    broker.close().await;
    let (mut board, _) = drain(&mut *reader).await;
    for known in [&mut board, &mut expect] {
        known.retain(|_, newest| !newest.ticks().is_empty());
    }
    assert_eq!(board, expect);
}

async fn a_new_reader_is_told_the_newest_status_first(broker: &dyn Broker) {
    for (venue, collector, at) in
        [("one", "a", 1), ("one", "a", 3), ("one", "a", 2), ("one", "b", 1), ("two", "a", 9)]
    {
        broker.publish_status(status(venue, collector, at));
    }
    broker.publish_ticks(batch("one", vec![tick("BTC-USD", 1, "l")]));
    let mut reader = broker.subscribe().await.unwrap();
    broker.publish_status(status("three", "a", 1));
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(next_status(&mut *reader).await);
    }
    first.sort();
    let expect = [("one", "a", 3), ("one", "b", 1), ("two", "a", 9)]
        .map(|(v, c, at)| (v.to_owned(), c.to_owned(), at));
    assert_eq!(first, expect);
    // A shared broker may say again what was on its way meanwhile.
    let third = async {
        loop {
            match next(&mut *reader).await {
                Delivery::Status(s) if s.venue.to_string() == "three" => return,
                Delivery::Status(s) => assert!(["one", "two"].contains(&&*s.venue.to_string()), "{s:?}"),
                Delivery::Ticks(_) => {}
            }
        }
    };
    soon(third).await;
}

async fn closing_lets_readers_drain_and_ends_them(broker: &dyn Broker) {
    let (mut reader, mut idle) = (broker.subscribe().await.unwrap(), broker.subscribe().await.unwrap());
    until("served", Duration::from_secs(30), || broker.health() == BrokerHealth::Up).await;
    for at in 1..=100 {
        broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
    }
    soon(async { while !matches!(idle.next().await, Some(Delivery::Ticks(b)) if b.ticks.contains(&tick("BTC-USD", 100, "l"))) {} })
        .await;
    // One reader waits in `next` while the broker is closed, the other one has everything before it.
    let ((), end) = soon(async { tokio::join!(broker.close(), idle.next()) }).await;
    assert!(end.is_none());
    broker.publish_ticks(batch("one", vec![tick("BTC-USD", 101, "l")]));
    broker.publish_status(status("one", "a", 1));
    assert_eq!(drain(&mut *reader).await.1, 100);
    assert!(soon(reader.next()).await.is_none(), "the end stays the end");
    assert!(matches!(broker.subscribe().await.map(drop), Err(BrokerError::Closed)));
    assert_eq!(broker.health(), BrokerHealth::Down);
    broker.close().await;
}

async fn next_loses_nothing_when_cancelled(broker: &dyn Broker) {
    let mut reader = broker.subscribe().await.unwrap();
    for at in 1..=1_000 {
        // Given up while it waits, and given up at the moment the delivery is there.
        let cancelled = tokio::time::timeout(Duration::ZERO, reader.next()).await;
        assert!(cancelled.is_err(), "{cancelled:?}");
        let publish = async { broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")])) };
        let got = tokio::select! {
            biased;
            () = async { tokio::join!(publish, tokio::task::yield_now()); } => None,
            got = reader.next() => got,
        };
        let got = match got {
            Some(got) => got,
            None => next(&mut *reader).await,
        };
        match got {
            Delivery::Ticks(got) => assert_eq!(got.ticks[0].event_time().millis(), at),
            Delivery::Status(got) => panic!("{got:?}"),
        }
    }
}

async fn a_reader_that_left_costs_nobody_anything(broker: &dyn Broker) {
    let (left, mut stays) = (broker.subscribe().await.unwrap(), broker.subscribe().await.unwrap());
    drop(left);
    broker.publish_ticks(batch("one", vec![tick("BTC-USD", 1, "l")]));
    assert!(matches!(next(&mut *stays).await, Delivery::Ticks(_)));
}

async fn a_waiting_reader_is_woken_from_another_task(broker: &dyn Broker) {
    let mut reader = broker.subscribe().await.unwrap();
    let (read, mut was_read) = tokio::sync::mpsc::channel(1);
    // The next tick is published only after the one before was read: the reader always waits for it.
    let reading = tokio::spawn(async move {
        while let Some(Delivery::Ticks(got)) = reader.next().await {
            read.send(got.ticks[0].event_time().millis()).await.unwrap();
        }
    });
    for at in 1..=1_000 {
        broker.publish_ticks(batch("one", vec![tick("BTC-USD", at, "l")]));
        assert_eq!(soon(was_read.recv()).await, Some(at));
    }
    broker.close().await;
    soon(reading).await.unwrap();
}

#[tokio::test]
async fn what_is_no_broker_is_refused_without_its_password() {
    for (url, expect) in [
        ("amqp://u:hunter2@host:none", "amqp:…: not a broker address; write memory:// or amqp://"),
        ("amqps:u:hunter2@host", "amqps:…: not a broker address; write memory:// or amqp://"),
        ("kafka://u:hunter2@host", "kafka:…: not a broker address; write memory:// or amqp://"),
        ("memory", "memory:…: not a broker address; write memory:// or amqp://"),
        ("memory://elsewhere", "memory:…: not a broker address; write memory:// or amqp://"),
        ("", ":…: not a broker address; write memory:// or amqp://"),
    ] {
        let error = broker::open(url).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), expect, "{url}");
        assert!(!error.is_transient());
    }
}

/// A rate is for everyone else: no reader of ticks sees it, and nobody waits for it.
async fn a_rate_reaches_no_reader_of_ticks(broker: &dyn Broker) {
    let mut reader = broker.subscribe().await.unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    for _ in 0..100 {
        broker.publish_rate(&Pair::parse("BTC-USD").unwrap(), "{}".into(), until);
    }
    broker.publish_ticks(batch("one", vec![tick("BTC-USD", 1, "l")]));
    assert_eq!(Ticks::of(&mut *reader).next().await, tick("BTC-USD", 1, "l"));
}

/// The whole suite for one backend: a fresh broker for every test.
macro_rules! contract {
    ($backend:ident, $open:expr; $($test:ident)*) => {
        mod $backend {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let broker = $open.await;
                super::$test(&*broker).await;
                broker.close().await;
            })*
        }
    };
    ($($backend:ident: $open:expr;)*) => {$(
        contract! { $backend, $open;
            a_reader_that_keeps_up_gets_everything_in_order
            what_waits_within_the_bound_stays_in_order
            a_slow_reader_gets_fewer_and_ends_on_the_newest
            a_slow_reader_keeps_up_again
            any_order_and_repetition_give_the_same
            a_new_reader_is_told_the_newest_status_first
            closing_lets_readers_drain_and_ends_them
            next_loses_nothing_when_cancelled
            a_reader_that_left_costs_nobody_anything
            a_waiting_reader_is_woken_from_another_task
            a_rate_reaches_no_reader_of_ticks
        }
    )*};
}

contract! {
    memory: async { broker::open("memory://").await.unwrap() };
    amqp: crate::lab::broker(&crate::lab::shared());
}
