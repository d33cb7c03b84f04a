//! Alerts of the store in PostgreSQL.
//! It must not know what they are for.

use crate::postgres::PostgresStore;
use sqlx::postgres::{PgRow, Postgres};

crate::alert_rows::alert_rows!(PostgresStore, Postgres, PgRow, postgres_outbox);
