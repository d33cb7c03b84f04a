//! G03: kill -9 at every point on an alert's way, on both stores, while more alerts are on the same way: nothing is lost,
//! and at most one message for each receiver repeats itself per kill, says so, and is the only one that does. It must not need anything beside the repository.
//!
//! The victim is this very program, started again: `child` is its life, and `deadly` stands between it and the store.

mod child;
mod deadly;
mod receiver;

use child::Orders;
use deadly::Point;
use receiver::{Received, Receiver};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};
use store::{MessageFilter, MessageState, NewAlert, Seed, Store};
use testkit::servers::Postgres;

/// How often each point: in `make test`, and what is promised, in `make soak`.
const ROUNDS: usize = 5;
const ROUNDS_PROMISED: usize = 200;
/// So many alerts fire with each kill, told to these in turn.
const TOGETHER: usize = 10;
const TARGETS: [&str; 2] = ["chat:1", "chat:2"];
/// The tests share two cores with all others.
const PATIENCE: Duration = Duration::from_secs(90);

static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().expect("a PostgreSQL"));

/// Not a test of its own: what runs in the processes that are killed.
#[test]
fn child() {
    if let Some(orders) = Orders::given() {
        child::live(&orders);
    }
}

#[tokio::test]
async fn g03_killed_at_any_point_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    kill_everywhere(format!("sqlite://{}", folder.path().join("rates.db").display())).await;
}

#[tokio::test]
async fn g03_killed_at_any_point_on_postgres() {
    kill_everywhere(POSTGRES.database().expect("a database")).await;
}

async fn kill_everywhere(url: String) {
    let receiver = Receiver::start().await;
    let store = store::open(&url, Seed::default()).await.expect("a store");
    let rounds = testkit::counts::count(ROUNDS, ROUNDS_PROMISED);
    let mut ids = Vec::new();
    let kills = rounds * Point::ALL.len();
    for round in 0..rounds {
        for point in Point::ALL {
            // One of several that fire at once: some were sent before it, some are taken and come after it.
            let mut some = Vec::new();
            for at in 0..TOGETHER {
                some.push(add(&*store, &receiver, TARGETS[at % TARGETS.len()]).await);
            }
            let id = some[TOGETHER / 2];
            ids.extend(some);
            // Whatever the one before left behind, this one finds; then it is killed itself.
            let orders = Orders { url: url.clone(), receiver: receiver.address(), kill: Some((point, id)) };
            let mut victim = start(&orders);
            let ended = ended(&mut victim).await;
            assert!(killed(ended), "round {round}, {point:?}: not killed but {ended}");
        }
    }
    let all_ids = ids.len();
    let mut last = start(&Orders { url, receiver: receiver.address(), kill: None });
    let settled = async || {
        // Everything was heard of, and nothing waits or was given up.
        let heard: BTreeSet<i64> = receiver.received().iter().map(|one| one.alert_id).collect();
        let mut is_settled = heard.len() == all_ids;
        for state in
            [MessageState::Pending, MessageState::Sending, MessageState::Ambiguous, MessageState::Dead]
        {
            let filter = MessageFilter { state: Some(state), ..MessageFilter::default() };
            is_settled = is_settled && store.messages(&filter, 1).await.expect("the outbox").is_empty();
        }
        is_settled
    };
    let wait = async {
        while !settled().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, wait).await.is_ok();
    last.kill().expect("the last one");
    last.wait().expect("the last one");
    assert!(in_time, "not everything was sent in the end");
    for row in store.alerts_of("chat:1").await.expect("the alerts") {
        assert!(!row.is_open && row.fire_seq == 1 && row.delivered_at.is_some(), "{row:?}");
    }
    judge(&ids, &receiver.received(), kills * TARGETS.len());
    store.close().await;
}

/// Lost 0; messages that say that they may be repeats at most as many as may have been on their way, and every repeat is
/// one of them.
fn judge(ids: &[i64], received: &[Received], on_their_way: usize) {
    let mut by_id: BTreeMap<i64, Vec<bool>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for one in received {
        assert_eq!(one.fire_seq, 1, "an alert that fires once fired again: {one:?}");
        by_id.entry(one.alert_id).or_default().push(one.is_repeat);
    }
    let lost: Vec<&i64> = by_id.iter().filter(|(_, heard)| heard.is_empty()).map(|(id, _)| id).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let marked = received.iter().filter(|one| one.is_repeat).count();
    assert!(marked <= on_their_way, "{marked} marked, {on_their_way} at most were on their way");
    for (id, heard) in &by_id {
        assert!(heard[1..].iter().all(|is_repeat| *is_repeat), "alert {id}: a repeat that does not say so");
    }
}

async fn add(store: &dyn Store, receiver: &Receiver, target: &str) -> i64 {
    let spec = alerts::parse("BTC-USDT above 100").expect("a line");
    let below = market::Price::parse("90").expect("a price");
    let alert = NewAlert {
        owner: "chat:1".into(),
        target: target.into(),
        pair: "BTC-USDT".into(),
        progress: alerts::Progress::new(&spec, Some(below)).to_json(),
        spec: spec.to_json(),
    };
    store.add_alert(&alert, 10_000, receiver.clock.now()).await.expect("the store").expect("below the limit")
}

fn start(orders: &Orders) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env(child::ORDERS, orders.to_text())
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

async fn ended(child: &mut Child) -> std::process::ExitStatus {
    let wait = async {
        loop {
            if let Some(status) = child.try_wait().expect("the child") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, wait).await;
    if ended.is_err() {
        child.kill().expect("the child");
    }
    ended.expect("the victim dies in time")
}

fn killed(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}
