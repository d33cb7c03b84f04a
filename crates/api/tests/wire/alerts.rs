//! Alerts of programs over a real socket, on a real SQLite store.
//! It must not trust a status alone: what was written is read back from the store.

use crate::house::{BEGINNING, House, Reply};
use api::Settings;
use market::{Pair, Price};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Candle, CandleKey, Interval, NewMessage, NewTradeRow, Outcome, Seed, Settlement, Store};

const HOOK: &str = "https://hooks.example/in?token=canary";

struct Desk {
    house: House,
    store: Arc<dyn Store>,
    place: tempfile::TempDir,
}

fn key(n: u8) -> String {
    format!("rates_alert-key-{n}")
}

impl Desk {
    /// With two keys, and a rate of BTC-USDT.
    async fn start() -> Desk {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("rates.db").display());
        let store = store::open(&url, Seed::default()).await.unwrap();
        for n in [1, 2] {
            let hash: String = Sha256::digest(key(n)).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(store.add_api_key("test", &hash, BEGINNING).await.unwrap(), i64::from(n));
        }
        let house = House::with(Settings::default(), Some(store.clone())).await;
        house.tick("venue-a", "BTC-USDT", "67245.10", 0);
        Desk { house, store, place }
    }

    async fn ask(&self, as_key: u8, method: &str, target: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {}", key(as_key));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.house.ask(method, target, &headers, &body).await
    }

    async fn add(&self, body: &Value) -> Reply {
        self.ask(1, "POST", "/api/v1/alerts", body).await
    }
}

#[tokio::test]
async fn an_alert_is_added_shown_and_removed_by_its_key_alone() {
    let desk = Desk::start().await;
    let wish = json!({
        "pair": "btc/usdt",
        "condition": {"kind": "cross", "side": "above", "threshold": "70000.10"},
        "repeat": true,
        "webhook": {"url": HOOK},
    });
    let reply = desk.add(&wish).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.headers["location"], "/api/v1/alerts/1");
    assert_eq!(reply.headers["cache-control"], "no-store", "it holds a secret");
    let added = reply.json();
    assert_eq!((&added["text"], &added["state"]), (&json!("BTC-USDT above 70000.10 repeat"), &json!("open")));
    assert_eq!(added["condition"], wish["condition"]);
    assert_eq!(added["webhook"]["url"], HOOK);
    let secret = added["webhook"]["secret"].as_str().unwrap().to_owned();
    assert!(alerts::signature::is_secret(&secret) && secret.starts_with("whsec_"));
    let row = desk.store.alert(1).await.unwrap().unwrap();
    assert_eq!(
        (row.owner.as_str(), row.target.as_str(), row.pair.as_str()),
        ("key:1", "webhook:1", "BTC-USDT")
    );
    assert!(row.progress.contains("67245.10"), "it is armed by what the pair is worth now: {}", row.progress);
    let hook = desk.store.webhook(1).await.unwrap().unwrap();
    assert_eq!((hook.url.as_str(), &hook.secret), (HOOK, &secret));

    // The same webhook, one line, a secret of one's own.
    let line =
        json!({"text": "BTC-USDT -5% in 1h", "webhook": {"url": HOOK, "secret": "correct-horse-battery"}});
    let second = desk.add(&line).await;
    assert_eq!(second.status, 201, "{second:?}");
    assert_eq!(second.json()["webhook"], json!({"id": 1, "url": HOOK}), "a given secret is not said again");
    assert_eq!(desk.store.webhook(1).await.unwrap().unwrap().secret, "correct-horse-battery");

    let list = desk.ask(1, "GET", "/api/v1/alerts", &Value::Null).await;
    let ids: Vec<_> = list.json()["alerts"].as_array().unwrap().iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    assert!(!list.body.contains("whsec_") && !list.body.contains("correct-horse"), "{}", list.body);
    // Another key sees none of it, and can remove none of it.
    assert_eq!(desk.ask(2, "GET", "/api/v1/alerts", &Value::Null).await.json(), json!({"alerts": []}));
    for method in ["GET", "DELETE"] {
        desk.ask(2, method, "/api/v1/alerts/1", &Value::Null).await.is_problem(404, "not_found", method);
    }
    assert_eq!(desk.ask(1, "DELETE", "/api/v1/alerts/1", &Value::Null).await.status, 204);
    desk.ask(1, "DELETE", "/api/v1/alerts/1", &Value::Null).await.is_problem(404, "not_found", "again");
    assert!(desk.store.alert(1).await.unwrap().is_none());
    desk.house.end().await;
}

#[tokio::test]
async fn what_did_not_arrive_is_shown_to_whom_it_concerns() {
    let desk = Desk::start().await;
    desk.add(&json!({"text": "BTC-USDT above 70000", "webhook": {"url": HOOK}})).await;
    let row = desk.store.alert(1).await.unwrap().unwrap();
    let fire = store::Fire {
        alert_id: 1,
        revision: row.revision,
        fire_seq: 0,
        progress: row.progress,
        is_open: false,
        message: NewMessage::new("webhook:1", "fired", "{}"),
    };
    assert_eq!(desk.store.fire(&[fire], BEGINNING).await.unwrap(), [true]);
    let taken = desk.store.take_messages("webhook", 1, BEGINNING).await.unwrap();
    let outcome = Outcome::Dead { error: "HTTP 410: it wants no more".into() };
    let dead = Settlement { id: taken[0].id, attempts: 1, outcome };
    desk.store.settle_messages(&[dead], BEGINNING).await.unwrap();
    let shown = desk.ask(1, "GET", "/api/v1/alerts/1", &Value::Null).await.json();
    assert_eq!((&shown["state"], &shown["fired"]), (&json!("closed"), &json!(1)));
    let message = &shown["messages"][0];
    assert_eq!((&message["state"], &message["attempts"]), (&json!("dead"), &json!(1)));
    assert_eq!(message["last_error"], "HTTP 410: it wants no more");
    assert_eq!(desk.ask(2, "GET", "/api/v1/alerts/1", &Value::Null).await.status, 404, "another key's");
    desk.house.end().await;
}

#[tokio::test]
async fn it_is_said_how_often_it_would_have_fired() {
    let desk = Desk::start().await;
    let candles = |hour: i64, high: &str| {
        let start = Interval::Minute.start_of(BEGINNING.plus_millis(-hour * 3_600_000));
        let key = CandleKey {
            venue: None,
            pair: Pair::parse("BTC-USDT").unwrap(),
            interval: Interval::Minute,
            start,
        };
        let mut candle = Candle::of(key, Price::parse("69000").unwrap(), start);
        candle.high = Price::parse(high).unwrap();
        candle
    };
    let candles = [candles(30, "69500"), candles(20, "70500"), candles(10, "70100"), candles(5, "69900")];
    desk.store.put_candles(&candles).await.unwrap();
    let wish = json!({"text": "BTC-USDT above 70000"});
    let reply = desk.ask(1, "POST", "/api/v1/alerts?dry_run=1", &wish).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["preview"], json!({"days": 7, "count": 2}));
    assert_eq!(reply.json()["text"], "BTC-USDT above 70000");
    assert!(desk.store.alerts_page(0, false, 10).await.unwrap().is_empty(), "nothing is kept");
    // No candle, no word: that it would never have fired is more than anybody knows.
    desk.house.tick("venue-a", "ETH-USDT", "3480.55", 0);
    let reply = desk.ask(1, "POST", "/api/v1/alerts?dry_run=1", &json!({"text": "ETH-USDT above 1"})).await;
    assert_eq!(reply.json()["preview"], json!({"days": 7, "count": null}));
    // Candles do not tell how far venues were apart.
    let spread = json!({"text": "BTC-USDT spread 1%", "webhook": {"url": HOOK}});
    let reply = desk.add(&spread).await;
    assert_eq!((reply.status, &reply.json()["preview"]["count"]), (201, &Value::Null));
    desk.house.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_alert_is_said_and_nothing_is_kept() {
    let desk = Desk::start().await;
    let condition = json!({"kind": "cross", "side": "above", "threshold": "70000"});
    let hook = json!({"url": HOOK});
    for (body, code, needle) in [
        (json!({"text": "BTC-USDT above 70000"}), "bad_request", "webhook: missing"),
        (json!({"text": "BTC-USDT somehow", "webhook": hook}), "bad_request", "text: after the pair"),
        (json!({"text": "BTC-USDT above 1", "repeat": true, "webhook": hook}), "bad_request", "replaces"),
        (json!({"condition": condition, "webhook": hook}), "bad_request", "pair: missing"),
        (json!({"pair": "BTC-USDT", "condition": {"kind": "cross"}, "webhook": hook}), "bad_request", "side"),
        (
            json!({"pair": "BTC-USDT", "condition": condition, "repeats": true, "webhook": hook}),
            "bad_request",
            "known:",
        ),
        (
            json!({"pair": "BTC-USDT", "condition": condition, "webhook": HOOK}),
            "bad_request",
            "webhook: write",
        ),
        (
            json!({"pair": "BTC-XYZ", "condition": condition, "webhook": hook}),
            "unknown_pair",
            "no venue quotes",
        ),
        (
            json!({"text": "venue typo down 5m", "webhook": hook}),
            "bad_request",
            "no row of trade_info names typo",
        ),
        (
            json!({"text": "BTC-USDT above 1", "webhook": {"url": "http://internal/canary"}}),
            "bad_request",
            "webhook.url: it leads inwards",
        ),
        (
            json!({"text": "BTC-USDT above 1", "webhook": {"url": HOOK, "secret": "canary"}}),
            "bad_request",
            "webhook.secret: 16 to 128",
        ),
    ] {
        let reply = desk.add(&body).await;
        let status = if code == "unknown_pair" { 404 } else { 400 };
        reply.is_problem(status, code, &body.to_string());
        assert!(reply.json()["detail"].as_str().unwrap().contains(needle), "{needle}: {reply:?}");
        assert!(!reply.body.contains("canary"), "{reply:?}");
    }
    let asked =
        NewTradeRow { venue: "Venue-A".into(), currency_pair: "BTC-USDT".into(), ..Default::default() };
    desk.store.add_trade_row(&asked, BEGINNING).await.unwrap();
    let known = desk
        .ask(
            1,
            "POST",
            "/api/v1/alerts?dry_run=1",
            &json!({"text": "venue venue-a down 5m", "webhook": hook}),
        )
        .await;
    assert_eq!(known.status, 200, "{known:?}");
    let bearer = format!("Bearer {}", key(9));
    for (method, target) in [
        ("GET", "/api/v1/alerts"),
        ("POST", "/api/v1/alerts"),
        ("GET", "/api/v1/alerts/1"),
        ("DELETE", "/api/v1/alerts/1"),
    ] {
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            let body = json!({"text": "BTC-USDT above 1", "webhook": hook}).to_string();
            let body = if method == "POST" { body.as_str() } else { "" };
            desk.house.ask(method, target, headers, body).await.is_problem(401, "unauthorized", target);
        }
    }
    desk.ask(1, "GET", "/api/v1/alerts/x", &Value::Null).await.is_problem(400, "bad_request", "id");
    assert!(desk.store.alerts_page(0, false, 10).await.unwrap().is_empty());
    assert!(desk.store.webhooks_of("key:1").await.unwrap().is_empty());
    desk.house.end().await;
}

/// D02: the store is away; rates are served, an alert is not said to be saved.
#[tokio::test]
async fn without_its_store_no_alert_is_said_to_be_saved_and_rates_go_on() {
    let desk = Desk::start().await;
    std::fs::remove_file(desk.place.path().join("rates.db")).unwrap();
    let wish = json!({"text": "BTC-USDT above 70000", "webhook": {"url": HOOK}});
    for (method, target, body) in [
        ("POST", "/api/v1/alerts", &wish),
        ("GET", "/api/v1/alerts", &Value::Null),
        ("DELETE", "/api/v1/alerts/1", &Value::Null),
    ] {
        let reply = desk.ask(1, method, target, body).await;
        reply.is_problem(503, "store_unavailable", method);
        assert!(reply.headers["retry-after"].parse::<u64>().unwrap() > 0);
    }
    assert_eq!(desk.house.get("/api/v1/rates/BTC-USDT").await.status, 200);
    desk.house.end().await;
}
