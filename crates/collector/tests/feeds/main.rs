//! The collector against fake venues over real sockets.
//! It must not know the collector's inside: only what it publishes and what the venues saw.

mod dividing;
mod harness;
mod orders;
mod polling;
mod probing;
mod rows;
mod streams;
mod unread;
