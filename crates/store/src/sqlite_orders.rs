//! Policies and holds of the store in SQLite.
//! It must not know what they are for.

crate::orders::orders!(crate::sqlite::SqliteStore);
