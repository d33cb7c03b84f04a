//! Alerts in words: what one waits for, how far away that is, on what terms.
//! It must not change an alert.

use crate::{
    card::View,
    chats::{Setting, pair_name},
    html::{escape, fill},
    moment, number,
};
use alerts::{Condition, Direction, Preview, Progress, Side, Spec, SpecError};
use market::Price;
use rust_decimal::Decimal;

/// An alert as far as its text goes.
pub(crate) struct AlertView<'a> {
    pub(crate) id: i64,
    pub(crate) spec: &'a Spec,
    pub(crate) progress: &'a Progress,
    /// What the pair is worth now, if that is known and good.
    pub(crate) value: Option<Price>,
    /// How often it would have fired, if that was asked and is known.
    pub(crate) past: Option<Preview>,
}

impl View<'_> {
    /// The message about one alert; `head` is that of a new one or of one that was changed.
    pub(crate) fn alert(&self, head: &str, alert: &AlertView<'_>) -> String {
        let (t, spec) = (self.language.texts(), alert.spec);
        let condition = self.condition(spec);
        let id = alert.id.to_string();
        let mut terms = Vec::new();
        if let Some(value) = alert.value {
            let price = number::price(value.decimal(), self.language);
            terms.push(match needs(spec, value).filter(|_| !is_there(spec, value)) {
                Some(needs) => {
                    let needs = number::signed_percent(needs, self.language);
                    fill(t.alert_now_needs, &[("price", &price), ("needs", &needs)])
                }
                None => fill(t.alert_now, &[("price", &price)]),
            });
        }
        terms.push(match (self.back(spec), spec.repeat) {
            (Some(back), false) => fill(t.alert_once_rearm, &[("back", &back)]),
            (Some(back), true) => fill(t.alert_every_rearm, &[("back", &back)]),
            (None, false) => t.alert_once.to_owned(),
            (None, true) => t.alert_every.to_owned(),
        });
        let date = |at| moment::date_and_time(at, self.now, self.zone, self.language);
        terms.extend(spec.expires_at.map(|at| fill(t.alert_expires, &[("date", &date(at))])));
        terms.extend(
            spec.snoozed_until
                .filter(|at| *at > self.now)
                .map(|at| fill(t.alert_snoozed, &[("date", &date(at))])),
        );
        terms.extend(spec.is_urgent.then(|| t.alert_urgent.to_owned()));
        let head = fill(head, &[("id", &id), ("condition_html", &condition)]);
        let past = alert.past.as_ref().and_then(|past| self.past(past));
        [Some(head), Some(terms.join(" ")), past].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// What must come true, as markup.
    pub(crate) fn condition(&self, spec: &Spec) -> String {
        let t = self.language.texts();
        let pair = spec.pair.as_ref().map(pair_name).unwrap_or_default();
        let price = |threshold: &Price| number::price(threshold.decimal(), self.language);
        let pct = |pct: &Decimal| number::brief_percent(*pct, self.language);
        let span = |ms: &i64| moment::span(*ms, self.language);
        let by_direction = |direction: &Direction, up, down, either| match direction {
            Direction::Up => up,
            Direction::Down => down,
            Direction::Either => either,
        };
        match &spec.condition {
            Condition::Cross { side, threshold } => {
                let text = if *side == Side::Above { t.cond_cross_above } else { t.cond_cross_below };
                fill(text, &[("pair", &pair), ("threshold", &price(threshold))])
            }
            Condition::Is { side, threshold } => {
                let text = if *side == Side::Above { t.cond_is_above } else { t.cond_is_below };
                fill(text, &[("pair", &pair), ("threshold", &price(threshold))])
            }
            Condition::Move { direction, pct: far, within_ms } => {
                let text = by_direction(direction, t.cond_rises, t.cond_falls, t.cond_moves);
                fill(text, &[("pair", &pair), ("pct", &pct(far)), ("span", &span(within_ms))])
            }
            Condition::MoveFromNow { direction, pct: far } => {
                let text = by_direction(
                    direction,
                    t.cond_rises_from_now,
                    t.cond_falls_from_now,
                    t.cond_moves_from_now,
                );
                fill(text, &[("pair", &pair), ("pct", &pct(far))])
            }
            Condition::Change24h { direction, pct: far } => {
                let text = by_direction(direction, t.cond_rises_24h, t.cond_falls_24h, t.cond_moves_24h);
                fill(text, &[("pair", &pair), ("pct", &pct(far))])
            }
            Condition::Spread { pct: far } => fill(t.cond_spread, &[("pair", &pair), ("pct", &pct(far))]),
            Condition::SourceDown { venue, for_ms } => {
                fill(t.cond_source_down, &[("venue", &self.world.venue(venue)), ("span", &span(for_ms))])
            }
        }
    }

    /// The same in the fewest words, for lists, as markup.
    pub(crate) fn condition_short(&self, spec: &Spec, setting: &Setting) -> String {
        let pair = spec.pair.as_ref().map(|pair| setting.pair_short(pair)).unwrap_or_default();
        self.short(&spec.condition, &pair)
    }

    /// Likewise, of a pair that is called so.
    pub(crate) fn short(&self, condition: &Condition, pair: &str) -> String {
        let t = self.language.texts();
        let price = |threshold: &Price| number::brief(threshold.decimal(), self.language);
        let pct = |pct: &Decimal| number::brief_percent(*pct, self.language);
        let span = |ms: &i64| moment::span(*ms, self.language);
        let sign = |direction: &Direction| match direction {
            Direction::Up => "+",
            Direction::Down => "−",
            Direction::Either => "±",
        };
        match condition {
            Condition::Cross { side, threshold } | Condition::Is { side, threshold } => {
                let text = if *side == Side::Above { t.short_above } else { t.short_below };
                fill(text, &[("pair", pair), ("threshold", &price(threshold))])
            }
            Condition::Move { direction, pct: far, within_ms } => fill(
                t.short_move,
                &[("pair", pair), ("sign", sign(direction)), ("pct", &pct(far)), ("span", &span(within_ms))],
            ),
            Condition::MoveFromNow { direction, pct: far } => {
                fill(t.short_move_from_now, &[("pair", pair), ("sign", sign(direction)), ("pct", &pct(far))])
            }
            Condition::Change24h { direction, pct: far } => {
                fill(t.short_move_24h, &[("pair", pair), ("sign", sign(direction)), ("pct", &pct(far))])
            }
            Condition::Spread { pct: far } => fill(t.short_spread, &[("pair", pair), ("pct", &pct(far))]),
            Condition::SourceDown { venue, for_ms } => {
                fill(t.short_source_down, &[("venue", &self.world.venue(venue)), ("span", &span(for_ms))])
            }
        }
    }

    /// `below 69,930.00`: whither the price must go back before an alert on a crossing is armed again.
    fn back(&self, spec: &Spec) -> Option<String> {
        let t = self.language.texts();
        let Condition::Cross { side, threshold } = &spec.condition else { return None };
        let far =
            threshold.decimal().abs().checked_mul(spec.hysteresis_pct)?.checked_div(Decimal::ONE_HUNDRED)?;
        let (text, back) = match side {
            Side::Above => (t.back_below, threshold.decimal().checked_sub(far)?),
            Side::Below => (t.back_above, threshold.decimal().checked_add(far)?),
        };
        Some(fill(text, &[("price", &number::price(back, self.language))]))
    }

    /// Why an alert cannot be, in the reader's language.
    pub(crate) fn spec_error(&self, error: &SpecError) -> String {
        let t = self.language.texts();
        match error {
            SpecError::Range { field: "pct", .. } => t.bad_pct.to_owned(),
            SpecError::Range { field: "within_ms" | "for_ms", .. } => t.bad_span.to_owned(),
            other => escape(&other.to_string()),
        }
    }
}

/// How far the price is from the threshold, in per cent of the price, with its sign.
fn needs(spec: &Spec, value: Price) -> Option<Decimal> {
    match &spec.condition {
        Condition::Cross { threshold, .. } | Condition::Is { threshold, .. } => {
            crate::day::change(value.decimal(), threshold.decimal())
        }
        _ => None,
    }
}

/// Whether the price is where the alert waits for it, or comes from the wrong side: then nothing is needed of it.
fn is_there(spec: &Spec, value: Price) -> bool {
    match &spec.condition {
        Condition::Cross { side, threshold } | Condition::Is { side, threshold } => match side {
            Side::Above => value > *threshold,
            Side::Below => value < *threshold,
        },
        _ => false,
    }
}

/// How far an alert is from firing, in per cent of the price, as far as that can be said.
pub(crate) fn distance(alert: &AlertView<'_>) -> Option<Decimal> {
    let value = alert.value?.decimal();
    let anchor = alert.progress.anchor.map(Price::decimal);
    match &alert.spec.condition {
        Condition::MoveFromNow { direction, pct } => {
            let far = anchor?.abs().checked_mul(*pct)?.checked_div(Decimal::ONE_HUNDRED)?;
            let up = crate::day::change(value, anchor?.checked_add(far)?)?.abs();
            let down = crate::day::change(value, anchor?.checked_sub(far)?)?.abs();
            Some(match direction {
                Direction::Up => up,
                Direction::Down => down,
                Direction::Either => up.min(down),
            })
        }
        _ => Some(needs(alert.spec, alert.value?)?.abs()),
    }
}
