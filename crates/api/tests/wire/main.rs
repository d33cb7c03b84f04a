//! The interface as its clients see it: every test starts a server on a port of its own and talks over a socket.
//! It must not look into the server; what is private is tested beside it.

mod alerts;
mod hostile;
mod house;
mod reading;
mod stopping;
mod streaming;
mod writing;
