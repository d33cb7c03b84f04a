//! Subscriptions and webhooks of the store in SQLite.
//! It must not know what they are for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::SqliteRow;

crate::subscription_rows::subscription_rows!(SqliteStore, SqliteRow, sqlite_outbox);
