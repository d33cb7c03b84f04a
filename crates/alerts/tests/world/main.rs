//! The watch on real stores: SQLite files, and a private PostgreSQL that may be killed.
//! It must not need anything beside the repository.

mod lab;
mod watch;
