//! `postgres://USER@HOST/NAME`: the store for many processes: opening it, and what its errors mean.
//! It must not know what the tables are for.

use crate::lock::Lock;
use crate::notices::Notices;
use crate::{Options, Rows, Seed, Store, StoreError, postgres_schema, postgres_watch, sql};
use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode, Postgres};
use sqlx::{ConnectOptions, Connection, Transaction};
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
/// What the server itself allows a statement: a little less, so that its own words are what is reported, and no
/// statement goes on after its caller has given up.
const SERVER_STATEMENT_MS: &str = "4500";
const PING_MAX: Duration = Duration::from_secs(1);
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// A server has a hundred connections by default, and there are several processes of ours.
const CONNECTIONS_MAX: u32 = 8;
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A store on a server.
pub(crate) struct PostgresStore {
    pub(crate) pool: PgPool,
    pub(crate) notices: Notices,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Connects, brings the schema up to date, and seeds a new `trade_info`.
pub(crate) async fn open(url: &str, seed: Seed, told: &Options) -> Result<PostgresStore, StoreError> {
    match timeout(OPEN_MAX, open_unbounded(url, seed, told)).await {
        Ok(opened) => opened,
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}

async fn open_unbounded(url: &str, seed: Seed, told: &Options) -> Result<PostgresStore, StoreError> {
    // What cannot be read is not shown: the password may stand anywhere in it.
    let mut options = PgConnectOptions::from_str(url).map_err(|error| refused("postgres://…", error))?;
    if let Some(roots) = &told.trusted_roots {
        options = options.ssl_root_cert_from_pem(roots.clone().into_bytes());
        if matches!(options.get_ssl_mode(), PgSslMode::Require) {
            options = options.ssl_mode(PgSslMode::VerifyCa);
        }
    }
    let shown = shown(&options);
    let options = options
        .application_name("rates")
        .options([("statement_timeout", SERVER_STATEMENT_MS), ("idle_in_transaction_session_timeout", "10s")])
        .disable_statement_logging();

    let mut connection = options.connect().await.map_err(|error| refused(&shown, error))?;
    postgres_schema::prepare(&mut connection, &shown, &seed).await?;
    // It has served; a goodbye that does not arrive harms nobody.
    let _ = timeout(PING_MAX, connection.close()).await;

    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_MAX)
        .idle_timeout(IDLE_MAX)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let notices = Notices::default();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let watcher = postgres_watch::Watcher::new(options, notices.clone())
        .await
        .map_err(|error| StoreError::Unavailable(error.into()))?;
    let stopped = stop.clone();
    tasks.spawn(async move { stopped.run_until_cancelled(Box::pin(watcher.run())).await });
    tasks.close();
    Ok(PostgresStore { pool, notices, stop, tasks })
}

/// The address without its password and parameters.
fn shown(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
    format!("postgres://{user}@{host}:{port}/{database}")
}

impl PostgresStore {
    /// Runs a statement that reads.
    pub(crate) async fn read<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
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
        match timeout(STATEMENT_MAX, statement).await {
            Ok(done) => done.map_err(|error| broken(error, duplicate)),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    /// Begins a transaction during which no other of ours has that lock.
    pub(crate) async fn begin_alone(
        &self,
        lock: Lock<'_>,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut alone = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock.number()).execute(&mut *alone).await?;
        Ok(alone)
    }

    /// A second lock of the same transaction: only ever [`Lock::Alerts`] after [`Lock::Owner`], or two would wait for each
    /// other.
    pub(crate) async fn lock_too(
        &self,
        alone: &mut Transaction<'static, Postgres>,
        lock: Lock<'_>,
    ) -> Result<(), sqlx::Error> {
        let take = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock.number());
        take.execute(&mut **alone).await.map(drop)
    }
}

impl Rows for PostgresStore {
    fn changes(&self) -> watch::Receiver<u64> {
        self.notices.changes.subscribe()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> Result<(), StoreError> {
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

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The five characters that say what was wrong: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Something else listens there.
#[derive(Debug, thiserror::Error)]
#[error("what answers there does not speak PostgreSQL")]
struct Stranger(#[source] sqlx::Error);

/// What an error while opening means: whether another address or another database is needed, or another time. A wrong
/// password and a missing database are a matter of time: somebody may be about to set them up.
pub(crate) fn refused(url: &str, error: sqlx::Error) -> StoreError {
    let reason = match (code(&error).as_deref(), &error) {
        (Some("23505"), _) => {
            "trade_info holds the same venue, currency_pair and url more than once; remove all but one"
                .to_owned()
        }
        (Some("42501"), sqlx::Error::Database(error)) => {
            format!("its user may not make or use the tables: {}", error.message())
        }
        // An error of SQL: the tables that are there are not ours.
        (Some(code), sqlx::Error::Database(error)) if code.starts_with("42") || code.starts_with("0A") => {
            format!("its tables do not fit: {}", error.message())
        }
        (_, sqlx::Error::Configuration(error)) => error.to_string(),
        (_, sqlx::Error::Protocol(_)) => return StoreError::Unavailable(Stranger(error).into()),
        _ => return StoreError::Unavailable(error.into()),
    };
    StoreError::Unusable { url: url.to_owned(), reason }
}

/// A row that the database refuses for what it holds will be refused again; everything else may pass.
fn broken(error: sqlx::Error, duplicate: &str) -> StoreError {
    match (code(&error).as_deref(), &error) {
        (Some("23505"), _) => StoreError::Conflict(duplicate.to_owned()),
        (Some(code), sqlx::Error::Database(rule)) if code.starts_with("23") || code.starts_with("22") => {
            StoreError::Conflict(format!("the row breaks a rule of the table: {}", rule.message()))
        }
        _ => StoreError::Unavailable(error.into()),
    }
}
