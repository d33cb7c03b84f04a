//! The roles apart, as processes of the real binary, on private PostgreSQL, RabbitMQ and Redis and fake venues.
//! It must not know what a test is about.

use serde_json::Value;
use std::{
    io::Write,
    net::{SocketAddr, TcpStream as StdTcpStream},
    ops::Deref,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use store::{NewTradeRow, Seed};
use testkit::{
    FakeVenue, Port, Process,
    servers::{Postgres, RabbitMq, Redis},
    venue_file,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Nothing here may take longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One private server of each kind.
#[derive(Clone)]
pub struct Servers {
    pub postgres: Postgres,
    pub rabbit: RabbitMq,
    pub redis: Redis,
}

impl Servers {
    /// Servers of one's own, to kill and to freeze: takes 5 to 10 s.
    pub async fn start() -> Servers {
        let start = || {
            std::thread::scope(|scope| {
                let postgres = scope.spawn(Postgres::start);
                let redis = scope.spawn(Redis::start);
                let rabbit = RabbitMq::start().unwrap();
                Servers {
                    postgres: postgres.join().unwrap().unwrap(),
                    redis: redis.join().unwrap().unwrap(),
                    rabbit,
                }
            })
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// A PostgreSQL of one's own, to kill and to freeze, beside the shared others.
    pub async fn with_own_postgres() -> Servers {
        let own = tokio::task::spawn_blocking(|| Postgres::start().unwrap());
        let (own, shared) = tokio::join!(own, Servers::shared());
        Servers { postgres: own.unwrap(), ..shared }
    }

    /// The servers for tests that leave them alive: every installation on them has names of its own.
    pub async fn shared() -> Servers {
        static SHARED: OnceLock<Servers> = OnceLock::new();
        let handle = tokio::runtime::Handle::current();
        let shared = move || SHARED.get_or_init(|| handle.block_on(Servers::start())).clone();
        tokio::task::spawn_blocking(shared).await.unwrap()
    }
}

/// What processes of one installation share: a database, a prefix on broker and cache, and venue files.
pub struct Installation {
    pub servers: Servers,
    pub database_url: String,
    pub amqp_url: String,
    pub redis_url: String,
    pub prefix: String,
    folder: Arc<tempfile::TempDir>,
}

/// A row of `trade_info`.
pub fn row(venue: &str, pairs: &str) -> NewTradeRow {
    NewTradeRow {
        venue: venue.to_owned(),
        currency_pair: pairs.to_owned(),
        stale_after_ms: Some(5_000),
        expire_after_ms: Some(600_000),
        ..NewTradeRow::default()
    }
}

impl Installation {
    /// A new database with these rows, and a venue file for each fake: it is streamed, and silent after 5 s.
    pub async fn new(
        servers: &Servers,
        venues: &[(&str, &FakeVenue)],
        rows: Vec<NewTradeRow>,
    ) -> Installation {
        let files = venues.iter().map(|(name, fake)| {
            let ws = format!("url = \"ws://{}/ws\"\nsilence = \"5s\"", fake.address());
            (*name, venue_file(&ws, ""))
        });
        Installation::with_files(servers, &files.collect::<Vec<_>>(), rows).await
    }

    /// The same with the text of each venue file.
    pub async fn with_files(
        servers: &Servers,
        files: &[(&str, String)],
        rows: Vec<NewTradeRow>,
    ) -> Installation {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let postgres = servers.postgres.clone();
        let made = tokio::task::spawn_blocking(move || postgres.database().unwrap());
        let database_url = made.await.unwrap();
        // Rows first: a new database is seeded with venues that no test may ask.
        store::open(&database_url, Seed { rows, venues: Vec::new() }).await.unwrap().close().await;
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        Installation {
            servers: servers.clone(),
            database_url,
            amqp_url: servers.rabbit.url(),
            redis_url: servers.redis.url(),
            prefix: format!("apart{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            folder: Arc::new(folder),
        }
    }

    /// A process of these roles, started and listening; `more` are further variables of its environment.
    pub async fn start_with(&self, roles: &str, more: &[(&str, &str)]) -> Service {
        let port = Arc::new(Port::free().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let mut variables = self.variables();
        variables
            .extend([("RATES_ROLES".into(), roles.to_owned()), ("RATES_LISTEN".into(), address.to_string())]);
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let folder = self.folder.clone();
        let command = move |_: &std::path::Path| {
            let mut command = rates(folder.path(), &variables);
            command.arg("run");
            command
        };
        let answers = move || StdTcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
        let start = move || Process::start("rates", command, answers, PATIENCE).unwrap();
        let process = tokio::task::spawn_blocking(start).await.unwrap();
        Service { process, address, port }
    }

    /// The same without more.
    pub async fn start(&self, roles: &str) -> Service {
        self.start_with(roles, &[]).await
    }

    /// Runs a command of the binary on this installation to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = rates(self.folder.path(), &self.variables());
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Statements by a foreign SQL client.
    pub async fn sql(&self, statements: &str) -> String {
        let (postgres, url) = (self.servers.postgres.clone(), self.database_url.clone());
        let statements = statements.to_owned();
        tokio::task::spawn_blocking(move || postgres.sql(&url, &statements).unwrap()).await.unwrap()
    }

    fn variables(&self) -> Vec<(String, String)> {
        let folder = self.folder.path().display().to_string();
        [
            ("DATABASE_URL", &self.database_url),
            ("AMQP_URL", &self.amqp_url),
            ("REDIS_URL", &self.redis_url),
            ("RATES_PREFIX", &self.prefix),
            ("RATES_VENUES_DIR", &folder),
            ("RATES_ALLOW_PRIVATE", &"127.0.0.0/8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
    }
}

/// The binary, with nothing of this machine's environment.
fn rates(folder: &Path, variables: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
    command.current_dir(folder).env_clear().envs(variables.iter().cloned()).stdin(Stdio::null());
    command
}

/// A process of ours: kill it, freeze it, end it, start it again on the same port.
#[derive(Clone)]
pub struct Service {
    process: Process,
    pub address: SocketAddr,
    port: Arc<Port>,
}

impl Deref for Service {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Drop for Service {
    /// What a process of a test that failed had said last.
    fn drop(&mut self) {
        if std::thread::panicking() && Arc::strong_count(&self.port) == 1 {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            let _ = writeln!(std::io::stderr(), "---- {}\n{last}", self.address);
        }
    }
}

impl Service {
    /// Status and body of an answer; `None` if there was none.
    pub async fn try_get(&self, path: &str) -> Option<(u16, Value)> {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await.ok()?;
            let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            stream.write_all(head.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let status = answer.split(' ').nth(1)?.parse().ok()?;
            let (_, body) = answer.split_once("\r\n\r\n")?;
            Some((status, serde_json::from_str(body).unwrap_or_else(|_| body.into())))
        };
        tokio::time::timeout(PATIENCE, ask).await.ok()?
    }

    /// Status and body of an answer.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.try_get(path).await.unwrap_or_else(|| panic!("no answer to {path}:\n{}", self.log()))
    }

    /// The rate of a pair, whatever its state; its fields are null where there is none.
    pub async fn rate(&self, pair: &str) -> Value {
        self.get(&format!("/api/v1/rates/{pair}")).await.1
    }

    /// What it says of a venue's feeds; null if nothing.
    pub async fn venue(&self, name: &str) -> Value {
        let (_, body) = self.get("/api/v1/venues").await;
        let venues = body["venues"].as_array();
        venues.into_iter().flatten().find(|venue| venue["venue"] == name).cloned().unwrap_or_default()
    }

    /// Ends it in good order, beside the test; its exit code.
    pub async fn end(&self) -> i32 {
        let process = self.process.clone();
        tokio::task::spawn_blocking(move || process.stop()).await.unwrap();
        self.exit_code().expect("it has ended")
    }

    /// Starts it again on the same port, beside the test.
    pub async fn again(&self) {
        self.restart_beside().await.unwrap().unwrap();
    }
}

/// Looks until there is something, or the time is over.
pub async fn within<T>(time: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(time, looking).await.unwrap_or_else(|_| panic!("{what}: not within {time:?}"))
}
