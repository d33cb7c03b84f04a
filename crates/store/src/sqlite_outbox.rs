//! The outbox of the store in SQLite.
//! It must not know what it is for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::{Sqlite, SqliteRow};

crate::outbox_rows::outbox_rows!(SqliteStore, Sqlite, SqliteRow);
