//! O01: processes and servers are killed at random, one every few seconds, and started again, and now and then a process
//! is frozen, so that it wakes with a view of the world that is old; the checker of `oracle.rs` looks on the whole time and
//! may find nothing. It must not know what a process does.

use crate::{
    fleet::{Fleet, say},
    harness::{PATIENCE, Servers},
};
use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst, time::Duration};
use testkit::counts;
use tokio::{task::JoinSet, time::Instant};

/// By then another collector has a dead one's rows.
const TAKEN_OVER: Duration = Duration::from_secs(10);

/// Nobody is frozen longer: no lease is lost by it. What a longer freeze does is asked by tests of its own; that of a recorder
/// whose successor dies meanwhile is a known limit (see the README).
const FROZEN_MAX_MS: u64 = 3_000;

const MEMBERS: [(&str, &str); 7] = [
    ("collector", "collector"),
    ("collector2", "collector"),
    ("recorder", "recorder"),
    ("recorder2", "recorder"),
    ("bot", "bot"),
    ("api", "api"),
    ("api2", "api"),
];
const SERVERS: [&str; 3] = ["rabbit", "redis", "postgres"];

/// Stops a process for a while in the middle of whatever it does.
async fn freeze(fleet: &Fleet, victim: &'static str, down_for: Duration) {
    let service = &fleet.member(victim).service;
    service.freeze();
    tokio::time::sleep(down_for).await;
    service.resume();
}

/// Kills it, and starts it again after a while; returns when it answers.
async fn outage(fleet: &Fleet, victim: &'static str, down_for: Duration) {
    let Servers { postgres, rabbit, redis } = fleet.apart.servers.clone();
    let restart = match victim {
        "rabbit" => {
            tokio::task::spawn_blocking({
                let rabbit = rabbit.clone();
                move || rabbit.kill()
            })
            .await
            .unwrap();
            tokio::time::sleep(down_for).await;
            rabbit.restart_beside()
        }
        "redis" => {
            redis.kill();
            fleet.redis_life.fetch_add(1, SeqCst);
            tokio::time::sleep(down_for).await;
            redis.restart_beside()
        }
        "postgres" => {
            tokio::task::spawn_blocking({
                let postgres = postgres.clone();
                move || postgres.kill()
            })
            .await
            .unwrap();
            tokio::time::sleep(down_for).await;
            postgres.restart_beside()
        }
        process => {
            fleet.member(process).kill().await;
            tokio::time::sleep(down_for).await;
            fleet.member(process).service.restart_beside()
        }
    };
    restart.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_nothing_wrong_is_shown() {
    let fleet = Fleet::start(400, &MEMBERS).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    let all: Vec<&str> = MEMBERS.iter().map(|(name, _)| *name).chain(SERVERS).collect();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut bag, mut deaths, mut collector_gone) = (Vec::new(), BTreeMap::<String, u32>::new(), None);
    let began = Instant::now();
    let lasting = counts::lasting(Duration::from_secs(30), Duration::from_secs(600));
    say(&format!("O01: seed {seed}"));
    let fleet = std::sync::Arc::new(fleet);
    let mut outages: JoinSet<&str> = JoinSet::new();
    let mut down = Vec::new();
    while began.elapsed() < lasting {
        if bag.is_empty() {
            // Each once before any comes again.
            bag.clone_from(&all);
            random.shuffle(&mut bag);
        }
        while let Some(back) = outages.try_join_next() {
            let back = back.unwrap();
            down.retain(|name| *name != back);
        }
        if let Some(at) = bag.iter().position(|name| !down.contains(name)) {
            let victim = bag.remove(at);
            down.push(victim);
            let is_frozen = !SERVERS.contains(&victim) && random.u8(0..3) == 0;
            let down_for =
                Duration::from_millis(random.u64(0..if is_frozen { FROZEN_MAX_MS } else { 3_000 }));
            let what = format!("{victim} {}", if is_frozen { "frozen" } else { "killed" });
            *deaths.entry(what).or_default() += 1;
            if victim.starts_with("collector") {
                // One that wakes may have lost everything meanwhile, and finds its place anew.
                let until = if is_frozen { Instant::now() + down_for } else { Instant::now() };
                collector_gone = collector_gone.max(Some(until));
            }
            let fleet = fleet.clone();
            outages.spawn(async move {
                match is_frozen {
                    true => freeze(&fleet, victim, down_for).await,
                    false => outage(&fleet, victim, down_for).await,
                }
                victim
            });
        }
        tokio::time::sleep(Duration::from_millis(random.u64(1_000..4_000))).await;
        fleet.oracle.is_content(&format!("seed {seed}, after {deaths:?}"));
    }
    outages.join_all().await;
    fleet.is_ready().await;
    if let Some(gone) = collector_gone {
        tokio::time::sleep_until(gone + TAKEN_OVER).await;
    }
    say(&format!("O01: {deaths:?}, {} values judged", fleet.oracle.judged()));
    assert!(fleet.oracle.judged() > 1_000);
    fleet.converges("O01").await;
    std::sync::Arc::into_inner(fleet).expect("no outage is left").end().await;
}
