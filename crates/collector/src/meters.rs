//! The collector's counters, each handle made once. It must not know who reads them.

use market::VenueId;
use metrics::Counter;
use parking_lot::Mutex;

/// Counters of one name and venue that differ in one label.
struct Labelled {
    name: &'static str,
    label: &'static str,
    venue: VenueId,
    counters: Mutex<Vec<(&'static str, Counter)>>,
}

impl Labelled {
    fn new(name: &'static str, label: &'static str, venue: &VenueId) -> Labelled {
        Labelled { name, label, venue: venue.clone(), counters: Mutex::new(Vec::new()) }
    }

    fn add(&self, value: &'static str) {
        let mut counters = self.counters.lock();
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == value) {
            counter.increment(1);
            return;
        }
        let counter = metrics::counter!(self.name, "venue" => self.venue.to_string(), self.label => value);
        counter.increment(1);
        counters.push((value, counter));
    }
}

/// Says what each counter counts. How venues fare is told by whoever reads the status, and panics are counted by
/// the process, once.
pub fn describe() {
    use metrics::describe_counter as describe;
    describe!("rates_updates_total", "Values that venues sent, by venue and what became of them");
    describe!("rates_venue_reconnects_total", "Connections made anew, by venue and reason");
    describe!("rates_frames_unreadable_total", "Frames that could not be read, by venue and reason");
}

/// The counters of one venue.
pub struct Meters {
    updates: Labelled,
    reconnects: Labelled,
    unreadable: Labelled,
}

impl Meters {
    /// The counters of that venue.
    pub fn new(venue: &VenueId) -> Meters {
        Meters {
            updates: Labelled::new("rates_updates_total", "outcome", venue),
            reconnects: Labelled::new("rates_venue_reconnects_total", "reason", venue),
            unreadable: Labelled::new("rates_frames_unreadable_total", "reason", venue),
        }
    }

    /// A value was no price. What is accepted is counted by the board, which also knows what is old.
    pub fn rejected(&self, outcome: &'static str) {
        self.updates.add(outcome);
    }

    /// A connection was made anew.
    pub fn reconnect(&self, reason: &'static str) {
        self.reconnects.add(reason);
    }

    /// A frame could not be read.
    pub fn unreadable(&self, reason: &'static str) {
        self.unreadable.add(reason);
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").field("venue", &self.updates.venue).finish_non_exhaustive()
    }
}
