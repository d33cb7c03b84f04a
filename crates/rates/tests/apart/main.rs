//! The roles apart: many processes of the real binary on private servers, some of which die.
//! It must not reach any other machine.

mod dividing;
mod harness;
mod roles;
mod watch;
