//! D01: databases, brokers, caches and roles started in any order. Nobody exits, nobody floods the log, and everything
//! is ready soon after the last one is there. It must not know how anybody waits.

use crate::{
    fleet::say,
    harness::{Installation, PATIENCE, Servers, Service, row, within},
};
use std::{collections::HashMap, time::Duration};
use testkit::{Behaviour, FakeVenue, counts};
use tokio::time::Instant;

/// As promised; the suite shares the machine, and has three times as long.
const READY_MAX: Duration = Duration::from_secs(30);

const ALL: [&str; 7] = ["postgres", "rabbit", "redis", "collector", "recorder", "api", "bot"];

/// Each half of the house first, each server last, and each role before what it waits for.
const ORDERS: [[&str; 7]; 6] = [
    ["bot", "api", "recorder", "collector", "redis", "rabbit", "postgres"],
    ["collector", "postgres", "api", "redis", "bot", "recorder", "rabbit"],
    ["rabbit", "bot", "api", "collector", "recorder", "postgres", "redis"],
    ["postgres", "rabbit", "redis", "api", "recorder", "bot", "collector"],
    ["recorder", "rabbit", "collector", "redis", "postgres", "api", "bot"],
    ["redis", "postgres", "bot", "collector", "api", "rabbit", "recorder"],
];

fn order(at: usize) -> [&'static str; 7] {
    ORDERS.get(at).copied().unwrap_or_else(|| {
        let mut order = ALL;
        fastrand::shuffle(&mut order);
        order
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_in_any_order() {
    let servers = Servers::start().await;
    for at in 0..counts::count(6, 12) {
        started_in(&servers, order(at)).await;
    }
}

async fn started_in(servers: &Servers, order: [&'static str; 7]) {
    let venue = FakeVenue::start(Behaviour::default()).await;
    let apart = Installation::new(servers, &[("alpha", &venue)], vec![row("alpha", "BTC-USD")]).await;
    let Servers { postgres, rabbit, redis } = servers.clone();
    let kill = move || [postgres.kill(), rabbit.kill(), redis.kill()];
    tokio::task::spawn_blocking(kill).await.unwrap();
    let mut services: HashMap<&str, Service> = HashMap::new();
    let mut gaps = Vec::new();
    for what in order {
        let restarted = match what {
            "postgres" => servers.postgres.restart_beside(),
            "rabbit" => servers.rabbit.restart_beside(),
            "redis" => servers.redis.restart_beside(),
            role => {
                services.insert(role, apart.start(role).await);
                tokio::spawn(async { Ok(()) })
            }
        };
        restarted.await.unwrap().unwrap();
        let gap = Duration::from_millis(fastrand::u64(0..counts::count(1_000, 10_000) as u64));
        gaps.push(gap);
        // The gap is what is tested: nothing is waited for here.
        tokio::time::sleep(if gaps.len() == order.len() { Duration::ZERO } else { gap }).await;
    }
    let all_there = Instant::now();
    let is_ready = async || {
        for (role, service) in &services {
            assert_eq!(service.exit_code(), None, "{role} has ended\n{}", service.log());
            let (status, body) = service.get("/readyz").await;
            if status != 200 || body["status"] != "ok" {
                return None;
            }
        }
        Some(())
    };
    let what = format!("{order:?}: all are ready");
    within(READY_MAX * counts::count(3, 1) as u32, &what, is_ready).await;
    within(PATIENCE, "a candle", async || {
        let (status, body) = services["api"].get("/api/v1/history/BTC-USD?interval=1m").await;
        (status == 200 && !body["candles"].as_array()?.is_empty()).then_some(())
    })
    .await;
    say(&format!("D01: {order:?}: ready after {:?}", all_there.elapsed()));
    for (role, service) in &services {
        assert_eq!(service.end().await, 0, "{role}\n{}", service.log());
        floods_nothing(role, &service.log());
    }
}

/// The same thing is said at most once in five seconds, unless it was better in between; numbers in it do not make it
/// another.
fn floods_nothing(role: &str, log: &str) {
    let mut said: HashMap<String, i64> = HashMap::new();
    for line in log.lines() {
        // 2026-11-26T02:49:29.123456Z  WARN who: what
        let Some((time, text)) = line.split_once('Z').filter(|(time, _)| time.len() > 19) else { continue };
        let number =
            |at: std::ops::Range<usize>| time.get(at).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
        let at_ms = ((number(11..13) * 60 + number(14..16)) * 60 + number(17..19)) * 1_000 + number(20..23);
        let text: String = text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
        if text.contains(" INFO ") {
            // A connection that came and went is a change, however soon: on a busy machine a cache may be slow.
            let who = text.split_whitespace().nth(1).unwrap_or_default();
            said.retain(|before, _| before.split_whitespace().nth(1) != Some(who));
            continue;
        }
        if let Some(before) = said.insert(text.clone(), at_ms) {
            let passed = (at_ms - before).rem_euclid(86_400_000);
            assert!(passed >= 5_000, "{role}: twice in {passed} ms: {text}\n{log}");
        }
    }
}
