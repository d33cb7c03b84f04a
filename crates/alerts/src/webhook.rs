//! Carries messages to webhooks: one signed POST each, through the address guard, never redirected.
//! It must not know what a message says, nor when it is taken.
//!
//! What is sent: `{"v":1,"id":"…","kind":"fired","repeat":false,"created_at":…,"data":{…}}`, where `data` is the message's
//! body (for `fired` a [`crate::Firing`]). `id`, also in the header `webhook-id`, is the same however often the message is
//! sent: a receiver that remembers it hears everything once. `repeat` says that an earlier attempt may have arrived.
//! Any 2xx is an answer; 410 and an address that leads inwards by itself end it; everything else, a name that leads inwards
//! too, is tried again, first after seconds, then hourly, for a day.

use crate::{Sender, Start, Target, ask::check_url, signature};
use again::growing;
use async_trait::async_trait;
use clock::Clock;
use guard::{Answer, Ask, Client, FetchError, Guard, Resolver};
use ipnet::IpNet;
use market::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use std::{sync::Arc, time::Duration};
use store::{Message, Outcome, WebhookRow, Webhooks};

/// How it sends.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Networks that may be dialled though they are not public.
    pub allow_private: Vec<IpNet>,
    /// From the dial to the answer's head.
    pub timeout: Duration,
    /// The first wait after a failure; twice as long each time.
    pub retry_first: Duration,
    /// The longest wait.
    pub retry_max: Duration,
    /// A message that has not arrived in this time is given up.
    pub give_up_after: Duration,
}

impl Default for WebhookSettings {
    fn default() -> WebhookSettings {
        WebhookSettings {
            allow_private: Vec::new(),
            timeout: Duration::from_secs(10),
            retry_first: Duration::from_secs(5),
            retry_max: Duration::from_secs(3_600),
            give_up_after: Duration::from_secs(24 * 3_600),
        }
    }
}

/// Why there is no sender: only a broken build can be the cause.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// TLS has no usable protocol.
    #[error("TLS can't be set up")]
    Tls(#[from] guard::TlsError),
    /// The HTTP client cannot be built.
    #[error("the HTTP client can't be set up")]
    Http(#[from] guard::ClientError),
}

/// However late it is, so many attempts are made: the first one may come long after the message, if nobody was there.
const ATTEMPTS_MIN: i64 = 5;

/// While the store does not say where a webhook is.
const TROUBLE_MS: i64 = 5_000;

/// Carries messages to webhooks.
pub struct WebhookSender {
    webhooks: Arc<dyn Webhooks>,
    guard: Guard,
    client: Client,
    clock: Clock,
    settings: WebhookSettings,
}

/// What is sent.
#[derive(Serialize)]
struct Envelope<'a> {
    v: u32,
    id: &'a str,
    kind: &'a str,
    repeat: bool,
    created_at: Timestamp,
    data: &'a RawValue,
}

impl WebhookSender {
    /// A sender behind a guard of its own.
    pub fn new(
        webhooks: Arc<dyn Webhooks>,
        clock: Clock,
        settings: WebhookSettings,
        resolver: Arc<dyn Resolver>,
    ) -> Result<WebhookSender, WebhookError> {
        let guard = Guard::new(&settings.allow_private, resolver, settings.timeout);
        let client = Client::new(guard.clone(), clock, guard::tls()?)?;
        Ok(WebhookSender { webhooks, guard, client, clock, settings })
    }

    async fn post(&self, webhook: &WebhookRow, message: &Message) -> Outcome {
        let now = self.clock.now();
        let dead = |error: &str| Outcome::Dead { error: error.to_owned() };
        let id = format!("msg_{}", message.id);
        let Ok(data) = serde_json::from_str(&message.body) else { return dead("its body is no JSON") };
        let envelope = Envelope {
            v: 1,
            id: &id,
            kind: &message.kind,
            repeat: message.is_repeat,
            created_at: message.created_at,
            data,
        };
        let Ok(body) = serde_json::to_string(&envelope) else { return dead("its body is no JSON") };
        let timestamp_s = now.millis().div_euclid(1_000);
        let Some(signature) = signature::sign(&webhook.secret, &id, timestamp_s, &body) else {
            return dead("it cannot be signed");
        };
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.clone()),
            ("webhook-timestamp", timestamp_s.to_string()),
            ("webhook-signature", signature),
        ];
        let ask = Ask {
            method: "POST",
            url: &webhook.url,
            headers: &headers.map(|(name, value)| (name.to_owned(), value)),
            etag: None,
            body: Some(&body),
            timeout: self.settings.timeout,
            body_bytes_max: 0,
        };
        let outcome = match self.client.fetch(&ask).await {
            Ok(answer) => self.judge(message, &answer),
            Err(error) => self.failed(message, &error),
        };
        self.or_dead(message, outcome)
    }

    fn judge(&self, message: &Message, answer: &Answer) -> Outcome {
        let status = answer.status.as_u16();
        match status {
            200..=299 => Outcome::Sent,
            410 => Outcome::Dead { error: "HTTP 410: it wants no more".to_owned() },
            _ => {
                let at = self.retry_at(message);
                let error = match status {
                    300..=399 => format!("HTTP {status}: redirects are not followed"),
                    _ => format!("HTTP {status}"),
                };
                Outcome::Retry { at: answer.retry_at.map_or(at, |asked| asked.max(at)), error }
            }
        }
    }

    fn failed(&self, message: &Message, error: &FetchError) -> Outcome {
        // Never with the address: it may be a secret.
        let said = error.to_string();
        match error {
            FetchError::Request(_) => Outcome::Dead { error: said },
            // The address itself was judged before: its name leads inwards now, and need not for ever.
            error if error.is_unsent() => Outcome::Retry { at: self.retry_at(message), error: said },
            _ => Outcome::Ambiguous { at: self.retry_at(message), error: said },
        }
    }

    /// What would be tried again when nobody waits for it any more is given up.
    fn or_dead(&self, message: &Message, outcome: Outcome) -> Outcome {
        let last = message.created_at.plus(self.settings.give_up_after);
        match outcome {
            Outcome::Retry { at, error } | Outcome::Ambiguous { at, error }
                if message.attempts >= ATTEMPTS_MIN && at > last =>
            {
                Outcome::Dead { error: format!("given up after {} attempts: {error}", message.attempts) }
            }
            other => other,
        }
    }

    fn retry_at(&self, message: &Message) -> Timestamp {
        let attempts = u32::try_from(message.attempts).unwrap_or(u32::MAX);
        let wait = growing(self.settings.retry_first, self.settings.retry_max, attempts);
        self.clock.now().plus(wait)
    }
}

#[async_trait]
impl Sender for WebhookSender {
    async fn send(&self, group: &[Message], start: &Start) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; group.len()];
        let Some(message) = group.first() else { return Vec::new() };
        let Ok(Target::Webhook(id)) = message.target.parse() else {
            return all(Outcome::Dead { error: "the target is no webhook".to_owned() });
        };
        let webhook = match self.webhooks.webhook(id).await {
            Ok(Some(webhook)) => webhook,
            Ok(None) => return all(Outcome::Dead { error: "the webhook is gone".to_owned() }),
            Err(_) => return all(Outcome::NotNow { at: self.clock.now().plus_millis(TROUBLE_MS) }),
        };
        if let Err(error) = check_url(&self.guard, &webhook.url) {
            return all(Outcome::Dead { error });
        }
        if !start.first(1).await {
            return Vec::new();
        }
        vec![self.post(&webhook, message).await]
    }
}
