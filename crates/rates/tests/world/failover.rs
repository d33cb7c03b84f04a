//! The original specification: BTC, ETH and USDT against USD and RUB, whatever venue falls silent; and what
//! `pair_policy` does to a running service. It must not know how a rate is made.

use crate::harness::{PATIENCE, Service, within};
use market::VenueId;
use replay::SimulatedVenue;
use serde_json::Value;
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};
use std::{collections::BTreeSet, path::Path, str::FromStr, sync::Arc, time::Duration};
use store::{NewTradeRow, Seed};
use tokio_util::sync::{CancellationToken, DropGuard};
use venue::Venue;

const SPECIFIED: [&str; 6] = ["BTC-USD", "BTC-RUB", "ETH-USD", "ETH-RUB", "USDT-USD", "USDT-RUB"];

/// Venue and pairs: every pair of the specification has two ways to its value, not all of them direct.
const ROWS: [(&str, &str); 5] = [
    ("binance", "BTC,ETH-USDT"),
    ("kraken", "BTC,ETH,USDT-USD"),
    ("coinbase-exchange", "BTC,ETH,USDT-USD"),
    ("bybit", "USDT-RUB"),
    ("coingecko", "BTC,ETH,USDT-RUB,USD"),
];

const STREAMED_STALE_MS: i64 = 1_500;
const POLLED_STALE_MS: i64 = 3_000;

struct World {
    service: Service,
    venues: Vec<SimulatedVenue>,
    dir: tempfile::TempDir,
    _stop: DropGuard,
}

/// The shipped file; a polled venue may be asked as often as the test likes.
fn file(name: &str) -> (VenueId, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{name}.toml"));
    let text = std::fs::read_to_string(path).unwrap().replace("budget = \"5/60s\"", "budget = \"100/1s\"");
    (VenueId::parse(name).unwrap(), text)
}

impl World {
    async fn start() -> World {
        let stop = CancellationToken::new();
        let files: Vec<_> = ROWS.iter().map(|(name, _)| file(name)).collect();
        let compiled = files.iter().map(|(id, text)| Arc::new(Venue::parse(id, id.as_str(), text).unwrap()));
        let compiled: Vec<_> = compiled.collect();
        let venues = replay::simulate(&compiled, 7, stop.clone()).await.unwrap();
        let row = |(venue, (_, pairs)): (&SimulatedVenue, &(&str, &str))| NewTradeRow {
            venue: venue.venue.to_string(),
            currency_pair: (*pairs).to_owned(),
            url: venue.url_ws.clone().or_else(|| venue.url_http.clone()),
            interval_ms: venue.url_ws.is_none().then_some(500),
            stale_after_ms: Some(if venue.url_ws.is_some() { STREAMED_STALE_MS } else { POLLED_STALE_MS }),
            expire_after_ms: Some(600_000),
            ..NewTradeRow::default()
        };
        let rows = venues.iter().zip(&ROWS).map(row).collect();
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("rates.db").display());
        store::open(&url, Seed { rows, venues: files }).await.unwrap().close().await;
        let service = Service::start(dir.path()).await;
        World { service, venues, dir, _stop: stop.drop_guard() }
    }

    /// The directions that the original interface answers now.
    async fn courses(&self) -> BTreeSet<String> {
        let (status, body) = self.service.get("/api/v1/courses").await;
        assert_eq!(status, 200, "{body}");
        let courses = body["courses"].as_array().unwrap();
        assert!(courses.iter().all(|course| course["value"].is_number()), "{body}");
        courses.iter().map(|course| course["direction"].as_str().unwrap().to_owned()).collect()
    }

    async fn rate(&self, pair: &str) -> Value {
        let (status, rate) = self.service.get(&format!("/api/v1/rates/{pair}")).await;
        assert!(status == 200 || status == 503, "{status} {rate}");
        if rate["state"] == "fresh" {
            let age = rate["age_ms"].as_i64().unwrap();
            assert!(age <= POLLED_STALE_MS, "old, and called fresh: {rate}");
        }
        rate
    }

    async fn foreign(&self, sql: &'static str) {
        let url = format!("sqlite://{}", self.dir.path().join("rates.db").display());
        let options = SqliteConnectOptions::from_str(&url).unwrap().busy_timeout(Duration::from_secs(5));
        options.connect().await.unwrap().execute(sql).await.unwrap();
    }
}

fn holds(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|all| all.iter().any(|one| one == word))
}

/// Whether the venue has any part in the answer, directly or through a leg.
fn rests_on(rate: &Value, venue: &str) -> bool {
    let legs = rate["legs"].as_array().into_iter().flatten();
    holds(&rate["sources"], venue) || legs.into_iter().any(|leg| holds(&leg["sources"], venue))
}

fn quotes(pairs: &str, pair: &str) -> bool {
    let spec = market::PairSpec::parse(pairs).unwrap();
    spec.product().any(|(base, quote)| format!("{base}-{quote}") == pair)
}

#[tokio::test]
async fn the_original_specification_is_answered_whatever_venue_falls_silent() {
    let world = World::start().await;
    let is_whole = |courses: &BTreeSet<String>| SPECIFIED.iter().all(|pair| courses.contains(*pair));
    within(PATIENCE, "every pair is answered", async || is_whole(&world.courses().await).then_some(())).await;
    for (venue, (name, pairs)) in world.venues.iter().zip(&ROWS) {
        within(PATIENCE, &format!("{name} takes part"), async || {
            for pair in SPECIFIED.iter().filter(|pair| quotes(pairs, pair)) {
                if !rests_on(&world.rate(pair).await, name) {
                    return None;
                }
            }
            Some(())
        })
        .await;
        venue.control.freeze();
        assert!(venue.control.settled().await);
        let flag = format!("venue_down:{name}");
        let carried_on = async || {
            // At no moment is there a gap: what is stale is carried by another venue, or by a cross.
            let courses = world.courses().await;
            assert!(is_whole(&courses), "while {name} falls silent: {courses:?}");
            for pair in SPECIFIED {
                let rate = world.rate(pair).await;
                let is_said = !quotes(pairs, pair) || holds(&rate["degraded"], &flag);
                if rate["state"] != "fresh" || rests_on(&rate, name) || !is_said {
                    return None;
                }
            }
            Some(())
        };
        within(PATIENCE, &format!("others carry what {name} said"), carried_on).await;
        venue.control.revive();
        assert!(venue.control.settled().await);
    }
    // All at once: nothing is left, and nothing old is called fresh.
    world.venues.iter().for_each(|venue| venue.control.freeze());
    within(PATIENCE, "all is stale", async || world.courses().await.is_empty().then_some(())).await;
    for pair in SPECIFIED {
        let rate = world.rate(pair).await;
        assert_eq!(rate["state"], "stale", "{rate}");
        assert!(rate["value"].is_string() && rate["age_ms"].as_i64() >= Some(STREAMED_STALE_MS), "{rate}");
    }
}

/// Takes effect within two seconds, whoever writes it; a bad row changes nothing.
#[tokio::test]
async fn a_policy_excludes_a_venue_and_asks_for_more_sources() {
    const SOON: Duration = Duration::from_secs(2);
    let world = World::start().await;
    let explained = async || {
        let (_, rate) = world.service.get("/api/v1/rates/BTC-USD?explain=1").await;
        let ticks = rate["ticks"].as_array().cloned().unwrap_or_default();
        let reason = ticks.iter().find(|tick| tick["venue"] == "kraken").map(|tick| tick["reason"].clone());
        (rate, reason)
    };
    within(PATIENCE, "three venues", async || {
        let (rate, _) = explained().await;
        (rate["sources_used"] == 3 && !holds(&rate["degraded"], "few_sources")).then_some(())
    })
    .await;
    world
        .foreign("INSERT INTO pair_policy (pair, venues_excluded, sources_min) VALUES ('BTC-USD', 'kraken', 3), ('?', 'x', 1)")
        .await;
    within(SOON, "it is excluded, and two are few", async || {
        let (rate, reason) = explained().await;
        let is_out = reason == Some("excluded".into()) && !holds(&rate["sources"], "kraken");
        (is_out && holds(&rate["degraded"], "few_sources") && rate["state"] == "fresh").then_some(())
    })
    .await;
    world
        .foreign("UPDATE pair_policy SET venues_excluded = NULL, venues_allowed = 'kraken', sources_min = 1")
        .await;
    within(SOON, "it is the only one", async || {
        let (rate, _) = explained().await;
        (rate["sources"] == serde_json::json!(["kraken"])).then_some(())
    })
    .await;
    world.foreign("DELETE FROM pair_policy").await;
    within(SOON, "all are back", async || (explained().await.0["sources_used"] == 3).then_some(())).await;
}
