//! How far an alert is: which of its gates are ready, where it was set, when it last fired. What the store keeps of it.
//! It must not know how it is kept, nor read the clock.

use market::{Price, Timestamp};
use serde::{Deserialize, Serialize};

/// One way in which an alert can fire: most have one, a move in either direction has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing good was seen since it was set: the first value that counts decides.
    #[default]
    Unknown,
    /// The value was last seen on this side of the threshold: going beyond fires.
    Ready,
    /// The value is, or was, beyond: it must come back first.
    Away,
}

/// How far an alert is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// The gate that fires upward (`above`, up, apart, down for too long).
    #[serde(default)]
    pub up: Gate,
    /// The gate that fires downward.
    #[serde(default)]
    pub down: Gate,
    /// What the value was when the alert was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_value: Option<Price>,
    /// What a move from now counts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Price>,
    /// When it last fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Timestamp>,
    /// Of which pair and condition this is the progress, by a number: whoever changes those and forgets this has not
    /// left gates behind that belong to another threshold. Zero = not said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub of: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Progress {
    /// Reads the store's JSON; what is none counts as not begun.
    pub fn from_json(text: &str) -> Progress {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The JSON that the store keeps.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
