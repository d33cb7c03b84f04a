//! Everything in one process on SQLite, on a disk that is full (D04), beside somebody who holds the lock (D05), and
//! with ten thousand rows (T04). It must not know how the file is written.

use crate::{
    fleet::{promised, say},
    harness::{PATIENCE, within},
    web::{self, Load},
};
use sqlx::{ConnectOptions, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::BTreeSet,
    io::Write,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use store::{NewTradeRow, Seed};
use testkit::{NumberedVenue, Place, Port, Process, counts};
use tokio::time::Instant;

/// A service on a file, and the key to write with.
struct Alone {
    process: Process,
    address: SocketAddr,
    venue: NumberedVenue,
    key: String,
    folder: tempfile::TempDir,
    _port: Port,
}

/// What runs before the binary, in a shell: `$1` is the folder, then comes the binary.
const PLAIN: &str = r#"cd "$1"; shift; exec "$@""#;
/// The folder becomes a disk of one megabyte that only this process has.
const SMALL_DISK: &str = r#"d=$1; shift; cp -r "$d" "$d.seed"; mount -t tmpfs -o size=1m tmpfs "$d" || exit 99
cp "$d.seed"/* "$d"; cd "$d"; exec "$@""#;

impl Alone {
    async fn start(venue: NumberedVenue, file: String, rows: Vec<NewTradeRow>, shell: &[&str]) -> Alone {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(folder.path().join("numbered.toml"), file).unwrap();
        let url = format!("sqlite://{}", data.join("rates.db").display());
        store::open(&url, Seed { rows, venues: Vec::new() }).await.unwrap().close().await;
        let binary = env!("CARGO_BIN_EXE_rates");
        let key = Command::new(binary)
            .args(["keys", "add", "test", "--store", &url])
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
        let port = Port::free().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let shell: Vec<String> = shell.iter().map(|&word| word.to_owned()).collect();
        let venues = folder.path().display().to_string();
        let command = move |_: &Path| {
            let mut command = Command::new(&shell[0]);
            command.args(&shell[1..]).arg("sh").arg(&data).args([binary, "run"]).env_clear();
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.env("RATES_LISTEN", address.to_string()).env("RATES_ALLOW_PRIVATE", "127.0.0.0/8");
            command.env("RATES_VENUES_DIR", &venues);
            command
        };
        let answers = move || TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
        let start = move || Process::start("rates", command, answers, PATIENCE).unwrap();
        let process = tokio::task::spawn_blocking(start).await.unwrap();
        Alone { process, address, venue, key, folder, _port: port }
    }

    /// With one venue of three pairs.
    async fn small(shell: &[&str]) -> Alone {
        let venue = numbered(&["F0-USD", "F1-USD", "F2-USD"], Duration::from_millis(100)).await;
        let file = venue.file(Duration::from_secs(10));
        let alone = Alone::start(venue, file, vec![row("F0,F1,F2-USD")], shell).await;
        alone.is_fresh().await;
        alone
    }

    async fn is_fresh(&self) {
        within(PATIENCE, "a fresh rate", async || {
            let reply = web::get(self.address, "/api/v1/rates/F1-USD").await;
            (reply.status == 200 && reply.json()["state"] == "fresh").then_some(())
        })
        .await;
    }

    /// Shows what is said now.
    async fn goes_on(&self) {
        let now = self.venue.last("F1-USD");
        within(PATIENCE, "rates go on", async || {
            let reply = web::get(self.address, "/api/v1/rates/F1-USD").await;
            assert_eq!(reply.status, 200, "{reply:?}");
            let rate = reply.json();
            (testkit::number(Place::First, rate["value"].as_str()?)? > now && rate["state"] == "fresh")
                .then_some(())
        })
        .await;
    }

    /// Whether a row was acknowledged; else it was refused as it should be.
    async fn write(&self, pair: &str) -> bool {
        let (reply, took) = web::add_row(self.address, &self.key, "kraken", pair).await;
        assert!(took < Duration::from_secs(7), "{took:?}");
        if reply.status != 201 {
            assert_eq!(
                (reply.status, &reply.json()["code"]),
                (503, &"store_unavailable".into()),
                "{reply:?}"
            );
        }
        reply.status == 201
    }

    /// A file as the process sees it.
    fn inside(&self, name: &str) -> PathBuf {
        let data = self.folder.path().join("data");
        let pid = self.process.pid().unwrap();
        Path::new(&format!("/proc/{pid}/root")).join(data.strip_prefix("/").unwrap()).join(name)
    }

    /// Every row that was acknowledged is there, and the file is whole: as they lie on the disk at one moment.
    async fn has_kept(&self, acknowledged: &[String]) {
        let copy = tempfile::tempdir().unwrap();
        self.process.freeze();
        for name in ["rates.db", "rates.db-wal"] {
            std::fs::copy(self.inside(name), copy.path().join(name)).unwrap();
        }
        self.process.resume();
        let mut foreign = foreign(&copy.path().join("rates.db")).await;
        let check: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut foreign).await.unwrap();
        assert_eq!(check, "ok");
        let there: Vec<String> =
            sqlx::query_scalar("SELECT currency_pair FROM trade_info").fetch_all(&mut foreign).await.unwrap();
        let there: BTreeSet<_> = there.into_iter().collect();
        assert!(acknowledged.iter().all(|pair| there.contains(pair)), "{acknowledged:?} but {there:?}");
    }

    async fn end(self) {
        let process = self.process.clone();
        tokio::task::spawn_blocking(move || process.stop()).await.unwrap();
        assert_eq!(self.process.exit_code(), Some(0), "{}", self.process.log());
    }
}

/// A client of somebody else. (By its own path: SQLite reads links itself, and the one into another process's
/// folders leads it astray.)
async fn foreign(file: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", file.display());
    let options = SqliteConnectOptions::from_str(&url).unwrap().busy_timeout(PATIENCE);
    options.connect().await.unwrap()
}

async fn numbered(symbols: &[&str], every: Duration) -> NumberedVenue {
    let clock = clock::Clock::system();
    NumberedVenue::start(Place::First, symbols, every, Arc::new(move || clock.now().millis() * 1_000)).await
}

fn row(pairs: &str) -> NewTradeRow {
    NewTradeRow { venue: "numbered".into(), currency_pair: pairs.into(), ..NewTradeRow::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_writes_only_and_only_while_it_is_full() {
    let may = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return say("SKIPPED: D04: only root may mount a small disk");
    }
    let alone = Alone::small(&["unshare", "-m", "sh", "-c", SMALL_DISK]).await;
    assert!(alone.write("A-ONE").await);
    let mut acknowledged = vec!["A-ONE".to_owned()];
    let filler = alone.inside("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let full = loop {
        if let Err(error) = file.write_all(&[7; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let load = Load::start(alone.address, 100, &["/api/v1/rates"]);
    // What the journal has room for is still written.
    for n in 0.. {
        assert!(n < 1_000, "the disk never fills");
        let pair = format!("B{n}-ONE");
        if !alone.write(&pair).await {
            break;
        }
        acknowledged.push(pair);
    }
    within(PATIENCE, "the reason is named", async || {
        alone.process.log().contains("disk is full").then_some(())
    })
    .await;
    alone.goes_on().await;
    assert!(!alone.write("C-ONE").await);
    load.end().await.is_clean(10);
    drop(file);
    std::fs::remove_file(filler).unwrap();
    within(PATIENCE, "writes go on without a restart", async || alone.write("D-ONE").await.then_some(()))
        .await;
    acknowledged.push("D-ONE".to_owned());
    within(PATIENCE, "candles go on", async || {
        let reply = web::get(alone.address, "/api/v1/history/F1-USD?interval=1m").await;
        (reply.status == 200 && !reply.json()["candles"].as_array()?.is_empty()).then_some(())
    })
    .await;
    alone.has_kept(&acknowledged).await;
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_another_process_loses_no_write_that_was_acknowledged() {
    let alone = Alone::small(&["sh", "-c", PLAIN]).await;
    let mut acknowledged = Vec::new();
    for (name, held_for) in [("short", 1_000), ("long", counts::count(7_000, 10_000) as u64)] {
        let mut foreign = foreign(&alone.folder.path().join("data/rates.db")).await;
        foreign.execute("BEGIN IMMEDIATE; INSERT INTO trade_info (venue) VALUES ('held')").await.unwrap();
        let until = Instant::now() + Duration::from_millis(held_for);
        let release = async {
            tokio::time::sleep_until(until).await;
            foreign.execute("COMMIT").await.unwrap();
        };
        let writes = async {
            let mut refused = 0;
            for n in 0.. {
                let pair = format!("{name}{n}-ONE");
                if alone.write(&pair).await {
                    acknowledged.push(pair);
                    return refused;
                }
                refused += 1;
                alone.goes_on().await;
            }
            refused
        };
        let ((), refused) = tokio::join!(release, writes);
        say(&format!("D05: a {name} lock: {refused} writes refused, then one done"));
        assert_eq!(refused == 0, name == "short");
    }
    alone.has_kept(&acknowledged).await;
    alone.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_start_in_time_and_fit() {
    let pairs: Vec<String> = (0..10_000).map(|n| format!("T{n}-USD")).collect();
    let symbols: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let venue = numbered(&symbols, Duration::from_secs(4)).await;
    let limits = "symbols_per_connection = 1000\nmessages = \"5/1s\"\n[ws.subscribe]";
    let file = venue.file(Duration::from_secs(30));
    let file = file.replace("[ws.subscribe]", limits).replace("items_max = 500", "items_max = 200");
    let rows = pairs.iter().map(|pair| row(pair)).collect();
    let started = Instant::now();
    let alone = Alone::start(venue, file, rows, &["sh", "-c", PLAIN]).await;
    let whole = async || {
        let open = alone.venue.subscribed();
        assert!(open.len() <= 12 && open.iter().all(|symbols| *symbols <= 1_000), "{open:?}");
        (open.iter().sum::<usize>() == 10_000).then_some(())
    };
    within(promised(Duration::from_secs(10)), "all are subscribed", whole).await;
    let took = started.elapsed();
    within(PATIENCE, "all are fresh", async || {
        let reply = web::get(alone.address, "/metrics").await;
        (reply.body.lines().filter(|line| line.starts_with("rates_pair_age_seconds{")).count() >= 500)
            .then_some(())
    })
    .await;
    within(PATIENCE, "the last row is live", async || {
        let reply = web::get(alone.address, "/api/v1/rates/T9999-USD").await;
        (reply.status == 200 && reply.json()["state"] == "fresh").then_some(())
    })
    .await;
    let resident = alone.process.resident_kib();
    say(&format!("T04: 10,000 rows subscribed after {took:?}, {resident} KiB resident"));
    // The promise is 100 MB, and `make bench` holds the optimised binary against it; what the tests run is built for
    // speed of building, and a good part of its memory is its own text.
    let limit_mib = if cfg!(debug_assertions) { 200 } else { 100 };
    assert!(resident <= limit_mib << 10, "{resident} KiB");
    // Sixty thousand candles are on their way: how long the last of them take is another question.
    alone.process.kill();
}
