//! What is said when an alert fires: the body of its row in the outbox, whoever sends it.
//! It must not know languages, nor how it is sent.

use crate::{Condition, Side};
use market::{Pair, Price, RateState, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An alert that fired. Prices and percentages are strings, times milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The version of this shape: 1.
    pub v: u32,
    /// Which alert.
    pub alert_id: i64,
    /// Its how-manieth firing, from 1. With `alert_id` it names the firing, however often it is sent.
    pub fire_seq: i64,
    /// On which pair; on none where a venue is watched.
    pub pair: Option<Pair>,
    /// What came true.
    pub condition: Condition,
    /// Which way: of a condition with both directions, the one that fired.
    pub side: Side,
    /// The value that made it fire.
    pub value: Option<Price>,
    /// The state of the rate: always fresh; `None` where a venue is watched.
    pub state: Option<RateState>,
    /// How many venues made the value.
    pub sources_used: u32,
    /// How many quote the pair.
    pub sources_total: u32,
    /// When it came true, by our clock.
    pub at: Timestamp,
    /// What the value was when the alert was set.
    pub set_value: Option<Price>,
    /// How far it is from that, in per cent, with its sign, to four digits.
    pub change_pct: Option<Decimal>,
    /// What was measured where the condition is in per cent: the move, the change or the spread.
    pub measured_pct: Option<Decimal>,
    /// Since when the venue is down.
    pub down_since: Option<Timestamp>,
    /// It came true while nobody watched: some time between these two.
    pub offline: Option<Offline>,
    /// Whether the alert stays open and may fire again.
    pub repeat: bool,
    /// Whether it was told in spite of quiet hours.
    pub is_urgent: bool,
    /// Whether the price is invented.
    pub demo: bool,
}

/// While nobody watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offline {
    /// When the value was last seen on the other side.
    pub from: Timestamp,
    /// When it was first seen beyond.
    pub to: Timestamp,
}

impl Firing {
    /// The kind of its row in the outbox.
    pub const KIND: &'static str = "fired";

    /// Reads the body of an outbox row.
    pub fn from_json(text: &str) -> Result<Firing, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The body of an outbox row.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
