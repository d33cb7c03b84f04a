//! The roles apart: many processes of the real binary on private servers, some of which die.
//! It must not reach any other machine.

mod broker_faults;
mod cache_faults;
mod fleet;
mod harness;
mod oracle;
mod roles;
mod soak;
mod views;
mod web;
