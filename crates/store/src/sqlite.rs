//! `sqlite://FILE`: the store for one machine: opening it, and what its errors mean.
//! It must not know what the tables are for.

use crate::lock::Lock;
use crate::notices::Notices;
use crate::{Rows, Seed, Store, StoreError, sql, sqlite_schema, sqlite_watch};
use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most that opening may take, migrations included.
const OPEN_MAX: Duration = Duration::from_secs(15);
const ACQUIRE_MAX: Duration = Duration::from_secs(2);
const STATEMENT_MAX: Duration = Duration::from_secs(5);
/// How long to wait for another writer: just under [`STATEMENT_MAX`], so that "database is locked" is what is
/// reported, and no statement goes on after its caller has given up.
const BUSY_MAX: Duration = Duration::from_millis(4_500);
const PING_MAX: Duration = Duration::from_secs(1);
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// SQLite has one writer at a time: more connections would only wait for each other.
const CONNECTIONS_MAX: u32 = 4;

/// A store in one file.
pub(crate) struct SqliteStore {
    pub(crate) pool: SqlitePool,
    /// The file and what it was when it was opened; none in memory.
    file: Option<(PathBuf, FileId)>,
    pub(crate) notices: Notices,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Opens the file, or makes it; brings its schema up to date, and seeds a new `trade_info`.
pub(crate) async fn open(url: &str, seed: Seed) -> Result<SqliteStore, StoreError> {
    match timeout(OPEN_MAX, open_unbounded(url, seed)).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}

async fn open_unbounded(url: &str, seed: Seed) -> Result<SqliteStore, StoreError> {
    let unusable = |reason: String| StoreError::Unusable { url: url.to_owned(), reason };
    let options = SqliteConnectOptions::from_str(url).map_err(|error| refused(url, error))?;
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let path = options.get_filename().to_owned();
    let mut options = options.create_if_missing(true).foreign_keys(true).busy_timeout(BUSY_MAX);
    if !in_memory {
        if path.as_os_str().is_empty() {
            return Err(unusable("it names no file; write sqlite://FILE".to_owned()));
        }
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
            return Err(unusable(format!("there is no folder {}", folder.display())));
        }
        options = options.journal_mode(SqliteJournalMode::Wal);
    }

    let mut connection = sqlite_watch::connect(&options).await.map_err(|error| refused(url, error))?;
    sqlite_schema::prepare(&mut connection, url, &seed).await?;
    // From now on a missing file is an error: made again by a later connection it would be empty.
    let options = options.create_if_missing(in_memory);
    let file = (!in_memory).then(|| FileId::of(&path).map(|id| (path.clone(), id))).flatten();

    // In memory a second connection would only meet the first one's locks.
    let pool = SqlitePoolOptions::new()
        .max_connections(if in_memory { 1 } else { CONNECTIONS_MAX })
        .acquire_timeout(ACQUIRE_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let notices = Notices::default();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let watcher = sqlite_watch::Watcher::new(connection, options, notices.clone()).await;
    let stopped = stop.clone();
    tasks.spawn(async move { stopped.run_until_cancelled(watcher.run()).await });
    tasks.close();
    Ok(SqliteStore { pool, file, notices, stop, tasks })
}

impl SqliteStore {
    /// Runs a statement that reads.
    pub(crate) async fn read<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        self.check_file()?;
        match timeout(STATEMENT_MAX, statement).await {
            Ok(done) => done.map_err(|error| StoreError::Unavailable(error.into())),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    /// Runs a statement that writes; `duplicate` says in an operator's words what a unique index refuses.
    pub(crate) async fn write<T>(
        &self,
        duplicate: &str,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        self.check_file()?;
        match timeout(STATEMENT_MAX, statement).await {
            Ok(done) => done.map_err(|error| broken(error, duplicate)),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    /// Begins a transaction during which nobody else writes.
    pub(crate) async fn begin_alone(
        &self,
        _lock: Lock<'_>,
    ) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }

    /// Whoever writes has everything for himself.
    pub(crate) async fn lock_too(
        &self,
        _alone: &mut Transaction<'static, Sqlite>,
        _lock: Lock<'_>,
    ) -> Result<(), sqlx::Error> {
        Ok(())
    }

    /// A file that was removed or replaced can still be read and written by whoever has it open, but what is
    /// written there is lost, and must not be acknowledged; a new connection would meet another file.
    fn check_file(&self) -> Result<(), StoreError> {
        match &self.file {
            Some((path, id)) if FileId::of(path).as_ref() != Some(id) => {
                let gone =
                    format!("{} was removed or replaced since it was opened; start again", path.display());
                Err(StoreError::Unavailable(gone.into()))
            }
            _ => Ok(()),
        }
    }
}

impl Rows for SqliteStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.notices.changes.subscribe()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.check_file()?;
        let ping = sqlx::query(sql::PING).fetch_one(&self.pool);
        match timeout(PING_MAX, ping).await {
            Ok(answer) => answer.map(drop).map_err(|error| StoreError::Unavailable(error.into())),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    async fn close(&self) {
        self.stop.cancel();
        let closing = async {
            self.tasks.wait().await;
            self.pool.close().await;
        };
        if timeout(CLOSE_MAX, closing).await.is_err() {
            tracing::warn!("the store was left with statements still running");
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What makes a file the same file, whatever its name.
#[derive(PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|about| FileId(about.dev(), about.ino()))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<FileId> {
        path.exists().then_some(FileId(0, 0))
    }
}

/// SQLite's result code without its extension: <https://sqlite.org/rescode.html>.
fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What an error while opening means: whether another file is needed, or another time.
pub(crate) fn refused(url: &str, error: sqlx::Error) -> StoreError {
    let reason = match (code(&error), &error) {
        (Some(8), _) => "it can only be read, and the store must be written".to_owned(),
        (Some(11), _) => "the file is damaged".to_owned(),
        (Some(14), _) => {
            "it cannot be opened or created: is it a file, and may this user write it?".to_owned()
        }
        (Some(26), _) => "the file is no SQLite database".to_owned(),
        (Some(19), _) => {
            "trade_info holds the same venue, currency_pair and url more than once; remove all but one"
                .to_owned()
        }
        // An error of SQL: the tables that are there are not ours.
        (Some(1), sqlx::Error::Database(error)) => format!("its tables do not fit: {}", error.message()),
        (_, sqlx::Error::Configuration(error)) => error.to_string(),
        _ => return StoreError::Unavailable(error.into()),
    };
    StoreError::Unusable { url: url.to_owned(), reason }
}

fn broken(error: sqlx::Error, duplicate: &str) -> StoreError {
    match error.as_database_error() {
        Some(rule) if rule.is_unique_violation() => StoreError::Conflict(duplicate.to_owned()),
        Some(rule) if code(&error) == Some(19) => {
            StoreError::Conflict(format!("the row breaks a rule of the table: {}", rule.message()))
        }
        _ => StoreError::Unavailable(error.into()),
    }
}
