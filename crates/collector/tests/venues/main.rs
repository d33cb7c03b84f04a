//! Every venue file, lived by the whole collector against a scripted venue that knows only the documentation:
//! `tests/scripts` holds one script per venue, never derived from the venue file. It must not know a venue.

mod crowd;
mod day;
#[path = "../feeds/harness.rs"]
#[expect(dead_code, reason = "the other tests of the collector need the rest")]
mod harness;
mod herd;
mod life;
mod mistakes;
#[path = "../feeds/orders.rs"]
mod orders;
mod paused;
mod proof;
mod stage;
