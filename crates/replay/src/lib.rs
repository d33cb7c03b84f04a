//! Recorded venue traffic: reading it, playing it back as a real local venue, decoding it offline; and the
//! simulated venues of the demo. It must not know any venue's name, nor what becomes of a tick.

mod decode;
mod error;
mod json;
mod playback;
pub mod recording;
mod script;
mod server;
mod walk;

pub use decode::{DecodeSummary, decode};
pub use error::{Error, RecordingError};
pub use playback::{Playback, play};
pub use recording::Recording;
