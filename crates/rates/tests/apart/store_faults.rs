//! What PostgreSQL may be put through while everything runs: dead, frozen behind a lock, read-only, its table dropped
//! (D02, D03, T03). Rates go on, writes say that they were not done. It must not know how the store is spoken to.

use crate::{
    fleet::{Fleet, say},
    harness::{PATIENCE, within},
    web::{self, Load, Reply},
};
use std::time::Duration;
use testkit::counts;

/// A refusal that says when to come back.
fn is_refused(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(reply.json()["code"], "store_unavailable", "{reply:?}");
    assert!(reply.head.contains("retry-after: "), "{reply:?}");
}

async fn store_is(fleet: &Fleet, how: &str) {
    within(PATIENCE, &format!("the store is {how}"), async || {
        let (status, body) = fleet.member("api").service.get("/readyz").await;
        assert_eq!(status, 200, "reads go on: {body}");
        let expect = if how == "ok" { "ok" } else { "degraded" };
        (body["checks"]["store"] == how && body["status"] == expect).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_postgres_does_rates_go_on_and_no_write_is_lost() {
    let fleet =
        Fleet::start(200, &[("collector", "collector"), ("recorder", "recorder"), ("api", "api")]).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    let (postgres, address) = (fleet.apart.servers.postgres.clone(), fleet.member("api").service.address);
    let key = fleet.apart.run(&["keys", "add", "test"]).await;
    let key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    let mut acknowledged = Vec::new();
    let mut write = async |pair: &str| {
        let (reply, took) = web::add_row(address, &key, "kraken", pair).await;
        if reply.status == 201 {
            acknowledged.push(pair.to_owned());
        }
        (reply, took)
    };
    assert_eq!(write("A-ONE").await.0.status, 201);
    let load = |fleet: &Fleet| Load::start(fleet.member("api").service.address, 200, &["/api/v1/rates"]);

    // D02: dead. The streams are looked at by the checker the whole time.
    let reading = load(&fleet);
    let killed = postgres.clone();
    tokio::task::spawn_blocking(move || killed.kill()).await.unwrap();
    store_is(&fleet, "down").await;
    for pair in ["B-ONE", "B-TWO"] {
        is_refused(&write(pair).await.0);
    }
    fleet.converges("D02, while it is dead").await;
    tokio::time::sleep(counts::lasting(Duration::ZERO, Duration::from_secs(60))).await;
    fleet.converges("D02, long after").await;
    reading.end().await.is_clean(20);
    postgres.restart_beside().await.unwrap().unwrap();
    store_is(&fleet, "ok").await;
    within(PATIENCE, "a write", async || (write("B-THREE").await.0.status == 201).then_some(())).await;

    // D03: every connection of the pool waits for a lock; whoever comes then does not wait for one of them.
    let reading = load(&fleet);
    let (holds, url) = (postgres.clone(), fleet.apart.database_url.clone());
    let lock = tokio::task::spawn_blocking(move || {
        holds.sql(&url, "BEGIN; LOCK TABLE trade_info; SELECT pg_sleep(6); COMMIT").unwrap()
    });
    let ask = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
               AND relation = to_regclass('trade_info')";
    within(PATIENCE, "it is locked", async || (fleet.apart.sql(ask).await.trim() != "0").then_some(())).await;
    let writes = (0..24).map(|n| {
        let key = key.clone();
        tokio::spawn(async move { web::add_row(address, &key, "kraken", &format!("C{n}-ONE")).await })
    });
    for written in writes.collect::<Vec<_>>() {
        let (reply, took) = written.await.unwrap();
        is_refused(&reply);
        assert!(took < Duration::from_secs(7), "{took:?}");
    }
    let judged = reading.end().await;
    say(&format!("D03: 99 % of reads within {:?} while the pool was exhausted", judged.percentile(99)));
    judged.is_clean(20);
    assert!(judged.percentile(99) < Duration::from_millis(500), "{:?}", judged.percentile(99));
    lock.await.unwrap();
    fleet.converges("D03").await;

    // Read-only, as a replica that took over is.
    let name = fleet.apart.database_url.rsplit('/').next().unwrap().to_owned();
    let only = format!("ALTER DATABASE {name} SET default_transaction_read_only");
    fleet.apart.sql(&format!("{only} = on; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{name}'")).await;
    within(PATIENCE, "a refusal", async || {
        let (reply, _) = write("D-ONE").await;
        (reply.status == 503).then(|| is_refused(&reply))
    })
    .await;
    within(PATIENCE, "the reason is named", async || {
        // The first refusal may have been a connection that was just ended: only a later one names it.
        let (reply, _) = write("D-ONE").await;
        is_refused(&reply);
        fleet.member("api").service.log().contains("read-only transaction").then_some(())
    })
    .await;
    fleet.converges("read-only").await;
    let back = format!(
        "SET TRANSACTION READ WRITE; {only} = off; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = '{name}'"
    );
    fleet.apart.sql(&back).await;
    within(PATIENCE, "a write", async || (write("D-TWO").await.0.status == 201).then_some(())).await;

    // What was acknowledged is there, and what was refused is not: a lock that was given up on was rolled back.
    let there =
        fleet.apart.sql("SELECT currency_pair FROM trade_info WHERE venue = 'kraken' ORDER BY id").await;
    assert_eq!(there.lines().collect::<Vec<_>>(), acknowledged);

    // T03: the table is dropped. The last good set goes on; what is wrong is told.
    // A change of anything else makes it read the rows again.
    fleet
        .apart
        .sql("ALTER TABLE trade_info RENAME TO gone; DELETE FROM pair_policy; NOTIFY rates_changes")
        .await;
    let collector = &fleet.member("collector").service;
    within(PATIENCE, "it is told", async || {
        collector.log().contains("the last good rows go on").then_some(())
    })
    .await;
    fleet.converges("T03").await;
    let reply = web::get(address, "/api/v1/trade-info").await;
    is_refused(&reply);
    store_is(&fleet, "down").await;
    fleet.apart.sql("ALTER TABLE gone RENAME TO trade_info").await;
    store_is(&fleet, "ok").await;
    fleet.converges("T03, mended").await;
    fleet.end().await;
}
