//! Two recorders: the one that publishes is frozen until the other does, and wakes up again.
//! It must not know what a recorder keeps.

use crate::{
    fleet::Fleet,
    harness::{PATIENCE, within},
};

/// Whether a recorder's last word is that it publishes.
fn publishes(fleet: &Fleet, name: &str) -> bool {
    let log = fleet.member(name).service.log();
    log.lines()
        .rev()
        .find(|line| line.contains("rates for everyone else"))
        .is_some_and(|l| l.contains("=true"))
}

/// Waits until this many connections of this installation are open on RabbitMQ.
async fn connected(fleet: &Fleet, count: usize) {
    within(PATIENCE, &format!("{count} connections"), async || {
        (connections(fleet).await == count).then_some(())
    })
    .await;
}

async fn connections(fleet: &Fleet) -> usize {
    let (rabbit, prefix) = (fleet.apart.servers.rabbit.clone(), format!("\"{} ", fleet.apart.prefix));
    let list = move || rabbit.ctl(&["list_connections", "--no-table-headers", "client_properties"]).unwrap();
    let list = tokio::task::spawn_blocking(list).await.unwrap();
    list.lines().filter(|properties| properties.contains(&prefix)).count()
}

/// Promise 3 on `rates.rates`, as everyone else reads it: what the sleeper had said, or was about to say, is old.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorder_that_wakes_up_says_nothing_old() {
    let members = [("collector", "collector"), ("one", "recorder"), ("two", "recorder"), ("api", "api")];
    let fleet = Fleet::start(200, &members).await;
    fleet.is_ready().await;
    fleet.converges_within("start", PATIENCE).await;
    // At first each may believe that it is the one: until the store answers, nobody can say otherwise.
    let (sleeper, other) = within(PATIENCE, "one of them publishes", async || {
        match (publishes(&fleet, "one"), publishes(&fleet, "two")) {
            (true, false) => Some(("one", "two")),
            (false, true) => Some(("two", "one")),
            _ => None,
        }
    })
    .await;
    let before = connections(&fleet).await;
    let sleeping = &fleet.member(sleeper).service;
    sleeping.freeze();
    within(PATIENCE, "the other publishes", async || publishes(&fleet, other).then_some(())).await;
    // One that publishes and two that read: RabbitMQ takes whoever is silent for gone.
    connected(&fleet, before - 3).await;
    fleet.converges("one recorder sleeps").await;
    sleeping.resume();
    connected(&fleet, before).await;
    within(PATIENCE, "it stands by", async || (!publishes(&fleet, sleeper)).then_some(())).await;
    fleet.converges("it is awake again").await;
    assert!(publishes(&fleet, other));
    fleet.end().await;
}
