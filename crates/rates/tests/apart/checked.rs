//! The checker checked: it is shown what cannot be, and must say so; and what can be, and must not.
//! It must not know any server.

use crate::oracle::{Oracle, Truth};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use testkit::{NumberedVenue, Place, until};

async fn oracle() -> Arc<Oracle> {
    let clock = clock::Clock::system();
    let start = async |place| {
        let micros = Arc::new(move || clock.now().millis() * 1_000);
        NumberedVenue::start(place, &["BOTH-USD"], Duration::from_millis(5), micros).await
    };
    let venues = [
        ("first", Place::First, start(Place::First).await),
        ("second", Place::Second, start(Place::Second).await),
    ];
    let quoted_by = BTreeMap::from([("BOTH-USD".to_owned(), [true, true])]);
    let oracle = Oracle::new(Truth { venues, quoted_by, stale_after_ms: 3_000 });
    until("ten prices are said", Duration::from_secs(30), || {
        oracle.truth.venues.iter().all(|(_, _, venue)| venue.last("BOTH-USD") >= 10)
    })
    .await;
    for (_, _, venue) in &oracle.truth.venues {
        venue.set_silent(true);
    }
    oracle
}

#[tokio::test]
async fn the_checker_finds_what_is_wrong_and_nothing_else() {
    let oracle = oracle().await;
    let said_at = |venue: usize, number| oracle.truth.venues[venue].2.said_at("BOTH-USD", number).unwrap();
    let of_first = |number: u64| {
        json!({"pair": "BOTH-USD", "state": "fresh", "value": format!("100.{number:08}"), "sources": ["first"],
            "venue_time": said_at(0, number), "degraded": [], "age_ms": 1})
    };
    let with = |mut rate: Value, member: &str, value: Value| {
        rate[member] = value;
        rate
    };
    let cached = |rate| with(rate, "degraded", json!(["cache_only"]));
    let middle = with(of_first(5), "sources", json!(["first", "second"]));
    let middle = with(middle, "value", json!("100.0000000250000003"));
    let middle = with(middle, "venue_time", json!(said_at(0, 5).min(said_at(1, 6))));
    // Life, rate, when it was asked for after it was said; what is found.
    let cases = [
        (1, of_first(3), Some(100), None),
        (1, of_first(3), Some(100), None),
        (1, with(of_first(4), "state", json!("stale")), Some(60_000), None),
        (1, middle.clone(), None, None),
        (1, with(middle, "sources", json!(["first"])), None, Some("invented")),
        (1, of_first(4), None, Some("older over newer")),
        (2, cached(of_first(2)), None, None),
        (2, cached(of_first(1)), None, Some("older over newer")),
        (3, of_first(4), None, Some("earlier life")),
        (3, of_first(7), Some(3_900), None),
        (3, of_first(7), Some(4_100), Some("stale, and called fresh")),
        (3, with(of_first(7), "age_ms", json!(4_001)), None, Some("stale, and called fresh")),
        (3, with(of_first(7), "venue_time", json!(1)), None, Some("not the venue's")),
        (3, with(of_first(7), "value", json!("100.00999999")), None, Some("invented")),
        (3, with(of_first(7), "value", json!("100.000000075")), None, Some("invented")),
        (3, with(of_first(7), "sources", json!(["third"])), None, Some("invented")),
        (3, with(of_first(7), "value", json!(null)), None, Some("fresh without a value")),
        (3, json!({"pair": "BOTH-USD", "state": "expired", "value": null}), None, None),
    ];
    let mut found = oracle.violations().len();
    assert_eq!(found, 0);
    for (life, rate, asked_after, expect) in cases {
        let said = rate["venue_time"].as_i64().unwrap_or_default();
        oracle.judge_rate("view", life, &rate, asked_after.map(|after| said + after));
        let violations = oracle.violations();
        let new = &violations[found..];
        match expect {
            None => assert!(new.is_empty(), "{rate}: {new:?}"),
            Some(word) => assert!(new.iter().any(|text| text.contains(word)), "{word}: {rate}: {new:?}"),
        }
        found = violations.len();
    }
    let mut mark = oracle.mark();
    oracle.await_view("view");
    assert_eq!(oracle.behind(&mark).len(), 1, "the last prices were not shown");
    mark.insert("BOTH-USD".to_owned(), [7, 0]);
    assert!(oracle.behind(&mark).is_empty());
    mark.insert("BOTH-USD".to_owned(), [8, 0]);
    assert_eq!(oracle.behind(&mark).len(), 1);
}
