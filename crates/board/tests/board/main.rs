//! The board under test: ticks and status in, answers and events out, time moved by hand.
//! It must not know any socket; the only broker and cache here are the seams' smallest fakes.

mod assuming;
mod crossing;
mod faults;
mod following;
mod lab;
mod names;
mod stream;
mod time;
