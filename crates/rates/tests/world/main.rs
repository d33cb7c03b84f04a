//! The product among venues of the test's own: `rates run` and its commands, as processes, over local servers.
//! It must not reach any other machine.

mod failover;
mod harness;
mod host_clock;
mod symbols;
mod telegram;
mod webhook;
