//! Several collectors divide the venues: one joins, one is killed, one is frozen, one ends in good order; and the
//! store goes away. It must not know how they agree.

use crate::{
    harness::{Installation, PATIENCE, Servers, Service, row, within},
    watch::Watch,
};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use testkit::{Behaviour, FakeVenue, Happened, venue_file};
use tokio::time::Instant;

const VENUES: [(&str, &str); 2] = [("alpha", "BTC-USD"), ("beta", "ETH-USD")];

/// Two venues, each with a pair of its own.
async fn installation(servers: &Servers) -> (Installation, [FakeVenue; 2]) {
    let fakes = [FakeVenue::start(Behaviour::default()).await, FakeVenue::start(Behaviour::default()).await];
    // Patient with silence: who wakes up from a long sleep must not owe its manners to that.
    let file = |fake: &FakeVenue| {
        venue_file(&format!("url = \"ws://{}/ws\"\nsilence = \"60s\"", fake.address()), "")
    };
    let files: Vec<_> = VENUES.iter().zip(&fakes).map(|((name, _), fake)| (*name, file(fake))).collect();
    let rows = VENUES.iter().map(|(venue, pair)| row(venue, pair)).collect();
    (Installation::with_files(servers, &files, rows).await, fakes)
}

/// The collectors that run a venue, by the API; nobody if it does not call the venue live.
async fn runners(api: &Service, venue: &str) -> BTreeSet<String> {
    let told = api.venue(venue).await;
    let connections = told["connections"].as_array().cloned().unwrap_or_default();
    let is_live = |one: &&Value| one["state"] == "live";
    connections.iter().filter(is_live).filter_map(|one| Some(one["collector"].as_str()?.to_owned())).collect()
}

/// Waits until every venue has one collector, these many in all; who runs which.
async fn divided(api: &Service, collectors: usize) -> Vec<String> {
    within(PATIENCE, &format!("{collectors} collectors divide the venues"), async || {
        let mut all = Vec::new();
        for (venue, _) in VENUES {
            let runners = runners(api, venue).await;
            if runners.len() != 1 {
                return None;
            }
            all.extend(runners);
        }
        let different: BTreeSet<&String> = all.iter().collect();
        (different.len() == collectors).then_some(all)
    })
    .await
}

/// Which process has that name: it says it in its log.
fn process<'a>(of: &'a [Service], name: &str) -> &'a Service {
    let found = of.iter().find(|service| service.log().contains(name));
    found.unwrap_or_else(|| panic!("nobody is called {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn collectors_join_die_freeze_and_leave_without_a_lie() {
    let servers = Servers::shared().await;
    let (apart, fakes) = installation(&servers).await;
    let (first, recorder, api, other_api) = tokio::join!(
        apart.start("collector"),
        apart.start("recorder"),
        apart.start("api"),
        apart.start("api")
    );
    divided(&api, 1).await;
    let watches = [Watch::start(&api, VENUES[0].1), Watch::start(&other_api, VENUES[1].1)];
    for watch in &watches {
        watch.moves().await;
    }

    // One joins: it gets its share, nothing pauses, and each venue sees one connection more at most.
    let joined = Instant::now();
    let second = apart.start("collector").await;
    let collectors = [first, second];
    let names = divided(&api, 2).await;
    let longest = watches.iter().map(|watch| watch.longest_pause_since(joined)).max().unwrap();
    assert!(longest < Duration::from_secs(5), "a venue that moved paused for {longest:?}");
    let opened: Vec<usize> = fakes.iter().map(|fake| fake.count(|h| *h == Happened::Opened)).collect();
    assert_eq!(opened.iter().sum::<usize>(), 3, "one of the two moved: {opened:?}");

    // The lists of the command line and of the API say who runs what.
    let url = format!("http://{}", api.address);
    let listed = apart.run(&["pairs", "list", "--json", "--url", &url]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    for ((venue, _), name) in VENUES.iter().zip(&names) {
        let rows = listed["pairs"].as_array().unwrap();
        let row = rows.iter().find(|row| row["venue"] == *venue).unwrap();
        assert_eq!((&row["collector"], &row["state"]), (&name.as_str().into(), &"live".into()), "{listed}");
    }

    // Whoever is live may still wait for the lease: once ticks pass, the move is over.
    for watch in &watches {
        watch.moves().await;
    }
    // One is killed: the other takes its venue over within ten seconds, as a reader of the API sees it.
    let victim = process(&collectors, &names[0]);
    victim.kill();
    let pause = watches[0].moves().await;
    assert!(pause <= Duration::from_secs(10), "taken over after {pause:?}");
    divided(&api, 1).await;
    victim.again().await;
    let names = divided(&api, 2).await;
    watches[0].moves().await;

    // One is frozen: the same, and when it wakes up it tells nothing of what it slept through.
    let victim = process(&collectors, &names[0]);
    let other = &names[1];
    victim.freeze();
    within(PATIENCE, "the other runs both", async || {
        runners(&api, "alpha").await.contains(other).then_some(())
    })
    .await;
    watches[0].moves().await;
    victim.resume();
    let names = divided(&api, 2).await;
    watches[0].moves().await;

    // One ends in good order: what it had goes on at once.
    let victim = process(&collectors, &names[0]);
    let ended = Instant::now();
    assert_eq!(victim.end().await, 0, "{}", victim.log());
    divided(&api, 1).await;
    watches[0].moves().await;
    let pause = watches[0].longest_pause_since(ended);
    assert!(pause < Duration::from_secs(5), "handed over after {pause:?}");

    for watch in &watches {
        watch.assert_forward();
    }
    assert_eq!(recorder.end().await, 0);
}

/// T03: the store is away for longer than any lease. Nothing stops, nobody takes anything, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_without_the_store() {
    let servers = Servers::with_own_postgres().await;
    let (apart, fakes) = installation(&servers).await;
    let _collectors = [apart.start("collector").await, apart.start("collector").await];
    let api = apart.start("api").await;
    let names = divided(&api, 2).await;
    let watches = VENUES.map(|(_, pair)| Watch::start(&api, pair));
    for watch in &watches {
        watch.moves().await;
    }
    let opened = || fakes.iter().map(|fake| fake.count(|h| *h == Happened::Opened)).sum::<usize>();
    let before = opened();

    let gone = Instant::now();
    servers.postgres.kill();
    within(PATIENCE, "it is degraded", async || {
        let (status, ready) = api.get("/readyz").await;
        (status == 200 && ready["status"] == "degraded" && ready["checks"]["store"] == "down").then_some(())
    })
    .await;
    within(PATIENCE, "longer than a lease", async || (gone.elapsed() > Duration::from_secs(9)).then_some(()))
        .await;
    for watch in &watches {
        watch.moves().await;
        let pause = watch.longest_pause_since(gone);
        assert!(pause < Duration::from_secs(5), "it paused for {pause:?}");
    }
    assert_eq!(divided(&api, 2).await, names, "nobody took anything");

    // Back again: the leases ran out, and nobody takes what another has run all the time.
    servers.postgres.restart_beside().await.unwrap().unwrap();
    within(PATIENCE, "it is well again", async || {
        (api.get("/readyz").await.1["status"] == "ok").then_some(())
    })
    .await;
    let leases = "SELECT count(*) FROM lease WHERE name LIKE '%:venue:%' \
                  AND until > (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    within(PATIENCE, "the leases are held again", async || {
        (apart.sql(leases).await.trim() == "2").then_some(())
    })
    .await;
    assert_eq!((divided(&api, 2).await, opened()), (names, before), "no connection was made anew");
    for watch in &watches {
        watch.moves().await;
        watch.assert_forward();
    }
}

/// A14, and what a reader is told of collectors that are dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_starts_warm_and_flagged() {
    let servers = Servers::shared().await;
    let (apart, _fakes) = installation(&servers).await;
    let (collector, _recorder, api, other) = tokio::join!(
        apart.start("collector"),
        apart.start("recorder"),
        apart.start("api"),
        apart.start("api")
    );
    divided(&api, 1).await;
    within(PATIENCE, "fresh", async || (other.rate("BTC-USD").await["state"] == "fresh").then_some(())).await;
    collector.kill();
    within(PATIENCE, "all is stale", async || (api.rate("BTC-USD").await["state"] == "stale").then_some(()))
        .await;
    let last = api.rate("BTC-USD").await["value"].clone();
    api.kill();
    api.again().await;
    let rate = within(PATIENCE, "it starts warm", async || {
        let (_, rate) = api.get("/api/v1/rates/BTC-USD").await;
        rate["value"].is_string().then_some(rate)
    })
    .await;
    // No collector tells it yet when a tick of this row is old; that it comes from the cache is said at once.
    let has = |rate: &Value, word: &str| rate["degraded"].as_array().unwrap().contains(&word.into());
    assert!(rate["value"] == last && has(&rate, "cache_only"), "{rate}");
    assert_eq!(api.get("/readyz").await.0, 503);
    let told = api.venue("alpha").await;
    assert!(told.is_null() || told["state"] == "unknown", "nobody tells it of a feed: {told}");

    // A reader that lived on: the dead one's word is worth nothing after 15 s.
    within(PATIENCE, "nobody knows", async || {
        (other.venue("alpha").await["state"] == "unknown").then_some(())
    })
    .await;
    let rate = other.rate("BTC-USD").await;
    assert!(has(&rate, "venue_down:alpha") && rate["state"] == "stale", "{rate}");

    collector.again().await;
    within(PATIENCE, "fresh again", async || (api.get("/readyz").await.0 == 200).then_some(())).await;
    divided(&api, 1).await;
    within(PATIENCE, "nothing is degraded", async || {
        let rate = api.rate("BTC-USD").await;
        (rate["degraded"].as_array()?.is_empty() && rate["value"].is_string()).then_some(())
    })
    .await;
}
