//! An alert that a program or the operator asks for: kept with its webhook, and how it is shown.
//! It must not know HTTP, nor the command line.

use crate::{Condition, Progress, Spec, Target, signature};
use guard::Guard;
use market::{Price, Timestamp, VenueId};
use serde_json::{Value, json};
use store::{AlertRow, Alerts, NewAlert, Owner, StoreError, TradeInfo, TradeRow, WebhookRow, Webhooks};
use url::Url;

/// The longest address of a webhook.
const URL_BYTES_MAX: usize = 2_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// By whom.
    pub owner: Owner,
    /// What is waited for.
    pub spec: Spec,
    /// What the pair is worth now, if that is known and good.
    pub value: Option<Price>,
    /// Which address is told.
    pub url: String,
    /// What signs it; without one, what the webhook has, or a new one.
    pub secret: Option<String>,
    /// How many open alerts the owner may have.
    pub alerts_max: usize,
    /// How many webhooks.
    pub webhooks_max: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    Added {
        /// Its number.
        id: i64,
        /// Where it tells.
        webhook: WebhookRow,
        /// The webhook's secret was made now: to be shown this once.
        is_new_secret: bool,
    },
    /// One more than the owner may have of open alerts.
    TooManyAlerts,
    /// One more than the owner may have of webhooks.
    TooManyWebhooks,
}

/// Why it cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No secret can be made.
    #[error("the operating system gives no random bytes")]
    Random,
}

/// Keeps an alert and its webhook. The address must have been checked.
pub async fn keep<S: Alerts + Webhooks + ?Sized>(
    store: &S,
    wish: Wish,
    now: Timestamp,
) -> Result<Kept, KeepError> {
    let owner = wish.owner.to_string();
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| KeepError::Random)?;
    let made = signature::secret_of(&random);
    let webhook =
        store.put_webhook(&owner, &wish.url, wish.secret.as_deref(), &made, wish.webhooks_max, now).await?;
    let Some(webhook) = webhook else { return Ok(Kept::TooManyWebhooks) };
    let alert = NewAlert {
        owner,
        target: Target::Webhook(webhook.id).to_string(),
        pair: wish.spec.pair.as_ref().map(ToString::to_string).unwrap_or_default(),
        spec: wish.spec.to_json(),
        progress: Progress::new(&wish.spec, wish.value).to_json(),
    };
    match store.add_alert(&alert, wish.alerts_max, now).await? {
        Some(id) => Ok(Kept::Added { id, is_new_secret: webhook.secret == made, webhook }),
        None => Ok(Kept::TooManyAlerts),
    }
}

/// The venue that an alert watches, if no row asks anything of it: nobody waits for a venue that nobody asks.
pub async fn unasked_venue<'a, S: TradeInfo + ?Sized>(
    store: &S,
    spec: &'a Spec,
) -> Result<Option<&'a VenueId>, StoreError> {
    let Condition::SourceDown { venue, .. } = &spec.condition else { return Ok(None) };
    let rows = store.trade_rows().await?;
    let names = |row: &TradeRow| {
        row.venue.as_deref().is_some_and(|name| name.trim().eq_ignore_ascii_case(venue.as_str()))
    };
    Ok(if rows.iter().any(names) { None } else { Some(venue) })
}

/// Whether a webhook may be there; why not, in words that repeat nothing of it.
pub fn check_url(guard: &Guard, url: &str) -> Result<(), String> {
    if url.len() > URL_BYTES_MAX {
        return Err(format!("an address has at most {URL_BYTES_MAX} bytes"));
    }
    let url = Url::parse(url).map_err(|error| format!("it is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("a webhook is https:// or http://".to_owned());
    }
    guard.check(&url).map_err(|blocked| blocked.to_string())
}

/// An alert as programs are shown it: what was asked for, and how it is doing. Never the secret.
pub fn shown(row: &AlertRow, webhook: Option<&WebhookRow>) -> Value {
    let mut shown = match Spec::from_json(&row.spec) {
        Ok(spec) => {
            let mut shown = serde_json::to_value(&spec).unwrap_or_default();
            shown["text"] = spec.to_string().into();
            shown
        }
        Err(error) => json!({"invalid": error.to_string()}),
    };
    shown["id"] = row.id.into();
    shown["state"] = if row.is_open { "open" } else { "closed" }.into();
    shown["fired"] = row.fire_seq.into();
    shown["delivered_at"] = json!(row.delivered_at);
    shown["created_at"] = json!(row.created_at);
    shown["webhook"] = webhook.map_or(Value::Null, |hook| json!({"id": hook.id, "url": hook.url}));
    shown
}

/// The names of what may be asked for, as [`Spec`] reads them.
pub const MEMBERS: [&str; 9] = [
    "pair",
    "condition",
    "repeat",
    "hysteresis_pct",
    "cooldown_ms",
    "expires_at",
    "snoozed_until",
    "is_urgent",
    "quiet",
];

#[cfg(test)]
mod tests {
    use super::*;
    use guard::SystemResolver;
    use std::{sync::Arc, time::Duration};

    #[test]
    fn an_address_is_checked_without_being_repeated() {
        let guard = Guard::new(&[], Arc::new(SystemResolver), Duration::from_secs(1));
        for (url, is_good) in [
            ("https://hooks.example/in?token=canary", true),
            ("http://93.184.215.14:8080/", true),
            ("http://127.0.0.1/canary", false),
            ("http://[::ffff:10.0.0.1]/canary", false),
            ("https://user:canary@hooks.example/", false),
            ("wss://hooks.example/canary", false),
            ("file:///canary", false),
            ("canary", false),
            (&format!("https://hooks.example/{}", "x".repeat(2_000)), false),
        ] {
            let checked = check_url(&guard, url);
            assert_eq!(checked.is_ok(), is_good, "{url}: {checked:?}");
            assert!(!checked.err().unwrap_or_default().contains("canary"));
        }
    }

    #[test]
    fn every_member_of_a_spec_may_be_asked_for() {
        let line = "BTC-USDT above 1 repeat until 2030-01-01T00:00Z quiet 22:00-08:00 Europe/Berlin";
        let mut spec = crate::parse(line).unwrap();
        spec.snoozed_until = spec.expires_at;
        let value = serde_json::to_value(spec).unwrap();
        let mut members: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = MEMBERS.to_vec();
        members.sort_unstable();
        known.sort_unstable();
        assert_eq!(members, known);
    }
}
