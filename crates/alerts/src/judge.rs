//! What a gate does when it is woken: it learns its side, gets ready again, is passed over, or fires.
//! It must not know how it came to be woken, nor what is done with what fired.

use crate::{
    Condition, Fired, Firing, Gate, Offline, Seen, Side,
    alert::Place,
    book::{Book, Held, gate_of, index},
};
use market::{RateState, Timestamp};

/// What woke it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Evidence<'a> {
    /// A rate of its pair.
    Rate(&'a Seen),
    /// The state of its venue.
    Venue { down_since: Option<Timestamp>, now: Timestamp },
}

impl Evidence<'_> {
    fn at(&self) -> Timestamp {
        match self {
            Evidence::Rate(seen) => seen.at,
            Evidence::Venue { now, .. } => *now,
        }
    }
}

impl Book {
    /// Judges a gate that was taken out of its ladder, and puts it where it waits next.
    pub(crate) fn judge(&mut self, who: u32, by: Evidence<'_>) {
        let (slot, side) = gate_of(who);
        let Some(mut held) = self.held.get_mut(slot as usize).and_then(Option::take) else { return };
        // What is being written is placed again afterwards; what is over ends by its timer.
        if !held.is_writing && held.alert.spec.expires_at.is_none_or(|at| at > by.at()) {
            self.judge_gate(&mut held, slot, side, by);
        }
        self.held[slot as usize] = Some(held);
    }

    fn judge_gate(&mut self, held: &mut Held, slot: u32, side: Side, by: Evidence<'_>) {
        let gate = held.alert.gate(side);
        if gate == Gate::Unknown {
            self.learn(held, slot, side, by);
        }
        let now = held.alert.gate(side);
        let is_beyond = held.alert.place(side, now).is_some_and(|place| self.is_beyond(held, place, by));
        match now {
            Gate::Away if is_beyond => {
                held.alert.set_gate(side, Gate::Ready);
                self.note_dirty(held, slot);
                self.place_gate(held, slot, side);
            }
            Gate::Ready if is_beyond => match held.alert.blocked_until().filter(|until| *until > by.at()) {
                None => self.fire(held, slot, side, gate == Gate::Ready, by),
                Some(_) if held.alert.is_level() => {
                    held.parked[index(side)] = true;
                    self.set_timer_of(held, slot);
                }
                Some(_) => {
                    held.alert.set_gate(side, Gate::Away);
                    self.note_dirty(held, slot);
                    self.place_gate(held, slot, side);
                }
            },
            _ => self.place_gate(held, slot, side),
        }
    }

    /// What the first good thing that is seen tells a gate.
    fn learn(&mut self, held: &mut Held, slot: u32, side: Side, by: Evidence<'_>) {
        if let Evidence::Rate(seen) = by {
            held.alert.progress.set_value.get_or_insert(seen.value);
        }
        match (&held.alert.spec.condition, by) {
            (Condition::Is { .. }, _) => held.alert.set_gate(side, Gate::Ready),
            (Condition::MoveFromNow { .. }, Evidence::Rate(seen)) => {
                held.alert.progress.anchor.get_or_insert(seen.value);
                held.alert.set_gate(side, Gate::Ready);
            }
            _ => {
                let beyond = held.alert.place(side, Gate::Ready);
                let is_beyond = beyond.is_some_and(|place| self.is_beyond(held, place, by));
                held.alert.set_gate(side, if is_beyond { Gate::Away } else { Gate::Ready });
            }
        }
        self.note_dirty(held, slot);
    }

    fn is_beyond(&mut self, held: &Held, place: Place, by: Evidence<'_>) -> bool {
        match by {
            Evidence::Rate(seen) => {
                held.page.is_some_and(|page| self.pages[page as usize].is_beyond(place, seen))
            }
            Evidence::Venue { now, .. } => held
                .alert
                .venue()
                .and_then(|venue| self.venues.get(venue))
                .is_some_and(|page| page.is_beyond(place, now)),
        }
    }

    /// `was_ready`: it waited, and did not only learn now where it stands.
    fn fire(&mut self, held: &mut Held, slot: u32, side: Side, was_ready: bool, by: Evidence<'_>) {
        let at = by.at();
        let is_first = was_ready && held.loaded_at.is_some_and(|seen| self.seen_by(held) == seen + 1);
        let alert = &held.alert;
        let measure = alert.measure(side);
        let offline = is_first.then(|| {
            let known = [Some(alert.created_at), self.watched_until, alert.progress.fired_at];
            Offline { from: known.into_iter().flatten().max().unwrap_or(at).min(at), to: at }
        });
        let mut firing = Firing {
            v: 1,
            alert_id: alert.id,
            fire_seq: alert.fire_seq + 1,
            pair: alert.spec.pair.clone(),
            condition: alert.spec.condition.clone(),
            side,
            value: None,
            state: None,
            sources_used: 0,
            sources_total: 0,
            at,
            set_value: alert.progress.set_value,
            change_pct: None,
            measured_pct: None,
            down_since: None,
            offline,
            repeat: alert.spec.repeat,
            is_urgent: alert.spec.is_urgent,
            demo: self.demo,
        };
        let mut progress = alert.progress.clone();
        progress.fired_at = Some(at);
        match side {
            Side::Above => progress.up = Gate::Away,
            Side::Below => progress.down = Gate::Away,
        }
        match by {
            Evidence::Venue { down_since, .. } => firing.down_since = down_since,
            Evidence::Rate(seen) => {
                firing.value = Some(seen.value);
                firing.state = Some(RateState::Fresh);
                (firing.sources_used, firing.sources_total) = (seen.sources_used, seen.sources_total);
                firing.change_pct = alert.progress.change_pct(seen.value);
                firing.measured_pct = match (&alert.spec.condition, held.page) {
                    (Condition::MoveFromNow { .. }, _) => alert.progress.anchor.and_then(|anchor| {
                        let anchor = anchor.decimal();
                        crate::alert::per_cent_of(seen.value.decimal().checked_sub(anchor)?, anchor)
                    }),
                    (_, Some(page)) => self.pages[page as usize].measured_pct(measure, seen),
                    _ => None,
                };
                if matches!(alert.spec.condition, Condition::MoveFromNow { .. }) {
                    progress.anchor = Some(seen.value);
                    (progress.up, progress.down) = (Gate::Ready, Gate::Ready);
                }
            }
        }
        self.fired.push(Fired {
            firing,
            owner: alert.owner.clone(),
            target: alert.target.clone(),
            quiet: alert.spec.quiet.clone(),
            revision: alert.revision,
            fire_seq: alert.fire_seq,
            progress,
            is_open: alert.spec.repeat,
        });
        for other in held.alert.spec.condition.sides() {
            self.unplace_gate(held, slot, *other);
        }
        held.is_writing = true;
        held.parked = [false; 2];
        if let Some(timer) = held.timer.take() {
            self.timers.remove(&(timer, slot));
        }
    }

    /// How many times the alert's pair or venue was seen.
    fn seen_by(&self, held: &Held) -> u64 {
        match held.page {
            Some(page) => self.pages.get(page as usize).map_or(0, |page| page.seen),
            None => held.alert.venue().and_then(|venue| self.venues.get(venue)).map_or(0, |page| page.seen),
        }
    }
}
