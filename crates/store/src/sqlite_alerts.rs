//! Alerts of the store in SQLite.
//! It must not know what they are for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::{Sqlite, SqliteRow};

crate::alert_rows::alert_rows!(SqliteStore, Sqlite, SqliteRow, sqlite_outbox);
