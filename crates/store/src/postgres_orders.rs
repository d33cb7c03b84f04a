//! Policies and holds of the store in PostgreSQL.
//! It must not know what they are for.

crate::orders::orders!(crate::postgres::PostgresStore);
