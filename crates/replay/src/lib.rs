//! Recorded venue traffic: reading it, playing it back as a real local venue, decoding it offline; and the
//! simulated venues of the demo. It must not know any venue's name, nor what becomes of a tick.

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

pub use control::{Control, Mode, serve_controls};
pub use decode::{DecodeSummary, decode};
pub use error::{Error, RecordingError};
pub use playback::{Playback, play};
pub use recording::Recording;
pub use simulated::{SimulatedVenue, Simulation, simulate, simulate_with};
