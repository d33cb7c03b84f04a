//! Chats of the store in SQLite.
//! It must not know what they are for.

use crate::sqlite::SqliteStore;
use sqlx::sqlite::SqliteRow;

crate::chat_rows::chat_rows!(SqliteStore, SqliteRow);
