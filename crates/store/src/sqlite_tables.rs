//! The tables of the store in SQLite, whose columns hold values of any type.
//! It must not know what the tables are for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, ValueRef};

/// A column as text, whatever it holds: even bytes that are no text.
fn text(row: &SqliteRow, column: usize) -> Option<String> {
    let value = row.try_get_raw(column).ok().filter(|value| !value.is_null())?;
    let bytes = <&[u8] as Decode<Sqlite>>::decode(value).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

const READ_AGAIN: &str = "UPDATE change_count SET changes = changes + 1";

crate::tables::tables!(
    SqliteStore,
    Sqlite,
    SqliteRow,
    "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
);
