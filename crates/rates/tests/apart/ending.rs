//! Every role is told to end while a server is dead or frozen: it ends in good order all the same, and in time.
//! It must not know what a role does at its end.

use crate::{
    fleet::say,
    harness::{Installation, PATIENCE, Servers, Service, row, within},
};
use std::time::Duration;
use testkit::{Behaviour, FakeVenue};
use tokio::time::Instant;

/// Collectors are two: one alone has nobody to hand anything over to.
const ROLES: [&str; 5] = ["collector", "collector", "recorder", "api", "bot"];
/// A server that is dead is not waited for.
const DEAD: Duration = Duration::from_millis(3_500);
/// One that says nothing may still; what is left of ten seconds is for a busy machine.
const SILENT: Duration = Duration::from_secs(8);

async fn start(apart: &Installation) -> Vec<Service> {
    let mut all = Vec::new();
    for role in ROLES {
        all.push(apart.start(role).await);
    }
    for service in &all {
        within(PATIENCE, "it is ready", async || (service.get("/readyz").await.0 == 200).then_some(())).await;
    }
    all
}

async fn are_down(all: &[Service], check: &str) {
    for service in all {
        within(PATIENCE, &format!("{check} is down"), async || {
            (service.get("/readyz").await.1["checks"][check] == "down").then_some(())
        })
        .await;
    }
}

/// All of them at once, as an operator ends them.
async fn end(all: &[Service], while_what: &str, limit: Duration) {
    let asked = Instant::now();
    let ended = all.iter().map(async |service| (service.end().await, asked.elapsed()));
    let ended = futures_util::future::join_all(ended).await;
    for ((role, service), (code, took)) in ROLES.iter().zip(all).zip(&ended) {
        say(&format!("{while_what}: {role} ended with {code} after {took:?}"));
        assert!(*code == 0 && *took < limit, "{role}: {code} after {took:?}: {}", service.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_ends_in_time_whatever_is_dead() {
    let servers = Servers::start().await;
    let alpha = FakeVenue::start(Behaviour::default()).await;
    let apart = Installation::new(&servers, &[("alpha", &alpha)], vec![row("alpha", "BTC,ETH-USD")]).await;

    let all = start(&apart).await;
    end(&all, "all is well", DEAD).await;

    let all = start(&apart).await;
    servers.rabbit.kill();
    are_down(&all, "broker").await;
    end(&all, "RabbitMQ is dead", DEAD).await;
    servers.rabbit.restart_beside().await.unwrap().unwrap();

    let all = start(&apart).await;
    servers.rabbit.freeze();
    are_down(&all, "broker").await;
    end(&all, "RabbitMQ is frozen", SILENT).await;
    servers.rabbit.resume();

    let all = start(&apart).await;
    servers.postgres.freeze();
    end(&all, "PostgreSQL has just been frozen", SILENT).await;
    servers.postgres.resume();

    let all = start(&apart).await;
    servers.postgres.freeze();
    are_down(&all, "store").await;
    end(&all, "PostgreSQL is frozen", SILENT).await;
    servers.postgres.resume();
}
