//! Subscriptions and webhooks of the store in PostgreSQL.
//! It must not know what they are for.

use crate::postgres::PostgresStore;
use sqlx::postgres::PgRow;

crate::subscription_rows::subscription_rows!(PostgresStore, PgRow, postgres_outbox);
