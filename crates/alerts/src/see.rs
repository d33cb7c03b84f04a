//! Rates and venues from the board into the book, and what a pair is worth to one who sets an alert.
//! It must not know the store.

use crate::{Seen, run::Watch};
use board::{Board, Next};
use market::{ConnectionState, Pair, Price, VenueId};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// Every rate that changes.
pub(crate) async fn follow_rates(watch: &Watch, stop: &CancellationToken) {
    let (mut changes, _) = watch.parts.board.changes();
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = changes.next() => next,
        };
        match next {
            Next::Change(change) => {
                if let Some(pair) = &change.pair {
                    see(watch, pair);
                }
            }
            Next::Missed => see_all(watch),
            Next::Closed => return,
        }
    }
}

/// What is not told as a change: that time passes, crosses that nobody asks for, silent venues.
pub(crate) async fn look(watch: &Watch, stop: &CancellationToken) {
    let mut timer = tokio::time::interval(watch.settings.look_every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        let now = watch.parts.clock.now();
        watch.with(|book| book.pass(now));
        see_all(watch);
        see_venues(watch);
        metrics::gauge!("rates_alerts_open").set(watch.book.lock().len() as f64);
    }
}

/// What a pair is worth now, if that is good enough to set an alert by: as good as what alerts fire on.
pub fn value_now(board: &Board, pair: &Pair) -> Option<Price> {
    let answer = board.answer(pair)?;
    Seen::of(&answer.rate, board.clock().now()).map(|seen| seen.value)
}

fn see(watch: &Watch, pair: &Pair) {
    let Some(answer) = watch.parts.board.answer(pair) else { return };
    let now = watch.parts.clock.now();
    if let Some(seen) = Seen::of(&answer.rate, now) {
        watch.with(|book| book.see(pair, &seen));
    }
}

/// Every pair that somebody waits for. Seen again unchanged, a rate changes nothing.
fn see_all(watch: &Watch) {
    let pairs: Vec<Pair> = watch.book.lock().pairs().cloned().collect();
    for pair in &pairs {
        see(watch, pair);
    }
}

fn see_venues(watch: &Watch) {
    let waited_for: Vec<VenueId> = watch.book.lock().venues().cloned().collect();
    if waited_for.is_empty() {
        return;
    }
    let views = watch.parts.board.venues();
    let known: BTreeMap<&VenueId, _> = views.iter().map(|view| (&view.status.venue, view)).collect();
    let now = watch.parts.clock.now();
    for venue in &waited_for {
        let is_down = match known.get(venue) {
            // Nobody has spoken of it since we are here: whoever asks it is away, too.
            None => true,
            Some(view) if view.unknown => true,
            // One without connections is not asked for anything: that is no failure of it.
            Some(view) if view.status.connections.is_empty() => continue,
            Some(view) => !view.status.connections.iter().any(|c| c.state == ConnectionState::Live),
        };
        watch.with(|book| book.see_venue(venue, is_down, now));
    }
}
