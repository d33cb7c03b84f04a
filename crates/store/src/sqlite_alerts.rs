//! Alerts of the store in SQLite.
//! It must not know what they are for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::{Sqlite, SqliteRow};

crate::alert_rows::alert_rows!(SqliteStore, Sqlite, SqliteRow, sqlite_outbox);

#[cfg(test)]
mod tests {
    use crate::{Seed, alert_sql as sql, sqlite};
    use sqlx::{AssertSqlSafe, Row};

    /// What somebody waits for reads a few rows by an index, however many there are.
    #[tokio::test]
    async fn no_answer_reads_a_whole_table() {
        let store = sqlite::open("sqlite::memory:", Seed::default()).await.unwrap();
        for statement in [
            sql::ONE,
            sql::DELIVERIES,
            sql::UNDELIVERED,
            sql::OF_OWNER,
            sql::PAGE,
            sql::OPEN_OTHERS,
            sql::LOG,
        ] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan = sqlx::query(explain).fetch_all(&store.pool).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
            assert!(!plan.is_empty());
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{statement}: {plan:?}");
        }
    }
}
