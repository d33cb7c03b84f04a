//! Tests only: a scriptable venue over real sockets, and a proxy that breaks the line on purpose.
//! It must not know the product: it speaks a small wire format of its own, which [`venue_file`] describes.

mod fake_http;
mod fake_venue;
mod proxy;
mod wait;
mod wire;

pub use fake_venue::{Behaviour, FakeVenue, Handshake, Happened, HttpAnswer, Logged};
pub use proxy::{FaultProxy, Line};
pub use wait::{until, until_some};
pub use wire::venue_file;
