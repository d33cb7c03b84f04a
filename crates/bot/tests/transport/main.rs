//! The way between chats and the conversation, against a strict Bot API: limits, refusals, outages, takeovers.
//! It must not know what the real conversation says; a parrot stands in.

mod broadcast;
mod harness;
mod limits;
mod outbox;
mod updates;
mod webhook;
