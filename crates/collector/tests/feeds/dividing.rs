//! Two collectors that divide the venues of one table, each with a line of its own to the store.
//! It must not know processes: those are killed and frozen elsewhere.

use crate::harness::{PATIENCE, TestStore, World, row, settings, venue};
use broker::{Broker, Delivery};
use collector::{Division, Elsewhere, Settings};
use market::{ConnectionState, VenueId, VenueStatus};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use store::TradeRow;
use testkit::{Behaviour, FakeVenue, Happened, HttpAnswer, until, venue_file};
use tokio::time::Instant;

const KEEP: Duration = Duration::from_millis(1_500);

/// What every collector said last of every venue, as a board would keep it.
type Told = Arc<Mutex<HashMap<(VenueId, String), Arc<VenueStatus>>>>;

async fn listen(broker: &Arc<dyn Broker>) -> Told {
    let told = Told::default();
    let (mut subscription, hears) = (broker.subscribe().await.unwrap(), told.clone());
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            if let Delivery::Status(status) = delivery {
                hears.lock().insert((status.venue.clone(), status.collector.to_string()), status);
            }
        }
    });
    told
}

/// Whether that collector says that all it has of a venue is live.
fn is_live(told: &Told, venue: &str, collector: &str) -> bool {
    let key = (VenueId::parse(venue).unwrap(), collector.to_owned());
    let told = told.lock();
    let connections = told.get(&key).map(|status| status.connections.clone()).unwrap_or_default();
    !connections.is_empty() && connections.iter().all(|c| c.state == ConnectionState::Live)
}

fn divided(name: &str, told: &Told) -> Settings {
    let mut settings = Settings { collector_id: name.into(), ..settings() };
    settings.timing.lease_keep = KEEP;
    settings.timing.lease_look = Duration::from_millis(100);
    settings.timing.hand_over_max = PATIENCE;
    let (told, own) = (told.clone(), name.to_owned());
    let elsewhere = move |venue: &VenueId| {
        let others: Vec<_> = told.lock().keys().filter(|(v, c)| v == venue && *c != own).cloned().collect();
        let any = others.iter().any(|(venue, collector)| is_live(&told, venue.as_str(), collector));
        if any { Elsewhere::Live } else { Elsewhere::Nothing }
    };
    settings.division = Some(Division { scope: "test".to_owned(), elsewhere: Arc::new(elsewhere) });
    settings
}

struct Lab {
    broker: Arc<dyn Broker>,
    told: Told,
    files: Vec<(&'static str, String)>,
    rows: Vec<TradeRow>,
    leases: Arc<crate::harness::LeaseTable>,
}

impl Lab {
    async fn new(files: Vec<(&'static str, String)>, rows: Vec<TradeRow>) -> Lab {
        let broker = broker::open("memory://").await.unwrap();
        Lab { told: listen(&broker).await, broker, files, rows, leases: Arc::default() }
    }

    async fn start(&self, name: &str) -> World {
        let store = TestStore::sharing(self.rows.clone(), self.leases.clone());
        let venues = self.files.iter().map(|(name, text)| venue(name, text)).collect();
        World::start_beside(Arc::new(store), self.broker.clone(), venues, divided(name, &self.told)).await
    }

    fn holder(&self, venue: &str) -> Option<String> {
        let leases = self.leases.leases.lock();
        let (holder, until) = leases.get(&format!("test:venue:{venue}"))?;
        (*until > Instant::now()).then(|| holder.clone())
    }

    async fn runs(&self, venue: &str, collector: &str) {
        until(&format!("{collector} runs {venue}"), PATIENCE, || {
            self.holder(venue).as_deref() == Some(collector) && is_live(&self.told, venue, collector)
        })
        .await;
    }
}

fn stream(fake: &FakeVenue) -> String {
    venue_file(&format!("url = \"ws://{}/ws\"\nsilence = \"5s\"", fake.address()), "")
}

/// The numbers are in order (the last one may be said by both), and none is missing for longer than the fake needs to
/// count so far.
fn assert_whole(world: &World, pair: &str, missing_max: u64) {
    let numbers = world.sequences(pair);
    for two in numbers.windows(2) {
        assert!(two[0] <= two[1], "{pair}: {} after {}", two[1], two[0]);
        assert!(two[1] - two[0] <= missing_max, "{pair}: nothing between {} and {}", two[0], two[1]);
    }
}

#[tokio::test]
async fn a_venue_moves_to_one_that_joins_and_back_when_it_ends() {
    let (a, b) = (FakeVenue::start(Behaviour::default()).await, FakeVenue::start(Behaviour::default()).await);
    let rows = vec![row(1, "a", "BTC-USD"), row(2, "b", "ETH-USD")];
    let lab = Lab::new(vec![("a", stream(&a)), ("b", stream(&b))], rows).await;
    let one = lab.start("one").await;
    lab.runs("a", "one").await;
    lab.runs("b", "one").await;
    let two = lab.start("two").await;
    let which = |holder: &str| ["a", "b"].into_iter().find(|v| lab.holder(v).as_deref() == Some(holder));
    until("each has one", PATIENCE, || which("one").is_some() && which("two").is_some()).await;
    let moved = which("two").unwrap();
    lab.runs(moved, "two").await;
    until("the other is told to have stopped", PATIENCE, || !is_live(&lab.told, moved, "one")).await;
    // Neither twice nor with a hole: the newest of what came before the other let go is handed on at once.
    let count = one.ticks().len();
    until("it goes on", PATIENCE, || one.ticks().len() > count + 50).await;
    two.stop().await;
    lab.runs(moved, "one").await;
    let count = one.ticks().len();
    until("it goes on", PATIENCE, || one.ticks().len() > count + 50).await;
    for pair in ["BTC-USD", "ETH-USD"] {
        assert_whole(&one, pair, 100);
    }
    let opened = a.count(|h| *h == Happened::Opened) + b.count(|h| *h == Happened::Opened);
    assert_eq!(opened, 4, "there and back, and nothing else was connected anew");
    let names: Vec<String> = lab.leases.leases.lock().keys().cloned().collect();
    assert!(!names.contains(&"test:collector:two".to_owned()), "{names:?}");
    one.stop().await;
    assert!(lab.leases.leases.lock().is_empty(), "all is given back: {:?}", lab.leases.leases.lock());
}

/// The store is away for all: what runs goes on. It is away for one: that one gives way to whoever took over, as soon
/// as that is heard.
#[tokio::test]
async fn without_the_store_all_goes_on_and_one_that_alone_is_cut_off_gives_way() {
    let a = FakeVenue::start(Behaviour::default()).await;
    let lab = Lab::new(vec![("a", stream(&a))], vec![row(1, "a", "BTC-USD")]).await;
    let one = lab.start("one").await;
    lab.runs("a", "one").await;
    let two = lab.start("two").await;
    until("it is there", PATIENCE, || lab.leases.leases.lock().contains_key("test:collector:two")).await;

    one.store.is_away.store(true, Relaxed);
    two.store.is_away.store(true, Relaxed);
    until("every lease has run out", PATIENCE, || lab.holder("a").is_none()).await;
    let opened = a.count(|h| *h == Happened::Opened);
    let count = one.ticks().len();
    until("it goes on", PATIENCE, || one.ticks().len() > count + 100).await;
    assert_eq!(a.count(|h| *h == Happened::Opened), opened, "nobody connected anew");
    assert!(is_live(&lab.told, "a", "one"));

    // Only the second sees the store again.
    two.store.is_away.store(false, Relaxed);
    lab.runs("a", "two").await;
    until("the first has heard it, and stopped", PATIENCE, || !is_live(&lab.told, "a", "one")).await;
    one.store.is_away.store(false, Relaxed);
    let count = two.ticks().len();
    until("it goes on", PATIENCE, || two.ticks().len() > count + 50).await;
    assert_eq!(lab.holder("a").as_deref(), Some("two"));
}

/// The store goes away in the middle of a move: the old collector has given its lease back, the new one has none yet.
#[tokio::test]
async fn a_venue_whose_move_is_cut_short_is_run_all_the_same() {
    let (a, b) = (FakeVenue::start(Behaviour::default()).await, FakeVenue::start(Behaviour::default()).await);
    let rows = vec![row(1, "a", "BTC-USD"), row(2, "b", "ETH-USD")];
    let lab = Lab::new(vec![("a", stream(&a)), ("b", stream(&b))], rows).await;
    let one = lab.start("one").await;
    lab.runs("a", "one").await;
    lab.runs("b", "one").await;
    lab.leases.ends_with_release.store(true, Relaxed);
    let _two = lab.start("two").await;
    until("the store is gone", PATIENCE, || lab.leases.is_away.load(Relaxed)).await;
    for pair in ["BTC-USD", "ETH-USD"] {
        let count = one.sequences(pair).len();
        until("it goes on", PATIENCE, || one.sequences(pair).len() > count + 50).await;
        assert_whole(&one, pair, 100);
    }
    // Back again, it is as if nothing had been: nobody connects anew.
    let opened = || a.count(|h| *h == Happened::Opened) + b.count(|h| *h == Happened::Opened);
    assert_eq!(opened(), 3);
    lab.leases.ends_with_release.store(false, Relaxed);
    lab.leases.is_away.store(false, Relaxed);
    let held = || ["a", "b"].map(|venue| lab.holder(venue));
    until("both are held", PATIENCE, || held().iter().all(Option::is_some) && held()[0] != held()[1]).await;
    let count = one.ticks().len();
    until("it goes on", PATIENCE, || one.ticks().len() > count + 50).await;
    assert_eq!(opened(), 3);
}

/// The venue cannot tell that another collector asks now.
#[tokio::test]
async fn a_budget_holds_across_collectors() {
    let http =
        HttpAnswer { body: "[{\"s\":\"BTC-USD\",\"p\":\"1.50\"}]".to_owned(), ..Behaviour::default().http };
    let a = FakeVenue::start(Behaviour { http, ..Behaviour::default() }).await;
    let file = venue_file(
        "",
        &format!(
            "url = \"http://{}/p?q={{symbols}}\"\ninterval = \"300ms\"\nbudget = \"2/600ms\"",
            a.address()
        ),
    );
    let lab = Lab::new(vec![("a", file)], vec![row(1, "a", "BTC-USD")]).await;
    let one = lab.start("one").await;
    let requests = || {
        let log = a.log();
        log.iter().filter(|l| matches!(l.what, Happened::Request(_))).map(|l| l.at).collect::<Vec<_>>()
    };
    until("it polls", PATIENCE, || requests().len() >= 3).await;
    let two = lab.start("two").await;
    until("it is there", PATIENCE, || lab.leases.leases.lock().contains_key("test:collector:two")).await;
    one.stop().await;
    lab.runs("a", "two").await;
    let count = requests().len();
    until("it polls", PATIENCE, || requests().len() >= count + 3).await;
    let all = requests();
    for three in all.windows(3) {
        let within = three[2] - three[0];
        assert!(within >= Duration::from_millis(590), "three requests within {within:?}: {all:?}");
    }
    drop(two);
}
