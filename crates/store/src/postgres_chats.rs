//! Chats of the store in PostgreSQL.
//! It must not know what they are for.

use crate::postgres::PostgresStore;
use sqlx::postgres::PgRow;

crate::chat_rows::chat_rows!(PostgresStore, PgRow);
