//! A pair's policy: which venues may make its rate, and how many it should have (`pair_policy`).
//! It must not know where policies are kept.

use market::VenueId;

/// The policy of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Only these venues, if any is named.
    pub venues_allowed: Vec<VenueId>,
    /// None of these venues.
    pub venues_excluded: Vec<VenueId>,
    /// Fewer than these make the answer `few_sources`.
    pub sources_min: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { venues_allowed: Vec::new(), venues_excluded: Vec::new(), sources_min: 1 }
    }
}

impl Policy {
    /// Whether the venue may take part.
    pub fn permits(&self, venue: &VenueId) -> bool {
        (self.venues_allowed.is_empty() || self.venues_allowed.contains(venue))
            && !self.venues_excluded.contains(venue)
    }
}
