//! What can go wrong when playing back, simulating or decoding.
//! It must not know what the caller prints.

use std::{io, net::SocketAddr};

/// A failure of this crate; variants are what a caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recording that cannot be read: the file or its content must be mended.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Nothing can be played back from what was given.
    #[error("the recordings hold nothing that a venue said")]
    NothingToPlay,
    /// A local server could not be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The result could not be written.
    #[error("cannot write the result")]
    Write(#[source] io::Error),
    /// A venue file has no example that a simulation could be built from.
    #[error("venue {venue}: {reason}")]
    CannotSimulate {
        /// Which venue.
        venue: market::VenueId,
        /// What is missing.
        reason: String,
    },
}

/// A recording that cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct RecordingError {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1; 0 = the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}
