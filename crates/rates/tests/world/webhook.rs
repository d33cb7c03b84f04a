//! The product for programs: a key, an alert over HTTP, a venue whose price the test says, a receiver of webhooks.
//! It must not know how an alert is watched.

use crate::harness::{PATIENCE, Service, run, within};
use market::VenueId;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use store::{MessageFilter, NewTradeRow, Seed};
use testkit::{Behaviour, FakeVenue, HookReceiver, HookReply, venue_file};

/// A product in a folder of its own, and the one venue whose price is what the test says.
async fn product(settings: &[(&str, &str)]) -> (tempfile::TempDir, FakeVenue, Service) {
    let venue = FakeVenue::start(Behaviour { tick_every: None, ..Behaviour::default() }).await;
    let row = NewTradeRow {
        venue: "fake".into(),
        currency_pair: "BTC-USD".into(),
        url: Some(format!("ws://{}", venue.address())),
        ..NewTradeRow::default()
    };
    let file = venue_file("url = \"wss://fake.example\"\nsilence = \"60s\"", "");
    let seed = Seed { rows: vec![row], venues: vec![(VenueId::parse("fake").unwrap(), file)] };
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("rates.db").display());
    store::open(&url, seed).await.unwrap().close().await;
    let service = Service::start_with(dir.path(), settings).await;
    (dir, venue, service)
}

/// Says a price until it is the rate.
async fn price(venue: &FakeVenue, service: &Service, price: &str) {
    static SAID: AtomicU64 = AtomicU64::new(0);
    within(PATIENCE, price, async || {
        let said = SAID.fetch_add(1, Ordering::Relaxed);
        venue.say(&format!(r#"{{"s":"BTC-USD","p":"{price}","n":"{said}"}}"#));
        let (status, rate) = service.get("/api/v1/rates/BTC-USD").await;
        (status == 200 && rate["value"] == price).then_some(())
    })
    .await;
}

/// An alert fires once and is told once more, marked, where the receiver did not say that it heard it; and G17: neither
/// key, address nor secret is in a log at its most talkative.
#[tokio::test]
async fn g17_programs_are_told_of_alerts_and_nobody_of_their_secrets() {
    let receiver = HookReceiver::start([HookReply::Reset]).await;
    let (dir, venue, service) = product(&[("RATES_LOG__FILTER", "trace")]).await;
    price(&venue, &service, "69000").await;
    let (code, key, said) = run(dir.path(), &["keys", "add", "program"]).await;
    assert_eq!(code, 0, "{said}");
    let bearer = format!("Bearer {}", key.trim());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let hook = receiver.url("/canary-path?token=canary-token");
    let wish = json!({"text": "BTC-USD above 70000", "webhook": {"url": hook}}).to_string();
    let (status, body) = service.ask("POST", "/api/v1/alerts", &headers, &wish).await;
    assert_eq!(status, 201, "{body}");
    let added: Value = serde_json::from_str(&body).unwrap();
    let secret = added["webhook"]["secret"].as_str().unwrap().to_owned();

    // Taken by the watch or not yet: a crossing counts from the moment the alert was set.
    price(&venue, &service, "70012.40").await;
    let shown = within(PATIENCE, "the message arrives", async || {
        let (_, body) = service.ask("GET", "/api/v1/alerts/1", &headers, "").await;
        let shown: Value = serde_json::from_str(&body).unwrap();
        (shown["messages"][0]["state"] == "sent").then_some(shown)
    })
    .await;
    assert_eq!((&shown["state"], &shown["fired"]), (&json!("closed"), &json!(1)));
    assert!(shown["delivered_at"].is_i64());
    let requests = receiver.requests();
    let bodies: Vec<Value> = requests.iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    let repeats: Vec<_> = bodies.iter().map(|body| body["repeat"].clone()).collect();
    assert_eq!(repeats, [false, true]);
    assert_eq!(bodies[0]["id"], bodies[1]["id"]);
    assert_eq!(
        (&bodies[0]["data"]["value"], &bodies[0]["data"]["pair"]),
        (&json!("70012.40"), &json!("BTC-USD"))
    );

    let log = service.log.lock().unwrap().clone();
    assert!(log.contains("TRACE"), "the log is talkative");
    let metrics = service.ask("GET", "/metrics", &[], "").await.1;
    assert!(metrics.contains("rates_outbox_outcomes_total"), "{metrics}");
    for secret in ["canary-path", "canary-token", &secret, key.trim()] {
        for text in [&log, &metrics] {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                panic!("a secret is shown: {line}");
            }
        }
    }
}

/// A key that is revoked tells nobody anything any more; the other key's alert fires at the same price.
#[tokio::test]
async fn the_alerts_of_a_revoked_key_are_closed_and_it_is_said_why() {
    let (revoked, good) = (HookReceiver::start([]).await, HookReceiver::start([]).await);
    let (dir, venue, service) = product(&[]).await;
    price(&venue, &service, "69000").await;
    for receiver in [&revoked, &good] {
        let (_, key, _) = run(dir.path(), &["keys", "add", "program"]).await;
        let bearer = format!("Bearer {}", key.trim());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let wish =
            json!({"text": "BTC-USD above 70000", "webhook": {"url": receiver.url("/in")}}).to_string();
        let (status, body) = service.ask("POST", "/api/v1/alerts", &headers, &wish).await;
        assert_eq!(status, 201, "{body}");
    }
    let (code, _, said) = run(dir.path(), &["keys", "revoke", "1"]).await;
    assert_eq!((code, said.contains("key 1 is revoked, and its alert is closed")), (0, true), "{said}");
    let (_, listed, _) = run(dir.path(), &["alerts", "list", "--closed", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let state =
        |at: usize| (listed["alerts"][at]["state"].as_str(), listed["alerts"][at]["closed_because"].as_str());
    assert_eq!([state(0), state(1)], [(Some("closed"), Some("key revoked")), (Some("open"), None)]);
    let (_, table, _) = run(dir.path(), &["alerts", "list", "--closed"]).await;
    assert!(table.contains("key:1\tclosed (key revoked)\t0\t"), "{table}");

    price(&venue, &service, "70012.40").await;
    within(PATIENCE, "the other key is told", async || (!good.requests().is_empty()).then_some(())).await;
    // Both would have been written in one go, the revoked one's first.
    let url = format!("sqlite://{}", dir.path().join("rates.db").display());
    let store = store::open(&url, Seed::default()).await.unwrap();
    let told = store.messages(&MessageFilter::default(), 10).await.unwrap();
    assert_eq!(told.iter().map(|message| message.alert_id).collect::<Vec<_>>(), [Some(2)]);
    assert!(revoked.requests().is_empty());
}
