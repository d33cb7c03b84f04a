//! All alerts that can fire, kept so that a rate which fires none of them costs next to nothing, however many there are.
//! It does no I/O and reads no clock; what a gate does when it is woken is `judge.rs`.

use crate::{
    Alert, Firing, Gate, Progress, Quiet, Side,
    alert::Measure,
    page::{Page, VenuePage},
};
use compact_str::CompactString;
use market::{Pair, Price, Rate, RateState, Timestamp, VenueId};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use store::AlertProgress;

/// A rate that alerts may fire on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The value.
    pub value: Price,
    /// How far the venues that made it are apart, in per cent.
    pub spread_pct: Option<Decimal>,
    /// How many venues made it.
    pub sources_used: u32,
    /// How many quote the pair.
    pub sources_total: u32,
    /// When it was seen, by our clock.
    pub at: Timestamp,
}

impl Seen {
    /// Of a rate that is fresh, has a value and was said by a venue since the start. Of any other there is none: on what
    /// is stale, disputed, suspect or expired, or rests on the cache alone, no alert fires, arms or learns anything.
    pub fn of(rate: &Rate, at: Timestamp) -> Option<Seen> {
        if rate.state != RateState::Fresh || rate.is_cached {
            return None;
        }
        Some(Seen {
            value: rate.value?,
            spread_pct: rate.spread_pct,
            sources_used: rate.sources_used,
            sources_total: rate.sources_total,
            at,
        })
    }
}

/// An alert that fired, and what is to be written of it. Until that is done the alert does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// What is said.
    pub firing: Firing,
    /// Whose it is.
    pub owner: CompactString,
    /// Who is told.
    pub target: CompactString,
    /// Quiet hours of the alert's own.
    pub quiet: Option<Quiet>,
    /// The revision that was watched.
    pub revision: i64,
    /// How often it had fired before.
    pub fire_seq: i64,
    /// How far it is afterwards.
    pub progress: Progress,
    /// Whether it can fire again.
    pub is_open: bool,
}

/// An alert that ended unfired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Which.
    pub id: i64,
    /// Whose.
    pub owner: CompactString,
    /// The revision that was watched.
    pub revision: i64,
}

/// What a pair needs to know of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The pair.
    pub pair: Pair,
    /// The lengths of its windows, in milliseconds.
    pub windows_ms: Vec<i64>,
    /// From when to when it needs yesterday's values.
    pub references: Option<(Timestamp, Timestamp)>,
}

/// One alert and where it stands.
#[derive(Debug)]
pub(crate) struct Held {
    pub alert: Alert,
    /// Its pair's page; `None` where a venue is watched.
    pub page: Option<u32>,
    /// How many rates its page had seen when it came, if it was there before this process was: what it meets first
    /// happened while nobody watched.
    pub loaded_at: Option<u64>,
    pub timer: Option<Timestamp>,
    pub is_writing: bool,
    pub is_dirty: bool,
    /// Gates that are beyond and may not fire yet.
    pub parked: [bool; 2],
}

/// The alerts.
#[derive(Debug, Default)]
pub struct Book {
    pub(crate) held: Vec<Option<Held>>,
    free: Vec<u32>,
    by_id: HashMap<i64, u32, foldhash::fast::RandomState>,
    pub(crate) pages: Vec<Page>,
    by_pair: HashMap<Pair, u32, foldhash::fast::RandomState>,
    pub(crate) venues: BTreeMap<VenueId, VenuePage>,
    pub(crate) timers: BTreeSet<(Timestamp, u32)>,
    dirty: Vec<u32>,
    pub(crate) fired: Vec<Fired>,
    expired: Vec<Expired>,
    woken: Vec<u32>,
    /// When a process last watched before this one did.
    pub(crate) watched_until: Option<Timestamp>,
    pub(crate) demo: bool,
}

impl Book {
    /// An empty book. `watched_until`: when a process last watched before this one, if one did.
    pub fn new(watched_until: Option<Timestamp>, demo: bool) -> Book {
        Book { watched_until, demo, ..Book::default() }
    }

    /// Takes in an alert that was there before this process watched.
    pub fn load(&mut self, alert: Alert, now: Timestamp) {
        self.put_as(alert, true, now);
    }

    /// Takes in an alert that is new, or that was changed or told meanwhile. What the book knows better stays.
    pub fn put(&mut self, alert: Alert, now: Timestamp) {
        self.put_as(alert, false, now);
    }

    fn put_as(&mut self, alert: Alert, is_loaded: bool, now: Timestamp) {
        if let Some(slot) = self.by_id.get(&alert.id).copied() {
            let Some(held) = self.held[slot as usize].as_mut() else { return };
            let known = &mut held.alert;
            if (alert.revision, alert.fire_seq) <= (known.revision, known.fire_seq) {
                // Ours is as new or newer; only what others write of the same one is taken.
                if (alert.revision, alert.fire_seq) == (known.revision, known.fire_seq) {
                    known.delivered_at = known.delivered_at.max(alert.delivered_at);
                    (known.target, known.owner) = (alert.target, alert.owner);
                    self.set_timer(slot);
                }
                return;
            }
            self.remove(alert.id);
        }
        if alert.spec.expires_at.is_some_and(|at| at <= now) {
            return self.expire(&alert);
        }
        self.add(alert, is_loaded);
    }

    fn add(&mut self, alert: Alert, is_loaded: bool) {
        let sides = alert.spec.condition.sides();
        let measures = sides.iter().map(|side| alert.measure(*side));
        let (page, seen) = match (&alert.spec.pair, alert.venue()) {
            (_, Some(venue)) => {
                let page = self.venues.entry(venue.clone()).or_insert_with(VenuePage::new);
                page.alerts += 1;
                (None, page.seen)
            }
            (Some(pair), None) => {
                let at = self.page_of(pair);
                let Some(page) = self.pages.get_mut(at as usize) else { return };
                page.enter(measures);
                (Some(at), page.seen)
            }
            (None, None) => return,
        };
        let slot = self.free.pop().unwrap_or(self.held.len() as u32);
        if slot as usize == self.held.len() {
            self.held.push(None);
        }
        self.by_id.insert(alert.id, slot);
        self.held[slot as usize] = Some(Held {
            alert,
            page,
            loaded_at: is_loaded.then_some(seen),
            timer: None,
            is_writing: false,
            is_dirty: false,
            parked: [false; 2],
        });
        self.place_all(slot);
    }

    fn page_of(&mut self, pair: &Pair) -> u32 {
        if let Some(at) = self.by_pair.get(pair) {
            return *at;
        }
        let at = self.pages.len() as u32;
        self.pages.push(Page::new(pair.clone()));
        self.by_pair.insert(pair.clone(), at);
        at
    }

    /// Takes out an alert; whether there was one.
    pub fn remove(&mut self, id: i64) -> bool {
        let Some(slot) = self.by_id.remove(&id) else { return false };
        self.unplace_all(slot);
        let Some(held) = self.held[slot as usize].take() else { return false };
        if let Some(at) = held.timer {
            self.timers.remove(&(at, slot));
        }
        let measures = held.alert.spec.condition.sides().iter().map(|side| held.alert.measure(*side));
        match held.page {
            Some(page) => self.pages[page as usize].leave(measures),
            None => {
                if let Some(venue) = held.alert.venue()
                    && let Some(page) = self.venues.get_mut(venue)
                {
                    page.alerts -= 1;
                    if page.alerts == 0 {
                        self.venues.remove(venue);
                    }
                }
            }
        }
        self.free.push(slot);
        true
    }

    /// Takes in a good rate of a pair.
    pub fn see(&mut self, pair: &Pair, seen: &Seen) {
        let Some(at) = self.by_pair.get(pair).copied() else { return };
        let Some(page) = self.pages.get_mut(at as usize) else { return };
        page.see(seen, &mut self.woken);
        if !self.woken.is_empty() {
            let mut woken = std::mem::take(&mut self.woken);
            for who in woken.drain(..) {
                self.judge(who, crate::judge::Evidence::Rate(seen));
            }
            self.woken = woken;
        }
    }

    /// Takes in that a venue is up, or that it is down.
    pub fn see_venue(&mut self, venue: &VenueId, is_down: bool, now: Timestamp) {
        let Some(page) = self.venues.get_mut(venue) else { return };
        let mut woken = Vec::new();
        page.see(is_down.then_some(now), now, &mut woken);
        let down_since = page.down_since;
        for who in woken {
            self.judge(who, crate::judge::Evidence::Venue { down_since, now });
        }
    }

    /// Lets time pass: alerts end, and those that had to be silent may speak again.
    pub fn pass(&mut self, now: Timestamp) {
        while let Some((at, slot)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, slot));
            let Some(held) = self.held[slot as usize].as_mut() else { continue };
            held.timer = None;
            if held.is_writing {
                continue;
            }
            if held.alert.spec.expires_at.is_some_and(|at| at <= now) {
                let alert = held.alert.clone();
                self.remove(alert.id);
                self.expire(&alert);
                continue;
            }
            self.unpark(slot, now);
        }
    }

    /// What fired since it was last asked.
    pub fn take_fired(&mut self) -> Vec<Fired> {
        std::mem::take(&mut self.fired)
    }

    /// What ended since it was last asked.
    pub fn take_expired(&mut self) -> Vec<Expired> {
        std::mem::take(&mut self.expired)
    }

    /// That an alert fired is written: it goes on, or ends.
    pub fn written(&mut self, fired: &Fired) {
        let id = fired.firing.alert_id;
        let Some(slot) = self.by_id.get(&id).copied() else { return };
        let Some(held) = self.held[slot as usize].as_mut() else { return };
        if !held.is_writing || held.alert.revision != fired.revision || held.alert.fire_seq != fired.fire_seq
        {
            return;
        }
        if !fired.is_open {
            self.remove(id);
            return;
        }
        held.is_writing = false;
        held.alert.fire_seq += 1;
        held.alert.progress = fired.progress.clone();
        self.place_all(slot);
    }

    /// Progress that is to be kept, at most so much of it.
    pub fn take_progress(&mut self, most: usize) -> Vec<AlertProgress> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(slot) = self.dirty.pop()
        {
            let Some(held) = self.held[slot as usize].as_mut() else { continue };
            if !std::mem::take(&mut held.is_dirty) || held.is_writing {
                continue;
            }
            let alert = &held.alert;
            all.push(AlertProgress {
                alert_id: alert.id,
                revision: alert.revision,
                fire_seq: alert.fire_seq,
                progress: alert.progress.to_json(),
            });
        }
        all
    }

    /// Progress that could not be kept is to be kept later, as it is then.
    pub fn give_back(&mut self, progress: &[AlertProgress]) {
        for one in progress {
            if let Some(slot) = self.by_id.get(&one.alert_id).copied() {
                self.mark_dirty(slot);
            }
        }
    }

    /// The pairs that somebody waits for.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pages.iter().filter(|page| page.alerts > 0).map(|page| &page.pair)
    }

    /// The venues that somebody waits for.
    pub fn venues(&self) -> impl Iterator<Item = &VenueId> {
        self.venues.keys()
    }

    /// What is needed of the past and was not told yet.
    pub fn needs(&self, now: Timestamp) -> Vec<Need> {
        let of = |page: &Page| {
            let (windows_ms, references) = page.needs(now);
            let is_needed = references.is_some() || !windows_ms.is_empty();
            is_needed.then(|| Need { pair: page.pair.clone(), windows_ms, references })
        };
        self.pages.iter().filter(|page| page.alerts > 0).filter_map(of).collect()
    }

    /// Tells a window what was before it was watched: times, lowest and highest values, the oldest first.
    pub fn tell_window(&mut self, pair: &Pair, within_ms: i64, older: &[(Timestamp, Decimal, Decimal)]) {
        if let Some(at) = self.by_pair.get(pair) {
            self.pages[*at as usize].precede(within_ms, older);
        }
    }

    /// Tells values of yesterday, the oldest first, all there are up to `until`; what was told before is passed over.
    pub fn tell_references(
        &mut self,
        pair: &Pair,
        points: impl Iterator<Item = (Timestamp, Decimal)>,
        until: Timestamp,
    ) {
        if let Some(at) = self.by_pair.get(pair) {
            self.pages[*at as usize].extend_references(points, until);
        }
    }

    /// Whether something is to be written.
    pub fn has_work(&self) -> bool {
        !self.fired.is_empty() || !self.dirty.is_empty() || !self.expired.is_empty()
    }

    /// Whether something fired and was not taken yet.
    pub fn has_fired(&self) -> bool {
        !self.fired.is_empty()
    }

    /// One alert, as the book has it.
    pub fn alert(&self, id: i64) -> Option<&Alert> {
        let slot = self.by_id.get(&id)?;
        self.held[*slot as usize].as_ref().map(|held| &held.alert)
    }

    /// Ids of all alerts, in no order.
    pub fn ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.by_id.keys().copied()
    }

    /// How many alerts there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn mark_dirty(&mut self, slot: u32) {
        if let Some(held) = self.held[slot as usize].as_mut()
            && !std::mem::replace(&mut held.is_dirty, true)
        {
            self.dirty.push(slot);
        }
    }

    pub(crate) fn note_dirty(&mut self, held: &mut Held, slot: u32) {
        if !std::mem::replace(&mut held.is_dirty, true) {
            self.dirty.push(slot);
        }
    }

    fn expire(&mut self, alert: &Alert) {
        let (id, owner, revision) = (alert.id, alert.owner.clone(), alert.revision);
        self.expired.push(Expired { id, owner, revision });
    }

    /// Puts every gate of an alert where it waits.
    fn place_all(&mut self, slot: u32) {
        let Some(held) = self.held[slot as usize].take() else { return };
        for side in held.alert.spec.condition.sides() {
            self.place_gate(&held, slot, *side);
        }
        self.held[slot as usize] = Some(held);
        self.set_timer(slot);
    }

    pub(crate) fn place_gate(&mut self, held: &Held, slot: u32, side: Side) {
        let who = who(slot, side);
        let gate = held.alert.gate(side);
        if gate == Gate::Unknown {
            let measure = held.alert.measure(side);
            match held.page {
                Some(page) => self.pages[page as usize].insert_unknown(measure, who),
                None => self.with_venue(held, |page| page.insert_unknown(who)),
            }
        } else if let Some(place) = held.alert.place(side, gate) {
            match held.page {
                Some(page) => self.pages[page as usize].insert(place, who),
                None => self.with_venue(held, |page| page.insert(place.way, place.key, who)),
            }
        }
    }

    fn unplace_all(&mut self, slot: u32) {
        let Some(held) = self.held[slot as usize].take() else { return };
        for side in held.alert.spec.condition.sides() {
            self.unplace_gate(&held, slot, *side);
        }
        self.held[slot as usize] = Some(held);
    }

    pub(crate) fn unplace_gate(&mut self, held: &Held, slot: u32, side: Side) {
        let who = who(slot, side);
        let gate = held.alert.gate(side);
        if gate == Gate::Unknown {
            let measure: Measure = held.alert.measure(side);
            match held.page {
                Some(page) => self.pages[page as usize].remove_unknown(measure, who),
                None => self.with_venue(held, |page| page.remove_unknown(who)),
            }
        } else if let Some(place) = held.alert.place(side, gate) {
            match held.page {
                Some(page) => self.pages[page as usize].remove(place, who),
                None => self.with_venue(held, |page| page.remove(place.way, place.key, who)),
            }
        }
    }

    fn with_venue(&mut self, held: &Held, what: impl FnOnce(&mut VenuePage)) {
        if let Some(venue) = held.alert.venue()
            && let Some(page) = self.venues.get_mut(venue)
        {
            what(page);
        }
    }

    fn set_timer(&mut self, slot: u32) {
        let Some(mut held) = self.held[slot as usize].take() else { return };
        self.set_timer_of(&mut held, slot);
        self.held[slot as usize] = Some(held);
    }

    /// Sets the next time at which the alert changes without anything being seen.
    pub(crate) fn set_timer_of(&mut self, held: &mut Held, slot: u32) {
        let next = held.next_at();
        if let Some(before) = std::mem::replace(&mut held.timer, next) {
            self.timers.remove(&(before, slot));
        }
        if let Some(next) = next {
            self.timers.insert((next, slot));
        }
    }

    fn unpark(&mut self, slot: u32, now: Timestamp) {
        let Some(mut held) = self.held[slot as usize].take() else { return };
        if held.alert.blocked_until().is_none_or(|at| at <= now) {
            for side in held.alert.spec.condition.sides() {
                if std::mem::take(&mut held.parked[index(*side)]) {
                    self.place_gate(&held, slot, *side);
                }
            }
        }
        self.held[slot as usize] = Some(held);
        self.set_timer(slot);
    }
}

impl Held {
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let parked = self.parked.contains(&true).then(|| self.alert.blocked_until()).flatten();
        [parked, self.alert.spec.expires_at].into_iter().flatten().min()
    }
}

pub(crate) fn index(side: Side) -> usize {
    usize::from(side == Side::Below)
}

/// A gate by a number.
pub(crate) fn who(slot: u32, side: Side) -> u32 {
    slot * 2 + u32::from(side == Side::Below)
}

pub(crate) fn gate_of(who: u32) -> (u32, Side) {
    (who / 2, if who.is_multiple_of(2) { Side::Above } else { Side::Below })
}
