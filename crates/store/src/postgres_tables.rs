//! The tables of the store in PostgreSQL, whose columns are read as text all the same.
//! It must not know what the tables are for.

use crate::postgres::PostgresStore;
use sqlx::Row;
use sqlx::postgres::{PgRow, Postgres};

/// A column as text: every one is cast where it is selected.
fn text(row: &PgRow, column: usize) -> Option<String> {
    row.try_get(column).ok().flatten()
}

const READ_AGAIN: &str = "SELECT pg_notify('rates_changes', 'asked for')";

crate::tables::tables!(
    PostgresStore,
    Postgres,
    PgRow,
    "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
);
