//! The roles apart: many processes of the real binary on private servers, some of which die.
//! It must not reach any other machine.

mod cache_faults;
mod fleet;
mod harness;
mod oracle;
mod roles;
mod views;
mod web;
