//! The roles apart: many processes of the real binary on private servers, some of which die.
//! It must not reach any other machine.

mod alone;
mod broker_faults;
mod cache_faults;
mod checked;
mod dividing;
mod ending;
mod fleet;
mod harness;
mod migrations;
mod oracle;
mod orders;
mod recorders;
mod roles;
mod soak;
mod stopping;
mod store_faults;
mod views;
mod watch;
mod web;
mod wrong;
