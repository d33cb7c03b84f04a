//! Makes a SQLite file's tables, brings older ones up to date, and seeds a new `trade_info`, all or nothing.
//! It must not change a row that is there.

use crate::sqlite::refused;
use crate::sqlite_tables::plant;
use crate::steps::{self, Step, steps};
use crate::{Seed, StoreError};
use sqlx::migrate::MigrateError;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

const STEPS: &[Step] = steps!("sqlite");

/// Columns that a `trade_info` made by somebody else may lack.
const COLUMNS: &[(&str, &str)] = &[
    ("url", "TEXT"),
    ("interval_ms", "INTEGER"),
    ("stale_after_ms", "INTEGER"),
    ("expire_after_ms", "INTEGER"),
    ("allow_negative", "BOOLEAN DEFAULT FALSE"),
    ("enabled", "BOOLEAN DEFAULT TRUE"),
    ("created_at", "INTEGER"),
    ("updated_at", "INTEGER"),
];

/// Prepares the schema in one transaction: a process that is killed leaves nothing half done, and of two that
/// start at once the second waits for the first.
pub(crate) async fn prepare(
    connection: &mut SqliteConnection,
    url: &str,
    seed: &Seed,
) -> Result<(), StoreError> {
    let known = steps::known(STEPS);
    let refused = |error| refused(url, error);
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await.map_err(refused)?;

    let has_steps = has_table(&mut all, "_sqlx_migrations").await.map_err(refused)?;
    if has_steps {
        let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&mut *all)
            .await
            .map_err(refused)?;
        if let Some(found) = found.filter(|found| *found > known) {
            return Err(StoreError::NewerSchema { url: url.to_owned(), found, known });
        }
    }

    let is_new = !has_table(&mut all, "trade_info").await.map_err(refused)?;
    if !is_new {
        complete(&mut all, url).await?;
    } else if has_steps {
        // Somebody dropped the table: its steps are taken again.
        let forget = "DELETE FROM _sqlx_migrations WHERE description LIKE 'trade_info%'";
        sqlx::query(forget).execute(&mut *all).await.map_err(refused)?;
    }
    // `run` would do, but its future cannot be sent between threads: launchbadge/sqlx's `Acquire` is too narrow.
    steps::migrator(STEPS).run_direct(None, &mut *all, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refused(error),
        error => StoreError::Unusable { url: url.to_owned(), reason: error.to_string() },
    })?;
    // Changes nothing, and fails now rather than at an operator's first write if the file can only be read: there
    // even `BEGIN IMMEDIATE` succeeds.
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version IS NULL")
        .execute(&mut *all)
        .await
        .map_err(refused)?;
    if is_new {
        plant(&mut all, seed).await.map_err(refused)?;
    }
    all.commit().await.map_err(refused)
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    let count = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1";
    Ok(sqlx::query_scalar::<_, i64>(count).bind(name).fetch_one(connection).await? > 0)
}

/// An operator may have made `trade_info` before the first start, with the columns that mattered to him.
async fn complete(connection: &mut SqliteConnection, url: &str) -> Result<(), StoreError> {
    let refused = |error| refused(url, error);
    let about = "SELECT name, upper(type), pk FROM pragma_table_info('trade_info')";
    let mut has_id = false;
    let mut names: Vec<String> = Vec::new();
    for row in sqlx::query(about).fetch_all(&mut *connection).await.map_err(refused)? {
        let name: String = row.try_get(0).map_err(refused)?;
        let kind: String = row.try_get(1).map_err(refused)?;
        let in_key: i64 = row.try_get(2).map_err(refused)?;
        has_id |= name.eq_ignore_ascii_case("id") && kind == "INTEGER" && in_key == 1;
        names.push(name);
    }
    if !has_id {
        let reason =
            "its trade_info has no column `id INTEGER PRIMARY KEY`; rename the table to have a new one made";
        return Err(StoreError::Unusable { url: url.to_owned(), reason: reason.to_owned() });
    }
    for (name, kind) in COLUMNS.iter().filter(|(name, _)| !names.iter().any(|n| n.eq_ignore_ascii_case(name)))
    {
        let add = format!("ALTER TABLE trade_info ADD COLUMN {name} {kind}");
        sqlx::query(AssertSqlSafe(add)).execute(&mut *connection).await.map_err(refused)?;
        tracing::info!(column = name, "added a column that trade_info lacked");
    }
    Ok(())
}
