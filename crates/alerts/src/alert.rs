//! One alert as it is watched: its row, read; where its gates wait; when it may fire again.
//! It must not know other alerts, nor read the clock.

use crate::{Condition, Direction, Gate, Progress, Side, Spec, SpecError, ladder::Way};
use compact_str::CompactString;
use market::{Pair, PairError, Price, Timestamp, VenueId};
use rust_decimal::Decimal;
use store::AlertRow;

/// An alert as it is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub id: i64,
    /// Whose: a column of the store.
    pub owner: CompactString,
    /// Who is told: a column of the store.
    pub target: CompactString,
    /// What was asked for.
    pub spec: Spec,
    /// How far it is.
    pub progress: Progress,
    /// How often it has fired.
    pub fire_seq: i64,
    /// Another number after every change of what it is.
    pub revision: i64,
    /// When its last message was delivered.
    pub delivered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Why a row of the store is no alert.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// Its spec is none.
    #[error("spec: {0}")]
    Spec(#[from] SpecError),
    /// Its pair is none.
    #[error("pair: {0}")]
    Pair(#[from] PairError),
}

/// In which of a pair's ladders a gate waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The value itself.
    Value,
    /// The value, in per cent of yesterday's.
    Change,
    /// How far the venues are apart.
    Spread,
    /// The value, in per cent of the lowest within so many milliseconds.
    Rise(i64),
    /// The value, in per cent of the highest.
    Fall(i64),
    /// For how long the venue has been down.
    Down,
}

/// Where a gate waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub measure: Measure,
    pub way: Way,
    pub key: Decimal,
}

impl Alert {
    /// Reads a row. The pair of the column counts, so that a foreign client may write it there alone.
    pub fn from_row(row: &AlertRow) -> Result<Alert, AlertError> {
        let mut spec: Spec = serde_json::from_str(&row.spec).map_err(|e| SpecError::Json(e.to_string()))?;
        if !row.pair.trim().is_empty() {
            spec.pair = Some(Pair::parse(&row.pair)?);
        }
        spec.check()?;
        let mut progress = Progress::from_json(&row.progress);
        if progress.of != 0 && progress.of != number_of(&spec) {
            progress = Progress::default();
        }
        progress.begin(&spec);
        Ok(Alert {
            id: row.id,
            owner: row.owner.as_str().into(),
            target: row.target.as_str().into(),
            spec,
            progress,
            fire_seq: row.fire_seq,
            revision: row.revision,
            delivered_at: row.delivered_at,
            created_at: row.created_at,
        })
    }

    /// Until when it does not fire: while it is snoozed, and for the cooldown after it was last told. What has fired
    /// and is not yet told counts from its firing, so that a messenger that is away is not flooded on its return.
    pub(crate) fn blocked_until(&self) -> Option<Timestamp> {
        let told = self.progress.fired_at.max(self.delivered_at.filter(|_| self.progress.fired_at.is_some()));
        self.spec.snoozed_until.max(told.map(|at| at.plus_millis(self.spec.cooldown_ms)))
    }

    /// Whether going beyond is all that counts (then a time in which it may not fire is waited for), or coming from
    /// the other side (then what happens in such a time is passed over).
    pub(crate) fn is_level(&self) -> bool {
        matches!(self.spec.condition, Condition::Is { .. } | Condition::MoveFromNow { .. })
    }

    pub(crate) fn gate(&self, side: Side) -> Gate {
        match side {
            Side::Above => self.progress.up,
            Side::Below => self.progress.down,
        }
    }

    pub(crate) fn set_gate(&mut self, side: Side, gate: Gate) {
        match side {
            Side::Above => self.progress.up = gate,
            Side::Below => self.progress.down = gate,
        }
    }

    /// Where a gate waits in this state; `None` for what cannot be reached.
    pub(crate) fn place(&self, side: Side, gate: Gate) -> Option<Place> {
        let place = |measure, way, key| Some(Place { measure, way, key });
        let is_ready = gate == Gate::Ready;
        // Per cents: beyond them, and back within them by the hysteresis.
        let per_cent = |measure, pct: Decimal| {
            let (there, back) = match side {
                Side::Above => (Way::Up, Way::Down),
                Side::Below => (Way::Down, Way::Up),
            };
            let within = pct.checked_sub(self.hysteresis_of(pct)?)?;
            if is_ready { place(measure, there, pct) } else { place(measure, back, -within) }
        };
        match &self.spec.condition {
            Condition::Cross { threshold, .. } | Condition::Is { threshold, .. } => {
                let threshold = threshold.decimal();
                // Until it has fired, the plain other side is back enough.
                let is_first = self.progress.fired_at.is_none();
                let back = if is_first { Decimal::ZERO } else { self.hysteresis_of(threshold)? };
                match (side, is_ready) {
                    (Side::Above, true) => place(Measure::Value, Way::Up, threshold),
                    (Side::Above, false) => place(Measure::Value, Way::Down, -threshold.checked_sub(back)?),
                    (Side::Below, true) => place(Measure::Value, Way::Down, -threshold),
                    (Side::Below, false) => place(Measure::Value, Way::Up, threshold.checked_add(back)?),
                }
            }
            Condition::MoveFromNow { pct, .. } => {
                let anchor = self.progress.anchor?.decimal();
                let far = anchor.abs().checked_mul(*pct)?.checked_div(Decimal::ONE_HUNDRED)?;
                match side {
                    Side::Above => place(Measure::Value, Way::Up, anchor.checked_add(far)?),
                    Side::Below => place(Measure::Value, Way::Down, -anchor.checked_sub(far)?),
                }
            }
            Condition::Change24h { pct, .. } => per_cent(Measure::Change, *pct),
            Condition::Move { pct, within_ms, .. } => match side {
                Side::Above => per_cent(Measure::Rise(*within_ms), *pct),
                Side::Below => per_cent(Measure::Fall(*within_ms), *pct),
            },
            Condition::Spread { pct } => per_cent(Measure::Spread, *pct),
            // A venue that is up measures below zero: only that is back.
            Condition::SourceDown { for_ms, .. } if is_ready => {
                place(Measure::Down, Way::Up, Decimal::from(*for_ms))
            }
            Condition::SourceDown { .. } => place(Measure::Down, Way::Down, Decimal::ZERO),
        }
    }

    /// The venue that is watched, if it is one.
    pub(crate) fn venue(&self) -> Option<&VenueId> {
        match &self.spec.condition {
            Condition::SourceDown { venue, .. } => Some(venue),
            _ => None,
        }
    }

    /// In which ladder a gate waits that knows nothing yet.
    pub(crate) fn measure(&self, side: Side) -> Measure {
        match &self.spec.condition {
            Condition::Cross { .. } | Condition::Is { .. } | Condition::MoveFromNow { .. } => Measure::Value,
            Condition::Change24h { .. } => Measure::Change,
            Condition::Move { within_ms, .. } if side == Side::Above => Measure::Rise(*within_ms),
            Condition::Move { within_ms, .. } => Measure::Fall(*within_ms),
            Condition::Spread { .. } => Measure::Spread,
            Condition::SourceDown { .. } => Measure::Down,
        }
    }

    /// The hysteresis of a threshold, as a distance.
    fn hysteresis_of(&self, threshold: Decimal) -> Option<Decimal> {
        threshold.abs().checked_mul(self.spec.hysteresis_pct)?.checked_div(Decimal::ONE_HUNDRED)
    }
}

impl Condition {
    /// The ways in which it can fire.
    pub fn sides(&self) -> &'static [Side] {
        let directed = |direction: &Direction| -> &'static [Side] {
            match direction {
                Direction::Up => &[Side::Above],
                Direction::Down => &[Side::Below],
                Direction::Either => &[Side::Above, Side::Below],
            }
        };
        match self {
            Condition::Cross { side: Side::Above, .. } | Condition::Is { side: Side::Above, .. } => {
                &[Side::Above]
            }
            Condition::Cross { .. } | Condition::Is { .. } => &[Side::Below],
            Condition::Move { direction, .. }
            | Condition::MoveFromNow { direction, .. }
            | Condition::Change24h { direction, .. } => directed(direction),
            Condition::Spread { .. } | Condition::SourceDown { .. } => &[Side::Above],
        }
    }
}

impl Progress {
    /// The progress of a new alert, or of one whose condition was changed, or that is armed again: `value` is what the
    /// pair is worth now, if that is known and good. Then a crossing counts from this moment, watched or not.
    pub fn new(spec: &Spec, value: Option<Price>) -> Progress {
        let mut progress = Progress { set_value: value, ..Progress::default() };
        progress.begin(spec);
        progress
    }

    /// Lets a gate that knows nothing learn from the value that the alert was set at.
    pub(crate) fn begin(&mut self, spec: &Spec) {
        self.of = number_of(spec);
        let Some(value) = self.set_value.map(Price::decimal) else { return };
        match &spec.condition {
            Condition::Cross { side: Side::Above, threshold } if self.up == Gate::Unknown => {
                self.up = if value > threshold.decimal() { Gate::Away } else { Gate::Ready };
            }
            Condition::Cross { side: Side::Below, threshold } if self.down == Gate::Unknown => {
                self.down = if value < threshold.decimal() { Gate::Away } else { Gate::Ready };
            }
            Condition::MoveFromNow { .. } if self.anchor.is_none() => {
                self.anchor = self.set_value;
                (self.up, self.down) = (Gate::Ready, Gate::Ready);
            }
            _ => {}
        }
    }

    /// How far a value is from the one that the alert was set at, in per cent, to four digits.
    pub(crate) fn change_pct(&self, value: Price) -> Option<Decimal> {
        let set = self.set_value?.decimal();
        per_cent_of(value.decimal().checked_sub(set)?, set)
    }
}

/// A number for what the gates of an alert belong to (FNV-1a, 32 bits), never zero.
fn number_of(spec: &Spec) -> u32 {
    let pair = spec.pair.as_ref().map(Pair::to_string).unwrap_or_default();
    let bytes = pair.bytes().chain(spec.condition.to_string().into_bytes());
    bytes.fold(2_166_136_261, |sum: u32, byte| (sum ^ u32::from(byte)).wrapping_mul(16_777_619)).max(1)
}

/// `part` of `whole` in per cent, to four digits.
pub(crate) fn per_cent_of(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let pct = part.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(whole.abs())?;
    Some(pct.round_dp(4).normalize())
}
