//! What Redis may be put through while everything runs (R01 to R04), and what a process makes of it that starts from
//! it (A14). It must not know how the cache is kept.

use crate::{
    fleet::{Fleet, say},
    harness::{PATIENCE, within},
    web::{Judged, Load},
};
use std::{sync::atomic::Ordering::SeqCst, time::Duration};
use testkit::counts;

/// As promised; the twenty connections together.
const PER_SECOND: u32 = 500;
const LOAD_FOR: Duration = Duration::from_millis(1_000);

/// Reads for a while, with nothing refused and nothing cut off.
async fn load(fleet: &Fleet, name: &str) -> Judged {
    let paths = ["/api/v1/rates/F1-USD", "/api/v1/rates/BOTH-USD", "/api/v1/rates", "/api/v1/rates/S1-USD"];
    let load = Load::start(fleet.member("api").service.address, PER_SECOND, &paths);
    tokio::time::sleep(LOAD_FOR).await;
    let judged = load.end().await;
    say(&format!(
        "{name}: half of {} within {:?}, 99 % within {:?}",
        judged.latencies.len(),
        judged.percentile(50),
        judged.percentile(99)
    ));
    // The machine may be busy.
    judged.is_clean(PER_SECOND as usize / 4);
    judged
}

async fn readyz(fleet: &Fleet, check: &str, how: &str) {
    within(PATIENCE, &format!("{check} is {how}"), async || {
        let (status, body) = fleet.member("api").service.get("/readyz").await;
        assert_eq!(status, 200, "reads go on: {body}");
        let expect = if how == "ok" { "ok" } else { "degraded" };
        (body["checks"][check] == how && body["status"] == expect).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_redis_does_reads_go_on() {
    let fleet =
        Fleet::start(200, &[("collector", "collector"), ("recorder", "recorder"), ("api", "api")]).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    let redis = fleet.apart.servers.redis.clone();
    let quiet = load(&fleet, "quiet").await;
    // A machine that does nothing else shows a read that waits for Redis; the suite's shows one that hangs.
    let is_unmoved = |judged: &Judged, more: Duration| {
        for percent in [50, 99] {
            let (now, before) = (judged.percentile(percent), quiet.percentile(percent));
            let slack = if counts::is_soak() { more } else { Duration::from_secs(1) };
            assert!(now <= 2 * before + slack, "{percent} %: {now:?} after {before:?}");
        }
    };

    // R01: dead.
    redis.kill();
    fleet.redis_life.fetch_add(1, SeqCst);
    readyz(&fleet, "cache", "down").await;
    is_unmoved(&load(&fleet, "R01, Redis dead").await, Duration::from_millis(50));
    redis.restart_beside().await.unwrap().unwrap();
    readyz(&fleet, "cache", "ok").await;
    fleet.converges("R01").await;

    // R02: frozen.
    redis.freeze();
    is_unmoved(&load(&fleet, "R02, Redis freezes").await, Duration::from_millis(50));
    readyz(&fleet, "cache", "down").await;
    redis.resume();
    readyz(&fleet, "cache", "ok").await;
    is_unmoved(&load(&fleet, "R02, Redis is back").await, Duration::from_millis(50));
    fleet.converges("R02").await;

    // R04: emptied, filled with something else, read-only, full.
    let key = format!("{}:v1:last:first", fleet.apart.prefix);
    for (fault, back) in [
        (&[&["FLUSHALL"][..], &["SCRIPT", "FLUSH"]][..], &[][..]),
        (&[&["DEL", &key], &["RPUSH", &key, "a", "list"]], &[]),
        (&[&["SET", &key, "\u{1}\u{2}garbage"]], &[]),
        (&[&["REPLICAOF", "127.0.0.1", "1"]], &["REPLICAOF", "NO", "ONE"]),
        (&[&["CONFIG", "SET", "maxmemory", "1"]], &["CONFIG", "SET", "maxmemory", "0"]),
    ] {
        for command in fault {
            redis.cli(command).unwrap();
        }
        fleet.redis_life.fetch_add(1, SeqCst);
        load(&fleet, &format!("R04, {fault:?}")).await;
        if !back.is_empty() {
            redis.cli(back).unwrap();
        }
        fleet.converges(&format!("R04, {fault:?}")).await;
    }
    let recorder = &fleet.member("recorder").service;
    assert!(recorder.log().contains("something else lay under the venue's key"), "{}", recorder.log());
    fleet.end().await;
}
