//! Follows the ticks and the rates, and hands each to those who keep it.
//! It must not know how anything is kept.

use crate::{
    Parts, Settings,
    candles::{Heard, Shared},
    last::Last,
    publish::{Publisher, Turn},
};
use board::Next;
use broker::Delivery;
use market::{Pair, Price, RateState, Sign, Source, Tick, TickBatch, Timestamp, VenueId};
use rust_decimal::Decimal;
use std::{collections::HashMap, time::Duration};
use tokio_util::sync::CancellationToken;

/// Before a broker that gave no subscription is asked again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);

/// Every tick goes to the cache and into its venue's candles. Subscribes again for ever.
pub(crate) async fn follow_ticks(parts: &Parts, last: &Last, accounts: &Shared, stop: &CancellationToken) {
    let mut seen: HashMap<(VenueId, Pair), Source> = HashMap::new();
    while !stop.is_cancelled() {
        let Ok(mut subscription) = parts.broker.subscribe().await else {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SUBSCRIBE_AGAIN) => continue,
            }
        };
        loop {
            let delivery = tokio::select! {
                () = stop.cancelled() => return,
                delivery = subscription.next() => delivery,
            };
            match delivery {
                Some(Delivery::Ticks(batch)) => {
                    last.add(&batch.venue, &batch.ticks);
                    record(&batch, &mut seen, accounts, parts.clock.now());
                }
                Some(Delivery::Status(_)) => {}
                None => break,
            }
        }
    }
}

fn record(batch: &TickBatch, seen: &mut HashMap<(VenueId, Pair), Source>, accounts: &Shared, now: Timestamp) {
    accounts.with(|accounts| {
        for tick in &batch.ticks {
            let source = seen.entry((batch.venue.clone(), tick.pair.clone())).or_default();
            let is_new = source.apply(tick).any();
            if let Some((price, at)) = price(tick, source) {
                let heard = Heard { again_at: (!is_new).then_some(now) };
                accounts.add(Some(&batch.venue), &tick.pair, price, at, heard);
            }
        }
    });
}

/// A tick's price: the last price, else, at a venue that never says one, the middle of bid and ask.
fn price(tick: &Tick, source: &Source) -> Option<(Price, Timestamp)> {
    if let Some(last) = tick.last {
        return Some((last, tick.event_time()));
    }
    if source.last().is_some() {
        return None;
    }
    let sum = tick.bid?.decimal().checked_add(tick.ask?.decimal())?;
    let middle = sum.checked_mul(Decimal::new(5, 1))?;
    Some((Price::from_decimal(middle, Sign::Any).ok()?, tick.event_time()))
}

/// Every fresh rate goes into our own candles, and out to everyone else.
pub(crate) async fn follow_rates(
    parts: &Parts,
    accounts: &Shared,
    settings: &Settings,
    turn: &Turn,
    stop: &CancellationToken,
) {
    let mut publisher = Publisher::new(parts, turn);
    let (mut changes, _) = parts.board.changes();
    let mut ticks = tokio::time::interval(settings.publish_every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {
                publisher.publish();
                continue;
            }
            next = changes.next() => next,
        };
        match next {
            Next::Change(change) => {
                if let Some(pair) = &change.pair {
                    rated(parts, accounts, pair);
                    publisher.changed(pair);
                }
            }
            Next::Missed => {
                for answer in parts.board.answers() {
                    rated(parts, accounts, &answer.rate.pair);
                    publisher.changed(&answer.rate.pair);
                }
            }
            Next::Closed => return,
        }
    }
}

fn rated(parts: &Parts, accounts: &Shared, pair: &Pair) {
    let Some(answer) = parts.board.answer(pair) else { return };
    let rate = &answer.rate;
    if let (RateState::Fresh, Some(value), Some(at)) = (rate.state, rate.value, rate.event_time) {
        accounts.with(|accounts| accounts.add(None, pair, value, at, Heard::default()));
    }
}
