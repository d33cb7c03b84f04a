//! The name of a venue: the stem of its file, a label in every answer.
//! It must not know any venue.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, sync::Arc};

/// `[a-z0-9][a-z0-9-]{0,31}`; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VenueId(Arc<str>);

/// A text that names no venue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a venue's name is 1 to 32 characters of a-z, 0-9 and `-`, and does not begin with `-`")]
pub struct VenueIdError;

impl VenueId {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<VenueId, VenueIdError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = (1..=32).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b == b'-');
        if good { Ok(VenueId(text.into())) } else { Err(VenueIdError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for VenueId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VenueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VenueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for VenueId {
    type Err = VenueIdError;
    fn from_str(text: &str) -> Result<VenueId, VenueIdError> {
        VenueId::parse(text)
    }
}

impl Serialize for VenueId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VenueId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<VenueId, D::Error> {
        let text = compact_str::CompactString::deserialize(from)?;
        VenueId::parse(&text).map_err(serde::de::Error::custom)
    }
}
