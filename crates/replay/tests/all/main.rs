//! The tests of this crate over real sockets and files, as one program.
//! They must not know how the servers are built.

mod client;
mod decode;
mod demo;
mod playback;
