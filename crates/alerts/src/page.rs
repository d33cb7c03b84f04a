//! One pair's alerts: the ladders in which their gates wait, and what a value means to each.
//! It must not know what happens to those that are woken.

use crate::{
    alert::{Measure, Place},
    book::Seen,
    ladder::{Ladder, Way},
    window::{References, Window},
};
use market::{Pair, Timestamp};
use rust_decimal::Decimal;

/// One pair's alerts.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) pair: Pair,
    value: Ladder,
    change: Ladder,
    spread: Ladder,
    windows: Vec<Window>,
    references: References,
    /// How many good rates were seen.
    pub(crate) seen: u64,
    /// How many alerts there are.
    pub(crate) alerts: usize,
}

impl Page {
    pub(crate) fn new(pair: Pair) -> Page {
        Page {
            pair,
            value: Ladder::absolute(),
            change: Ladder::relative(),
            spread: Ladder::absolute(),
            windows: Vec::new(),
            references: References::default(),
            seen: 0,
            alerts: 0,
        }
    }

    /// Takes in a good rate; whom it wakes. `value` and the spread count only as seen: nobody is woken twice.
    pub(crate) fn see(&mut self, seen: &Seen, woken: &mut Vec<u32>) {
        let value = seen.value.decimal();
        self.value.wake(value, woken);
        if !self.change.is_empty() {
            self.change.set_base(self.references.at(seen.at));
            self.change.wake(value, woken);
        }
        if let Some(spread_pct) = seen.spread_pct
            && !self.spread.is_empty()
        {
            self.spread.wake(spread_pct, woken);
        }
        for window in &mut self.windows {
            window.see(seen.at, value, woken);
        }
        self.seen += 1;
    }

    /// An alert comes: what its gates wait in is kept for as long as it is there.
    pub(crate) fn enter(&mut self, measures: impl Iterator<Item = Measure>) {
        self.alerts += 1;
        for window in measures.filter_map(window_of) {
            match self.windows.iter_mut().find(|w| w.within_ms == window) {
                Some(known) => known.users += 1,
                None => {
                    let mut new = Window::new(window);
                    new.users = 1;
                    self.windows.push(new);
                }
            }
        }
    }

    /// An alert goes.
    pub(crate) fn leave(&mut self, measures: impl Iterator<Item = Measure>) {
        self.alerts = self.alerts.saturating_sub(1);
        for window in measures.filter_map(window_of) {
            if let Some(known) = self.windows.iter_mut().find(|w| w.within_ms == window) {
                known.users = known.users.saturating_sub(1);
            }
        }
        self.windows.retain(|w| w.users > 0);
    }

    pub(crate) fn insert(&mut self, place: Place, who: u32) {
        if let Some(ladder) = self.ladder(place.measure) {
            ladder.insert(place.way, place.key, who);
        }
    }

    pub(crate) fn insert_unknown(&mut self, measure: Measure, who: u32) {
        if let Some(ladder) = self.ladder(measure) {
            ladder.insert_unknown(who);
        }
    }

    pub(crate) fn remove(&mut self, place: Place, who: u32) {
        if let Some(ladder) = self.ladder(place.measure) {
            ladder.remove(place.way, place.key, who);
        }
    }

    pub(crate) fn remove_unknown(&mut self, measure: Measure, who: u32) {
        if let Some(ladder) = self.ladder(measure) {
            ladder.remove_unknown(who);
        }
    }

    /// Whether what was seen is beyond a place.
    pub(crate) fn is_beyond(&mut self, place: Place, seen: &Seen) -> bool {
        let measured = match place.measure {
            Measure::Spread => seen.spread_pct,
            _ => Some(seen.value.decimal()),
        };
        let Some(measured) = measured else { return false };
        self.ladder(place.measure).is_some_and(|l| l.is_beyond(place.way, place.key, measured))
    }

    /// How far the value is from what the measure counts from, in per cent; the spread as it is.
    pub(crate) fn measured_pct(&mut self, measure: Measure, seen: &Seen) -> Option<Decimal> {
        match measure {
            Measure::Value | Measure::Down => None,
            Measure::Spread => seen.spread_pct,
            relative => {
                let base = self.ladder(relative)?.base()?;
                crate::alert::per_cent_of(seen.value.decimal().checked_sub(base)?, base)
            }
        }
    }

    /// What it needs to be told of the past: lengths of windows, and a stretch of yesterday.
    pub(crate) fn needs(&self, now: Timestamp) -> (Vec<i64>, Option<(Timestamp, Timestamp)>) {
        let windows = self.windows.iter().filter(|w| !w.is_told).map(|w| w.within_ms).collect();
        let references = if self.change.is_empty() { None } else { self.references.needed(now) };
        (windows, references)
    }

    pub(crate) fn precede(&mut self, within_ms: i64, older: &[(Timestamp, Decimal, Decimal)]) {
        if let Some(window) = self.windows.iter_mut().find(|w| w.within_ms == within_ms) {
            window.precede(older);
        }
    }

    pub(crate) fn extend_references(
        &mut self,
        points: impl Iterator<Item = (Timestamp, Decimal)>,
        until: Timestamp,
    ) {
        self.references.extend(points, until);
    }

    fn ladder(&mut self, measure: Measure) -> Option<&mut Ladder> {
        match measure {
            Measure::Value => Some(&mut self.value),
            Measure::Change => Some(&mut self.change),
            Measure::Spread => Some(&mut self.spread),
            Measure::Rise(within_ms) => self.window(within_ms).map(|w| &mut w.rise),
            Measure::Fall(within_ms) => self.window(within_ms).map(|w| &mut w.fall),
            Measure::Down => None,
        }
    }

    fn window(&mut self, within_ms: i64) -> Option<&mut Window> {
        let within_ms = Window::rounded_ms(within_ms);
        self.windows.iter_mut().find(|w| w.within_ms == within_ms)
    }
}

fn window_of(measure: Measure) -> Option<i64> {
    match measure {
        Measure::Rise(within_ms) | Measure::Fall(within_ms) => Some(Window::rounded_ms(within_ms)),
        _ => None,
    }
}

/// One venue's alerts, and since when it is down.
#[derive(Debug)]
pub(crate) struct VenuePage {
    ladder: Ladder,
    pub(crate) down_since: Option<Timestamp>,
    pub(crate) seen: u64,
    pub(crate) alerts: usize,
}

impl VenuePage {
    pub(crate) fn new() -> VenuePage {
        VenuePage { ladder: Ladder::absolute(), down_since: None, seen: 0, alerts: 0 }
    }

    /// Takes in that the venue is up, or since when it is down; whom that wakes.
    pub(crate) fn see(&mut self, down_since: Option<Timestamp>, now: Timestamp, woken: &mut Vec<u32>) {
        // Who is down stays so since it was first seen down.
        self.down_since = if down_since.is_some() { self.down_since.or(down_since) } else { None };
        self.ladder.wake(self.down_ms(now), woken);
        self.seen += 1;
    }

    pub(crate) fn insert(&mut self, way: Way, key: Decimal, who: u32) {
        self.ladder.insert(way, key, who);
    }

    pub(crate) fn remove(&mut self, way: Way, key: Decimal, who: u32) {
        self.ladder.remove(way, key, who);
    }

    pub(crate) fn insert_unknown(&mut self, who: u32) {
        self.ladder.insert_unknown(who);
    }

    pub(crate) fn remove_unknown(&mut self, who: u32) {
        self.ladder.remove_unknown(who);
    }

    pub(crate) fn is_beyond(&self, place: Place, now: Timestamp) -> bool {
        self.ladder.is_beyond(place.way, place.key, self.down_ms(now))
    }

    fn down_ms(&self, now: Timestamp) -> Decimal {
        // Up is below zero.
        Decimal::from(self.down_since.map_or(-1, |since| now.millis_since(since).max(0)))
    }
}
