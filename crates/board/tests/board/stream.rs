//! The stream of changes: its bytes, what is no change, lagging readers, coming back, the end.

use crate::lab::*;
use board::Next;
use market::{Price, Tick};

#[tokio::test(start_paused = true)]
async fn the_bytes_of_an_answer_and_of_its_event() {
    let mut lab = Lab::new();
    let mut tick = tick("BTC-USDT", "64348.95", start());
    tick.venue_time = Some(start().plus_millis(-812));
    tick.bid = Price::parse("64348.90").ok();
    tick.ask = Price::parse("64349.00").ok();
    lab.board.apply(&venue("v1"), &[tick]);
    let body = r#"{"pair":"BTC-USDT","value":"64348.95","basis":"last","state":"fresh","degraded":[],"bid":"64348.90","ask":"64349.00","spread_pct":null,"sources_used":1,"sources_total":1,"sources":["v1"],"legs":[],"venue_time":1699999999188,"received_at":1700000000000,"demo":false,"age_ms":"#;
    let answer = lab.answer("BTC-USDT");
    assert_eq!(std::str::from_utf8(&answer.body).unwrap(), body);
    let etag = std::str::from_utf8(&answer.etag).unwrap();
    assert!(etag.starts_with("W/\"") && etag.ends_with('"') && etag.len() == 20, "{etag}");
    let change = lab.next().await.unwrap();
    let expect = format!("id: {}-1\nevent: rate\ndata: {body}812}}\n\n", lab.board.boot());
    assert_eq!(std::str::from_utf8(&change.event).unwrap(), expect);
    assert_eq!((change.number, change.pair.clone()), (1, Some(pair("BTC-USDT"))));
}

#[tokio::test(start_paused = true)]
async fn a_cross_lists_its_legs() {
    let lab = Lab::new();
    lab.say("v1", "A-M", "6");
    lab.say("v2", "B-M", "2");
    let body = String::from_utf8(lab.answer("A-B").body.to_vec()).unwrap();
    let legs = r#""legs":[{"pair":"A-M","value":"6","inverse":false,"sources":["v1"],"at":1700000000000},{"pair":"B-M","value":"2","inverse":true,"sources":["v2"],"at":1700000000000}]"#;
    assert!(body.contains(legs), "{body}");
    assert!(body.starts_with(r#"{"pair":"A-B","value":"3","basis":"cross","state":"fresh""#), "{body}");
}

#[tokio::test(start_paused = true)]
async fn what_says_the_same_is_no_change() {
    let mut lab = Lab::new();
    let one = tick("BTC-USD", "100", lab.now());
    lab.board.apply(&venue("v1"), std::slice::from_ref(&one));
    let before = lab.answer("BTC-USD");
    lab.board.apply(&venue("v1"), &[one.clone(), one.clone()]);
    lab.pass(1_000).await;
    let mut older = one;
    older.received_at = older.received_at.plus_millis(-1);
    older.sequence = market::Sequence::from_receipt(older.received_at);
    lab.board.apply(&venue("v1"), &[older]);
    assert_eq!(lab.events().await, ["BTC-USD fresh 100"]);
    assert_eq!(lab.answer("BTC-USD").etag, before.etag);
    // One batch, one change of each pair.
    let batch: Vec<Tick> =
        (1..50).map(|n| tick("BTC-USD", &format!("1{n:02}"), lab.now().plus_millis(n))).collect();
    lab.board.apply(&venue("v1"), &batch);
    assert_eq!(lab.events().await, ["BTC-USD fresh 149"]);
    assert_ne!(lab.answer("BTC-USD").etag, before.etag);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lags_too_far_is_told() {
    let mut lab = Lab::new();
    let say = |lab: &Lab, n: i64| {
        let at = lab.now().plus_millis(n);
        lab.board.apply(&venue("v1"), &[tick("BTC-USD", &format!("100.{n:05}"), at)]);
    };
    for n in 1..=4_096 {
        say(&lab, n);
    }
    assert_eq!(lab.next().await.unwrap().number, 1, "all of them are kept");
    let (mut late, last) = lab.board.changes();
    assert_eq!(last, 4_096);
    for n in 4_097..=8_292 {
        say(&lab, n);
    }
    assert!(matches!(late.next().await, Next::Missed));
    say(&lab, 9_000);
    // From there it goes on, and nothing before it is delivered.
    match late.next().await {
        Next::Change(change) => assert_eq!(change.number, 8_293),
        other => panic!("{other:?}"),
    }
    // The other one had taken some ahead; after these it is told too.
    let mut got = 1;
    let missed = loop {
        match lab.changes.next().await {
            Next::Change(change) => {
                got += 1;
                assert_eq!(change.number, got);
            }
            other => break other,
        }
    };
    assert!(matches!(missed, Next::Missed) && got <= 64, "{missed:?} after {got}");
}

#[tokio::test(start_paused = true)]
async fn coming_back() {
    let lab = Lab::new();
    assert_eq!(lab.board.changes_since(0).map(|c| c.len()), Some(0));
    assert!(lab.board.changes_since(1).is_none(), "no such change yet");
    for n in 1..=5_000i64 {
        let at = lab.now().plus_millis(n);
        lab.board.apply(&venue("v1"), &[tick("BTC-USD", &format!("100.{n:05}"), at)]);
    }
    let numbers = |from: u64| -> Option<Vec<u64>> {
        lab.board.changes_since(from).map(|c| c.iter().map(|c| c.number).collect())
    };
    assert_eq!(numbers(5_000), Some(vec![]));
    assert_eq!(numbers(4_998), Some(vec![4_999, 5_000]));
    assert_eq!(numbers(904).map(|n| (n[0], n.len())), Some((905, 4_096)));
    assert_eq!(numbers(903), None);
    assert_eq!(numbers(5_001), None);
    assert_eq!(numbers(u64::MAX), None);
}

#[tokio::test(start_paused = true)]
async fn many_readers_wait_and_all_are_told() {
    let lab = Lab::new();
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (mut changes, _) = lab.board.changes();
            tokio::spawn(async move {
                let first = changes.next().await;
                (first, changes.next().await)
            })
        })
        .collect();
    tokio::task::yield_now().await;
    lab.say("v1", "BTC-USD", "100");
    tokio::task::yield_now().await;
    lab.board.close();
    for reader in readers {
        let (first, then) = reader.await.unwrap();
        assert!(matches!(first, Next::Change(c) if c.number == 1));
        assert!(matches!(then, Next::Closed));
    }
}

/// Writers, the timer, readers of rates and of crosses, all at once: no number is skipped or given twice.
#[test]
fn writers_and_readers_at_once() {
    let board = board::Board::new(clock::Clock::system(), options());
    std::thread::scope(|scope| {
        for from in ["v1", "v2"] {
            let board = &board;
            scope.spawn(move || {
                for n in 0..600 {
                    let now = board.clock().now();
                    let names = ["BTC-USDT", "USDT-RUB", "ETH-USDT"];
                    let ticks: Vec<Tick> =
                        names.iter().map(|p| tick(p, &format!("100.{n:03}"), now)).collect();
                    board.apply(&venue(from), &ticks);
                    board.apply(&venue(from), &[tick("OLD-USDT", "1", now.plus_millis(-60_000))]);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..600 {
                    board.tick_clock();
                    board.answer(&pair("BTC-RUB"));
                    board.answer(&pair("OLD-RUB"));
                    board.find("RUB-ETH");
                    board.answers();
                }
            });
        }
    });
    let numbers: Vec<u64> = board
        .changes_since(board.changes().1.saturating_sub(4_096))
        .unwrap()
        .iter()
        .map(|c| c.number)
        .collect();
    assert!(numbers.len() > 1_000 && numbers.windows(2).all(|w| w[0] + 1 == w[1]));
    assert_eq!(board.answer(&pair("BTC-RUB")).unwrap().rate.legs.len(), 2);
}
