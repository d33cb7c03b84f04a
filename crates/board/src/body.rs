//! An answer as bytes: the JSON object of the contract, made once per change.
//! It must not know who reads it; the age is left to the reader, since it grows by itself.

use crate::Answer;
use bytes::Bytes;
use market::{Pair, Price, Rate, Timestamp, VenueId};
use serde::Serialize;
use std::{cell::RefCell, hash::Hasher};

/// The members in the contract's order, up to the age.
#[derive(Serialize)]
struct Body<'a> {
    pair: &'a Pair,
    value: Option<Price>,
    basis: market::Basis,
    state: market::RateState,
    degraded: &'a [String],
    bid: Option<Price>,
    ask: Option<Price>,
    spread_pct: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Price>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<Price>,
    sources_used: u32,
    sources_total: u32,
    sources: &'a [VenueId],
    legs: &'a [market::Leg],
    venue_time: Option<Timestamp>,
    received_at: Option<Timestamp>,
    demo: bool,
}

/// The rate with its bytes and their ETag, which share one piece of memory of the right size.
pub(crate) fn answer(rate: Rate, demo: bool) -> Answer {
    SCRATCH.with_borrow_mut(|bytes| {
        write_body(bytes, &rate, demo);
        let mut hash = std::hash::DefaultHasher::new();
        hash.write(bytes);
        let length = bytes.len();
        bytes.extend_from_slice(format!("W/\"{:016x}\"", hash.finish()).as_bytes());
        let mut body = Bytes::copy_from_slice(bytes);
        let etag = body.split_off(length);
        Answer { rate, body, etag }
    })
}

thread_local! {
    /// Written to again and again, so that an answer costs no growing.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn write_body(mut bytes: &mut Vec<u8>, rate: &Rate, demo: bool) {
    let body = Body {
        pair: &rate.pair,
        value: rate.value,
        basis: rate.basis,
        state: rate.state,
        degraded: &rate.degraded,
        bid: rate.bid,
        ask: rate.ask,
        spread_pct: rate.spread_pct.map(|d| d.to_string()),
        low: rate.low,
        high: rate.high,
        sources_used: rate.sources_used,
        sources_total: rate.sources_total,
        sources: &rate.sources,
        legs: &rate.legs,
        venue_time: rate.venue_time,
        received_at: rate.received_at,
        demo,
    };
    bytes.clear();
    // Writing these types into memory has no way to fail; were there one, an empty object is no wrong answer.
    if serde_json::to_writer(&mut bytes, &body).is_err() || bytes.pop() != Some(b'}') {
        bytes.clear();
        bytes.push(b'{');
    } else {
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"age_ms\":");
}

/// The event of a stream that says an answer, with its age at this moment.
pub(crate) fn rate_event(boot: &str, number: u64, answer: &Answer, now: Timestamp) -> Bytes {
    let age = answer.age_ms(now).unwrap_or(0);
    SCRATCH.with_borrow_mut(|event| {
        event.clear();
        head(event, boot, number, "rate");
        event.extend_from_slice(&answer.body);
        event.extend_from_slice(age.to_string().as_bytes());
        event.extend_from_slice(b"}\n\n");
        Bytes::copy_from_slice(event)
    })
}

/// The event of a stream that says something else, on one line of JSON.
pub(crate) fn event(boot: &str, number: u64, kind: &str, json: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(json.len() + 80);
    head(&mut event, boot, number, kind);
    event.extend_from_slice(json);
    event.extend_from_slice(b"\n\n");
    Bytes::from(event.into_boxed_slice())
}

fn head(event: &mut Vec<u8>, boot: &str, number: u64, kind: &str) {
    event.extend_from_slice(format!("id: {boot}-{number}\nevent: {kind}\ndata: ").as_bytes());
}

impl Answer {
    /// How old the observation is that the value rests on; never below zero. `None` if there is none.
    pub fn age_ms(&self, now: Timestamp) -> Option<i64> {
        self.rate.event_time.map(|at| now.millis_since(at).max(0))
    }
}
