//! How often an alert would have fired, as far as candles tell in a moment, in words.
//! It must not keep a reply waiting for it, nor make one fail.

use crate::{card::View, here::Here, html::fill, moment};
use alerts::{Preview, Spec};

const DAYS: i64 = 7;
const WEEK_MS: i64 = DAYS * 86_400_000;
/// A history that lacks no more than this is called a week.
const LACKS_MAX_MS: i64 = 30 * 60_000;
/// A shorter history says nothing.
const HISTORY_MIN_MS: i64 = 10 * 60_000;

impl Here<'_> {
    /// How often it would have fired; `None` where candles do not tell, or do not come at once.
    pub(crate) async fn past(&self, spec: &Spec) -> Option<Preview> {
        let (store, within) = (&*self.world.parts.store, self.world.parts.past_within);
        if self.world.is_store_resting() || within.is_zero() {
            return None;
        }
        // Nobody misses it: that it did not come in time says nothing about the store.
        let told = tokio::time::timeout(within, alerts::preview_days(store, spec, DAYS, self.now)).await;
        told.ok()?.inspect_err(|error| tracing::debug!(%error, "candles do not tell what was")).ok()?
    }
}

impl View<'_> {
    /// `Would have fired 3 times in the last 7 days.` Of a history too short to tell, nothing.
    pub(crate) fn past(&self, past: &Preview) -> Option<String> {
        let t = self.language.texts();
        let known_ms = self.now.millis_since(past.since);
        let when = match known_ms {
            ..HISTORY_MIN_MS => return None,
            ms if ms + LACKS_MAX_MS >= WEEK_MS => t.past_week.to_owned(),
            ms => fill(t.past_shorter, &[("span", &moment::span(rounded(ms), self.language))]),
        };
        let times = self.language.count(past.count.into(), |n| &n.time);
        Some(match past.count {
            0 => fill(t.alert_past_never, &[("when", &when)]),
            1 => fill(t.alert_past_once, &[("when", &when)]),
            _ => fill(t.alert_past, &[("times", &times), ("when", &when)]),
        })
    }
}

/// Whole hours, once there are some: nobody counts the minutes of a day.
fn rounded(ms: i64) -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    if ms < 2 * HOUR_MS { ms } else { (ms + HOUR_MS / 2) / HOUR_MS * HOUR_MS }
}
