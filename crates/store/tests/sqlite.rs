//! What only a SQLite file can do to us: any type in any column, odd files, a file that goes away, other writers.
//! It must not repeat what every store must do: that is `contract.rs`.

use market::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use store::{NewTradeRow, Seed, Store, StoreError, TradeRow};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }
    fn file(&self) -> PathBuf {
        self.0.path().join("rates.db")
    }
    fn url(&self) -> String {
        url(&self.file())
    }
    async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.url(), Seed::default()).await.unwrap()
    }
    /// A connection of a program that is not ours.
    async fn foreign(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.file()).create_if_missing(true).connect().await.unwrap()
    }
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn btc(venue: &str) -> NewTradeRow {
    NewTradeRow { venue: venue.into(), currency_pair: "BTC-USDT".into(), ..NewTradeRow::default() }
}

fn seed() -> Seed {
    Seed { rows: vec![btc("alpha"), btc("beta")], venues: vec![] }
}

const NOW: Timestamp = Timestamp::from_millis(1);

async fn seen(mut changes: tokio::sync::watch::Receiver<u64>) {
    tokio::time::timeout(Duration::from_secs(1), changes.changed())
        .await
        .expect("no word within 1 s")
        .unwrap();
}

#[tokio::test]
async fn any_type_in_any_column_is_read() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut foreign = folder.foreign().await;
    let values = [
        "NULL",
        "7",
        "-1.5",
        "9e999",
        "'text'",
        "''",
        "x'ff00fe'",
        "x''",
        "zeroblob(3)",
        "'a' || char(0) || 'b'",
    ];
    let columns = [
        "venue",
        "currency_pair",
        "url",
        "interval_ms",
        "stale_after_ms",
        "expire_after_ms",
        "allow_negative",
        "enabled",
        "created_at",
        "updated_at",
    ];
    for column in columns {
        for value in values {
            let insert = format!("INSERT INTO trade_info ({column}) VALUES ({value})");
            foreign.execute(AssertSqlSafe(insert)).await.unwrap();
        }
    }
    let rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.len(), columns.len() * values.len());
    let column = |number: usize, read: fn(&TradeRow) -> Option<String>| -> Vec<Option<String>> {
        rows[number * values.len()..][..values.len()].iter().map(read).collect()
    };
    let read = |texts: [Option<&str>; 10]| texts.map(|t| t.map(str::to_owned)).to_vec();
    let text = read([
        None,
        Some("7"),
        Some("-1.5"),
        Some("Inf"),
        Some("text"),
        Some(""),
        Some("\u{fffd}\0\u{fffd}"),
        Some(""),
        Some("\0\0\0"),
        Some("a\0b"),
    ]);
    assert_eq!(column(0, |r| r.venue.clone()), text);
    assert_eq!(column(2, |r| r.url.clone()), text);
    assert_eq!(column(3, |r| r.interval_ms.clone()), text);
    let only =
        |on: &[usize]| -> Vec<_> { (0..values.len()).map(|at| Some(on.contains(&at).to_string())).collect() };
    // Nothing at all is the default; what is no switch is off.
    assert_eq!(column(6, |r| Some(r.allow_negative.to_string())), only(&[]));
    assert_eq!(column(7, |r| Some(r.enabled.to_string())), only(&[0]));
    let times = column(8, |r| r.created_at.map(|t| t.millis().to_string()));
    assert_eq!(times, read([None, Some("7"), None, None, None, None, None, None, None, None]));
    // And rows that are right go on being so.
    store.add_trade_row(&btc("alpha"), NOW).await.unwrap();
}

#[tokio::test]
async fn switches_are_read_in_every_usual_spelling() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut foreign = folder.foreign().await;
    for (value, expect) in [
        ("1", true),
        ("'true'", true),
        ("' YES '", true),
        ("TRUE", true),
        ("0", false),
        ("'false'", false),
        ("2", false),
        ("'no'", false),
    ] {
        let sql = format!(
            "DELETE FROM trade_info; INSERT INTO trade_info (enabled, allow_negative) VALUES ({value}, {value})"
        );
        foreign.execute(AssertSqlSafe(sql)).await.unwrap();
        let row = store.trade_rows().await.unwrap().remove(0);
        assert_eq!((row.enabled, row.allow_negative), (expect, expect), "{value}");
    }
}

#[tokio::test]
async fn keys_and_venues_of_any_type_are_read_and_a_strange_revocation_is_one() {
    let folder = Folder::new();
    let store = folder.open().await;
    folder
        .foreign()
        .await
        .execute(
            "INSERT INTO api_key (name, hash, created_at, revoked_at) VALUES (x'ff', 'aa', 'soon', 'yesterday');
             INSERT INTO venue (name, text) VALUES (7, x'ff'), (x'fe', NULL)",
        )
        .await
        .unwrap();
    let keys = store.api_keys().await.unwrap();
    assert_eq!((keys[0].name.as_str(), keys[0].revoked_at), ("\u{fffd}", Some(Timestamp::default())));
    assert_eq!(store.api_key_by_hash("aa").await.unwrap(), None);
    let files = store.venue_files().await.unwrap();
    assert_eq!(
        files.iter().map(|f| (f.name.as_str(), f.text.as_str())).collect::<Vec<_>>(),
        [("7", "\u{fffd}"), ("\u{fffd}", "")]
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_the_store_is_refused_with_the_reason() {
    let folder = Folder::new();
    let place = |name: &str| folder.0.path().join(name);
    std::fs::write(place("text"), "this is a letter, not a database\n".repeat(100)).unwrap();
    folder.open().await.close().await;
    let mut damaged = std::fs::read(folder.file()).unwrap();
    damaged[100..].fill(0x5a);
    std::fs::write(place("damaged"), damaged).unwrap();
    SqliteConnectOptions::new()
        .filename(place("other"))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
        .execute("CREATE TABLE trade_info (exchanger TEXT, direction TEXT)")
        .await
        .unwrap();

    for (url, reason) in [
        (url(&place("text")), "the file is no SQLite database"),
        (url(&place("damaged")), "the file is damaged"),
        (url(&place("no/such/rates.db")), &*format!("there is no folder {}", place("no/such").display())),
        (url(folder.0.path()), "it cannot be opened or created: is it a file, and may this user write it?"),
        (format!("{}?mode=ro", folder.url()), "it can only be read, and the store must be written"),
        (
            format!("{}?colour=red", folder.url()),
            "unknown query parameter `colour` while parsing connection URL",
        ),
        ("sqlite://".to_owned(), "it names no file; write sqlite://FILE"),
        (
            url(&place("other")),
            "its trade_info has no column `id INTEGER PRIMARY KEY`; rename the table to have a new one made",
        ),
    ] {
        match store::open(&url, seed()).await.map(drop) {
            Err(error @ StoreError::Unusable { .. }) => {
                assert_eq!(error.to_string(), format!("{url} cannot be the store: {reason}"));
                assert!(!error.is_transient());
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_table_made_by_the_operator_is_completed_and_not_seeded() {
    let folder = Folder::new();
    let mut foreign = folder.foreign().await;
    foreign
        .execute(
            "CREATE TABLE trade_info (ID INTEGER PRIMARY KEY, venue TEXT, currency_pair TEXT, mine TEXT);
             INSERT INTO trade_info (venue, currency_pair, mine) VALUES ('alpha', 'BTC-USDT', 'x')",
        )
        .await
        .unwrap();
    let store = store::open(&folder.url(), seed()).await.unwrap();
    let rows = store.trade_rows().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].enabled && rows[0].url.is_none() && rows[0].created_at.is_none());
    assert!(matches!(store.add_trade_row(&btc("alpha"), NOW).await, Err(StoreError::Conflict(_))));
    store.add_trade_row(&btc("beta"), NOW).await.unwrap();
    let mine: String =
        sqlx::query_scalar("SELECT mine FROM trade_info WHERE id = 1").fetch_one(&mut foreign).await.unwrap();
    assert_eq!(mine, "x");

    let twice = Folder::new();
    twice.foreign().await
        .execute(
            "CREATE TABLE trade_info (id INTEGER PRIMARY KEY, venue TEXT, currency_pair TEXT);
             INSERT INTO trade_info (venue, currency_pair) VALUES ('alpha', 'BTC-USDT'), ('alpha', 'BTC-USDT')",
        )
        .await
        .unwrap();
    let error = store::open(&twice.url(), seed()).await.map(drop).unwrap_err();
    assert!(error.to_string().ends_with("more than once; remove all but one"), "{error}");
}

/// A first start that ends at any moment leaves a file with which the next start works as if it were the first.
#[tokio::test]
async fn a_start_given_up_at_any_moment_leaves_nothing_half_made() {
    for polls in 1.. {
        let folder = Folder::new();
        let address = folder.url();
        let mut opening = Box::pin(store::open(&address, seed()));
        let mut left = polls;
        let opened = std::future::poll_fn(|task| {
            left -= 1;
            match opening.as_mut().poll(task) {
                Poll::Ready(opened) => Poll::Ready(Some(opened)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(opening);
        let store = store::open(&address, seed()).await.unwrap();
        let venues: Vec<_> = store.trade_rows().await.unwrap().into_iter().filter_map(|r| r.venue).collect();
        assert_eq!(venues, ["alpha", "beta"], "given up after {polls} polls");
        if opened.is_some() {
            assert!(polls > 5, "opening was never given up");
            break;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_gone_acknowledges_no_write() {
    let folder = Folder::new();
    let store = store::open(&folder.url(), seed()).await.unwrap();
    std::fs::rename(folder.file(), folder.0.path().join("moved")).unwrap();
    let gone = |result: Result<(), StoreError>| {
        let error = result.unwrap_err();
        assert!(error.is_transient());
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("removed or replaced"), "{cause}");
    };
    gone(store.ping().await);
    gone(store.add_trade_row(&btc("gamma"), NOW).await.map(drop));
    gone(store.trade_rows().await.map(drop));
    assert!(!folder.file().exists(), "no empty file takes its place");
    std::fs::write(folder.file(), "").unwrap();
    gone(store.ping().await);
    std::fs::rename(folder.0.path().join("moved"), folder.file()).unwrap();
    store.ping().await.unwrap();
    store.add_trade_row(&btc("gamma"), NOW).await.unwrap();
}

#[tokio::test]
async fn changes_are_seen_without_the_triggers_too() {
    for broken in
        ["DROP TABLE change_count", "DELETE FROM change_count", "DROP TRIGGER change_count_trade_info_insert"]
    {
        let folder = Folder::new();
        let store = folder.open().await;
        let mut foreign = folder.foreign().await;
        let changes = store.changes();
        foreign.execute(AssertSqlSafe(broken)).await.unwrap();
        seen(changes).await;
        // With `change_count` gone the triggers fail, and so would every write: whoever drops it drops them.
        foreign
            .execute(
                "DROP TRIGGER IF EXISTS change_count_trade_info_insert;
                 INSERT INTO trade_info (venue, currency_pair) VALUES ('alpha', 'BTC-USDT')",
            )
            .await
            .unwrap();
        let changes = store.changes();
        foreign
            .execute("INSERT INTO trade_info (venue, currency_pair) VALUES ('beta', 'BTC-USDT')")
            .await
            .unwrap();
        seen(changes).await;
    }
}

#[tokio::test]
async fn a_short_lock_by_another_writer_is_waited_for_and_readers_are_not_held_up() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut foreign = folder.foreign().await;
    foreign.execute("BEGIN IMMEDIATE; INSERT INTO trade_info (venue) VALUES ('held')").await.unwrap();
    let row = btc("alpha");
    let add = store.add_trade_row(&row, NOW);
    let others = async {
        assert!(store.trade_rows().await.unwrap().is_empty(), "what is not committed is not read");
        store.ping().await.unwrap();
        foreign.execute("COMMIT").await.unwrap();
    };
    let (id, ()) =
        tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(add, others) }).await.unwrap();
    assert_eq!(id.unwrap(), 2);
}

#[tokio::test]
async fn the_file_is_in_wal_mode_and_survives_a_foreign_checkpoint() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut foreign = folder.foreign().await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut foreign).await.unwrap();
    assert_eq!(mode, "wal");
    let changes = store.changes();
    foreign
        .execute("INSERT INTO trade_info (venue) VALUES ('alpha'); PRAGMA wal_checkpoint(TRUNCATE)")
        .await
        .unwrap();
    seen(changes).await;
    foreign.close().await.unwrap();
    store.close().await;
    let options = SqliteConnectOptions::new().filename(folder.file()).journal_mode(SqliteJournalMode::Delete);
    let mut alone = options.connect().await.expect("close() leaves no connection behind");
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut alone).await.unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn a_store_in_memory_is_one_store_and_is_alone() {
    for url in ["sqlite::memory:", "sqlite://:memory:"] {
        let (one, other) =
            (store::open(url, seed()).await.unwrap(), store::open(url, Seed::default()).await.unwrap());
        assert!(other.trade_rows().await.unwrap().is_empty());
        let changes = one.changes();
        one.add_trade_row(&btc("gamma"), NOW).await.unwrap();
        seen(changes).await;
        let reads = (0..8).map(|_| one.trade_rows());
        for rows in futures(reads).await {
            assert_eq!(rows.unwrap().len(), 3);
        }
        one.ping().await.unwrap();
        one.close().await;
    }
}

/// All at once, in order.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|task| {
        for (one, done) in &mut all {
            if done.is_none()
                && let Poll::Ready(value) = one.as_mut().poll(task)
            {
                *done = Some(value);
            }
        }
        if all.iter().all(|(_, done)| done.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}

/// The client that an operator has at hand, of whatever age.
#[tokio::test]
async fn the_sqlite3_program_can_write_and_is_seen() {
    let folder = Folder::new();
    let store = folder.open().await;
    let changes = store.changes();
    let ran = tokio::process::Command::new("sqlite3")
        .arg(folder.file())
        .arg("INSERT INTO trade_info(venue, currency_pair) VALUES ('alpha', 'BTC-USDT')")
        .stdin(Stdio::null())
        .output()
        .await;
    let Ok(output) = ran else {
        #[expect(clippy::print_stdout, reason = "a skip is printed")]
        {
            println!("skipped: there is no program sqlite3");
        }
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    seen(changes).await;
    let row = store.trade_rows().await.unwrap().remove(0);
    assert!(row.enabled && row.created_at.is_some_and(|t| t.millis() > 1_763_000_000_000), "{row:?}");
}
