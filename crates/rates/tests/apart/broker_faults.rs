//! What RabbitMQ, its readers and foreign publishers may do while everything runs (B01, B02, B03, B05, B06, B07).
//! It must not know how the broker is spoken to.

use crate::{
    fleet::{Fleet, promised, say},
    harness::{PATIENCE, within},
    views::FOREIGN,
    web::Load,
};
use lapin::{BasicProperties, Connection, ConnectionProperties, options::BasicPublishOptions};
use std::time::Duration;
use testkit::counts;
use tokio::time::Instant;

/// What a process may grow by while it cannot get rid of anything: it keeps the newest of 20 prices.
const GROWTH_KIB: u64 = 24 << 10;

async fn broker_is(fleet: &Fleet, member: &str, how: &str) {
    within(PATIENCE, &format!("{member} says that the broker is {how}"), async || {
        let (_, body) = fleet.member(member).service.get("/readyz").await;
        (body["checks"]["broker"] == how).then_some(())
    })
    .await;
}

async fn is_stale_and_says_so(fleet: &Fleet) {
    within(PATIENCE, "what is not heard of is stale", async || {
        (fleet.member("api").service.rate("BOTH-USD").await["state"] == "stale").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_rabbitmq_does_nothing_older_is_shown_and_the_newest_comes() {
    let fleet =
        Fleet::start(1_000, &[("collector", "collector"), ("recorder", "recorder"), ("api", "api")]).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    let rabbit = fleet.apart.servers.rabbit.clone();
    let collector = &fleet.member("collector").service;

    // B01: dead for a while, a thousand prices a second meanwhile.
    let before = collector.resident_kib();
    rabbit.kill();
    let load = Load::start(fleet.member("api").service.address, 100, &["/api/v1/rates/F1-USD"]);
    broker_is(&fleet, "api", "down").await;
    is_stale_and_says_so(&fleet).await;
    tokio::time::sleep(counts::lasting(Duration::from_secs(3), Duration::from_secs(30))).await;
    load.end().await.is_clean(20);
    let grown = collector.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    rabbit.restart_beside().await.unwrap().unwrap();
    fleet.converges("B01").await;

    // B02: it takes bytes and says nothing.
    rabbit.freeze();
    let frozen = Instant::now();
    for member in ["collector", "api"] {
        broker_is(&fleet, member, "down").await;
    }
    let noticed = frozen.elapsed();
    assert!(noticed < Duration::from_secs(20), "{noticed:?}");
    say(&format!("B02: noticed after {noticed:?}"));
    let rest = counts::lasting(Duration::ZERO, Duration::from_secs(60)).saturating_sub(noticed);
    tokio::time::sleep(rest).await;
    rabbit.resume();
    fleet.converges("B02").await;

    // B03: it is short of memory and takes nothing.
    let before = collector.resident_kib();
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.00001"]).unwrap();
    broker_is(&fleet, "collector", "down").await;
    within(PATIENCE, "an API that hears of no feed says so", async || {
        let rate = fleet.member("api").service.rate("BOTH-USD").await;
        (rate["state"] == "stale" && rate["degraded"].as_array()?.contains(&"cache_only".into()))
            .then_some(())
    })
    .await;
    let grown = collector.resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB more");
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.6"]).unwrap();
    fleet.converges("B03").await;

    // B05: a reader that does not read.
    let api = &fleet.member("api").service;
    api.freeze();
    tokio::time::sleep(counts::lasting(Duration::from_secs(6), Duration::from_secs(60))).await;
    let queues = rabbit.ctl(&["list_queues", "--no-table-headers", "name", "messages"]).unwrap();
    let reader = format!("{}.reader.", fleet.apart.prefix);
    let waiting = queues.lines().filter(|line| line.starts_with(&reader));
    let waiting: Vec<u32> = waiting.filter_map(|line| line.split_whitespace().last()?.parse().ok()).collect();
    say(&format!("B05: messages in the readers' queues: {waiting:?}"));
    assert!(waiting.len() >= 3 && waiting.iter().all(|count| *count <= 600), "{queues}");
    api.resume();
    fleet.converges("B05").await;
    fleet.end().await;
}

/// B06, B07, and bad input: what others put on the exchanges changes nothing, and is told in one line.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_messages_change_nothing_and_are_told_once() {
    let fleet =
        Fleet::start(200, &[("collector", "collector"), ("recorder", "recorder"), ("api", "api")]).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    let connection =
        Connection::connect(&fleet.apart.amqp_url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let ticks = |numbers: std::ops::RangeInclusive<u64>| {
        let tick = |number: u64| {
            let at = fleet.oracle.truth.venues[0].2.said_at("F1-USD", number).unwrap();
            serde_json::json!({"pair": "F1-USD", "symbol": "F1-USD", "last": format!("100.{number:08}"),
                "venue_time": at, "received_at": at, "sequence": number.to_string(), "of_tomorrow": [1]})
        };
        let ticks: Vec<_> = numbers.rev().map(tick).collect();
        serde_json::json!({"v": 1, "venue": "first", "sent_at": 1, "ticks": ticks}).to_string().into_bytes()
    };
    let last = fleet.oracle.mark()["F1-USD"][0];
    let bodies = [
        b"{".to_vec(),
        b"{\"v\":2}".to_vec(),
        vec![0xff; 10 << 20],
        // Old ones in the wrong order, again and again.
        ticks(1..=last),
        ticks(1..=1),
        ticks(1..=last),
    ];
    for round in 0..20 {
        // Ten megabytes once are enough.
        for body in bodies.iter().filter(|body| round == 0 || body.len() < 1 << 20) {
            let properties = BasicProperties::default().with_content_type(FOREIGN.into());
            for exchange in ["ticks", "status"] {
                let exchange = format!("{}.{exchange}", fleet.apart.prefix).into();
                let options = BasicPublishOptions::default();
                let sent = channel.basic_publish(exchange, "first".into(), options, body, properties.clone());
                sent.await.unwrap();
            }
        }
    }
    fleet.converges_within("B06, B07", promised(Duration::from_secs(5))).await;
    let api = &fleet.member("api").service;
    within(PATIENCE, "it is counted", async || {
        let (_, metrics) = api.get("/metrics").await;
        metrics.as_str()?.contains("rates_broker_poison_total{reason=\"too_big\"}").then_some(())
    })
    .await;
    let log = api.log();
    let lines = log.lines().filter(|line| line.contains("messages on the broker cannot be read")).count();
    assert_eq!(lines, 1, "{log}");
    fleet.end().await;
}
