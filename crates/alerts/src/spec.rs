//! What somebody asked to be told: a condition on a pair, and how often and how insistently to say it.
//! It must not know rates, nor how it is kept, nor who is told. The JSON shapes here are those of the interface and of the store.

use crate::Quiet;
use market::{Pair, Price, Timestamp, VenueId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Above or below a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Strictly above.
    Above,
    /// Strictly below.
    Below,
}

/// Which moves count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Only up.
    Up,
    /// Only down.
    Down,
    /// Both.
    #[default]
    Either,
}

/// What must come true. Percentages are decimals in strings, as prices are: `"5"` is five per cent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    /// The value comes from the other side; if it is there already, it must leave first.
    /// `{"kind":"cross","side":"above","threshold":"70000"}`
    Cross {
        /// To which side.
        side: Side,
        /// Of what.
        threshold: Price,
    },
    /// The value is there, however it came: fires at once if it is there already.
    /// `{"kind":"is","side":"below","threshold":"60000"}`
    Is {
        /// On which side.
        side: Side,
        /// Of what.
        threshold: Price,
    },
    /// The value is so far from the lowest (up) or the highest (down) value of the last `within_ms`.
    /// `{"kind":"move","direction":"either","pct":"5","within_ms":3600000}`
    Move {
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How far, in per cent.
        pct: Decimal,
        /// Within what time.
        within_ms: i64,
    },
    /// The value is so far from where it was when the alert was set, and then from where it was when it last fired.
    /// `{"kind":"move_from_now","direction":"down","pct":"5"}`
    MoveFromNow {
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How far, in per cent.
        pct: Decimal,
    },
    /// The value is so far from what it was 24 hours ago.
    /// `{"kind":"change_24h","direction":"up","pct":"10"}`
    #[serde(rename = "change_24h")]
    Change24h {
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How far, in per cent.
        pct: Decimal,
    },
    /// The venues that make the rate are further apart than this, (highest - lowest) / median. More than 10 % is a
    /// dispute, and on a disputed rate no alert fires. `{"kind":"spread","pct":"1"}`
    Spread {
        /// How far apart, in per cent.
        pct: Decimal,
    },
    /// No connection to a venue has been live for so long. The only condition without a pair.
    /// `{"kind":"source_down","venue":"…","for_ms":180000}`
    SourceDown {
        /// Which venue.
        venue: VenueId,
        /// For how long.
        for_ms: i64,
    },
}

/// An alert as it was asked for. Only `condition`, and a `pair` where it needs one, must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// On which pair; on none where a venue is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    /// What must come true.
    pub condition: Condition,
    /// Whether it fires again and again; else once.
    #[serde(default)]
    pub repeat: bool,
    /// How far back beyond the threshold it must go before it may fire again, in per cent of the threshold.
    #[serde(default = "Spec::hysteresis_pct_default")]
    pub hysteresis_pct: Decimal,
    /// How long it is silent after it was last delivered.
    #[serde(default = "Spec::cooldown_ms_default")]
    pub cooldown_ms: i64,
    /// When it ends unfired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Until when it is silent because somebody asked for peace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// Whether it is told in quiet hours too.
    #[serde(default)]
    pub is_urgent: bool,
    /// Quiet hours of its own; a chat's are kept with the chat, and count where these are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
}

/// Why a spec cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The JSON is none, or lacks something.
    #[error("not an alert: {0}")]
    Json(String),
    /// A pair is missing.
    #[error("pair: missing")]
    PairMissing,
    /// A value is out of its range.
    #[error("{field}: {reason}")]
    Range {
        /// Which.
        field: &'static str,
        /// What it must be.
        reason: &'static str,
    },
}

impl Spec {
    /// The shortest `within_ms` and `for_ms`.
    pub const WITHIN_MS_MIN: i64 = 60_000;
    /// The longest.
    pub const WITHIN_MS_MAX: i64 = 7 * 86_400_000;
    /// The longest cooldown.
    pub const COOLDOWN_MS_MAX: i64 = 366 * 86_400_000;

    /// On the usual terms: once, 0.1 % of hysteresis, 15 minutes of cooldown.
    pub fn new(pair: Option<Pair>, condition: Condition) -> Spec {
        Spec {
            pair,
            condition,
            repeat: false,
            hysteresis_pct: Self::hysteresis_pct_default(),
            cooldown_ms: Self::cooldown_ms_default(),
            expires_at: None,
            snoozed_until: None,
            is_urgent: false,
            quiet: None,
        }
    }

    /// 0.1
    pub fn hysteresis_pct_default() -> Decimal {
        Decimal::new(1, 1)
    }

    /// 15 minutes.
    pub fn cooldown_ms_default() -> i64 {
        15 * 60_000
    }

    /// Reads JSON and checks it.
    pub fn from_json(text: &str) -> Result<Spec, SpecError> {
        let spec: Spec = serde_json::from_str(text).map_err(|error| SpecError::Json(error.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// The JSON that the store keeps.
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to serialise: no maps with odd keys, no floating point.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether everything is within its range.
    pub fn check(&self) -> Result<(), SpecError> {
        let range =
            |ok: bool, field, reason| if ok { Ok(()) } else { Err(SpecError::Range { field, reason }) };
        let is_venue = matches!(self.condition, Condition::SourceDown { .. });
        if self.pair.is_none() && !is_venue {
            return Err(SpecError::PairMissing);
        }
        range(!(self.pair.is_some() && is_venue), "pair", "a venue is watched as a whole, without a pair")?;
        let pct = |pct: &Decimal, direction: Direction| {
            range(*pct > Decimal::ZERO && *pct <= Decimal::from(1_000), "pct", "above 0, at most 1000")?;
            let falls = direction != Direction::Up;
            range(!falls || *pct < Decimal::ONE_HUNDRED, "pct", "nothing falls by 100 % or more")
        };
        let span = |ms: &i64, field| {
            let ok = (Self::WITHIN_MS_MIN..=Self::WITHIN_MS_MAX).contains(ms);
            range(ok, field, "from one minute to seven days")
        };
        match &self.condition {
            Condition::Cross { .. } | Condition::Is { .. } => {}
            Condition::Move { direction, pct: far, within_ms } => {
                pct(far, *direction)?;
                span(within_ms, "within_ms")?;
            }
            Condition::MoveFromNow { direction, pct: far } | Condition::Change24h { direction, pct: far } => {
                pct(far, *direction)?;
            }
            Condition::Spread { pct } => range(
                *pct > Decimal::ZERO && *pct < Decimal::TEN,
                "pct",
                "above 0, below 10: beyond that the venues are in dispute, and no alert fires",
            )?,
            Condition::SourceDown { for_ms, .. } => span(for_ms, "for_ms")?,
        }
        let hysteresis = self.hysteresis_pct >= Decimal::ZERO && self.hysteresis_pct <= Decimal::from(50);
        range(hysteresis, "hysteresis_pct", "from 0 to 50")?;
        range((0..=Self::COOLDOWN_MS_MAX).contains(&self.cooldown_ms), "cooldown_ms", "from 0 to 366 days")
    }
}
