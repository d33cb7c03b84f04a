//! The outbox of the store in PostgreSQL.
//! It must not know what it is for.

use crate::postgres::PostgresStore;
use sqlx::postgres::{PgRow, Postgres};

crate::outbox_rows::outbox_rows!(PostgresStore, Postgres, PgRow);
