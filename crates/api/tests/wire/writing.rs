//! Keys and writes over a real socket, on a real SQLite store.
//! It must not trust a status alone: what was written is read back from the store.

use crate::house::{House, Reply};
use api::Settings;
use board::Board;
use market::{PairState, RowStatus, VenueId, VenueStatus};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Seed, Store};

const KEY: &str = "rates_test-key";

struct Desk {
    house: House,
    store: Arc<dyn Store>,
    key_id: i64,
    _place: tempfile::TempDir,
}

impl Desk {
    async fn start() -> Desk {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("rates.db").display());
        let store = store::open(&url, Seed::default()).await.unwrap();
        let hash: String = Sha256::digest(KEY).iter().map(|b| format!("{b:02x}")).collect();
        let key_id = store.add_api_key("test", &hash, crate::house::BEGINNING).await.unwrap();
        let house = House::with(Settings::default(), Some(store.clone())).await;
        Desk { house, store, key_id, _place: place }
    }

    async fn ask(&self, method: &str, target: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {KEY}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.house.ask(method, target, &headers, &body).await
    }
}

fn say_row(board: &Board, venue: &str, id: i64, state: PairState, reason: Option<&str>) {
    let status = VenueStatus {
        v: 1,
        venue: VenueId::parse(venue).unwrap(),
        collector: "test".into(),
        sent_at: board.clock().now(),
        connections: Vec::new(),
        rows: vec![RowStatus { id, state, reason: reason.map(Into::into) }],
        pairs: Vec::new(),
    };
    board.apply_status(Arc::new(status));
}

#[tokio::test]
async fn a_row_is_added_changed_shown_and_removed() {
    let desk = Desk::start().await;
    let row = json!({"venue": "venue-a", "currency_pair": "bitcoin,eth-usd", "interval_ms": 60_000});
    let reply = desk.ask("POST", "/api/v1/trade-info", &row).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let id = reply.json()["id"].as_i64().unwrap();
    assert_eq!(reply.headers["location"], format!("/api/v1/trade-info/{id}"));
    assert_eq!((&reply.json()["interval_ms"], &reply.json()["state"]), (&json!(60_000), &json!("unknown")));
    desk.ask("POST", "/api/v1/trade-info", &row).await.is_problem(409, "conflict", "the same again");

    say_row(&desk.house.board, "venue-a", id, PairState::Invalid, Some("currency_pair: no such symbol"));
    let list = desk.house.get("/api/v1/trade-info").await.json();
    let shown = &list["trade_info"][0];
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("invalid"), &json!("currency_pair: no such symbol"))
    );

    let target = format!("/api/v1/trade-info/{id}");
    let change = json!({"enabled": false, "interval_ms": null, "currency_pair": "BTC-USD"});
    let reply = desk.ask("PATCH", &target, &change).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let kept = desk.store.trade_rows().await.unwrap().remove(0);
    assert_eq!(
        (kept.enabled, kept.interval_ms, kept.currency_pair.as_deref()),
        (false, None, Some("BTC-USD"))
    );

    assert_eq!(desk.ask("DELETE", &target, &Value::Null).await.status, 204);
    assert!(desk.store.trade_rows().await.unwrap().is_empty());
    desk.ask("DELETE", &target, &Value::Null).await.is_problem(404, "not_found", "gone");
    desk.ask("PATCH", &target, &change).await.is_problem(404, "not_found", "gone");

    let row = json!({"venue": "venue-a", "currency_pair": "BTC-USD", "enabled": false});
    assert_eq!(desk.ask("POST", "/api/v1/trade-info", &row).await.status, 201);
    assert!(!desk.store.trade_rows().await.unwrap()[0].enabled, "it waits to be switched on");
    desk.house.end().await;
}

#[tokio::test]
async fn only_a_key_opens_and_never_in_an_address() {
    let desk = Desk::start().await;
    let body = r#"{"venue":"venue-a","currency_pair":"BTC-USD"}"#;
    let long = format!("Bearer {}", "x".repeat(5_000));
    for (authorization, target, status, code) in [
        ("", "/api/v1/trade-info", 401, "unauthorized"),
        ("Bearer wrong", "/api/v1/trade-info", 401, "unauthorized"),
        ("Bearer ", "/api/v1/trade-info", 401, "unauthorized"),
        (&long, "/api/v1/trade-info", 401, "unauthorized"),
        ("Basic cmF0ZXNfdGVzdC1rZXk=", "/api/v1/trade-info", 401, "unauthorized"),
        ("", "/api/v1/trade-info?api_key=rates_test-key", 400, "bad_request"),
        ("Bearer rates_test-key", "/api/v1/trade-info?token=rates_test-key", 400, "bad_request"),
    ] {
        let reply = desk.house.ask("POST", target, &[("authorization", authorization)], body).await;
        reply.is_problem(status, code, target);
        assert!(!reply.body.contains(KEY), "{}", reply.body);
        if status == 401 {
            assert!(reply.headers["www-authenticate"].starts_with("Bearer"));
        } else {
            assert!(reply.json()["detail"].as_str().unwrap().contains("Authorization: Bearer"));
        }
    }
    for (method, target) in [("PATCH", "/api/v1/trade-info/1"), ("DELETE", "/api/v1/trade-info/1")] {
        desk.house.ask(method, target, &[], "").await.is_problem(401, "unauthorized", method);
    }
    assert!(desk.store.trade_rows().await.unwrap().is_empty(), "nothing was written");
    assert_eq!(desk.store.revoke_api_key(desk.key_id, crate::house::BEGINNING).await.unwrap(), Some(0));
    let row = json!({"venue": "venue-a", "currency_pair": "BTC-USD"});
    desk.ask("POST", "/api/v1/trade-info", &row).await.is_problem(401, "unauthorized", "revoked");
    desk.house.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_row_is_said() {
    let desk = Desk::start().await;
    for (row, needle) in [
        (json!({"venue": "nobody", "currency_pair": "BTC-USD"}), "no file of this name"),
        (json!({"venue": "venue-a", "currency_pair": "BTCUSD"}), "currency_pair"),
        (json!({"venue": "venue-a", "currency_pair": "BTC-USD", "url": "gopher://x/"}), "url"),
        (json!({"venue": "venue-a", "currency_pair": "BTC-USD", "id": 7}), "known:"),
    ] {
        let reply = desk.ask("POST", "/api/v1/trade-info", &row).await;
        reply.is_problem(400, "bad_request", &row.to_string());
        assert!(reply.json()["detail"].as_str().unwrap().contains(needle), "{reply:?}");
    }
    desk.ask("PATCH", "/api/v1/trade-info/x", &json!({"enabled": true})).await.is_problem(
        400,
        "bad_request",
        "id",
    );
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let reply = desk.house.ask("POST", "/api/v1/trade-info", &headers, "{}").await;
    reply.is_problem(415, "unsupported_media_type", "text");
    assert!(desk.store.trade_rows().await.unwrap().is_empty());
    desk.house.end().await;
}

#[tokio::test]
async fn without_a_store_rates_go_on_and_writes_are_503() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USD", "1", 0);
    let headers = [("authorization", "Bearer any")];
    let reply = house.ask("POST", "/api/v1/trade-info", &headers, "{}").await;
    reply.is_problem(503, "store_unavailable", "no store");
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(house.get("/api/v1/rates/BTC-USD").await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn venues_and_pairs_show_what_collectors_say() {
    let desk = Desk::start().await;
    say_row(&desk.house.board, "venue-a", 7, PairState::Live, None);
    let venues = desk.house.get("/api/v1/venues").await.json();
    assert_eq!(venues["venues"][0]["venue"], "venue-a");
    assert_eq!(venues["venues"][0]["rows"][0]["state"], "live");
    desk.house.tick("venue-a", "BTC-USD", "1", 0);
    let pairs = desk.house.get("/api/v1/pairs").await.json();
    assert_eq!(
        (&pairs["pairs"][0]["pair"], &pairs["pairs"][0]["state"]),
        (&json!("BTC-USD"), &json!("fresh"))
    );
    desk.house.end().await;
}

#[tokio::test]
async fn a_venue_file_is_kept_shown_replaced_and_removed() {
    let desk = Desk::start().await;
    let bearer = format!("Bearer {KEY}");
    let toml = [("authorization", bearer.as_str()), ("content-type", "application/toml")];
    let kept = async || desk.store.venue_files().await.unwrap();
    let post = async |target: &str, body: &str| desk.house.ask("POST", target, &toml, body).await;

    let reply = post("/api/v1/venues?name=venue-b", "one\ntwo").await;
    assert_eq!(
        (reply.status, reply.headers["location"].as_str()),
        (201, "/api/v1/venues/venue-b"),
        "{reply:?}"
    );
    assert_eq!(reply.json(), json!({"name": "venue-b", "examples": 2, "replaced": false}));
    let body = json!({"name": "venue-b", "text": "three"});
    let reply = desk.ask("POST", "/api/v1/venues", &body).await;
    assert_eq!((reply.status, reply.json()["replaced"].clone()), (200, json!(true)), "{reply:?}");
    assert_eq!(kept().await[0].text, "three");
    let reply = desk.ask("GET", "/api/v1/venues/venue-b", &Value::Null).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "three"));
    assert!(reply.headers["content-type"].starts_with("application/toml"));
    assert_eq!(desk.ask("GET", "/api/v1/venues/venue-a", &Value::Null).await.body, "built in");

    let reply = post("/api/v1/venues?name=venue-b", "fine\nwrong").await;
    reply.is_problem(400, "bad_venue_file", "a mistake");
    let said = reply.json();
    assert_eq!((&said["line"], &said["key"]), (&json!(2), &json!("ws.url")));
    assert_eq!(said["detail"], "line 2: ws.url: must begin with wss://");
    assert_eq!(kept().await[0].text, "three", "what runs is left alone");

    assert_eq!(desk.ask("DELETE", "/api/v1/venues/venue-b", &Value::Null).await.status, 204);
    assert!(kept().await.is_empty());
    for (method, name) in [
        ("DELETE", "venue-b"),
        ("DELETE", "venue-a"),
        ("GET", "venue-b"),
        ("GET", "No%20name"),
        ("DELETE", ".."),
    ] {
        let target = format!("/api/v1/venues/{name}");
        desk.ask(method, &target, &Value::Null).await.is_problem(404, "not_found", &target);
    }
    desk.house.end().await;
}

#[tokio::test]
async fn a_venue_file_needs_a_key_a_name_and_a_type() {
    let desk = Desk::start().await;
    let bearer = format!("Bearer {KEY}");
    let put = "/api/v1/venues?name=venue-b";
    for (key, method, target, kind, body, status, code) in [
        ("", "POST", put, "application/toml", "x", 401, "unauthorized"),
        ("Bearer wrong", "POST", put, "application/toml", "x", 401, "unauthorized"),
        ("", "GET", "/api/v1/venues/venue-a", "text/plain", "", 401, "unauthorized"),
        ("", "DELETE", "/api/v1/venues/venue-a", "text/plain", "", 401, "unauthorized"),
        (&bearer, "POST", "/api/v1/venues", "application/toml", "x", 400, "bad_request"),
        (&bearer, "POST", "/api/v1/venues?name=A%2Fb", "application/toml", "x", 400, "bad_request"),
        (&bearer, "POST", "/api/v1/venues?name=..", "text/plain", "x", 400, "bad_request"),
        (&bearer, "POST", put, "application/toml", "\u{0}wrong", 400, "bad_venue_file"),
        (
            &bearer,
            "POST",
            put,
            "application/json",
            "{\"name\":\"venue-b\",\"text\":\"x\"}",
            400,
            "bad_request",
        ),
        (&bearer, "POST", "/api/v1/venues", "application/json", "{\"name\":\"venue-b\"}", 400, "bad_request"),
        (&bearer, "POST", "/api/v1/venues?key=x", "application/toml", "x", 400, "bad_request"),
        (&bearer, "POST", put, "image/png", "x", 415, "unsupported_media_type"),
    ] {
        let headers = [("authorization", key), ("content-type", kind)];
        desk.house.ask(method, target, &headers, body).await.is_problem(status, code, target);
    }
    assert!(desk.store.venue_files().await.unwrap().is_empty(), "nothing was written");
    desk.house.end().await;
}
