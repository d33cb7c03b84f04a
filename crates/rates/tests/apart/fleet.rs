//! A whole installation under the eyes of the checker: two numbered venues, servers of its own, processes that are
//! killed and come back. It must not know which fault is injected.

use crate::{
    harness::{Installation, PATIENCE, Servers, Service, row, within},
    oracle::{Mark, Oracle, Truth},
    views::{self, Life},
};
use std::{
    collections::BTreeMap,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use store::NewTradeRow;
use testkit::{NumberedVenue, Place, counts};
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    task::JoinSet,
    time::Instant,
};

/// Past this a rate is stale, at every venue.
pub const STALE_AFTER_MS: i64 = 3_000;

/// How many pairs each venue quotes alone.
const PAIRS: usize = 9;

/// What is promised, on a machine that has nothing else to do. The suite shares it with everything, so there it is only
/// a deadline, and what was measured is said.
pub fn promised(limit: Duration) -> Duration {
    if counts::is_soak() { limit } else { 10 * limit }
}

/// A test failed in the middle of a fault: the next one begins with servers that are started again.
static ARE_HURT: AtomicBool = AtomicBool::new(false);

/// Told beside the test's own output.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One of the processes.
#[derive(Clone)]
pub struct Member {
    pub service: Service,
    pub life: Life,
}

impl Member {
    /// SIGKILL; returns when it is gone.
    pub async fn kill(&self) {
        let process = (*self.service).clone();
        tokio::task::spawn_blocking(move || process.kill()).await.unwrap();
        self.life.fetch_add(1, SeqCst);
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.service.try_get("/readyz").await.is_some_and(|(status, _)| status == 200)
    }
}

/// Everything, and who looks at it.
pub struct Fleet {
    pub oracle: Arc<Oracle>,
    pub apart: Installation,
    pub members: BTreeMap<&'static str, Member>,
    pub redis_life: Life,
    views: JoinSet<()>,
    /// Of those who want the machine for themselves, one after the other.
    _one: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Two venues with so many prices a second together, and processes of these names and roles.
    pub async fn start(per_second: u32, members: &[(&'static str, &str)]) -> Fleet {
        static ONE: Mutex<()> = Mutex::const_new(());
        let one = ONE.lock().await;
        let clock = clock::Clock::system();
        let mut quoted_by = BTreeMap::new();
        let names = |letter: &str| (0..PAIRS).map(|n| format!("{letter}{n}-USD")).collect::<Vec<_>>();
        let (of_first, of_second) = (names("F"), names("S"));
        quoted_by.extend(of_first.iter().map(|pair| (pair.clone(), [true, false])));
        quoted_by.extend(of_second.iter().map(|pair| (pair.clone(), [false, true])));
        quoted_by.insert("BOTH-USD".to_owned(), [true, true]);
        let every = Duration::from_secs(1) * 2 * (PAIRS as u32 + 1) / per_second;
        let start = async |place, pairs: &[String]| {
            let symbols: Vec<&str> = pairs.iter().map(String::as_str).chain(["BOTH-USD"]).collect();
            let micros = Arc::new(move || clock.now().millis() * 1_000);
            NumberedVenue::start(place, &symbols, every, micros).await
        };
        let (first, second) = (start(Place::First, &of_first).await, start(Place::Second, &of_second).await);
        let files = [("first", &first), ("second", &second)]
            .map(|(name, venue)| (name, venue.file(Duration::from_secs(5))));
        let mut rows = Vec::new();
        for (venue, pairs) in [("first", &of_first), ("second", &of_second)] {
            let bases: Vec<&str> = pairs.iter().filter_map(|pair| pair.strip_suffix("-USD")).collect();
            rows.push(NewTradeRow {
                stale_after_ms: Some(STALE_AFTER_MS),
                ..row(venue, &format!("{},BOTH-USD", bases.join(",")))
            });
        }
        // Started once, and healed by every test that hurts them.
        static SERVERS: OnceCell<Servers> = OnceCell::const_new();
        let servers = SERVERS.get_or_init(Servers::start).await.clone();
        if ARE_HURT.swap(false, SeqCst) {
            let all = [
                servers.postgres.restart_beside(),
                servers.rabbit.restart_beside(),
                servers.redis.restart_beside(),
            ];
            for restarted in all {
                restarted.await.unwrap().unwrap();
            }
        }
        let apart = Installation::with_files(&servers, &files, rows).await;
        let venues = [("first", Place::First, first), ("second", Place::Second, second)];
        let oracle = Oracle::new(Truth { venues, quoted_by, stale_after_ms: STALE_AFTER_MS });
        let views = JoinSet::new();
        let members_none = BTreeMap::new();
        let mut fleet =
            Fleet { oracle, apart, members: members_none, redis_life: Life::default(), views, _one: one };
        for (name, roles) in members {
            fleet.add(name, roles).await;
        }
        fleet.watch_servers();
        fleet
    }

    /// One more process; an API is looked at from now on.
    pub async fn add(&mut self, name: &'static str, roles: &str) {
        let stale = format!("{STALE_AFTER_MS}ms");
        let service = self.apart.start_with(roles, &[("RATES_STALE_AFTER", &stale)]).await;
        let member = Member { service, life: Life::default() };
        if roles.contains("api") {
            let (address, life) = (member.service.address, member.life.clone());
            let (asked, streamed) = (format!("{name} asked"), format!("{name} streamed"));
            self.oracle.await_view(&asked);
            self.oracle.await_view(&streamed);
            self.views.spawn(views::requests(self.oracle.clone(), asked, address, life.clone()));
            self.views.spawn(views::stream(self.oracle.clone(), streamed, address, life));
        }
        self.members.insert(name, member);
    }

    fn watch_servers(&mut self) {
        let (oracle, prefix) = (&self.oracle, &self.apart.prefix);
        for view in ["redis", "consumer"] {
            oracle.await_view(view);
        }
        let (url, life) = (self.apart.redis_url.clone(), self.redis_life.clone());
        self.views.spawn(views::redis(oracle.clone(), "redis".into(), url, prefix.clone(), life));
        let url = self.apart.amqp_url.clone();
        self.views.spawn(views::consumer(oracle.clone(), "consumer".into(), url, prefix.clone()));
    }

    /// A process by its name.
    pub fn member(&self, name: &str) -> &Member {
        &self.members[name]
    }

    /// Waits until every process says that it is ready.
    pub async fn is_ready(&self) {
        within(PATIENCE, "every process is ready", async || {
            for member in self.members.values() {
                if !member.is_ready().await {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// The last fault is over: every view shows in time what is said now, and nothing was ever wrong.
    pub async fn converges(&self, after: &str) {
        self.converges_within(after, promised(Duration::from_secs(2))).await;
    }

    /// The same within another time.
    pub async fn converges_within(&self, after: &str, limit: Duration) {
        let (mark, started) = (self.oracle.mark(), Instant::now());
        let last = self.shows(after, &mark, limit).await;
        say(&format!("{after}: everything shown anew after {:?}, last of all {last}", started.elapsed()));
        self.oracle.is_content(after);
    }

    /// Waits until every view has shown what was said at the mark, or later; what was last to do so.
    async fn shows(&self, after: &str, mark: &Mark, limit: Duration) -> String {
        let deadline = Instant::now() + limit;
        let mut last = "nothing".to_owned();
        loop {
            let behind = self.oracle.behind(mark);
            if behind.is_empty() {
                return last;
            }
            last.clone_from(&behind[0]);
            if Instant::now() >= deadline {
                let logs: String = self
                    .members
                    .iter()
                    .map(|(name, member)| {
                        let log = member.service.log();
                        let lines: Vec<_> = log.lines().rev().take(8).collect();
                        format!("\n{name}:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
                    })
                    .collect();
                panic!("{after}: not within {limit:?}: {behind:#?}\n{:?}{logs}", self.oracle.violations());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends every process in good order; none may fail.
    pub async fn end(mut self) {
        self.views.abort_all();
        for (name, member) in std::mem::take(&mut self.members) {
            assert_eq!(member.service.end().await, 0, "{name}: {}", member.service.log());
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ARE_HURT.store(true, SeqCst);
        }
    }
}
