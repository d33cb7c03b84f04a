//! Every reading path over a real socket: shapes, digits, states, conditions, ETags.
//! It must not look into the server: only what comes over the wire counts.

use crate::house::House;
use api::Settings;
use serde_json::{Value, json};

#[tokio::test]
async fn a_rate_has_the_shape_of_the_contract() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "64348.95000000", 800);
    for target in [
        "BTC-USDT",
        "btc/usdt",
        "btcusdt",
        "BTC%2FUSDT",
        "bitcoin-tether",
        "btc_usdt",
        "BTC-USDT?explain=0",
        "BTC-USDT?strict=1",
        "BTC-USDT?venue=venue-a",
        "BTC-USDT?max_age=60s",
    ] {
        let reply = house.get(&format!("/api/v1/rates/{target}")).await;
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["cache-control"], "no-cache", "{target}");
        assert!(reply.headers["etag"].starts_with("W/\""), "{target}: {reply:?}");
        let rate = reply.json();
        assert_eq!(rate["pair"], "BTC-USDT", "{target}");
        assert_eq!(rate["value"], "64348.95000000", "{target}");
        assert_eq!(rate["state"], "fresh");
        assert_eq!(rate["demo"], false);
        assert_eq!(rate["sources"], json!(["venue-a"]));
        let age = rate["age_ms"].as_i64().unwrap();
        assert!((800..20_000).contains(&age), "{age}");
        for member in
            ["basis", "degraded", "bid", "ask", "spread_pct", "sources_used", "sources_total", "legs"]
        {
            assert!(rate.get(member).is_some(), "{target}: {member}");
        }
        assert!(
            reply.body.ends_with(&format!("\"age_ms\":{age}}}")),
            "age is the last member: {}",
            reply.body
        );
    }
    house.end().await;
}

#[tokio::test]
async fn every_state_is_answered_as_the_contract_says() {
    let house = House::start().await;
    house.tick("venue-a", "AAA-USD", "1.5", 40_000);
    house.tick("venue-a", "BBB-USD", "1.5", 400_000);
    house.tick("venue-a", "CCC-USD", "100", 0);
    house.tick("venue-b", "CCC-USD", "120", 0);
    house.tick("venue-a", "DDD-USD", "2.50", 10_000);
    for (target, status, code_or_state) in [
        ("AAA-USD", 200, "stale"),
        ("AAA-USD?max_age=41000", 200, "stale"),
        ("AAA-USD?max_age=5s", 503, "too_old"),
        ("AAA-USD?max_age=500ms", 503, "too_old"),
        ("BBB-USD", 503, "no_fresh_rate"),
        ("CCC-USD", 200, "disputed"),
        ("CCC-USD?strict=1", 503, "rates_disagree"),
        ("CCC-USD?venue=venue-b", 200, "fresh"),
        ("CCC-USD?venue=venue-c", 503, "no_fresh_rate"),
        ("DDD-USD?max_age=5", 503, "too_old"),
        ("DDD-USD?max_age=1000s", 200, "fresh"),
    ] {
        let reply = house.get(&format!("/api/v1/rates/{target}")).await;
        if status == 200 {
            assert_eq!((reply.status, &reply.json()["state"]), (200, &json!(code_or_state)), "{target}");
        } else {
            reply.is_problem(status, code_or_state, target);
            assert!(reply.headers.contains_key("retry-after"), "{target}");
        }
    }
    let disputed = house.get("/api/v1/rates/CCC-USD").await.json();
    assert_eq!(
        (&disputed["value"], &disputed["low"], &disputed["high"]),
        (&Value::Null, &json!("100"), &json!("120"))
    );
    let all = house.get("/api/v1/rates").await.json();
    let states: Vec<_> =
        all["rates"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["stale", "expired", "disputed", "fresh"], "every pair, by name, with its state");
    let explained = house.get("/api/v1/rates/CCC-USD?explain=1").await.json();
    let venues: Vec<_> = explained["ticks"].as_array().unwrap().iter().map(|t| t["venue"].clone()).collect();
    assert_eq!(venues, ["venue-a", "venue-b"]);
    house.end().await;
}

#[tokio::test]
async fn the_original_endpoints_keep_digits_and_spelling_and_leave_out_what_needs_a_flag() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USD", "64250.1300", 0);
    house.tick("venue-a", "ETH-USD", "0.00000000000000000000012345", 0);
    house.tick("venue-b", "ETH-USD", "0.00000000000000000000012345", 0);
    house.tick("venue-a", "OLD-USD", "7", 40_000);
    house.tick("venue-a", "BAD-USD", "100", 0);
    house.tick("venue-b", "BAD-USD", "120", 0);
    for (target, body) in [
        (
            "/api/v1/currency_pair/?currency_pair=bitcoin-usd",
            r#"{"exchanger":"venue-a","courses":[{"direction":"bitcoin-usd","value":64250.1300}]}"#,
        ),
        (
            "/api/v1/currency_pair?currency_pair=BTC%2FUSD",
            r#"{"exchanger":"venue-a","courses":[{"direction":"BTC/USD","value":64250.1300}]}"#,
        ),
        (
            "/api/v1/currency_pair?currency_pair=btcusd",
            r#"{"exchanger":"venue-a","courses":[{"direction":"btcusd","value":64250.1300}]}"#,
        ),
        (
            "/api/v1/currency_pair?currency_pair=eth-usd",
            r#"{"exchanger":"rates","courses":[{"direction":"eth-usd","value":0.00000000000000000000012345}]}"#,
        ),
        (
            "/api/v1/courses",
            r#"{"exchanger":"rates","courses":[{"direction":"BTC-USD","value":64250.1300},{"direction":"ETH-USD","value":0.00000000000000000000012345}]}"#,
        ),
        (
            "/api/v1/courses?exchanger=venue-b",
            r#"{"exchanger":"venue-b","courses":[{"direction":"BAD-USD","value":120},{"direction":"ETH-USD","value":0.00000000000000000000012345}]}"#,
        ),
        (
            "/api/v1/courses?exchanger=venue-a&direction=bitcoin-usd",
            r#"{"exchanger":"venue-a","courses":[{"direction":"bitcoin-usd","value":64250.1300}]}"#,
        ),
        ("/api/v1/courses?direction=old-usd", r#"{"exchanger":"rates","courses":[]}"#),
        (
            "/api/v1/courses/?exchanger=venue-a&direction=bitcoin-usd",
            r#"{"exchanger":"venue-a","courses":[{"direction":"bitcoin-usd","value":64250.1300}]}"#,
        ),
    ] {
        let reply = house.get(target).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, body), "{target}");
    }
    for (target, status, code) in [
        ("/api/v1/currency_pair?currency_pair=old-usd", 503, "no_fresh_rate"),
        ("/api/v1/currency_pair?currency_pair=bad-usd", 503, "rates_disagree"),
        ("/api/v1/currency_pair?currency_pair=xxx-yyy", 404, "unknown_pair"),
        ("/api/v1/currency_pair?currency_pair=", 400, "bad_request"),
        ("/api/v1/currency_pair/", 400, "bad_request"),
        ("/api/v1/courses?exchanger=nobody", 404, "not_found"),
        ("/api/v1/courses?exchanger=No%20One", 400, "bad_request"),
        ("/api/v1/courses?direction=xxx-yyy", 404, "unknown_pair"),
        ("/api/v1/rates?venue=nobody", 404, "not_found"),
        ("/api/v1/rates/BTC-USD?venue=nobody", 404, "not_found"),
    ] {
        house.get(target).await.is_problem(status, code, target);
    }
    house.end().await;
}

#[tokio::test]
async fn an_unchanged_rate_is_304_and_a_changed_one_is_not() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USD", "1.5", 0);
    for target in ["/api/v1/rates/BTC-USD", "/api/v1/currency_pair/?currency_pair=BTC-USD"] {
        let tag = house.get(target).await.headers["etag"].clone();
        for known in [tag.as_str(), tag.trim_start_matches("W/"), "*", &format!("\"other\", {tag}")] {
            let reply = house.ask("GET", target, &[("if-none-match", known)], "").await;
            assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{target} {known}");
            assert_eq!(reply.headers["etag"], tag);
        }
        let reply = house.ask("GET", target, &[("if-none-match", "W/\"other\"")], "").await;
        assert_eq!(reply.status, 200);
    }
    let tag = house.get("/api/v1/rates/BTC-USD").await.headers["etag"].clone();
    house.tick("venue-a", "BTC-USD", "1.6", 0);
    let reply = house.ask("GET", "/api/v1/rates/BTC-USD", &[("if-none-match", &tag)], "").await;
    assert_eq!((reply.status, &reply.json()["value"]), (200, &json!("1.6")));
    house.end().await;
}

#[tokio::test]
async fn amounts_are_converted_exactly_with_the_legs_named() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USDT", "64348.95", 0);
    house.tick("venue-b", "ETH-USDT", "3000", 0);
    let reply = house.get("/api/v1/convert?from=btc&to=USDT&amount=0.10").await.json();
    assert_eq!(
        (&reply["from"], &reply["to"], &reply["state"]),
        (&json!("BTC"), &json!("USDT"), &json!("fresh"))
    );
    let result: rust_decimal_text::Text = reply["result"].as_str().unwrap().into();
    assert_eq!(result.trimmed(), "6434.895");
    assert!(reply["age_ms"].is_i64() && reply["legs"].is_array() && reply["amount"] == "0.10", "{reply}");
    let cross = house.get("/api/v1/convert?from=bitcoin&to=ethereum&amount=1").await.json();
    let legs: Vec<_> = cross["legs"].as_array().unwrap().iter().map(|l| l["pair"].clone()).collect();
    assert_eq!(legs, ["BTC-USDT", "ETH-USDT"], "{cross}");
    for (query, status, code) in [
        ("from=BTC&to=XXX&amount=1", 404, "unknown_pair"),
        ("from=BTC&to=BTC&amount=1", 400, "bad_pair"),
        ("from=BTC&amount=1", 400, "bad_request"),
        ("from=B'TC&to=USD&amount=1", 400, "bad_request"),
        ("from=BTC&to=USDT&amount=0", 400, "bad_request"),
        ("from=BTC&to=USDT&amount=-1", 400, "bad_request"),
        ("from=BTC&to=USDT&amount=NaN", 400, "bad_request"),
        ("from=BTC&to=USDT&amount=1e999", 400, "bad_request"),
        ("from=BTC&to=USDT&amount=9999999999999999999999999999", 400, "bad_request"),
    ] {
        house.get(&format!("/api/v1/convert?{query}")).await.is_problem(status, code, query);
    }
    house.end().await;
}

/// The digits of a decimal without the zeros that say nothing.
mod rust_decimal_text {
    pub struct Text(String);
    impl From<&str> for Text {
        fn from(text: &str) -> Text {
            Text(text.to_owned())
        }
    }
    impl Text {
        pub fn trimmed(&self) -> &str {
            if self.0.contains('.') { self.0.trim_end_matches('0').trim_end_matches('.') } else { &self.0 }
        }
    }
}

#[tokio::test]
async fn a_demo_says_so_everywhere() {
    let house = House::with(Settings { demo: true, ..Settings::default() }, None).await;
    house.tick("venue-a", "BTC-USDT", "1.5", 0);
    for target in [
        "rates/BTC-USDT",
        "courses",
        "currency_pair?currency_pair=btc-usdt",
        "convert?from=BTC&to=USDT",
        "pairs",
        "venues",
    ] {
        let reply = house.get(&format!("/api/v1/{target}")).await;
        assert_eq!(reply.json()["demo"], true, "{target}: {reply:?}");
    }
    assert!(house.get("/").await.body.contains("DEMO"));
    house.end().await;
}

#[tokio::test]
async fn the_page_names_rows_that_do_not_run() {
    let house = House::start().await;
    assert!(house.get("/").await.body.contains("aria-label=\"Rows that do not run\" hidden"));
    let rows = json!([
        {"id": 7, "state": "invalid", "reason": "venue: there is no venue called '<b>'"},
        {"id": 8, "state": "live", "reason": null},
    ]);
    let status = json!({
        "v": 1, "venue": "unknown", "collector": "c", "sent_at": 0, "connections": [], "rows": rows, "pairs": [],
    });
    house.board.apply_status(std::sync::Arc::new(serde_json::from_value(status).unwrap()));
    let page = house.get("/").await.body;
    assert!(page.contains("row 7 is invalid: venue: there is no venue called &#39;&lt;b&gt;&#39;"), "{page}");
    assert!(page.contains("aria-label=\"Rows that do not run\">") && !page.contains("row 8"), "{page}");
    house.end().await;
}

#[tokio::test]
async fn one_venue_s_ticks_of_every_pair() {
    let house = House::start().await;
    house.tick("venue-a", "BTC-USD", "100", 0);
    house.tick("venue-b", "BTC-USD", "102", 0);
    house.tick("venue-a", "ETH-USD", "7", 0);
    let reply = house.get("/api/v1/rates?venue=venue-b").await;
    assert_eq!(reply.json()["rates"].as_array().map(Vec::len), Some(1), "{reply:?}");
    assert_eq!(reply.json()["rates"][0]["value"], "102");
    assert_eq!(house.get("/api/v1/rates").await.json()["rates"].as_array().map(Vec::len), Some(2));
    house.end().await;
}

#[tokio::test]
async fn a_venue_of_which_nothing_runs_is_neither_up_nor_down() {
    let house = House::start().await;
    let connection = json!({"id": "ws-1", "state": "live", "since": 0, "reconnects": 0, "last_error": null});
    for (venue, connections) in [("venue-a", json!([connection])), ("unknown", json!([]))] {
        let status = json!({
            "v": 1, "venue": venue, "collector": "c", "sent_at": 0, "connections": connections,
            "rows": [], "pairs": [],
        });
        house.board.apply_status(std::sync::Arc::new(serde_json::from_value(status).unwrap()));
    }
    let text = house.get("/metrics").await.body;
    assert!(text.contains("rates_venue_up{venue=\"venue-a\"} 1\n"), "{text}");
    assert!(!text.contains("rates_venue_up{venue=\"unknown\"}"), "{text}");
    house.end().await;
}

#[tokio::test]
async fn probes_and_metrics() {
    let house = House::start().await;
    assert_eq!(house.get("/livez").await.status, 200);
    let reply = house.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json(), json!({"status": "not_ready", "checks": {"broker": "ok", "store": "off"}}));
    house.tick("venue-a", "BTC-USDT", "1.5", 1_500);
    let reply = house.get("/readyz").await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("ok")));
    house.get("/api/v1/rates/BTC-USDT").await;
    let text = house.get("/metrics").await.body;
    for needle in [
        "rates_http_requests_total{route=\"/api/v1/rates/{pair}\",method=\"GET\",code=\"200\"} ",
        "rates_http_requests_total{route=\"/readyz\",method=\"GET\",code=\"503\"} ",
        "# TYPE rates_stream_clients gauge\n",
        "rates_build_info{version=",
        "rates_pair_age_seconds{pair=\"BTC-USDT\"} 1.",
        "rates_pair_sources{pair=\"BTC-USDT\"} 1\n",
        "rates_http_request_duration_seconds_count{route=\"/api/v1/rates/{pair}\"} 1\n",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let mut names: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "each name once");
    house.end().await;
}

#[tokio::test]
async fn a_degraded_process_is_ready_all_the_same() {
    let board = crate::house::new_board(false);
    crate::house::tick(&board, "venue-a", "BTC-USD", "1", 0);
    let checks = std::sync::Arc::new(|| vec![("broker".to_owned(), "down")]);
    let house = House::on(board, Settings::default(), None, checks).await;
    let reply = house.get("/readyz").await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("degraded")));
    house.end().await;
}

#[tokio::test]
async fn the_page_names_venues_that_speak_seldom_and_why() {
    let house = House::start().await;
    let page = house.get("/").await.body;
    assert!(page.contains("than every 5 seconds\" hidden>"), "nothing to tell: {page}");
    for (venue, every_ms, seldom) in [
        ("venue-a", json!(60_000), json!("its <limits>")),
        ("venue-b", json!(null), json!("trades only")),
        ("venue-c", json!(1_000), json!(null)),
        ("venue-d", json!(null), json!(null)),
    ] {
        let connection = json!({
            "id": "1", "state": "live", "since": 0, "reconnects": 0, "last_error": null, "every_ms": every_ms,
            "seldom": seldom,
        });
        let status = json!({
            "v": 1, "venue": venue, "collector": "c", "sent_at": 0, "connections": [connection], "rows": [],
            "pairs": [],
        });
        house.board.apply_status(std::sync::Arc::new(serde_json::from_value(status).unwrap()));
    }
    let page = house.get("/").await.body;
    let list = "<ul><li><b>venue-a</b>: asked every 60 s. its &lt;limits&gt;</li><li><b>venue-b</b>: trades only</li></ul>";
    assert!(page.contains("than every 5 seconds\">") && page.contains(list), "{page}");
    house.end().await;
}

#[tokio::test]
async fn the_page_holds_every_pair_without_a_script_and_loads_nothing_foreign() {
    let house = House::start().await;
    let empty = house.get("/").await.body;
    assert!(empty.contains("<p id=\"empty\">"), "the empty page says what to do");
    house.tick("venue-a", "BTC-USDT", "64348.95000000", 0);
    house.tick("venue-a", "OLD-USD", "7.10", 40_000);
    let reply = house.get("/").await;
    assert!(reply.headers["content-security-policy"].starts_with("default-src 'self'"));
    assert!(!reply.body.contains("DEMO") && !reply.body.contains("{{"), "{}", reply.body);
    for needle in ["64348.95000000", "BTC-USDT", "fresh", "7.10", "40 s", "stale", "<p id=\"empty\" hidden>"]
    {
        assert!(reply.body.contains(needle), "{needle}: {}", reply.body);
    }
    for (target, kind) in
        [("/app.js", "text/javascript"), ("/app.css", "text/css"), ("/favicon.svg", "image/svg+xml")]
    {
        let reply = house.get(target).await;
        assert!(
            reply.status == 200 && reply.headers["content-type"].starts_with(kind),
            "{target}: {reply:?}"
        );
    }
    let document = house.get("/openapi.json").await.json();
    assert_eq!(document, serde_json::from_str::<Value>(&api::openapi()).unwrap());
    house.end().await;
}
