//! Messages of the outbox on their way: the loop against senders that fail in every way, webhooks against real sockets.

mod carrying;
mod hooks;
mod lab;
