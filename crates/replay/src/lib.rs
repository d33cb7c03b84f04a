//! Recorded venue traffic: reading it, playing it back as a real local venue, decoding it offline; and the
//! simulated venues of the demo. It must not know any venue's name, nor what becomes of a tick.
//!
//! # Simulated venues
//! [`simulate`] starts one local server per venue file. Nothing in it is written for one venue: frames are the
//! file's own examples with another symbol, other prices and another time filled in, and a frame is used only if
//! the venue's own reader reads it back as exactly what was meant. So a new venue file joins the demo by having
//! an example with a tick, and, where the venue acknowledges or answers pings, an example of that too.
//!
//! # Breaking a venue by hand
//! `curl -X POST 127.0.0.1:PORT/demo/freeze` (or `kill`, `revive`) on the venue's own port; `GET /demo` says how
//! it is. A killed venue no longer listens: [`serve_controls`] opens one port for all of them, with
//! `POST /demo/VENUE/revive` and the list at `GET /demo`.

mod control;
mod decode;
mod error;
mod json;
mod playback;
mod quoting;
pub mod recording;
mod script;
mod server;
mod session;
mod simulated;
mod spoken;
mod template;
#[cfg(test)]
mod test_venues;
mod times;
mod walk;

pub use control::{Control, Mode};
pub use decode::{DecodeSummary, decode};
pub use error::{Error, RecordingError};
pub use playback::{Playback, play};
pub use recording::Recording;
pub use simulated::{SimulatedVenue, Simulation, can_simulate, serve_controls, simulate, simulate_with};
